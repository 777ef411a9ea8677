"""What botocore raises, as errors that have an answer."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from zlib import crc32

from botocore.exceptions import BotoCoreError, ClientError

from agents.errors import InternalError, ServiceUnavailable

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.model import OperationModel

# The request itself was wrong, which is our fault and no retry will mend.
_OUR_FAULT = frozenset(("ValidationException", "SerializationException"))
# The answer to a conditional write, for its caller to read.
_CONDITION_FAILED = frozenset(("ConditionalCheckFailedException", "TransactionCanceledException"))


class ForeignAnswerError(BotoCoreError):
    """Something that is not the service has answered 200."""

    fmt = "The answer is not the service's."


def refuse_foreign_answer(operation_model: "OperationModel", response_dict: Mapping[str, Any], **_: object) -> None:
    """Refuse an answer that says nothing of what was asked, unless DynamoDB vouches for it with its checksum.

    botocore takes a body that it cannot read, such as a proxy's page, for an empty answer. Believed, that would be a
    key that does not exist, or a write that succeeded. KMS has no empty answer.

    Parameters
    ----------
    operation_model, response_dict
        What botocore's event ``before-parse`` brings.

    Raises
    ------
    ForeignAnswerError
        When it is not the service that has answered.
    """
    if response_dict["status_code"] != HTTPStatus.OK or "x-amz-crc32" in response_dict["headers"]:
        return
    try:
        content = json.loads(response_dict["body"])
    except ValueError:
        content = None
    expected = operation_model.output_shape.members if operation_model.output_shape else {}
    if not isinstance(content, dict) or content.keys().isdisjoint(expected):
        raise ForeignAnswerError


def refuse_spoiled_answer(http_response: "AWSResponse", **_: object) -> None:
    """Refuse an answer of DynamoDB whose checksum is wrong: after its last attempt, botocore takes it as it is.

    Parameters
    ----------
    http_response
        What botocore's event ``after-call`` brings.

    Raises
    ------
    ForeignAnswerError
        When it is not what the service has answered.
    """
    checksum = http_response.headers.get("x-amz-crc32")
    if checksum is not None and checksum != str(crc32(http_response.content)):
        raise ForeignAnswerError


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Turn the errors of the AWS calls inside into ours.

    Parameters
    ----------
    operation : str
        Name of the call for the log: ``PutItem``.

    Raises
    ------
    ClientError
        When a condition failed, which is an answer and no error.
    ServiceUnavailable
        When the service throttled, failed, timed out or refused us. The call may have had its effect all the same.
    InternalError
        When the service calls the request malformed. It had no effect.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _CONDITION_FAILED:
            raise
        kind = InternalError if code in _OUR_FAULT else ServiceUnavailable
        # Not chained: botocore's messages can hold values.
        raise kind(internal=f"{operation}: {code}") from None
    except BotoCoreError as error:
        raise ServiceUnavailable(internal=f"{operation}: {type(error).__name__}") from None

"""What botocore raises, as errors that have an answer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from zlib import crc32

from botocore.exceptions import BotoCoreError, ClientError

from agents.errors import InternalError, ServiceUnavailable

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

# The request itself was wrong, which is our fault and no retry will mend.
_OUR_FAULT = frozenset(("ValidationException", "SerializationException"))
# The answer to a conditional write, for its caller to read.
_CONDITION_FAILED = frozenset(("ConditionalCheckFailedException", "TransactionCanceledException"))


class ForeignAnswerError(BotoCoreError):
    """Something that is not the service has answered, or has spoiled its answer."""

    fmt = "The answer is not the service's."


def refuse_foreign_answer(http_response: "AWSResponse", parsed: Mapping[str, Any], **_: object) -> None:
    """Refuse an answer that is not the service's, or that DynamoDB's checksum does not vouch for.

    botocore takes a body that it cannot read, such as a proxy's page, for an empty answer, and after its last attempt
    any checksum for a right one. Believed, that would be a key that does not exist, or a write that succeeded.

    Parameters
    ----------
    http_response, parsed
        What botocore's event ``after-call`` brings.

    Raises
    ------
    ForeignAnswerError
        When the status is a success but not 200; when the checksum is wrong; when there is none, as with KMS, and the
        answer says nothing.
    """
    status, checksum = http_response.status_code, http_response.headers.get("x-amz-crc32")
    if checksum is None:
        is_genuine = bool(parsed.keys() - {"ResponseMetadata"})  # errors say something
    else:
        is_genuine = checksum == str(crc32(http_response.content))
    if HTTPStatus.OK < status < HTTPStatus.MULTIPLE_CHOICES or not is_genuine:
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
    except Exception as error:  # noqa: BLE001 - botocore raises anything over an answer that it cannot read
        raise ServiceUnavailable(internal=f"{operation}: {type(error).__name__}") from None

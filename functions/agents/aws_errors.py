"""What botocore raises, as errors that have an answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from agents.errors import InternalError, ServiceUnavailable

# The request itself was wrong, which is our fault and no retry will mend.
_OUR_FAULT = frozenset(("ValidationException", "SerializationException"))
# The answer to a conditional write, for its caller to read.
_CONDITION_FAILED = frozenset(("ConditionalCheckFailedException", "TransactionCanceledException"))


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

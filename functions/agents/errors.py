"""Everything that goes wrong, as one tree; an error is an answer.

::

    ApiError
    ├── InvalidJson            400  not JSON, not an object, not UTF-8, empty
    ├── ValidationFailed       400  every fault of the body at once
    ├── MissingHeader          400
    ├── InvalidHeader          400
    ├── Unauthorized           401
    │   ├── MissingApiKey
    │   └── InvalidApiKey           unknown, revoked and expired look the same
    ├── WorkspaceForbidden     403  says nothing of whether the workspace exists
    ├── NotFound               404
    ├── MethodNotAllowed       405
    ├── Conflict               409  an operator's command meets another state
    ├── PayloadTooLarge        413
    ├── UnsupportedMediaType   415
    ├── IdempotencyKeyReused   422
    ├── RateLimitExceeded      429
    ├── InternalError          500  no detail of the inside, ever
    │   └── DeploymentError         a variable of the environment is missing
    └── ServiceUnavailable     503  nothing was written, or the retry finds it

An error has two messages: the public one is answered, ``internal`` is only logged. Neither may hold a value that a
client sent: a secret could be in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import PurePath
from traceback import extract_tb
from typing import Any, ClassVar

from agents.times import iso

MAX_DETAILS = 100
"""Faults that are looked for in one body; 256 KiB can hold tens of thousands."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one field.

    Parameters
    ----------
    path : str
        Where: ``ttsModel.voiceId``, ``phoneNumberIds[2]``. Empty for the body as a whole.
    code : str
        What, for programs: ``missing``, ``string_type``.
    message : str
        What was expected, for people. Never the value.
    """

    path: str
    code: str
    message: str


class ApiError(Exception):
    """Base of the tree: an error that has an answer.

    Parameters
    ----------
    message : str, optional
        Public message; the class's own when left out.
    faults : Sequence[Fault]
        Answered as ``error.details``.
    internal : str
        For the log only: the name of a cause, never a value that was sent.
    headers, members : Mapping
        What this one adds to the answer's headers and to the body's ``error``.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str]
    message: ClassVar[str]
    headers: Mapping[str, str] = {}
    members: Mapping[str, str] = {}

    def __init__(
        self,
        message: str | None = None,
        *,
        faults: Sequence[Fault] = (),
        internal: str = "",
    ) -> None:
        self.public = self.message if message is None else message
        self.faults = faults
        self.internal = internal
        super().__init__(f"{self.status} {self.code}")


class InvalidJson(ApiError):
    """The body is not a JSON object in UTF-8 (RFC 8259)."""

    status = 400
    code = "invalid_json"
    message = "Send the agent as one JSON object, encoded in UTF-8."

    @classmethod
    def because(cls, problem: str) -> "InvalidJson":
        """Make the error with a sentence on what is wrong before the one on what to do."""
        return cls(f"{problem} {cls.message}")


class ValidationFailed(ApiError):
    """The body is JSON, but not what the API page asks for."""

    status = 400
    code = "validation_error"

    def __init__(self, faults: Sequence[Fault]) -> None:
        first = faults[0]
        more = f" (and {len(faults) - 1} more, see error.details)" if len(faults) > 1 else ""
        message = f"{first.path}: {first.message}{more}" if first.path else f"{first.message}{more}"
        super().__init__(message, faults=faults)


class MissingHeader(ApiError):
    """A required header is absent or blank."""

    status = 400
    code = "missing_header"
    message = "Send the workspace's id in the x-workspace-id header. It was given to you together with the API key."


class InvalidHeader(ApiError):
    """A header has a value outside its rule."""

    status = 400
    code = "invalid_header"
    message = "The Idempotency-Key header must be 1 to 255 visible ASCII characters, such as a UUID, or be left out."


class Unauthorized(ApiError):
    """The caller is not known; RFC 9110 §15.5.2 asks for the challenge."""

    status = 401
    headers: Mapping[str, str] = {"WWW-Authenticate": 'ApiKey realm="agents"'}


class MissingApiKey(Unauthorized):
    """No ``x-api-key``."""

    code = "missing_api_key"
    message = "Send your API key in the x-api-key header. No other header is read for it."


class InvalidApiKey(Unauthorized):
    """A key that opens nothing: malformed, unknown, revoked or expired, all alike."""

    code = "invalid_api_key"
    message = (
        "This API key is not valid: it is mistyped, revoked or expired. Check it, or ask the person who issued it "
        "for a new one."
    )


class WorkspaceForbidden(ApiError):
    """The key is valid, for another workspace."""

    status = 403
    code = "workspace_forbidden"
    message = (
        "This API key has no access to the workspace in the x-workspace-id header. Send the id that came with the key."
    )


class NotFound(ApiError):
    """There is no such thing here."""

    status = 404
    code = "not_found"
    message = "There is nothing here. The API is POST /v1/api/agents."


class MethodNotAllowed(ApiError):
    """The path is right, the method is not; RFC 9110 §15.5.6 asks for ``Allow``."""

    status = 405
    code = "method_not_allowed"
    message = "Use POST: this endpoint only creates agents."
    headers: Mapping[str, str] = {"Allow": "POST"}


class Conflict(ApiError):
    """The command does not fit the state that it met."""

    status = 409
    code = "conflict"


class PayloadTooLarge(ApiError):
    """The body, or the item made of it, is over the limit."""

    status = 413
    code = "payload_too_large"
    message = "The body must not be larger than 256 KiB. Shorten or leave out what is long."


class UnsupportedMediaType(ApiError):
    """The ``Content-Type`` is not JSON; ``Accept`` in the answer names what is accepted (RFC 9110 §15.5.16)."""

    status = 415
    code = "unsupported_media_type"
    message = "Send the body as JSON, with the header Content-Type: application/json."
    headers: Mapping[str, str] = {"Accept": "application/json"}


class IdempotencyKeyReused(ApiError):
    """The ``Idempotency-Key`` has created another agent before."""

    status = 422
    code = "idempotency_key_reused"
    message = (
        "This Idempotency-Key was used with another body before. Use a new key for a new agent. To get the first "
        "agent's answer again, send its body unchanged."
    )


class RateLimitExceeded(ApiError):
    """The API key has used up its minute (RFC 6585 §4).

    Parameters
    ----------
    seconds : int
        Until the next minute begins; 1 at least.
    reset_at : datetime
        When it begins, in UTC.
    headers : Mapping[str, str]
        The RateLimit fields.
    """

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, seconds: int, reset_at: datetime, headers: Mapping[str, str]) -> None:
        super().__init__(f"This API key has sent too many requests. Wait {seconds} s, then send this one again.")
        self.headers = {**headers, "Retry-After": str(seconds)}
        self.members = {"reset_at": iso(reset_at)}


class InternalError(ApiError):
    """A fault on the server's side."""

    code = "internal_error"
    message = (
        "Something went wrong on our side. Report it with the requestId. If the request had an Idempotency-Key, you "
        "can safely send it again with the same key."
    )


class DeploymentError(InternalError):
    """The environment lacks something. ``internal`` names the variable, never its value."""


class ServiceUnavailable(ApiError):
    """The database or the key service throttled, failed or timed out."""

    status = 503
    code = "service_unavailable"
    message = (
        "The service is busy. Wait as long as Retry-After says, then send the same request again, with the same "
        "Idempotency-Key if it had one."
    )
    headers: Mapping[str, str] = {"Retry-After": "1"}


def as_api_error(error: Exception) -> ApiError:
    """Turn any exception into an error that has an answer.

    Parameters
    ----------
    error : Exception
        What was raised.

    Returns
    -------
    ApiError
        The error itself when it is one; else an InternalError that tells the log the type and the way to it, but not
        the text: libraries put values into theirs.
    """
    if isinstance(error, ApiError):
        return error
    steps = [f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    return InternalError(internal=f"{type(error).__name__} at {' > '.join(steps)}")


def render(error: ApiError, request_id: str) -> dict[str, Any]:
    """Make the body of an error's answer: the one shape that every error has.

    Parameters
    ----------
    error : ApiError
        What went wrong.
    request_id : str
        Under which the log has the rest.

    Returns
    -------
    dict
        ``{"message", "error": {"code", "message", "requestId", "reset_at"?, "details"?}}``; ``message`` stands twice
        because the vendor's SDK and the gateway's own answers have it on top, the API page inside.
    """
    inner: dict[str, Any] = {"code": error.code, "message": error.public, "requestId": request_id, **error.members}
    if error.faults:
        inner["details"] = [asdict(fault) for fault in error.faults]
    return {"message": error.public, "error": inner}

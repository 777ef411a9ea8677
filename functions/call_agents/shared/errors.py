"""Everything that goes wrong for a caller, as one tree. Every error is a response.

::

    ApiError
    ├── InvalidJson            400  not JSON, not an object, not UTF-8, empty
    ├── ValidationFailed       400  all field errors of the body at once
    │   └── NotAllowed              every one is about the deployment's lists
    ├── MissingHeader          400
    ├── InvalidHeader          400
    ├── Unauthorized           401
    │   ├── MissingApiKey
    │   └── InvalidApiKey           unknown, revoked and expired look the same
    ├── WorkspaceForbidden     403  says nothing of whether the workspace exists
    ├── NotFound               404
    │   └── AgentNotFound           malformed, unknown and another workspace's look the same
    ├── MethodNotAllowed       405
    ├── Conflict               409  an operator's command does not fit the state
    ├── PayloadTooLarge        413
    ├── UnsupportedMediaType   415
    │   └── UnsupportedEncoding
    ├── IdempotencyKeyReused   422
    ├── RateLimitExceeded      429
    ├── InternalError          500  never shows internal details
    │   └── ConfigError             an environment variable is missing or wrong
    └── ServiceUnavailable     503  nothing was written, or a retry with the same key finds it
        ├── Throttled
        └── UnknownOutcome          it is unknown whether a write took effect

An error has two messages: the public one is sent to the caller, ``internal`` is only logged. Neither may hold a value
that a caller sent, because it could be a secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePath
from traceback import extract_tb
from typing import Any, ClassVar

from call_agents.shared.field_errors import FieldError

_ENDPOINTS = "Create an agent with POST /v1/api/agents, and read it with GET /v1/api/agents/{agentId}."

MAX_DETAILS = 100
"""Field errors reported for one body; 256 KiB can hold tens of thousands."""


class ApiError(Exception):
    """Base of the tree: an error that has a response.

    Parameters
    ----------
    message : str, optional
        Public message; the class's own when left out.
    details : Sequence[FieldError]
        Returned as ``error.details``.
    internal : str
        For the log only: the name of the cause, never a value that was sent.
    headers, members : Mapping
        What the class adds to the response's headers and to the body's ``error``.
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
        details: Sequence[FieldError] = (),
        internal: str = "",
    ) -> None:
        self.public = self.message if message is None else message
        self.details = details
        self.internal = internal
        super().__init__(f"{self.status} {self.code}")

    def log_fields(self) -> dict[str, str]:
        """Return what the log line says about the error."""
        return {"outcome": self.code, "cause": self.internal}


class InvalidJson(ApiError):
    """The body is not a JSON object in UTF-8 (RFC 8259)."""

    status = 400
    code = "invalid_json"
    message = "Send the agent as one JSON object, encoded in UTF-8."

    @classmethod
    def because(cls, problem: str) -> "InvalidJson":
        """Return the error with a sentence on what is wrong before the one on what to do."""
        return cls(f"{problem} {cls.message}")


class ValidationFailed(ApiError):
    """The body is JSON, but its fields are wrong."""

    status = 400
    code = "validation_error"

    def __init__(self, details: Sequence[FieldError]) -> None:
        first = details[0]
        more = f" (and {len(details) - 1} more, see error.details)" if len(details) > 1 else ""
        message = f"{first.path}: {first.message}{more}" if first.path else f"{first.message}{more}"
        super().__init__(message, details=details)


class NotAllowed(ValidationFailed):
    """The body is valid, but for values that the deployment's lists do not have, or no longer have."""


class MissingHeader(ApiError):
    """A required header is absent or blank."""

    status = 400
    code = "missing_header"
    message = "Send the workspace's id in the x-workspace-id header. It was given to you together with the API key."


class InvalidHeader(ApiError):
    """A header has an invalid value."""

    status = 400
    code = "invalid_header"
    message = "The Idempotency-Key header must be 1 to 255 visible ASCII characters, such as a UUID, or be left out."


class Unauthorized(ApiError):
    """The caller is unknown; RFC 9110 §15.5.2 requires the challenge header."""

    status = 401
    headers: Mapping[str, str] = {"WWW-Authenticate": 'ApiKey realm="agents"'}


class MissingApiKey(Unauthorized):
    """No ``x-api-key``."""

    code = "missing_api_key"
    message = "Send your API key in the x-api-key header. No other header is read for it."


class InvalidApiKey(Unauthorized):
    """The key is malformed, unknown, revoked or expired; the response is the same for all."""

    code = "invalid_api_key"
    message = (
        "This API key is not valid: it is mistyped, revoked or expired. Check it, or ask the person who issued it "
        "for a new one."
    )


class WorkspaceForbidden(ApiError):
    """The key is valid, but for another workspace."""

    status = 403
    code = "workspace_forbidden"
    message = (
        "This API key has no access to the workspace in the x-workspace-id header. Send the id that came with the key."
    )


class NotFound(ApiError):
    """Nothing exists at this path or under this id."""

    status = 404
    code = "not_found"
    message = f"There is nothing here. {_ENDPOINTS}"


class AgentNotFound(NotFound):
    """The workspace has no such agent; the response does not say whether another one has."""

    code = "agent_not_found"
    message = "This workspace has no agent with this id. Send the _id of a response, 24 characters, unchanged."


class MethodNotAllowed(ApiError):
    """The path is right, the method is not; RFC 9110 §15.5.6 requires ``Allow``."""

    status = 405
    code = "method_not_allowed"
    message = f"This method cannot be used here. {_ENDPOINTS}"

    def __init__(self, *allowed: str) -> None:
        super().__init__()
        self.headers = {"Allow": ", ".join(allowed)}


class Conflict(ApiError):
    """The command does not fit the current state."""

    status = 409
    code = "conflict"


class PayloadTooLarge(ApiError):
    """The body is over the limit."""

    status = 413
    code = "payload_too_large"
    message = "The body must not be larger than 256 KiB. Shorten or remove long fields."


class UnsupportedMediaType(ApiError):
    """The ``Content-Type`` is not JSON; the response's ``Accept`` says what is accepted (RFC 9110 §15.5.16)."""

    status = 415
    code = "unsupported_media_type"
    message = "Send the body as JSON, with the header Content-Type: application/json."
    headers: Mapping[str, str] = {"Accept": "application/json"}


class UnsupportedEncoding(UnsupportedMediaType):
    """The body is compressed; the response's ``Accept-Encoding`` says what is accepted (RFC 9110 §12.5.3)."""

    message = "Send the body uncompressed, without the header Content-Encoding."
    headers: Mapping[str, str] = {**UnsupportedMediaType.headers, "Accept-Encoding": "identity"}


class IdempotencyKeyReused(ApiError):
    """The ``Idempotency-Key`` was used with another body before."""

    status = 422
    code = "idempotency_key_reused"
    message = (
        "This Idempotency-Key was used with another body before. Use a new key for a new agent. To get the first "
        "response again, send its body unchanged."
    )


class RateLimitExceeded(ApiError):
    """The API key has sent too much in this minute (RFC 6585 §4).

    Parameters
    ----------
    message : str
        Public message.
    seconds : int
        Until the next minute begins, 1 or more.
    reset_at : str
        When it begins, ISO 8601 in UTC.
    headers : Mapping[str, str]
        The RateLimit headers.
    """

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, message: str, seconds: int, reset_at: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.headers = {**headers, "Retry-After": str(seconds)}
        self.members = {"reset_at": reset_at}


class InternalError(ApiError):
    """A bug or a misconfiguration on our side."""

    code = "internal_error"
    message = (
        "Something went wrong on our side. Report it with the requestId. If the request had an Idempotency-Key, you "
        "can safely send it again with the same key."
    )


class ConfigError(InternalError):
    """An environment variable is missing or wrong. ``internal`` names it, never its value."""


class ServiceUnavailable(ApiError):
    """The database or another service that is needed failed or timed out, or the time was up."""

    status = 503
    code = "service_unavailable"
    message = (
        "The service is busy. Wait as long as Retry-After says, then send the same request again, with the same "
        "Idempotency-Key if it had one."
    )
    headers: Mapping[str, str] = {"Retry-After": "1"}


class Throttled(ServiceUnavailable):
    """AWS has too much to do right now."""


class UnknownOutcome(ServiceUnavailable):
    """It is unknown whether a write took effect: reading the item failed, too, or found nothing.

    Parameters
    ----------
    internal : str
        The last failure.
    write : str
        The failure of the write.
    """

    def __init__(self, *, internal: str, write: str) -> None:
        super().__init__(internal=internal)
        self._write = write

    def log_fields(self) -> dict[str, str]:
        """Return what the log line says about the error."""
        return {**super().log_fields(), "unknownOutcome": self._write}


def as_api_error(error: Exception) -> ApiError:
    """Return the error itself if it is an ApiError, else an InternalError.

    The log gets the exception's type and the lines it passed through, but not its text: libraries put values into it.
    """
    if isinstance(error, ApiError):
        return error
    steps = [f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    return InternalError(internal=f"{type(error).__name__} at {' > '.join(steps)}")


def render(error: ApiError, request_id: str) -> dict[str, Any]:
    """Return the body of an error response; every error has this shape.

    Parameters
    ----------
    error : ApiError
        What went wrong.
    request_id : str
        The id under which the log has the cause.

    Returns
    -------
    dict
        ``{"message", "error": {"code", "message", "requestId", "reset_at"?, "details"?}}``. ``message`` is there twice:
        the vendor's SDK and the gateway's own responses have it at the top, the API page has it in ``error``.
    """
    inner: dict[str, Any] = {"code": error.code, "message": error.public, "requestId": request_id, **error.members}
    if error.details:
        inner["details"] = [asdict(detail) for detail in error.details]
    return {"message": error.public, "error": inner}

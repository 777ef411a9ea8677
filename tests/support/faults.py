"""Faults of AWS, put into a real client: its own code retries, parses and raises."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError


def lose_requests(client: Any, operation: str) -> list[str]:
    """Let no request of an operation arrive; return the list in which each attempt is noted."""
    return _fail(client.meta.events.register_first, operation, ConnectionClosedError)


def lose_responses(client: Any, operation: str, times: int = 99) -> list[str]:
    """Let the requests of an operation arrive and lose their responses, so many times."""
    return _fail(client.meta.events.register_last, operation, ReadTimeoutError, times)


def refuse(client: Any, operation: str, code: str, **members: object) -> list[str]:
    """Let the service respond to an operation with an error."""
    error = {"Error": {"Code": code, "Message": "secret-value"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return respond_with(client, operation, {**error, **members}, status=400)


def respond_with(client: Any, operation: str, parsed: dict[str, Any], *, status: int = 200) -> list[str]:
    """Let the service respond to an operation with this; return the list in which each attempt is noted."""
    attempts: list[str] = []

    def respond(**_: object) -> tuple[AWSResponse, dict[str, Any]]:
        attempts.append(operation)
        return AWSResponse("http://aws", status, HTTPHeaders(), None), parsed

    client.meta.events.register(f"before-call.{client.meta.service_model.service_id.hyphenize()}.{operation}", respond)
    return attempts


def respond_instead(client: Any, body: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
    """Let something else respond to every request of a client."""

    def respond(request: Any, **_: object) -> AWSResponse:
        raw = SimpleNamespace(stream=lambda **_: iter([body]))
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(dict(headers or {})), raw)

    client.meta.events.register_first("before-send", respond)


def _fail(
    register: Callable[[str, Any], None],
    operation: str,
    error: type[ConnectionClosedError | ReadTimeoutError],
    times: int = 99,
) -> list[str]:
    attempts: list[str] = []

    def fail(request: Any, event_name: str, **_: object) -> None:
        if not event_name.endswith(f".{operation}"):
            return
        attempts.append(operation)
        if len(attempts) <= times:
            raise error(endpoint_url=request.url)

    # On the bare event, as moto is: more specific handlers would all run before it.
    register("before-send", fail)
    return attempts

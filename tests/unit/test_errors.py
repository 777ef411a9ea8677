"""Errors are responses of one shape and never show internal details."""

import re
from collections.abc import Iterator, Mapping

import pytest

from call_agents.shared import errors
from call_agents.shared.errors import ApiError, InternalError, ValidationFailed, as_api_error, render
from call_agents.shared.field_errors import FieldError

CHALLENGE = {"WWW-Authenticate": 'ApiKey realm="agents"'}
RETRY = {"Retry-After": "1"}


def classes(kind: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from classes(child)


def test_the_docstring_shows_the_whole_tree() -> None:
    shown = re.findall(r"^    (?:[│├└─ ]*)([A-Z]\w+)(?: |$)", errors.__doc__ or "", re.MULTILINE)
    own = [kind.__name__ for kind in classes() if kind.__module__ == errors.__name__]

    assert shown == own


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (errors.InvalidJson(), 400, "invalid_json", {}),
        (errors.MissingHeader(), 400, "missing_header", {}),
        (errors.InvalidHeader(), 400, "invalid_header", {}),
        (errors.MissingApiKey(), 401, "missing_api_key", CHALLENGE),
        (errors.InvalidApiKey(), 401, "invalid_api_key", CHALLENGE),
        (errors.WorkspaceForbidden(), 403, "workspace_forbidden", {}),
        (errors.NotFound(), 404, "not_found", {}),
        (errors.AgentNotFound(), 404, "agent_not_found", {}),
        (errors.MethodNotAllowed("POST"), 405, "method_not_allowed", {"Allow": "POST"}),
        (errors.Conflict("It is ready."), 409, "conflict", {}),
        (errors.PayloadTooLarge(), 413, "payload_too_large", {}),
        (errors.UnsupportedMediaType(), 415, "unsupported_media_type", {"Accept": "application/json"}),
        (errors.IdempotencyKeyReused(), 422, "idempotency_key_reused", {}),
        (errors.InternalError(internal="secret"), 500, "internal_error", {}),
        (errors.ConfigError(internal="secret"), 500, "internal_error", {}),
        (errors.ServiceUnavailable(internal="secret"), 503, "service_unavailable", RETRY),
        (errors.UnknownOutcome(internal="secret", write="secret"), 503, "service_unavailable", RETRY),
    ],
)
def test_each_error_has_status_code_headers_and_message(
    error: ApiError, status: int, code: str, headers: Mapping[str, str]
) -> None:
    assert (error.status, error.headers) == (status, headers)
    assert len(error.public) > 10
    assert "secret" not in error.public + str(error)
    assert str(error) == f"{status} {code}"
    assert render(error, "request-1") == {
        "message": error.public,
        "error": {"code": code, "message": error.public, "requestId": "request-1"},
    }


def test_an_error_may_have_a_message_of_its_own() -> None:
    assert errors.NotFound("There is no such key.").public == "There is no such key."
    assert errors.InvalidJson.because("There is no body.").public == (
        "There is no body. Send the agent as one JSON object, encoded in UTF-8."
    )


def test_a_validation_error_names_the_first_field_and_lists_all() -> None:
    first, second = FieldError("a.b", "missing", "is required"), FieldError("", "x", "must be another")
    body = render(ValidationFailed([first, second]), "r")

    assert body["message"] == "a.b: is required (and 1 more, see error.details)"
    assert body["error"]["code"] == "validation_error"
    assert body["error"]["details"] == [
        {"path": "a.b", "code": "missing", "message": "is required"},
        {"path": "", "code": "x", "message": "must be another"},
    ]
    assert ValidationFailed([first]).public == "a.b: is required"
    assert ValidationFailed([second]).public == "must be another"
    assert (ValidationFailed([first]).status, ValidationFailed([second, first]).public) == (
        400,
        "must be another (and 1 more, see error.details)",
    )


def test_a_429_says_when_to_send_again() -> None:
    error = errors.RateLimitExceeded("Wait 7 s.", 7, "2026-01-01T00:01:00Z", {"RateLimit": "x"})

    assert (error.status, error.headers) == (429, {"RateLimit": "x", "Retry-After": "7"})
    assert error.public == "Wait 7 s."
    assert render(error, "r")["error"]["reset_at"] == "2026-01-01T00:01:00Z"
    assert render(error, "r")["error"]["code"] == "rate_limit_exceeded"


def test_the_log_gets_code_and_cause() -> None:
    error = errors.UnknownOutcome(internal="GetItem: x", write="PutItem: y")

    assert errors.InvalidApiKey(internal="unknown key").log_fields() == {
        "outcome": "invalid_api_key",
        "cause": "unknown key",
    }
    assert error.log_fields() == {
        "outcome": "service_unavailable",
        "cause": "GetItem: x",
        "unknownOutcome": "PutItem: y",
    }


def test_an_api_error_stays_itself() -> None:
    error = errors.WorkspaceForbidden()

    assert as_api_error(error) is error


def test_any_other_exception_is_logged_with_type_and_place_only() -> None:
    def fail() -> None:
        raise KeyError("sk_secret")

    with pytest.raises(KeyError) as caught:
        fail()
    error = as_api_error(caught.value)

    assert isinstance(error, InternalError)
    assert re.fullmatch(r"KeyError at test_errors.py:\d+ > test_errors.py:\d+", error.internal)
    assert "sk_secret" not in error.public + str(error)

"""Errors are answers of one shape, and say nothing of the inside."""

import re
from collections.abc import Iterator

import pytest

from agents import errors
from agents.errors import ApiError, Fault, InternalError, ValidationFailed, as_api_error, render


def _tree(kind: type[ApiError], depth: int = 0) -> Iterator[tuple[int, str, int]]:
    yield depth, kind.__name__, kind.status
    for child in kind.__subclasses__():
        yield from _tree(child, depth + 1)


def _drawn(text: str) -> Iterator[tuple[int, str, int]]:
    status = [500, 500, 500]  # of the last error drawn at each depth, which those below it have too
    for branch, name, code in re.findall(r"^    ((?:[│├└─]|  )[│├└─ ]*)?([A-Z]\w+) *(\d{3})?", text, re.MULTILINE):
        depth = len(branch) // 4
        status[depth:] = [int(code) if code else status[max(depth - 1, 0)]] * (3 - depth)
        yield depth, name, status[depth]


def test_the_tree_is_the_one_that_the_docstring_draws() -> None:
    assert list(_drawn(errors.__doc__ or "")) == list(_tree(ApiError))


@pytest.mark.parametrize(
    ("kind", "status", "code", "headers"),
    [
        (errors.InvalidJson, 400, "invalid_json", {}),
        (errors.MissingHeader, 400, "missing_header", {}),
        (errors.InvalidHeader, 400, "invalid_header", {}),
        (errors.MissingApiKey, 401, "missing_api_key", {"WWW-Authenticate": 'ApiKey realm="agents"'}),
        (errors.InvalidApiKey, 401, "invalid_api_key", {"WWW-Authenticate": 'ApiKey realm="agents"'}),
        (errors.WorkspaceForbidden, 403, "workspace_forbidden", {}),
        (errors.NotFound, 404, "not_found", {}),
        (errors.MethodNotAllowed, 405, "method_not_allowed", {"Allow": "POST"}),
        (errors.Conflict, 409, "conflict", {}),
        (errors.PayloadTooLarge, 413, "payload_too_large", {}),
        (errors.UnsupportedMediaType, 415, "unsupported_media_type", {"Accept": "application/json"}),
        (errors.IdempotencyKeyReused, 422, "idempotency_key_reused", {}),
        (errors.InternalError, 500, "internal_error", {}),
        (errors.DeploymentError, 500, "internal_error", {}),
        (errors.ServiceUnavailable, 503, "service_unavailable", {"Retry-After": "1"}),
    ],
)
def test_each_error_has_its_status_code_and_headers(
    kind: type[ApiError], status: int, code: str, headers: dict[str, str]
) -> None:
    error = kind("what went wrong", internal="the reason")

    assert (error.status, error.headers) == (status, headers)
    assert render(error, "request-1") == {
        "message": "what went wrong",
        "error": {"code": code, "message": "what went wrong", "requestId": "request-1"},
    }


def test_a_validation_error_names_the_first_fault_and_lists_them_all() -> None:
    error = ValidationFailed([Fault("a.b", "missing", "is required"), Fault("", "x", "y")])

    assert render(error, "r")["message"] == "a.b: is required (and 1 more, see error.details)"
    assert render(error, "r")["error"]["details"] == [
        {"path": "a.b", "code": "missing", "message": "is required"},
        {"path": "", "code": "x", "message": "y"},
    ]


def test_a_fault_of_the_body_as_a_whole_has_no_path_to_name() -> None:
    assert ValidationFailed([Fault("", "x", "must be another")]).public == "must be another"


def test_an_api_error_stays_what_it_is() -> None:
    error = errors.WorkspaceForbidden()

    assert as_api_error(error) is error


def test_any_other_exception_tells_its_type_and_place_but_not_its_text() -> None:
    def fail() -> None:
        raise KeyError("sk_secret")

    try:
        fail()
    except KeyError as raised:
        error = as_api_error(raised)

    assert isinstance(error, InternalError)
    assert error.internal.startswith("KeyError at test_errors.py:")
    assert error.internal.count("test_errors.py") == 2
    assert "sk_secret" not in error.internal + error.public + str(error)

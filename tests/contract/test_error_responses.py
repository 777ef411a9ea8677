"""Every error has the one shape and the right code, and leaves the tables as they should be."""

from dataclasses import replace
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

import create_agent
from call_agents.shared.config import Settings
from tests.conftest import NewApplication
from tests.support.client import Client, Stage
from tests.support.events import LambdaContext
from tests.support.faults import lose_requests, lose_responses, refuse
from tests.support.http import HttpResponse
from tests.support.logs import recorded_output
from tests.support.samples import BYO, ELEVENLABS_KEY, MINIMUM


def check_shape(response: HttpResponse) -> None:
    body = response.body
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Request-Id"] == body["error"]["requestId"]
    assert set(body) == {"message", "error"}
    assert set(body["error"]) - {"details", "reset_at"} == {"code", "message", "requestId"}
    assert body["message"] == body["error"]["message"]
    assert all(set(detail) == {"path", "code", "message"} for detail in body["error"].get("details", []))


def check_unavailable(response: HttpResponse) -> None:
    assert (response.status, response.code) == (503, "service_unavailable")
    assert response.headers["Retry-After"] == "1"
    check_shape(response)


ERRORS: list[tuple[object, dict[str, str | None], int, str]] = [
    ("{", {}, 400, "invalid_json"),
    ({}, {}, 400, "validation_error"),
    (MINIMUM, {"x-workspace-id": None}, 400, "missing_header"),
    (MINIMUM, {"idempotency-key": ""}, 400, "invalid_header"),
    (MINIMUM, {"x-api-key": None}, 401, "missing_api_key"),
    (MINIMUM, {"x-api-key": "nonsense"}, 401, "invalid_api_key"),
    (MINIMUM, {"x-workspace-id": "another"}, 403, "workspace_forbidden"),
    ("x" * 300_000, {}, 413, "payload_too_large"),
    (MINIMUM, {"content-type": "text/plain"}, 415, "unsupported_media_type"),
]


def test_each_error_of_a_request_has_its_code(client: Client, stage: Stage) -> None:
    responses = [client.post(body, headers) for body, headers, _, _ in ERRORS]

    assert [(response.status, response.code) for response in responses] == [(error[2], error[3]) for error in ERRORS]
    for response in responses:
        check_shape(response)
    assert stage.items == []


def test_other_events_and_routes_have_the_same_shape(client: Client) -> None:
    events = [
        None,
        {},
        {"rawPath": "/nope"},
        {"version": "1.0", "path": "/v1/api/agents", "httpMethod": "POST"},
        {"rawPath": "/v1/api/agents", "requestContext": {"http": {"method": "GET"}}},
    ]
    responses = [client.send(event) for event in events]

    assert [response.code for response in responses] == ["not_found"] * 4 + ["method_not_allowed"]
    for response in responses:
        check_shape(response)


@pytest.fixture
def app(new_application: NewApplication) -> create_agent.Application:
    """An application of this test only, so that its faults end with it."""
    return new_application()


@pytest.fixture
def faulty(client: Client, app: create_agent.Application) -> Client:
    return replace(client, app=app)


def test_keys_table_out_of_reach_is_503_and_never_401(faulty: Client, stage: Stage) -> None:
    attempts = lose_requests(faulty.app.access.keys.client, "GetItem")

    check_unavailable(faulty.post())
    assert len(attempts) == 3
    assert stage.items == []


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ResourceNotFoundException"])
def test_keys_table_that_refuses_is_503(faulty: Client, code: str) -> None:
    refuse(faulty.app.access.keys.client, "GetItem", code)

    response = faulty.post()
    check_unavailable(response)
    assert code not in response.text


def test_a_write_that_never_arrived_is_503_and_a_retry_succeeds(client: Client, faulty: Client, stage: Stage) -> None:
    key: dict[str, str | None] = {"idempotency-key": "k"}
    lose_requests(faulty.app.agents.client, "PutItem")

    check_unavailable(faulty.post(MINIMUM, key))
    assert stage.items == []
    assert client.post(MINIMUM, key).status == 201
    assert len(stage.items) == 1


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "k"}])
@pytest.mark.parametrize("times", [1, 2, 99])
def test_lost_responses_to_a_write_are_201_and_one_agent(
    faulty: Client, stage: Stage, headers: dict[str, str | None], times: int
) -> None:
    lose_responses(faulty.app.agents.client, "PutItem", times)

    response = faulty.post(MINIMUM, headers)
    assert response.status == 201
    assert "Idempotent-Replayed" not in response.headers
    assert stage.stored == [response.body]


def test_a_malformed_write_is_500_without_a_retry(faulty: Client, stage: Stage) -> None:
    attempts = refuse(faulty.app.agents.client, "PutItem", "ValidationException")

    response = faulty.post()
    assert (response.status, response.code) == (500, "internal_error")
    check_shape(response)
    assert len(attempts) == 1
    assert stage.items == []


def test_kms_that_refuses_is_503_and_stores_nothing(faulty: Client, stage: Stage) -> None:
    refuse(faulty.app.secrets.client(), "Encrypt", "ThrottlingException")

    response = faulty.post(BYO)
    check_unavailable(response)
    assert ELEVENLABS_KEY not in response.text
    assert stage.items == []
    assert faulty.post(MINIMUM).status == 201


def with_remaining_ms(*remaining: int) -> SimpleNamespace:
    """Return a context whose remaining time is each of these in turn: for the deadline first, then for each check."""
    times = iter(remaining)
    return SimpleNamespace(get_remaining_time_in_millis=lambda: next(times))


@pytest.mark.parametrize(
    ("body", "remaining", "status"),
    [
        (MINIMUM, (28_000, 7_000), 201),
        (MINIMUM, (28_000, 6_999), 503),
        (BYO, (28_000, 7_000, 7_000), 201),
        (BYO, (28_000, 6_999), 503),
        (BYO, (28_000, 7_000, 6_999), 503),
    ],
)
def test_a_write_needs_7_seconds(
    client: Client, stage: Stage, body: dict[str, Any], remaining: tuple[int, ...], status: int
) -> None:
    response = client.send(client.event(body), with_remaining_ms(*remaining))

    assert response.status == status
    assert len(stage.items) == (status == 201)


def test_without_time_to_encrypt_kms_is_not_called(faulty: Client) -> None:
    attempts = lose_requests(faulty.app.secrets.client(), "Encrypt")

    check_unavailable(faulty.send(faulty.event(BYO), with_remaining_ms(28_000, 6_999)))
    assert attempts == []


def test_a_call_that_hangs_ends_in_503_before_the_function_does(client: Client) -> None:
    def hang() -> Any:
        Event().wait(60)

    hanging = replace(client, app=replace(client.app, now=hang))
    check_unavailable(hanging.send(hanging.event(), LambdaContext(timeout=0.6)))


def test_an_unforeseen_exception_is_a_bare_500(client: Client) -> None:
    def fail() -> Any:
        raise RuntimeError(ELEVENLABS_KEY)

    broken = replace(client, app=replace(client.app, now=fail))
    with recorded_output() as output:
        response = broken.post()

    assert (response.status, response.code) == (500, "internal_error")
    check_shape(response)
    assert "RuntimeError" not in response.text
    assert output.lines[0]["cause"].startswith("RuntimeError at ")
    assert ELEVENLABS_KEY not in response.text + output.text


@pytest.mark.parametrize(
    "variable",
    ["API_KEYS_TABLE", "AGENTS_TABLE", "SECRETS_KEY_ID", "ALLOWED_TTS_PROVIDERS", "RATE_LIMIT_PER_MINUTE"],
)
def test_a_missing_setting_is_a_logged_500(client: Client, variables: dict[str, str], variable: str) -> None:
    def build() -> create_agent.Application:
        return create_agent.build(Settings({**variables, variable: ""}))

    with recorded_output() as output:
        result = create_agent.handle(client.event(), LambdaContext(), build)

    response = HttpResponse(result["statusCode"], result["headers"], result["body"])
    assert (response.status, response.code) == (500, "internal_error")
    check_shape(response)
    assert variable not in response.text
    (line,) = output.lines
    assert (line["level"], line["requestId"]) == ("ERROR", "request-1")
    assert line["cause"].startswith(f"the environment variable {variable} ")

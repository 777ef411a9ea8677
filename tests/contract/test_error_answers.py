"""The contract's table of errors: one shape, the right code, and no value of any field."""

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import create_agent
from tests.conftest import BYO, ELEVENLABS_KEY, EXAMPLE, MINIMUM, Answer, Client, Stage
from tests.support.faults import lose_answers, lose_requests, refuse


def check_shape(answer: Answer) -> None:
    """Every error has the same members, and its message twice."""
    body = answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"] == body["error"]["requestId"]
    assert set(body) == {"message", "error"}
    assert set(body["error"]) - {"details", "reset_at"} == {"code", "message", "requestId"}
    assert body["message"] == body["error"]["message"]
    assert all(set(fault) == {"path", "code", "message"} for fault in body["error"].get("details", []))


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("{", {}, 400, "invalid_json"),
        ({}, {}, 400, "validation_error"),
        (MINIMUM, {"x-workspace-id": None}, 400, "missing_header"),
        (MINIMUM, {"idempotency-key": ""}, 400, "invalid_header"),
        (MINIMUM, {"x-api-key": None}, 401, "missing_api_key"),
        (MINIMUM, {"x-api-key": "nonsense"}, 401, "invalid_api_key"),
        (MINIMUM, {"x-workspace-id": "another"}, 403, "workspace_forbidden"),
        ("x" * 300_000, {}, 413, "payload_too_large"),
        (MINIMUM, {"content-type": "text/plain"}, 415, "unsupported_media_type"),
    ],
)
def test_each_refusal_has_its_code_in_the_one_shape(
    client: Client, stage: Stage, body: object, headers: dict[str, str | None], status: int, code: str
) -> None:
    answer = client.post(body, headers)

    assert (answer.status, answer.code) == (status, code)
    check_shape(answer)
    assert stage.items == []


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (None, 404),
        ({}, 404),
        ({"rawPath": "/nope"}, 404),
        ({"version": "1.0", "path": "/v1/api/agents", "httpMethod": "POST"}, 404),
        ({"rawPath": "/v1/api/agents", "requestContext": {"http": {"method": "GET"}}}, 405),
    ],
)
def test_what_is_no_request_to_this_route_is_refused_in_the_same_shape(
    client: Client, event: object, status: int
) -> None:
    answer = client.send(event)

    assert answer.status == status
    check_shape(answer)


SECRETS = ("sk_one_secret", "another secret", "third-secret")


@pytest.mark.parametrize(
    "body",
    [
        {"ttsModel": {"provider": "11labs_byo", "voiceId": 5, "elevenLabsApiKey": SECRETS[0]}},
        {"name": "A", "ttsModel": {"provider": SECRETS[0], "voiceId": "v"}, "llmModel": SECRETS[1]},
        {"name": "A", "ttsModel": {"provider": "rime", "language": SECRETS[1]}, "type": SECRETS[2]},
        {"name": ["third-secret"], "settings": {"speed": SECRETS[0]}, "phoneNumberIds": [SECRETS[1], SECRETS[1]]},
        {"name": "A", "elevenLabsApiKey": SECRETS[0], "smartCallback": SECRETS[1], "variables": SECRETS[2]},
        json.dumps(BYO).replace(ELEVENLABS_KEY, SECRETS[0])[:-2],
        json.dumps(BYO).replace(ELEVENLABS_KEY, SECRETS[0]) + SECRETS[1],
        '{"name":"sk_one_secret\\ud800"}',
    ],
)
def test_no_error_repeats_the_value_of_a_field(
    client: Client, stage: Stage, body: object, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = client.post(body, {"prefer": "handling=strict"})

    assert answer.status == 400
    said = answer.text + str(answer.headers) + stage.dump() + "".join(capsys.readouterr())
    assert not any(secret in said for secret in SECRETS)


@pytest.fixture
def dynamodb(new_application: Callable[[], None]) -> Any:  # noqa: ARG001 - faults must not outlive the test
    return create_agent.application().agents._client  # noqa: SLF001 - faults go into the client in use


def check_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert answer.headers["Retry-After"] == "1"
    check_shape(answer)


def test_a_key_table_out_of_reach_is_503_and_never_401(client: Client, stage: Stage, dynamodb: Any) -> None:
    attempts = lose_requests(dynamodb, "GetItem")

    check_unavailable(client.post())
    assert len(attempts) == 3
    assert stage.items == []


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ResourceNotFoundException"])
def test_a_key_table_that_refuses_is_503(client: Client, dynamodb: Any, code: str) -> None:
    refuse(dynamodb, "GetItem", code)

    answer = client.post()
    check_unavailable(answer)
    assert code not in answer.text


def test_a_write_that_never_arrived_is_503_and_the_retry_creates_the_agent(
    client: Client, stage: Stage, dynamodb: Any, new_application: Callable[[], None]
) -> None:
    key: dict[str, str | None] = {"idempotency-key": "k"}
    lose_requests(dynamodb, "PutItem")

    check_unavailable(client.post(MINIMUM, key))
    assert stage.items == []
    new_application()
    assert client.post(MINIMUM, key).status == 201
    assert len(stage.items) == 1


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "k"}])
@pytest.mark.parametrize("times", [1, 2, 99])
def test_a_write_whose_answers_are_lost_is_201_and_one_agent(
    client: Client, stage: Stage, dynamodb: Any, headers: dict[str, str | None], times: int
) -> None:
    lose_answers(dynamodb, "PutItem", times)

    answer = client.post(MINIMUM, headers)
    assert answer.status == 201
    assert "Idempotent-Replayed" not in answer.headers
    assert stage.stored == [answer.body]


def test_a_write_that_the_database_calls_malformed_is_500_without_a_retry(
    client: Client, stage: Stage, dynamodb: Any
) -> None:
    attempts = refuse(dynamodb, "PutItem", "ValidationException")

    answer = client.post()
    assert (answer.status, answer.code) == (500, "internal_error")
    check_shape(answer)
    assert len(attempts) == 1
    assert stage.items == []


@pytest.mark.parametrize("code", ["ThrottlingException", "DisabledException", "KMSInvalidStateException"])
def test_a_key_service_that_refuses_is_503_and_nothing_is_stored(
    client: Client, stage: Stage, new_application: Callable[[], None], code: str
) -> None:
    new_application()
    refuse(create_agent.application().kms(), "Encrypt", code)

    answer = client.post(BYO)
    check_unavailable(answer)
    assert ELEVENLABS_KEY not in answer.text + stage.dump()
    assert stage.items == []
    assert client.post(MINIMUM).status == 201


@pytest.mark.parametrize("body", [MINIMUM, BYO])
def test_too_little_time_for_a_write_is_503_before_anything_is_done(
    client: Client, stage: Stage, body: dict[str, Any]
) -> None:
    check_unavailable(client.send(client.event(body), SimpleNamespace(get_remaining_time_in_millis=lambda: 300)))
    assert stage.items == []


def test_a_context_that_cannot_tell_the_time_is_no_obstacle(client: Client) -> None:
    assert client.send(client.event(), SimpleNamespace()).status == 201


def test_sealing_that_took_too_long_is_503_before_the_write(client: Client, stage: Stage) -> None:
    left = iter((28_000, 8000, 300))  # for the deadline, before the sealing and after it

    check_unavailable(client.send(client.event(BYO), SimpleNamespace(get_remaining_time_in_millis=lambda: next(left))))
    assert stage.items == []


def test_anything_unforeseen_is_a_bare_500_and_the_log_has_the_rest(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], new_application: Any
) -> None:
    new_application()

    def break_down() -> None:
        raise RuntimeError(ELEVENLABS_KEY)

    broken = replace(create_agent.application(), now=break_down)  # type: ignore[arg-type]  # wrong on purpose
    monkeypatch.setattr(create_agent, "application", lambda: broken)
    answer = client.post()

    assert (answer.status, answer.code) == (500, "internal_error")
    check_shape(answer)
    assert "RuntimeError" not in answer.text
    assert ELEVENLABS_KEY not in answer.text + "".join(capsys.readouterr())


@pytest.mark.parametrize("variable", ["API_KEYS_TABLE", "AGENTS_TABLE", "SECRETS_KEY_ID", "ALLOWED_TTS_PROVIDERS"])
def test_a_missing_variable_is_a_bare_500_and_the_log_names_it(
    client: Client,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    new_application: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(variable, "")
    new_application()
    answer = client.post(EXAMPLE)

    assert (answer.status, answer.code) == (500, "internal_error")
    assert variable not in answer.text
    (record,) = caplog.records
    assert vars(record)["members"]["cause"].startswith(f"the environment variable {variable} ")

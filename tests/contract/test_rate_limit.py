"""The contract's 429: where a limit is built, no key sends more in a minute."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import create_agent
from agents.rate_limit import RateLimiter
from tests.conftest import EXAMPLE, Client, Stage
from tests.support.faults import lose_requests, refuse

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIMIT = 3


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, new_application: Callable[[], None]) -> Iterator[list[datetime]]:
    """The time by the functions' clock, in a list so that it can be set; the limit is `LIMIT`."""
    monkeypatch.setenv("RATE_LIMIT_PER_MINUTE", str(LIMIT))
    new_application()
    moment = [NOON]
    app = replace(create_agent.application(), now=lambda: moment[0])
    monkeypatch.setattr(create_agent, "application", lambda: app)
    yield moment
    monkeypatch.undo()


def test_one_more_than_the_limit_is_429_and_the_next_minute_begins_anew(
    client: Client, stage: Stage, clock: list[datetime]
) -> None:
    clock[0] = NOON + timedelta(seconds=20)
    answers = [client.post() for _ in range(LIMIT + 1)]
    refused = answers.pop()

    assert [answer.headers["RateLimit"] for answer in answers] == [
        f'"default";r={left};t=40' for left in reversed(range(LIMIT))
    ]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {f'"default";q={LIMIT};w=60'}
    assert (refused.status, refused.code) == (429, "rate_limit_exceeded")
    assert refused.headers["Retry-After"] == "40"
    assert refused.headers["RateLimit"] == '"default";r=0;t=40'
    assert refused.body["error"]["reset_at"] == "2026-01-01T12:01:00Z"
    assert refused.body["message"] == "This API key has sent too many requests. Wait 40 s, then send this one again."
    clock[0] = NOON + timedelta(seconds=60)
    assert client.post().status == 201
    assert len(stage.items) == LIMIT + 1


def test_nothing_of_a_refused_request_is_looked_at(client: Client, clock: list[datetime]) -> None:
    assert [client.post("no JSON").status for _ in range(LIMIT + 1)] == [400] * LIMIT + [429]
    assert clock == [NOON]


@pytest.mark.usefixtures("clock")
def test_a_refused_request_uses_up_no_idempotency_key(client: Client, stage: Stage) -> None:
    for _ in range(LIMIT):
        client.post({})
    key: dict[str, str | None] = {"idempotency-key": "key-1"}

    assert client.post(EXAMPLE, key).status == 429
    assert stage.items == []


@pytest.mark.usefixtures("clock")
def test_requests_of_unknown_callers_are_not_counted(client: Client, stage: Stage) -> None:
    unknown: dict[str, str | None] = {"x-api-key": "nonsense"}

    answers = [client.post(headers=unknown) for _ in range(LIMIT + 1)]
    assert {answer.status for answer in answers} == {401}
    assert not [name for answer in answers for name in answer.headers if name.startswith("RateLimit")]
    assert stage.clients.dynamodb.scan(TableName="RateLimitsTable")["Items"] == []


@pytest.mark.usefixtures("clock")
def test_a_wrong_workspace_counts(client: Client) -> None:
    elsewhere: dict[str, str | None] = {"x-workspace-id": "workspace-b"}

    assert [client.post(headers=elsewhere).status for _ in range(LIMIT + 1)] == [403] * LIMIT + [429]


@pytest.mark.usefixtures("clock")
def test_another_key_has_its_own_minute(client: Client, manage: Callable[..., tuple[int, Any]]) -> None:
    _, issued = manage(action="issue", workspaceId="workspace-a", userId="user-b")
    for _ in range(LIMIT):
        client.post()

    assert client.post().status == 429
    assert Client(issued["key"], "workspace-a").post().status == 201


def fail(limiter: RateLimiter | None, code: str) -> None:
    dynamodb = vars(limiter)["_client"]
    if code:
        refuse(dynamodb, "UpdateItem", code)
    else:
        lose_requests(dynamodb, "UpdateItem")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("code", ["", "ThrottlingException", "ResourceNotFoundException", "ValidationException"])
def test_a_limiter_that_fails_lets_requests_pass_and_says_so(
    client: Client, stage: Stage, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    fail(create_agent.application().limiter, code)
    caplog.clear()
    answers = [client.post() for _ in range(LIMIT + 1)]

    assert [answer.status for answer in answers] == [201] * (LIMIT + 1)
    assert not [name for answer in answers for name in answer.headers if name.startswith("RateLimit")]
    assert len(stage.items) == LIMIT + 1
    causes = [vars(record)["members"]["limiterFailure"] for record in caplog.records if record.levelname == "WARNING"]
    assert causes == [f"UpdateItem: {code or 'ConnectionClosedError'}"] * (LIMIT + 1)
    assert [
        vars(record)["members"]["RateLimiterFailed"] for record in caplog.records if record.levelname == "WARNING"
    ] == [1] * (LIMIT + 1)


def test_a_limit_of_0_is_none_and_costs_no_call(
    client: Client, stage: Stage, monkeypatch: pytest.MonkeyPatch, new_application: Callable[[], None]
) -> None:
    monkeypatch.setenv("RATE_LIMIT_PER_MINUTE", "0")
    monkeypatch.delenv("RATE_LIMITS_TABLE")
    new_application()

    answer = client.post()
    assert answer.status == 201
    assert not [name for name in answer.headers if name.startswith("RateLimit")]
    assert stage.clients.dynamodb.scan(TableName="RateLimitsTable")["Items"] == []

"""An agent is written exactly once, and an unclear outcome is looked up."""

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from agents.agent import Agent
from agents.errors import IdempotencyKeyReused, InternalError, PayloadTooLarge, ServiceUnavailable
from agents.store import MAX_GROWTH, AgentStore, Write, check_size, from_item, to_item
from agents.values import MAX_ITEM_BYTES, parse_json
from deployment import Environment
from tests.conftest import Stage
from tests.support.faults import lose_answers, lose_requests, refuse

FIELDS: dict[str, Any] = {
    "_id": "0123456789abcdef01234567",
    "workspaceId": "workspace-a",
    "userId": "user-a",
    "name": "Sophie",
    "type": "voice",
    "ttsModel": {"provider": "rime", "voiceId": "mistv2_Wildflower", "language": "en"},
    "llmModel": "gpt-4o-mini",
    "smartCallback": False,
    "maxAttemptsForSmartCallback": 5,
    "gapBetweenEachAttemptForSmartCallback": [],
    "phoneNumberIds": [],
    "activeSessions": [],
    "settings": {},
    "status": "ready",
    "currentNode": None,
    "variables": {},
    "createdAt": "2026-01-01T00:00:00.000Z",
    "updatedAt": "2026-01-01T00:00:00.000Z",
}
AGENT = Agent(FIELDS, {"systemPrompt": "…", "ttl": 1})
WRITE = Write(AGENT, digest="digest", token="token")
LATER = replace(WRITE, token="another request's")


@pytest.fixture
def dynamodb(stage: Stage) -> Any:  # noqa: ARG001 - a boto3 client; the tables have to be there
    return Environment({}).dynamodb()


@pytest.fixture
def store(dynamodb: Any) -> AgentStore:
    return AgentStore(dynamodb, "AgentsTable")


def test_an_item_holds_kept_fields_apart_and_gives_the_agent_back() -> None:
    item = to_item(WRITE)

    assert set(item) == {*FIELDS, "extraFields", "requestDigest", "writeToken"}
    assert item["extraFields"] == {"M": {"systemPrompt": {"S": "…"}, "ttl": {"N": "1"}}}
    assert from_item(item) == AGENT


def test_the_first_write_stores_the_agent_and_nothing_is_unclear(store: AgentStore, stage: Stage) -> None:
    unclear: list[str] = []

    assert store.create(WRITE, unclear.append) == (AGENT, False)
    assert unclear == []
    assert stage.items == [to_item(WRITE)]


def test_the_same_request_again_finds_the_stored_agent(store: AgentStore, stage: Stage) -> None:
    store.create(WRITE)
    newer = replace(LATER, agent=replace(AGENT, fields={**FIELDS, "createdAt": "2026-01-02T00:00:00.000Z"}))

    assert store.create(newer) == (AGENT, True)
    assert stage.items == [to_item(WRITE)]


def test_another_request_under_the_same_id_is_refused(store: AgentStore, stage: Stage) -> None:
    store.create(WRITE)

    with pytest.raises(IdempotencyKeyReused):
        store.create(replace(LATER, digest="another"))
    assert stage.items == [to_item(WRITE)]


@pytest.mark.parametrize("times", [1, 2])
def test_a_write_whose_answer_was_lost_is_known_as_our_own(
    store: AgentStore,
    stage: Stage,
    dynamodb: Any,
    times: int,
) -> None:
    attempts = lose_answers(dynamodb, "PutItem", times)
    unclear: list[str] = []

    assert store.create(WRITE, unclear.append) == (AGENT, False)
    assert unclear == ["PutItem: an answer was lost"]
    assert len(attempts) == times + 1
    assert stage.items == [to_item(WRITE)]


def test_a_write_all_of_whose_answers_were_lost_is_looked_up(store: AgentStore, dynamodb: Any) -> None:
    attempts = lose_answers(dynamodb, "PutItem")
    unclear: list[str] = []

    assert store.create(WRITE, unclear.append) == (AGENT, False)
    assert unclear == ["PutItem: ReadTimeoutError"]
    assert len(attempts) == 3


def test_a_write_that_never_arrived_is_not_claimed(
    store: AgentStore,
    stage: Stage,
    dynamodb: Any,
) -> None:
    attempts = lose_requests(dynamodb, "PutItem")

    with pytest.raises(ServiceUnavailable) as caught:
        store.create(WRITE)
    assert caught.value.internal == "PutItem: ConnectionClosedError"
    assert len(attempts) == 3
    assert stage.items == []


def test_an_outcome_that_cannot_be_looked_up_is_not_claimed_and_the_retry_finds_it(
    store: AgentStore,
    stage: Stage,
    dynamodb: Any,
) -> None:
    lose_answers(dynamodb, "PutItem")
    lose_requests(dynamodb, "GetItem")

    with pytest.raises(ServiceUnavailable) as caught:
        store.create(WRITE)

    assert caught.value.internal == "GetItem: ConnectionClosedError"
    assert AgentStore(Environment({}).dynamodb(), "AgentsTable").create(LATER) == (AGENT, True)
    assert len(stage.items) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ProvisionedThroughputExceededException", ServiceUnavailable),
        ("RequestLimitExceeded", ServiceUnavailable),
        ("InternalServerError", ServiceUnavailable),
        ("AccessDeniedException", ServiceUnavailable),
        ("ExpiredTokenException", ServiceUnavailable),
        ("ResourceNotFoundException", ServiceUnavailable),
        ("ValidationException", InternalError),
    ],
)
def test_an_error_of_the_service_is_named_but_not_quoted(
    store: AgentStore,
    stage: Stage,
    dynamodb: Any,
    code: str,
    kind: type[Exception],
) -> None:
    attempts = refuse(dynamodb, "PutItem", code)

    with pytest.raises(kind) as caught:
        store.create(WRITE)
    assert getattr(caught.value, "internal", "") == f"PutItem: {code}"
    assert attempts == ["PutItem"]
    assert stage.items == []


def test_a_condition_that_failed_without_showing_the_item_is_looked_up(
    store: AgentStore, stage: Stage, dynamodb: Any
) -> None:
    store.create(WRITE)
    refuse(dynamodb, "PutItem", "ConditionalCheckFailedException")

    assert store.create(LATER) == (AGENT, True)
    stage.clear()
    with pytest.raises(ServiceUnavailable):
        store.create(LATER)


def test_an_agent_that_the_database_would_refuse_names_its_largest_field() -> None:
    small = replace(AGENT, fields={**FIELDS, "variables": {"blob": "x" * 300_000}})
    large = replace(small, extra={"systemPrompt": "é" * 40_000})

    check_size(small, MAX_ITEM_BYTES)
    with pytest.raises(PayloadTooLarge) as caught:
        check_size(large, MAX_ITEM_BYTES)
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [("variables", "item_too_large")]
    assert caught.value.public.startswith("variables: must be smaller")


@pytest.mark.parametrize(
    ("sent", "counted"), [(0, False), (MAX_ITEM_BYTES // MAX_GROWTH - 1, False), (MAX_ITEM_BYTES // MAX_GROWTH, True)]
)
def test_what_is_surely_small_is_not_counted_and_what_may_be_large_is(
    sent: int,
    counted: bool,  # noqa: FBT001 - a case's outcome
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size_in_bytes = Mock(return_value=0)
    monkeypatch.setattr("agents.store.size_in_bytes", size_in_bytes)

    check_size(AGENT, sent)

    assert size_in_bytes.called is counted


def test_an_agent_from_the_shortest_text_that_is_too_large_is_refused() -> None:
    numbers = "[" + ",".join(["1e37"] * (MAX_ITEM_BYTES // 22 + 1)) + "]"
    agent = replace(AGENT, extra={"numbers": parse_json(numbers)})

    with pytest.raises(PayloadTooLarge):
        check_size(agent, len(numbers))

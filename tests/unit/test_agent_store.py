"""An agent is written exactly once, an unknown outcome is verified, and a result is recorded if nothing changed."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from call_agents.agents.agent import Agent
from call_agents.agents.store import AgentStore, Created, agent_from_item, agent_item
from call_agents.shared.config import Settings
from call_agents.shared.errors import (
    IdempotencyKeyReused,
    InternalError,
    ServiceUnavailable,
    UnknownOutcome,
)
from tests.support.client import Stage
from tests.support.faults import lose_requests, lose_responses, refuse

FIELDS: dict[str, Any] = {
    "_id": "0123456789abcdef01234567",
    "workspaceId": "workspace-a",
    "userId": "user-a",
    "name": "Sophie",
    "type": "voice",
    "ttsModel": {"provider": "11labs_byo", "voiceId": "v", "language": "en", "elevenLabsApiKey": "encrypted"},
    "llmModel": "gpt-4o-mini",
    "smartCallback": False,
    "maxAttemptsForSmartCallback": 5,
    "gapBetweenEachAttemptForSmartCallback": [],
    "phoneNumberIds": [],
    "activeSessions": [],
    "settings": {},
    "status": "pending",
    "currentNode": None,
    "variables": {},
    "createdAt": "2026-01-01T00:00:00.000Z",
    "updatedAt": "2026-01-01T00:00:00.000Z",
}
AGENT = Agent(FIELDS, {"systemPrompt": "…", "ttl": 1})
ITEM = agent_item(AGENT, "digest", "token")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(stage: Stage) -> AgentStore:  # noqa: ARG001 - the tables have to exist
    return AgentStore(Settings({}).dynamodb(), "AgentsTable")


def with_fields(**changed: object) -> Agent:
    return replace(AGENT, fields={**FIELDS, **changed})


def test_item_has_unknown_fields_in_a_map_of_their_own() -> None:
    assert set(ITEM) == {*FIELDS, "extraFields", "requestDigest", "writeToken"}
    assert ITEM["extraFields"] == {"M": {"systemPrompt": {"S": "…"}, "ttl": {"N": "1"}}}
    assert (ITEM["requestDigest"], ITEM["writeToken"]) == ({"S": "digest"}, {"S": "token"})
    assert agent_from_item(ITEM) == AGENT


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("status", None),
        ("status", {"S": "archived"}),
        ("status", {"S": "error"}),  # without a reason
        ("extraFields", None),
        ("extraFields", {"S": "x"}),
        ("extraFields", {"M": {"a": {"B": b"x"}}}),
        ("name", {"SS": ["x"]}),
        ("name", {"NULL": True}),
        ("settings", {"M": {"speed": {"B": b"x"}}}),
        ("ttsModel", {"M": {"provider": {"S": "rime"}, "language": {"S": "en"}}}),
        ("requestDigest", None),
        ("requestDigest", {"N": "1"}),
    ],
)
def test_a_damaged_item_is_an_error_that_names_the_attribute(
    store: AgentStore, stage: Stage, name: str, attribute: dict[str, Any] | None
) -> None:
    damaged = {**{key: value for key, value in ITEM.items() if key != name}, **({name: attribute} if attribute else {})}
    stage.clients.dynamodb.put_item(TableName="AgentsTable", Item=damaged)
    with pytest.raises(InternalError) as caught:
        store.create(AGENT, "digest", "another")

    path = {"status": "statusReason"}.get(name) if attribute == {"S": "error"} else name
    assert caught.value.internal.partition(".")[0] == f"malformed agent: {path}"


def test_an_attribute_that_something_else_added_is_ignored(store: AgentStore, stage: Stage) -> None:
    added = {**ITEM, "index": {"B": b"x"}, "statusReason": {"S": "invalid_key"}}
    del added["writeToken"]
    stage.clients.dynamodb.put_item(TableName="AgentsTable", Item=added)

    assert store.create(AGENT, "digest", "another") == Created(AGENT, replayed=True)


def test_a_replay_is_found_without_writing(store: AgentStore, stage: Stage) -> None:
    assert store.find_replay("workspace-a", FIELDS["_id"], "digest") is None
    store.create(AGENT, "digest", "token")

    assert store.find_replay("workspace-a", FIELDS["_id"], "digest") == AGENT
    with pytest.raises(IdempotencyKeyReused):
        store.find_replay("workspace-a", FIELDS["_id"], "another")
    assert stage.items == [ITEM]


def test_first_write_stores_the_agent(store: AgentStore, stage: Stage) -> None:
    created = store.create(AGENT, "digest", "token")

    assert (created.agent, created.replayed, created.unknown_outcome) == (AGENT, False, "")
    assert stage.items == [ITEM]


def test_same_request_again_gets_the_stored_agent(store: AgentStore, stage: Stage) -> None:
    store.create(AGENT, "digest", "token")
    created = store.create(with_fields(createdAt="later"), "digest", "another")

    assert (created.agent, created.replayed, created.unknown_outcome) == (AGENT, True, "")
    assert stage.items == [ITEM]


def test_another_request_under_the_same_id_is_refused(store: AgentStore, stage: Stage) -> None:
    store.create(AGENT, "digest", "token")

    with pytest.raises(IdempotencyKeyReused):
        store.create(with_fields(name="Another"), "another", "another")
    assert stage.items == [ITEM]


@pytest.mark.parametrize(
    ("times", "attempts", "unknown_outcome"),
    [
        (1, 2, "PutItem: the response was lost"),
        (2, 3, "PutItem: the response was lost"),
        (3, 3, "PutItem: ReadTimeoutError"),
    ],
)
def test_a_write_whose_responses_were_lost_is_our_own(
    store: AgentStore, stage: Stage, times: int, attempts: int, unknown_outcome: str
) -> None:
    made = lose_responses(store.client, "PutItem", times)
    created = store.create(AGENT, "digest", "token")

    assert (created.agent, created.replayed, created.unknown_outcome) == (AGENT, False, unknown_outcome)
    assert len(made) == attempts
    assert stage.items == [ITEM]


def test_a_lost_write_that_finds_an_earlier_one_is_a_replay(store: AgentStore) -> None:
    store.create(AGENT, "digest", "token")
    lose_requests(store.client, "PutItem")
    created = store.create(AGENT, "digest", "another")

    assert (created.replayed, created.unknown_outcome) == (True, "PutItem: ConnectionClosedError")
    with pytest.raises(IdempotencyKeyReused):
        store.create(AGENT, "another", "another")


def test_a_write_that_never_arrived_is_not_claimed(store: AgentStore, stage: Stage) -> None:
    attempts = lose_requests(store.client, "PutItem")

    with pytest.raises(UnknownOutcome) as caught:
        store.create(AGENT, "digest", "token")
    assert caught.value.internal == "PutItem: ConnectionClosedError"
    assert caught.value.log_fields()["unknownOutcome"] == "PutItem: ConnectionClosedError"
    assert len(attempts) == 3
    assert stage.items == []


def test_an_outcome_that_cannot_be_verified_is_not_claimed(store: AgentStore, stage: Stage) -> None:
    lose_responses(store.client, "PutItem")
    attempts = lose_requests(store.client, "GetItem")

    with pytest.raises(UnknownOutcome) as caught:
        store.create(AGENT, "digest", "token")
    assert caught.value.internal == "GetItem: ConnectionClosedError"
    assert caught.value.log_fields()["unknownOutcome"] == "PutItem: ReadTimeoutError"
    assert len(attempts) == 3
    # A retry of the caller finds the agent.
    assert AgentStore(Settings({}).dynamodb(), "AgentsTable").create(AGENT, "digest", "another").replayed
    assert len(stage.items) == 1


def test_a_malformed_write_is_not_verified(store: AgentStore, stage: Stage) -> None:
    attempts = refuse(store.client, "PutItem", "ValidationException")
    reads = lose_requests(store.client, "GetItem")

    with pytest.raises(InternalError) as caught:
        store.create(AGENT, "digest", "token")
    assert caught.value.internal == "PutItem: ValidationException"
    assert (attempts, reads, stage.items) == (["PutItem"], [], [])


def test_a_failed_condition_without_the_item_is_verified(store: AgentStore, stage: Stage) -> None:
    store.create(AGENT, "digest", "token")
    refuse(store.client, "PutItem", "ConditionalCheckFailedException")
    problem = "PutItem: condition failed but the response has no item"

    created = store.create(AGENT, "digest", "another")
    assert (created.agent, created.replayed, created.unknown_outcome) == (AGENT, True, problem)
    stage.clear()
    with pytest.raises(UnknownOutcome) as caught:
        store.create(AGENT, "digest", "another")
    assert caught.value.internal == problem


def test_an_agent_is_read_in_its_workspace_only(store: AgentStore) -> None:
    store.create(AGENT, "digest", "token")

    assert store.get("workspace-a", AGENT.id) == AGENT
    assert store.get("workspace-b", AGENT.id) is None
    lose_requests(store.client, "GetItem")
    with pytest.raises(ServiceUnavailable):
        store.get("workspace-a", AGENT.id)


@pytest.mark.parametrize(("reason", "status"), [(None, "ready"), ("invalid_key", "error")])
def test_a_result_changes_status_and_time_only(
    store: AgentStore, stage: Stage, reason: str | None, status: str
) -> None:
    store.create(AGENT, "digest", "token")

    assert store.record_result(AGENT, reason, NOON)
    changed = {"status": {"S": status}, "updatedAt": {"S": "2026-01-01T12:00:00.000Z"}}
    assert stage.items == [{**ITEM, **changed, **({"statusReason": {"S": reason}} if reason else {})}]


def test_a_result_removes_an_older_reason(store: AgentStore, stage: Stage) -> None:
    store.create(AGENT, "digest", "token")
    store.record_result(AGENT, "invalid_key", NOON)

    assert store.record_result(with_fields(status="error", updatedAt="2026-01-01T12:00:00.000Z"), None, NOON)
    assert (stage.items[0]["status"], "statusReason" in stage.items[0]) == ({"S": "ready"}, False)


@pytest.mark.parametrize("changed", [{"status": "ready"}, {"updatedAt": "2026-01-01T00:00:00.001Z"}, {"_id": "1" * 24}])
def test_a_result_of_a_changed_or_deleted_agent_is_discarded(
    store: AgentStore, stage: Stage, changed: dict[str, str]
) -> None:
    store.create(AGENT, "digest", "token")

    assert not store.record_result(with_fields(**changed), "invalid_key", NOON)
    assert stage.items == [ITEM]


def test_a_result_that_cannot_be_recorded_is_unavailable(store: AgentStore) -> None:
    lose_requests(store.client, "UpdateItem")

    with pytest.raises(ServiceUnavailable) as caught:
        store.record_result(AGENT, None, NOON)
    assert caught.value.internal == "UpdateItem: ConnectionClosedError"

"""What operators see of a request: one line, which is its log and its metrics."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import create_agent
from tests.conftest import BYO, EXAMPLE, Client, Stage
from tests.support.faults import lose_answers, refuse
from tests.support.leaks import recorded

NAMESPACE = "local"
"""The stack's name, as `sam local` gives it."""

ALWAYS = {"level", "message", "timestamp", "service", "status", "requestId", "outcome", "_aws"}
OF_A_CALLER = ALWAYS | {"keyId", "workspaceId", "authenticateMs", "limitMs"}
OF_AN_AGENT = OF_A_CALLER | {"agentId", "validateMs", "storeMs"}
LATENCIES = ["authenticateMs", "limitMs", "storeMs"]


def line_of(send: Callable[[], object]) -> dict[str, Any]:
    """Send a request; return the one line that it left."""
    with recorded() as stream:
        send()
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("{")]
    assert len(lines) == 1
    line: dict[str, Any] = json.loads(lines[0])
    return line


def counted(line: dict[str, Any]) -> dict[tuple[str, ...], list[str]]:
    """Return the names of a line's metrics by the values of their dimensions, as CloudWatch would take them."""
    found = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == NAMESPACE
        (dimensions,) = directive["Dimensions"]
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert all(isinstance(line[name], int | float) for name in names)
        found[tuple(line[name] for name in dimensions)] = names
    return found


def test_a_created_agent_is_logged_with_its_ids_and_the_time_of_each_step(client: Client) -> None:
    line = line_of(lambda: client.post(EXAMPLE))

    assert set(line) == OF_AN_AGENT | {"AgentsCreated"}
    assert (line["level"], line["message"], line["status"], line["outcome"]) == (
        "INFO",
        "request succeeded",
        201,
        "created",
    )
    assert (line["requestId"], line["workspaceId"]) == ("request-1", "workspace-a")
    assert counted(line) == {("create_agent",): ["AgentsCreated", *LATENCIES]}


def test_sealing_is_a_step_of_its_own(client: Client) -> None:
    line = line_of(lambda: client.post(BYO))

    assert set(line) == OF_AN_AGENT | {"AgentsCreated", "sealMs"}
    assert counted(line) == {("create_agent",): ["AgentsCreated", "authenticateMs", "limitMs", "sealMs", "storeMs"]}


def test_a_replay_is_counted_as_one(client: Client) -> None:
    headers: dict[str, str | None] = {"idempotency-key": "retry-1"}
    client.post(EXAMPLE, headers)
    line = line_of(lambda: client.post(EXAMPLE, headers))

    assert line["outcome"] == "replayed"
    assert counted(line) == {("create_agent",): ["AgentsReplayed", *LATENCIES]}


@pytest.mark.parametrize(
    ("send", "code", "status", "fields", "metrics"),
    [
        (
            lambda client: client.post({}),
            "validation_error",
            400,
            OF_A_CALLER | {"validateMs"},
            ["RequestsRejected", "authenticateMs", "limitMs"],
        ),
        (
            lambda client: client.post(EXAMPLE, {"x-workspace-id": "another"}),
            "workspace_forbidden",
            403,
            OF_A_CALLER,
            ["RequestsRejected", "authenticateMs", "limitMs"],
        ),
        (
            lambda client: client.post(EXAMPLE, {"x-api-key": "wrong"}),
            "invalid_api_key",
            401,
            ALWAYS | {"cause", "authenticateMs", "AuthenticationFailed"},
            ["RequestsRejected", "AuthenticationFailed", "authenticateMs"],
        ),
        (lambda client: client.send({}), "not_found", 404, ALWAYS, ["RequestsRejected"]),
    ],
)
def test_a_rejected_request_is_counted_by_its_code(
    client: Client,
    send: Callable[[Client], object],
    code: str,
    status: int,
    fields: set[str],
    metrics: list[str],
) -> None:
    line = line_of(lambda: send(client))

    assert (line["level"], line["status"], line["outcome"]) == ("INFO", status, code)
    assert set(line) == fields | {"RequestsRejected"}
    assert counted(line) == {("create_agent",): metrics, ("create_agent", code): ["RequestsRejected"]}


@pytest.fixture
def dynamodb(client: Client, new_application: Callable[[], None]) -> Any:  # noqa: ARG001 - a key is issued first
    """The function's own client, new for this test."""
    new_application()
    return vars(create_agent.application().agents)["_client"]


def test_a_request_that_fails_is_an_error_with_its_cause(client: Client, dynamodb: Any) -> None:
    refuse(dynamodb, "GetItem", "ProvisionedThroughputExceededException")
    line = line_of(client.post)

    assert (line["level"], line["status"], line["cause"]) == (
        "ERROR",
        503,
        "GetItem: ProvisionedThroughputExceededException",
    )
    assert counted(line) == {
        ("create_agent",): ["RequestsFailed", "authenticateMs"],
        ("create_agent", "service_unavailable"): ["RequestsFailed"],
    }


def test_a_write_whose_answers_are_lost_is_told_and_counted(client: Client, dynamodb: Any, stage: Stage) -> None:
    lose_answers(dynamodb, "PutItem")
    line = line_of(client.post)

    assert (line["level"], line["status"], line["unclearWrite"]) == ("WARNING", 201, "PutItem: ReadTimeoutError")
    assert counted(line) == {("create_agent",): ["AgentsCreated", "WritesUnclear", *LATENCIES]}
    assert len(stage.items) == 1


def test_what_an_operator_does_is_logged_and_counted_too(
    manage: Callable[..., tuple[int, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    manage(action="issue", workspaceId="workspace-a", userId="user-a")
    manage(action="revoke", workspaceId="workspace-a", keyId="unknown")
    lines = [vars(record)["members"] for record in caplog.records if "members" in vars(record)]
    issued, refused = ({"service": "manage_api_keys", **line, "_aws": json.loads(line["_aws"])} for line in lines)

    assert issued.keys() >= {"action", "workspaceId", "keyId", "manageMs"}
    assert counted(issued) == {("manage_api_keys",): ["RequestsSucceeded"]}
    assert counted(refused) == {
        ("manage_api_keys",): ["RequestsRejected"],
        ("manage_api_keys", "not_found"): ["RequestsRejected"],
    }


def test_a_key_that_has_ended_is_logged_with_its_owner(client: Client, manage: Callable[..., tuple[int, Any]]) -> None:
    _, listed = manage(action="list", workspaceId="workspace-a")
    key_id = listed["keys"][0]["keyId"]
    manage(action="revoke", workspaceId="workspace-a", keyId=key_id)
    line = line_of(client.post)

    assert (line["status"], line["cause"]) == (401, "key is not active")
    assert (line["keyId"], line["workspaceId"]) == (key_id, "workspace-a")

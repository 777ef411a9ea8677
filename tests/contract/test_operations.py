"""What operators see of an invocation: one log line, and one line of metrics."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import Manage, NewApplication
from tests.support.client import Client, Stage
from tests.support.events import LambdaContext
from tests.support.faults import lose_requests, lose_responses, refuse
from tests.support.logs import recorded_output
from tests.support.samples import BYO, EXAMPLE

FROM_LAMBDA = {"cold_start", "function_name", "function_memory_size", "function_arn", "function_request_id"}
ALWAYS = {"level", "message", "timestamp", "service", "status", "requestId", "outcome"} | FROM_LAMBDA
OF_A_CALLER = ALWAYS | {"keyId", "workspaceId", "kilobytes", "authenticateMs"}
OF_AN_AGENT = OF_A_CALLER | {"agentId", "validateMs", "storeMs"}
KEY: dict[str, str | None] = {"idempotency-key": "retry-1"}


def printed(run: Callable[[], object]) -> tuple[dict[str, Any], dict[str, float]]:
    """Run something that invokes a function once; return its log line and its metrics."""
    with recorded_output() as output:
        run()
    assert len(output.text.splitlines()) == 2
    (line,), (metrics,) = output.lines, output.metrics
    return line, metrics


@pytest.fixture
def faulty(client: Client, new_application: NewApplication) -> Client:
    """A client of an application of this test only, so that its faults end with it."""
    return replace(client, app=new_application())


def test_a_created_agent_is_logged_with_ids_and_times(client: Client, manage: Manage) -> None:
    (key,) = manage(action="list", workspaceId="workspace-a")[1]["keys"]
    context = LambdaContext()
    responses = []
    line, metrics = printed(lambda: responses.append(client.send(client.event(EXAMPLE), context)))

    assert set(line) == OF_AN_AGENT
    assert (line["level"], line["message"], line["service"]) == ("INFO", "request succeeded", "create_agent")
    assert (line["status"], line["outcome"]) == (201, "created")
    assert (line["requestId"], line["function_request_id"]) == ("request-1", context.aws_request_id)
    assert (line["keyId"], line["workspaceId"]) == (key["keyId"], "workspace-a")
    assert line["agentId"] == responses[0].body["_id"]
    times = {name: line[name] for name in ("authenticateMs", "storeMs")}
    assert metrics == {"AgentsCreated": 1, **times}
    assert all(0 <= time < 10_000 for time in times.values())


def test_encryption_is_timed_on_its_own(client: Client) -> None:
    line, metrics = printed(lambda: client.post(BYO))

    assert set(line) == OF_AN_AGENT | {"encryptMs"}
    assert set(metrics) == {"AgentsCreated", "authenticateMs", "encryptMs", "storeMs"}


def test_a_replay_is_counted_as_one(client: Client) -> None:
    client.post(EXAMPLE, KEY)
    line, metrics = printed(lambda: client.post(EXAMPLE, KEY))

    assert (line["level"], line["outcome"]) == ("INFO", "replayed")
    assert set(metrics) == {"AgentsReplayed", "authenticateMs", "storeMs"}


@pytest.mark.parametrize(
    ("send", "code", "fields", "metrics"),
    [
        (
            lambda client: client.post({}),
            (400, "validation_error"),
            OF_A_CALLER | {"validateMs"},
            {"authenticateMs"},
        ),
        (
            lambda client: client.post(EXAMPLE, {"x-workspace-id": "another"}),
            (403, "workspace_forbidden"),
            OF_A_CALLER,
            {"authenticateMs"},
        ),
        (
            lambda client: client.post(EXAMPLE, {"x-api-key": "wrong"}),
            (401, "invalid_api_key"),
            ALWAYS | {"cause", "kilobytes", "authenticateMs"},
            {"AuthenticationFailed", "authenticateMs"},
        ),
        (lambda client: client.send({}), (404, "not_found"), ALWAYS, set()),
    ],
)
def test_a_rejected_request_is_logged_with_its_code(
    client: Client, send: Callable[[Client], object], code: tuple[int, str], fields: set[str], metrics: set[str]
) -> None:
    line, counted = printed(lambda: send(client))

    assert (line["level"], line["message"]) == ("INFO", "request rejected")
    assert (line["status"], line["outcome"]) == code
    assert set(line) == fields
    assert set(counted) == {"RequestsRejected", *metrics}


def test_a_failed_request_is_an_error_with_its_cause(faulty: Client) -> None:
    refuse(faulty.app.access.keys.client, "GetItem", "ProvisionedThroughputExceededException")
    line, metrics = printed(faulty.post)

    assert (line["level"], line["message"], line["status"]) == ("ERROR", "request failed", 503)
    assert line["outcome"] == "service_unavailable"
    assert line["cause"] == "GetItem: ProvisionedThroughputExceededException"
    assert set(metrics) == {"RequestsFailed", "authenticateMs"}


def test_an_unknown_outcome_is_logged_and_counted(faulty: Client, stage: Stage) -> None:
    lose_responses(faulty.app.agents.client, "PutItem")
    line, metrics = printed(faulty.post)

    assert (line["level"], line["status"], line["outcome"]) == ("WARNING", 201, "created")
    assert line["unknownOutcome"] == "PutItem: ReadTimeoutError"
    assert metrics["AgentsCreated"] == metrics["UnknownWriteOutcomes"] == 1
    assert len(stage.items) == 1


def test_an_unknown_outcome_that_stays_unknown_is_logged_and_counted(faulty: Client) -> None:
    lose_responses(faulty.app.agents.client, "PutItem")
    lose_requests(faulty.app.agents.client, "PutItem")
    line, metrics = printed(faulty.post)

    assert (line["level"], line["status"], line["unknownOutcome"]) == ("ERROR", 503, "PutItem: ConnectionClosedError")
    assert metrics["RequestsFailed"] == metrics["UnknownWriteOutcomes"] == 1


@pytest.mark.parametrize(
    ("change", "cause"), [("revoke", "key is not active"), ("expire", "key is expired"), ("delete", "unknown key")]
)
def test_an_invalid_key_is_logged_with_its_owner(
    client: Client, manage: Manage, stage: Stage, change: str, cause: str
) -> None:
    (key,) = manage(action="list", workspaceId="workspace-a")[1]["keys"]
    if change == "revoke":
        manage(action="revoke", workspaceId="workspace-a", keyId=key["keyId"])
    elif change == "expire":
        manage(action="rotate", workspaceId="workspace-a", keyId=key["keyId"], overlapDays=0)
    else:
        stage.clear()
    line, _ = printed(client.post)

    assert (line["status"], line["outcome"], line["cause"]) == (401, "invalid_api_key", cause)
    owner = {} if change == "delete" else {"keyId": key["keyId"], "workspaceId": "workspace-a"}
    assert {name: line[name] for name in ("keyId", "workspaceId") if name in line} == owner


def test_commands_of_operators_are_logged_and_counted(manage: Manage) -> None:
    keys = []
    issued, counted = printed(
        lambda: keys.append(manage(action="issue", workspaceId="workspace-a", userId="user-a")[1]["keyId"])
    )
    revoked, _ = printed(lambda: manage(action="revoke", workspaceId="workspace-a", keyId=keys[0]))
    refused, rejected = printed(lambda: manage(action="revoke", workspaceId="workspace-a", keyId="unknown"))

    assert set(issued) == ALWAYS - {"outcome"} | {"action", "workspaceId", "keyId", "manageMs"}
    assert (issued["service"], issued["action"], issued["keyId"]) == ("manage_api_keys", "issue", keys[0])
    assert issued["requestId"] == issued["function_request_id"]
    assert (revoked["action"], revoked["keyId"], revoked["workspaceId"]) == ("revoke", keys[0], "workspace-a")
    assert (refused["outcome"], refused["status"]) == ("not_found", 404)
    assert (counted, rejected) == ({"RequestsSucceeded": 1}, {"RequestsRejected": 1})

"""An operator sends an agent through activation again, and is told what came of it."""

from typing import Any

import pytest

import activate_agent
import reactivate_agent
from tests.conftest import ELEVENLABS_KEY, MINIMUM
from tests.support.faults import refuse
from tests.integration.conftest import Activation
from tests.support.leaks import recorded
from tests.local import elevenlabs
from tests.support.events import LambdaContext


def reactivate(**command: object) -> tuple[int, Any]:
    result = reactivate_agent.handler(command, LambdaContext())
    assert set(result) == {"statusCode", "body"}
    return result["statusCode"], result["body"]


def again(agent: dict[str, Any]) -> tuple[int, Any]:
    return reactivate(workspaceId=agent["workspaceId"], agentId=agent["_id"])


def test_a_key_that_was_mended_makes_the_agent_ready(activation: Activation, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = activation.create("no-permission")
    activation.handle(*activation.records())
    assert activation.status(agent) == ("error", "missing_permission")
    monkeypatch.delitem(elevenlabs.OUTCOMES, "no-permission")

    ids = {"_id": agent["_id"], "workspaceId": agent["workspaceId"]}
    assert again(agent) == (200, {**ids, "status": "ready"})
    assert activation.status(agent) == ("ready", None)


def test_a_key_that_was_not_mended_stays_in_error_with_todays_reason(activation: Activation) -> None:
    agent = activation.create("no-such-voice")
    status, body = again(agent)

    assert (status, body["status"], body["statusReason"]) == (200, "error", "voice_not_found")
    assert activation.status(agent) == ("error", "voice_not_found")


def test_an_agent_that_was_given_up_as_pending_is_tried(activation: Activation) -> None:
    agent = activation.create()

    assert again(agent)[0] == 200
    # Its record may still come.
    assert activation.handle(*activation.records()) == []
    assert activation.status(agent) == ("ready", None)


def test_elevenlabs_that_is_busy_is_503_and_changes_nothing(activation: Activation) -> None:
    agent = activation.create("busy")
    status, body = again(agent)

    assert (status, body["error"]["code"]) == (503, "service_unavailable")
    assert activation.status(agent) == ("pending", None)


def test_what_is_ready_brings_no_key_or_is_not_there_is_told_so(activation: Activation) -> None:
    ready, plain = activation.create(), activation.client.post(MINIMUM).body
    again(ready)
    activation.stage.clients.dynamodb.update_item(
        TableName="AgentsTable",
        Key={name: {"S": plain[name]} for name in ("workspaceId", "_id")},
        UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": {"S": "error"}},
    )

    answers = [again(ready), again(plain), again({**plain, "_id": "0" * 24})]
    assert [(status, body["message"]) for status, body in answers] == [
        (409, "This agent is ready: there is nothing to try."),
        (409, "This agent brings no ElevenLabs key that could be tried."),
        (404, "This workspace has no such agent."),
    ]


def test_an_agent_that_changes_meanwhile_is_left_alone(activation: Activation) -> None:
    agent = activation.create()
    refuse(activate_agent.application().candidates._client, "UpdateItem", "ConditionalCheckFailedException")  # noqa: SLF001 - the client in use

    status, body = again(agent)
    assert (status, body["error"]["code"]) == (409, "conflict")
    assert activation.status(agent) == ("pending", None)


@pytest.mark.parametrize(
    ("command", "faults"),
    [
        ({}, {"workspaceId", "agentId"}),
        ({"workspaceId": "w"}, {"agentId"}),
        ({"workspaceId": "", "agentId": "x"}, {"workspaceId", "agentId"}),
        ({"workspaceId": "w", "agentId": ELEVENLABS_KEY}, {"agentId"}),
        ({"workspaceId": "w", "agentId": "0" * 24, "force": ELEVENLABS_KEY}, {"force"}),
    ],
)
def test_a_command_that_is_none_is_refused_with_all_its_faults(
    activation: Activation, command: dict[str, object], faults: set[str]
) -> None:
    status, body = reactivate(**command)

    assert (status, body["error"]["code"]) == (400, "validation_error")
    assert {fault["path"] for fault in body["error"]["details"]} == faults
    assert ELEVENLABS_KEY not in f"{body}{activation.log.getvalue()}"


@pytest.mark.parametrize("event", [None, [], "text", 5])
@pytest.mark.usefixtures("activation")
def test_any_json_gets_an_answer(event: object) -> None:
    result = reactivate_agent.handler(event, LambdaContext())

    assert result["statusCode"] == 400


@pytest.mark.usefixtures("new_application")
def test_a_function_that_cannot_be_composed_says_why_in_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELEVENLABS_URL")
    with recorded() as log:
        status, body = reactivate(workspaceId="w", agentId="0" * 24)

    assert (status, body["error"]["code"]) == (500, "internal_error")
    assert "ELEVENLABS_URL is not set" in log.getvalue()
    assert "ELEVENLABS_URL" not in str(body)

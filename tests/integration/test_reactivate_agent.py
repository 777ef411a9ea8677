"""An operator has an agent's key tried again, and sees the result."""

from typing import Any

import pytest

import reactivate_agent
from tests.integration.conftest import Trials
from tests.support.events import LambdaContext
from tests.support.faults import refuse
from tests.support.logs import recorded_output
from tests.support.samples import ELEVENLABS_KEY, MINIMUM


def command(agent: dict[str, Any]) -> dict[str, Any]:
    return {"workspaceId": agent["workspaceId"], "agentId": agent["_id"]}


def test_a_key_that_was_fixed_makes_the_agent_ready(trials: Trials) -> None:
    agent = trials.create()
    trials.stage.change(agent, status="error")
    trials.stage.change(agent, statusReason="missing_permission")

    ids = {"_id": agent["_id"], "workspaceId": agent["workspaceId"]}
    assert trials.reactivate(command(agent)) == (200, {**ids, "status": "ready"})
    assert trials.status(agent) == ("ready", None)
    (line,) = trials.lines()
    assert line["service"] == "reactivate_agent"
    assert {"readMs", "decryptMs", "elevenLabsMs", "recordResultMs"} <= line.keys()
    assert (line["workspaceId"], line["agentId"], line["outcome"]) == (agent["workspaceId"], agent["_id"], "ready")
    assert "statusReason" not in line


def test_a_key_that_still_fails_has_the_new_reason(trials: Trials) -> None:
    agent = trials.create("no-such-voice")
    trials.stage.change(agent, status="error")
    trials.stage.change(agent, statusReason="missing_permission")
    ids = {"_id": agent["_id"], "workspaceId": agent["workspaceId"]}

    result = trials.reactivate(command(agent))
    assert result == (200, {**ids, "status": "error", "statusReason": "voice_not_found"})
    assert trials.status(agent) == ("error", "voice_not_found")
    assert [(line["outcome"], line["statusReason"]) for line in trials.lines()] == [("error", "voice_not_found")]


def test_a_pending_agent_can_be_tried_before_its_record(trials: Trials) -> None:
    agent = trials.create()

    assert trials.reactivate(command(agent))[0] == 200
    assert trials.handle(*trials.records()) == []
    assert trials.status(agent) == ("ready", None)


def test_a_busy_elevenlabs_is_503_and_changes_nothing(trials: Trials) -> None:
    agent = trials.create("busy")
    status, body = trials.reactivate(command(agent))

    assert (status, body["error"]["code"]) == (503, "service_unavailable")
    assert trials.status(agent) == ("pending", None)


def test_an_agent_that_cannot_be_tried_is_refused(trials: Trials) -> None:
    ready, plain = trials.create(), trials.client.post(MINIMUM).body
    trials.stage.change(ready, status="ready")
    trials.stage.change(plain, status="error")
    trials.stage.change(plain, statusReason="invalid_key")

    results = [trials.reactivate(command(agent)) for agent in (ready, plain, {**plain, "_id": "0" * 24})]
    assert [(status, body["message"]) for status, body in results] == [
        (409, "This agent is ready: there is nothing to try."),
        (409, "This agent has no ElevenLabs key of its own to try."),
        (404, "This workspace has no such agent."),
    ]


def test_an_agent_that_changes_meanwhile_is_a_conflict(trials: Trials) -> None:
    agent = trials.create()
    refuse(trials.app.agents.client, "UpdateItem", "ConditionalCheckFailedException")

    status, body = trials.reactivate(command(agent))
    assert (status, body["error"]["code"]) == (409, "conflict")
    assert trials.status(agent) == ("pending", None)


@pytest.mark.parametrize("event", [None, [], "text", {"workspaceId": "w", "agentId": ELEVENLABS_KEY}])
def test_a_bad_command_has_the_error_shape_of_the_api(trials: Trials, event: object) -> None:
    status, body = trials.reactivate(event)

    assert (status, body["error"]["code"], body["message"]) == (400, "validation_error", body["error"]["message"])
    assert ELEVENLABS_KEY not in f"{body}{trials.output.text}"


def test_a_wrong_environment_is_500_and_named_in_the_log(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**variables, "ELEVENLABS_URL": ""}.items():
        monkeypatch.setenv(name, value)
    reactivate_agent.application.cache_clear()

    with recorded_output() as output:
        result = reactivate_agent.handler({"workspaceId": "w", "agentId": "0" * 24}, LambdaContext())
    assert (result["statusCode"], result["body"]["error"]["code"]) == (500, "internal_error")
    assert [line["cause"] for line in output.lines] == ["the environment variable ELEVENLABS_URL is not set"]
    assert "ELEVENLABS_URL" not in str(result)

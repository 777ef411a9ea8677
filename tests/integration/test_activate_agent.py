"""A pending agent becomes ready or in error, once, whatever the queue does, and nobody waits for another's key."""

import asyncio
import json
import threading
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

import activate_agent
from call_agents.agents.agent import Agent
from call_agents.agents.elevenlabs import ElevenLabs
from call_agents.agents.store import AgentStore
from tests.integration.conftest import Trials, event_about
from tests.support.events import LambdaContext, queue_event
from tests.support.faults import lose_requests, lose_responses, refuse
from tests.support.logs import recorded_output
from tests.support.samples import MINIMUM

LATER = "2029-01-01T00:00:00.000Z"


def remaining(milliseconds: int) -> Any:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: milliseconds)


def test_a_key_that_works_makes_the_agent_ready(trials: Trials) -> None:
    agent = trials.create(systemPrompt="kept")
    before = trials.item(agent)

    assert trials.handle(agent) == set()
    changed = {"status": {"S": "ready"}, "updatedAt": {"S": "2030-01-01T00:00:00.000Z"}}
    assert trials.item(agent) == {**before, **changed}


@pytest.mark.parametrize(
    ("voice_id", "reason"),
    [
        ("invalid-key", "invalid_key"),
        ("no-such-voice", "voice_not_found"),
        ("no-permission", "missing_permission"),
        ("unusual-activity", "key_refused"),
    ],
)
def test_a_key_that_does_not_work_is_an_error_with_its_reason(trials: Trials, voice_id: str, reason: str) -> None:
    agent = trials.create(voice_id)

    assert trials.handle(agent) == set()
    assert trials.status(agent) == ("error", reason)


@pytest.mark.parametrize("damaged", ["encrypted:QUJD", "encrypted:!"])
def test_a_key_that_cannot_be_decrypted_is_an_error(trials: Trials, damaged: str) -> None:
    agent = trials.create()
    item = trials.item(agent)
    item["ttsModel"]["M"]["elevenLabsApiKey"]["S"] = damaged
    trials.stage.clients.dynamodb.put_item(TableName="AgentsTable", Item=item)

    assert trials.handle(agent) == set()
    assert trials.status(agent) == ("error", "key_unreadable")


def test_a_trial_that_fails_comes_back_alone(trials: Trials) -> None:
    agents = [trials.create(voice_id) for voice_id in ("a-voice", "busy", "invalid-key", "broken")]

    assert trials.handle(*agents) == {agents[1]["_id"], agents[3]["_id"]}
    assert [trials.status(agent)[0] for agent in agents] == ["ready", "pending", "error", "pending"]
    assert trials.handle(agents[1]) == {agents[1]["_id"]}
    assert trials.status(agents[1]) == ("pending", None)


def test_a_good_key_does_not_wait_for_keys_that_hang(trials: Trials) -> None:
    agents = [trials.create(f"hangs-{number}") for number in range(4)] + [trials.create("a-voice")]
    became_ready = threading.Event()
    seen: list[bool] = []

    class Hanging(ElevenLabs):
        def try_voice(self, key: str, voice_id: str) -> str | None:
            if voice_id.startswith("hangs-"):
                seen.append(became_ready.wait(20))
            return super().try_voice(key, voice_id)

    class Watched(AgentStore):
        def record_result(self, agent: Agent, reason: str | None, now: datetime) -> bool:
            recorded = super().record_result(agent, reason, now)
            if agent.voice_id == "a-voice":
                became_ready.set()
            return recorded

    app = replace(
        trials.app,
        elevenlabs=Hanging(trials.app.elevenlabs.http, trials.app.elevenlabs.url),
        agents=Watched(trials.app.agents.client, trials.app.agents.table),
    )

    assert replace(trials, app=app).handle(*agents) == set()
    assert seen == [True] * 4  # each was still hanging when the good one became ready
    assert [trials.status(agent)[0] for agent in agents] == ["ready"] * 5


def test_a_repeated_message_has_no_second_effect(trials: Trials) -> None:
    agent = trials.create()
    trials.handle(agent)
    item = trials.item(agent)

    assert trials.handle(agent) == set()
    assert trials.item(agent) == item
    assert [line["outcome"] for line in trials.lines()] == ["ready", "changed"]


def test_what_is_not_pending_is_left_alone(trials: Trials) -> None:
    deleted = {"_id": "0" * 24, "workspaceId": "workspace-a"}
    plain, error = trials.client.post(MINIMUM).body, trials.create("invalid-key")
    trials.handle(error)
    decrypted = refuse(trials.app.secrets.client(), "Decrypt", "ThrottlingException")

    assert trials.handle(deleted, plain, error) == set()
    assert decrypted == []
    assert [trials.status(agent) for agent in (plain, error)] == [("ready", None), ("error", "invalid_key")]
    assert len(trials.stage.items) == 2


@pytest.mark.parametrize("change", ["updatedAt", "status", "voice", "delete"])
def test_a_result_for_an_agent_that_changed_meanwhile_is_discarded(trials: Trials, change: str) -> None:
    agent = trials.create()

    class Changing(ElevenLabs):
        def try_voice(self, key: str, voice_id: str) -> str | None:
            item = trials.item(agent)
            if change == "delete":
                trials.stage.clear()
            elif change == "voice":
                item["ttsModel"]["M"]["voiceId"]["S"] = "another"
                trials.stage.clients.dynamodb.put_item(TableName="AgentsTable", Item=item)
            else:
                trials.stage.change(agent, **{change: {"updatedAt": LATER, "status": "ready"}[change]})
            return super().try_voice(key, voice_id)

    app = replace(trials.app, elevenlabs=Changing(trials.app.elevenlabs.http, trials.app.elevenlabs.url))
    assert replace(trials, app=app).handle(agent) == set()
    assert [line["outcome"] for line in trials.lines()] == ["changed"]
    if change == "delete":
        assert trials.stage.items == []
    else:
        assert trials.item(agent)["updatedAt"]["S"] == (LATER if change == "updatedAt" else agent["updatedAt"])


@pytest.mark.parametrize(
    "body", ["", "5", "{", "{}", '{"detail":{"agentId":"a"}}', '{"detail":{"agentId":1,"workspaceId":""}}']
)
def test_a_message_that_is_no_event_comes_back_and_affects_no_other(trials: Trials, body: str) -> None:
    agent = trials.create()
    messages = {"odd": body, "good": json.dumps(event_about(agent))}

    assert trials.handle_bodies(messages) == {"odd"}
    assert trials.status(agent)[0] == "ready"
    assert {line.get("cause") for line in trials.lines()} == {None, "the message is no event about an agent"}


def test_an_agent_without_its_key_comes_back(trials: Trials) -> None:
    agent = trials.create()
    item = trials.item(agent)
    del item["ttsModel"]["M"]["elevenLabsApiKey"]
    trials.stage.clients.dynamodb.put_item(TableName="AgentsTable", Item=item)

    assert trials.handle(agent) == {agent["_id"]}
    assert trials.lines()[0]["cause"] == "malformed agent: ttsModel.elevenLabsApiKey"


def test_a_lost_write_leaves_the_retry_to_the_queue(trials: Trials) -> None:
    agent = trials.create()
    attempts = lose_requests(trials.app.agents.client, "UpdateItem")

    assert trials.handle(agent) == {agent["_id"]}
    assert len(attempts) == 1
    assert trials.status(agent) == ("pending", None)


def test_a_write_whose_response_is_lost_has_its_effect_once(trials: Trials) -> None:
    agent = trials.create("invalid-key")
    lose_responses(trials.app.agents.client, "UpdateItem", 1)

    assert trials.handle(agent) == {agent["_id"]}
    assert trials.status(agent) == ("error", "invalid_key")
    item = trials.item(agent)
    assert trials.handle(agent) == set()
    assert trials.item(agent) == item


def test_a_trial_that_takes_too_long_comes_back(trials: Trials) -> None:
    agent = trials.create("slow")

    assert trials.handle(agent, context=remaining(700)) == {agent["_id"]}
    assert trials.lines()[0]["cause"] == "out of time"
    assert trials.lines()[0]["elevenLabsMs"] >= 50
    assert trials.status(agent) == ("pending", None)


def test_an_error_for_powertools_has_no_cause(trials: Trials) -> None:
    agent = trials.create("busy")
    (record,) = queue_event({"one": json.dumps(event_about(agent))})["Records"]

    with pytest.raises(activate_agent.RecordFailedError) as caught:
        asyncio.run(activate_agent.handle_record(SQSRecord(record), None, lambda: trials.app))
    assert (caught.value.__context__, caught.value.args) == (None, ())


def test_a_wrong_environment_fails_every_message_and_is_logged(
    trials: Trials, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = [trials.create(), trials.create()]
    for name, value in {**variables, "ELEVENLABS_URL": "http://elevenlabs.example"}.items():
        monkeypatch.setenv(name, value)
    activate_agent.application.cache_clear()

    event = queue_event({agent["_id"]: json.dumps(event_about(agent)) for agent in agents})
    with recorded_output() as output:
        result = activate_agent.handler(event, LambdaContext())
    failed = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
    assert failed == {agent["_id"] for agent in agents}
    cause = "the environment variable ELEVENLABS_URL does not start with https://"
    assert [line["cause"] for line in output.lines] == [cause, cause]


def test_a_log_line_has_ids_times_and_the_result(trials: Trials) -> None:
    agents = [trials.create(), trials.create("invalid-key")]
    context = LambdaContext(timeout=30)
    trials.handle(*agents, context=context)
    lines = {line["agentId"]: line for line in trials.lines()}

    ready, error = (lines[agent["_id"]] for agent in agents)
    for line in (ready, error):
        assert (line["workspaceId"], line["service"], line["requestId"]) == (
            *("workspace-a", "activate_agent", context.aws_request_id),
        )
        assert {"readMs", "decryptMs", "elevenLabsMs", "recordResultMs"} <= line.keys()
    assert (ready["outcome"], ready.get("statusReason")) == ("ready", None)
    assert (error["outcome"], error.get("statusReason")) == ("error", "invalid_key")

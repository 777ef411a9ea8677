"""A pending agent becomes ready or in error, once, whatever the stream does."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

import activate_agent
from tests.integration.conftest import Trials
from tests.support.events import LambdaContext
from tests.support.faults import lose_requests, lose_responses, refuse
from tests.support.logs import recorded_output
from tests.support.samples import MINIMUM


def number(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def remaining(*milliseconds: int) -> Any:
    """Return a context whose remaining time is each of these in turn, then the last."""
    values = list(milliseconds)
    return SimpleNamespace(get_remaining_time_in_millis=lambda: values.pop(0) if len(values) > 1 else values[0])


def test_a_key_that_works_makes_the_agent_ready(trials: Trials) -> None:
    agent = trials.create(systemPrompt="kept")
    before = trials.item(agent)
    (record,) = trials.records()

    assert trials.handle(record) == []
    changed = {"status": {"S": "ready"}, "updatedAt": {"S": "2030-01-01T00:00:00.000Z"}}
    assert trials.item(agent) == {**before, **changed}
    assert trials.pauses == []


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

    assert trials.handle(*trials.records()) == []
    assert trials.status(agent) == ("error", reason)


def test_only_agents_inserted_as_pending_pass_the_filter(trials: Trials) -> None:
    trials.client.post(MINIMUM)
    agent = trials.create()
    (record,) = trials.records()
    trials.handle(record)

    assert record["dynamodb"]["Keys"]["_id"]["S"] == agent["_id"]
    assert trials.records() == []  # the change that was just made


def test_a_record_that_fails_is_retried_alone(trials: Trials) -> None:
    agents = [trials.create(voice_id) for voice_id in ("a-voice", "busy", "invalid-key", "broken")]
    records = trials.records()

    assert trials.handle(*reversed(records)) == [number(records[3]), number(records[1])]
    assert [trials.status(agent)[0] for agent in agents] == ["ready", "pending", "error", "pending"]
    assert trials.handle(records[1]) == [number(records[1])]
    assert trials.status(agents[1]) == ("pending", None)
    assert [1 <= pause <= 10 for pause in trials.pauses] == [True, True]  # one for each batch


def test_a_repeated_record_has_no_second_effect(trials: Trials) -> None:
    agent = trials.create()
    (record,) = trials.records()
    trials.handle(record, record)
    item = trials.item(agent)

    assert trials.handle(record) == []
    assert trials.item(agent) == item
    assert [line["outcome"] for line in trials.lines()] == ["ready", "changed", "changed"]


def test_a_deleted_agent_stays_deleted(trials: Trials) -> None:
    trials.create()
    records = trials.records()
    trials.stage.clear()

    assert trials.handle(*records) == []
    assert trials.stage.items == []


def test_an_agent_changed_meanwhile_is_left_alone(trials: Trials) -> None:
    agent = trials.create()
    (record,) = trials.records()
    trials.stage.change(agent, updatedAt="2029-01-01T00:00:00.000Z")

    assert trials.handle(record) == []
    assert trials.status(agent) == ("pending", None)


def test_the_key_of_an_agent_that_is_not_pending_is_not_decrypted(trials: Trials) -> None:
    agent = trials.create("invalid-key")
    (record,) = trials.records()
    record["dynamodb"]["NewImage"]["status"]["S"] = "ready"
    decrypted = refuse(trials.app.secrets.client(), "Decrypt", "ThrottlingException")

    assert trials.handle(record) == []
    assert (decrypted, trials.status(agent)) == ([], ("pending", None))
    (line,) = trials.lines()
    assert (line["status"], line["outcome"]) == (200, "changed")


def without_image(stream_record: dict[str, Any]) -> None:
    del stream_record["NewImage"]


def without_key(stream_record: dict[str, Any]) -> None:
    del stream_record["NewImage"]["ttsModel"]["M"]["elevenLabsApiKey"]


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (without_image, "KeyError at "),
        (without_key, "malformed agent: ttsModel.elevenLabsApiKey"),
    ],
)
def test_a_malformed_record_does_not_affect_others(
    trials: Trials, spoil: Callable[[dict[str, Any]], None], cause: str
) -> None:
    agents = [trials.create(), trials.create()]
    malformed, sound = trials.records()
    spoil(malformed["dynamodb"])

    assert trials.handle(malformed, sound) == [number(malformed)]
    assert [trials.status(agent)[0] for agent in agents] == ["pending", "ready"]
    assert trials.lines()[0]["cause"].startswith(cause)


@pytest.mark.parametrize("damaged", ["encrypted:QUJD", "encrypted:!"])
def test_a_key_that_cannot_be_decrypted_is_an_error(trials: Trials, damaged: str) -> None:
    agent = trials.create()
    (record,) = trials.records()
    record["dynamodb"]["NewImage"]["ttsModel"]["M"]["elevenLabsApiKey"]["S"] = damaged

    assert trials.handle(record) == []
    assert trials.status(agent) == ("error", "key_unreadable")


def test_a_write_that_is_lost_is_retried(trials: Trials) -> None:
    agent = trials.create()
    (record,) = trials.records()
    attempts = lose_requests(trials.app.agents.client, "UpdateItem")

    assert trials.handle(record) == [number(record)]
    assert len(attempts) == 1
    assert trials.status(agent) == ("pending", None)


def test_a_write_whose_response_is_lost_has_its_effect_once(trials: Trials) -> None:
    agent = trials.create("invalid-key")
    (record,) = trials.records()
    lose_responses(trials.app.agents.client, "UpdateItem", 1)

    assert trials.handle(record) == [number(record)]
    assert trials.status(agent) == ("error", "invalid_key")
    item = trials.item(agent)
    assert trials.handle(record) == []
    assert trials.item(agent) == item


def test_a_record_is_tried_only_while_there_is_time(trials: Trials) -> None:
    agent = trials.create()
    (record,) = trials.records()

    assert trials.handle(record, context=remaining(29_999)) == [number(record)]
    assert trials.lines()[0]["cause"] == "out of time"
    assert trials.status(agent) == ("pending", None)
    assert trials.handle(record, context=remaining(30_000)) == []
    assert trials.status(agent) == ("ready", None)


def test_a_trial_that_takes_too_long_is_interrupted(trials: Trials) -> None:
    agent = trials.create("slow")
    (record,) = trials.records()

    # The deadline is set to 0.2 s, then the check of the time passes.
    assert trials.handle(record, context=remaining(700, 30_000)) == [number(record)]
    assert trials.lines()[0]["cause"] == "out of time"
    assert trials.lines()[0]["elevenLabsMs"] >= 50
    assert trials.status(agent) == ("pending", None)


@pytest.mark.parametrize(("milliseconds", "pause"), [(1_200, 0.7), (500, 0), (100, 0)])
def test_a_pause_ends_before_the_function_does(trials: Trials, milliseconds: int, pause: float) -> None:
    trials.create()
    (record,) = trials.records()

    assert trials.handle(record, context=remaining(milliseconds)) == [number(record)]
    assert trials.pauses == [pytest.approx(pause)]


@pytest.mark.parametrize(("age", "seconds"), [(-5, 1), (0, 1), (1.5, 1.5), (9, 9), (3600, 10)])
def test_a_pause_is_as_long_as_the_oldest_record_waited(age: float, seconds: float) -> None:
    records = [{"dynamodb": {"ApproximateCreationDateTime": time}} for time in (1000.0, 1001.0)]

    assert activate_agent.retry_pause({"Records": [*records, {"dynamodb": {}}]}, 1000 + age) == seconds


def test_an_error_for_powertools_has_no_cause(trials: Trials) -> None:
    trials.create("busy")
    (record,) = trials.records()

    with pytest.raises(activate_agent.RecordFailedError) as caught:
        activate_agent.handle_record(DynamoDBRecord(record), None, lambda: trials.app)
    assert (caught.value.__context__, caught.value.args) == (None, ())


def test_a_wrong_environment_fails_every_record_and_is_logged(
    trials: Trials, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = [trials.create(), trials.create()]
    records = trials.records()
    for name, value in {**variables, "ELEVENLABS_URL": "http://elevenlabs.example"}.items():
        monkeypatch.setenv(name, value)
    activate_agent.application.cache_clear()

    with recorded_output() as output:
        result = activate_agent.handler({"Records": records}, LambdaContext(timeout=0.8))  # it pauses 0.3 s at most
    assert result == {"batchItemFailures": [{"itemIdentifier": number(record)} for record in records]}
    assert [trials.status(agent)[0] for agent in agents] == ["pending", "pending"]
    cause = "the environment variable ELEVENLABS_URL does not start with https://"
    assert [line["cause"] for line in output.lines] == [cause, cause]


def test_a_log_line_has_ids_times_and_the_result(trials: Trials) -> None:
    agents = [trials.create(), trials.create("invalid-key")]
    context = LambdaContext(timeout=60)
    trials.handle(*trials.records(), context=context)
    ready, error = trials.lines()

    for line, agent in zip((ready, error), agents, strict=True):
        assert (line["workspaceId"], line["agentId"]) == (agent["workspaceId"], agent["_id"])
        assert (line["service"], line["requestId"]) == ("activate_agent", context.aws_request_id)
        assert {"decryptMs", "elevenLabsMs", "recordResultMs"} <= line.keys()
    assert (ready["outcome"], ready.get("statusReason")) == ("ready", None)
    assert (error["outcome"], error.get("statusReason")) == ("error", "invalid_key")

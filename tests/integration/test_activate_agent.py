"""`pending` becomes `ready` or `error`: once in effect, whatever the stream does."""

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

import activate_agent
from agents.errors import ServiceUnavailable
from agents.store import from_item
from tests.conftest import ELEVENLABS_KEY, MINIMUM
from tests.support.faults import lose_answers, lose_requests, refuse
from tests.integration.conftest import Activation
from tests.support.leaks import forms, found
from tests.local.elevenlabs import OUTCOMES

REASONS = {"invalid-key": "invalid_key", "no-such-voice": "voice_not_found", "no-permission": "missing_permission"}


def number(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def test_a_key_that_opens_the_voice_makes_the_agent_ready_and_changes_nothing_else(activation: Activation) -> None:
    agent = activation.create(systemPrompt="kept")
    before = activation.item(agent)
    (record,) = activation.records()

    assert activation.handle(record) == []
    assert activation.status(agent) == ("ready", None)
    after = activation.item(agent)
    assert {name for name in after if after[name] != before.get(name)} == {"status", "updatedAt"}
    assert before.keys() == after.keys()
    assert after["updatedAt"]["S"] > before["createdAt"]["S"]
    assert from_item(after).answer()["status"] == "ready"


@pytest.mark.parametrize("voice_id", REASONS)
def test_a_key_that_does_not_puts_it_in_error_with_the_reason(activation: Activation, voice_id: str) -> None:
    agent = activation.create(voice_id)

    assert activation.handle(*activation.records()) == []
    assert activation.status(agent) == ("error", REASONS[voice_id])


def test_only_agents_that_were_inserted_as_pending_pass_the_filter(activation: Activation) -> None:
    activation.client.post(MINIMUM)
    agent = activation.create()
    (record,) = activation.records()
    activation.handle(record)

    assert record["dynamodb"]["Keys"]["_id"]["S"] == agent["_id"]
    assert activation.records() == []  # the change that was just made


@pytest.mark.parametrize("voice_id", ["busy", "broken"])
def test_what_may_pass_is_tried_again_and_leaves_the_agent_pending(activation: Activation, voice_id: str) -> None:
    agent = activation.create(voice_id)
    (record,) = activation.records()

    for _ in range(3):
        assert activation.handle(record) == [number(record)]
    assert activation.status(agent) == ("pending", None)
    assert len(activation.pauses) == 3


def test_one_record_that_fails_fails_alone(activation: Activation) -> None:
    agents = [activation.create(voice_id) for voice_id in ("a-voice", "busy", "invalid-key", "another-voice")]
    records = activation.records()

    assert activation.handle(*records) == [number(records[1])]
    assert [activation.status(agent)[0] for agent in agents] == ["ready", "pending", "error", "ready"]


def test_a_record_that_comes_again_has_no_second_effect(activation: Activation) -> None:
    agent = activation.create()
    (record,) = activation.records()
    activation.handle(record, record)
    settled = activation.item(agent)

    assert activation.handle(record) == []
    assert activation.item(agent) == settled
    assert [line["outcome"] for line in activation.lines()] == ["ready", "changed", "changed"]


def test_any_order_has_the_same_end(activation: Activation) -> None:
    agents = [activation.create(voice_id) for voice_id in ("a-voice", "no-such-voice", "another-voice")]

    assert activation.handle(*reversed(activation.records())) == []
    assert [activation.status(agent)[0] for agent in agents] == ["ready", "error", "ready"]


def test_an_agent_that_was_deleted_meanwhile_stays_deleted(activation: Activation) -> None:
    activation.create()
    records = activation.records()
    activation.stage.clear()

    assert activation.handle(*records) == []
    assert activation.stage.items == []


@pytest.mark.parametrize("status", ["ready", "error"])
def test_a_record_that_is_not_pending_is_not_even_opened(activation: Activation, status: str) -> None:
    agent = activation.create("invalid-key")
    (record,) = activation.records()
    record["dynamodb"]["NewImage"]["status"]["S"] = status
    refuse(activate_agent.application().kms, "Decrypt", "ThrottlingException")

    assert activation.handle(record) == []
    assert activation.status(agent) == ("pending", None)
    assert activation.lines()[-1]["outcome"] == activate_agent.CHANGED


def test_an_agent_that_was_changed_meanwhile_is_left_alone(activation: Activation) -> None:
    agent = activation.create()
    (record,) = activation.records()
    key = {name: {"S": agent[name]} for name in ("workspaceId", "_id")}
    activation.stage.clients.dynamodb.update_item(
        TableName="AgentsTable",
        Key=key,
        UpdateExpression="SET updatedAt = :later",
        ExpressionAttributeValues={":later": {"S": "2030-01-01T00:00:00.000Z"}},
    )

    assert activation.handle(record) == []
    assert activation.status(agent) == ("pending", None)


def test_a_secret_that_was_sealed_for_another_agent_is_not_opened(activation: Activation) -> None:
    agents = [activation.create(), activation.create()]
    one, other = activation.records()
    one["dynamodb"]["NewImage"]["ttsModel"] = other["dynamodb"]["NewImage"]["ttsModel"]

    assert activation.handle(one, other) == [number(one)]
    assert [activation.status(agent)[0] for agent in agents] == ["pending", "ready"]
    assert activation.lines()[0]["cause"] == "Decrypt: InvalidCiphertextException"


def without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda image: image.pop(name)


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (without("workspaceId"), "malformed agent: workspaceId"),
        (without("_id"), "malformed agent: _id"),
        (without("updatedAt"), "malformed agent: updatedAt"),
        (without("ttsModel"), "malformed agent: voiceId"),
        (lambda image: image["ttsModel"]["M"].pop("elevenLabsApiKey"), "malformed agent: elevenLabsApiKey"),
        (lambda image: image["ttsModel"]["M"]["voiceId"].update(S=""), "malformed agent: voiceId"),
        (lambda image: image["ttsModel"]["M"]["elevenLabsApiKey"].update(S="no Base64"), "Decrypt: "),
        (lambda image: image["ttsModel"]["M"]["elevenLabsApiKey"].update(S="AAAA"), "Decrypt: "),
    ],
)
def test_a_record_that_nothing_can_be_done_with_harms_no_other(
    activation: Activation,
    spoil: Callable[[dict[str, Any]], object],
    cause: str,
) -> None:
    agents = [activation.create(), activation.create()]
    poison, sound = activation.records()
    spoil(poison["dynamodb"]["NewImage"])

    assert activation.handle(poison, sound) == [number(poison)]
    assert [activation.status(agent)[0] for agent in agents] == ["pending", "ready"]
    assert activation.lines()[0]["cause"].startswith(cause)


def test_a_record_without_an_image_fails_alone(activation: Activation) -> None:
    agent = activation.create()
    (sound,) = activation.records()
    empty = copy.deepcopy(sound)
    del empty["dynamodb"]["NewImage"]
    empty["dynamodb"]["SequenceNumber"] = "1"

    assert activation.handle(empty, sound) == ["1"]
    assert activation.status(agent) == ("ready", None)


def test_too_little_time_for_a_record_leaves_it_for_the_next_start(activation: Activation) -> None:
    agent = activation.create()
    (record,) = activation.records()

    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 1_200)
    assert activation.handle(record, context=context) == [number(record)]
    assert activation.status(agent) == ("pending", None)
    assert activation.pauses == [pytest.approx(0.7)]  # never longer than is left before the answer


def test_a_record_that_takes_too_long_ends_before_its_function_does(activation: Activation) -> None:
    agent = activation.create("slow")
    (record,) = activation.records()
    # Enough to begin, and then the clock of Lambda jumps.
    left = iter([60_000, 700])

    context = SimpleNamespace(get_remaining_time_in_millis=lambda: next(left, 0))
    assert activation.handle(record, context=context) == [number(record)]
    assert activation.lines()[-1]["cause"] == "out of time"
    assert activation.status(agent) == ("pending", None)


def test_what_is_raised_for_powertools_holds_nothing_of_what_went_wrong(activation: Activation) -> None:
    activation.create("busy")
    (record,) = activation.records()
    with pytest.raises(ServiceUnavailable) as caught:
        activate_agent.handle(DynamoDBRecord(record), None)

    assert caught.value.__context__ is None


def test_a_write_that_does_not_arrive_is_tried_again(activation: Activation) -> None:
    agent = activation.create()
    (record,) = activation.records()
    lose_requests(activate_agent.application().candidates._client, "UpdateItem")  # noqa: SLF001 - the client in use

    assert activation.handle(record) == [number(record)]
    assert activation.status(agent) == ("pending", None)


def test_a_write_whose_answer_is_lost_has_its_effect_once(activation: Activation) -> None:
    agent = activation.create("invalid-key")
    (record,) = activation.records()
    lose_answers(activate_agent.application().candidates._client, "UpdateItem", 1)  # noqa: SLF001 - the client in use

    assert activation.handle(record) == [number(record)]
    assert activation.status(agent) == ("error", "invalid_key")
    settled = activation.item(agent)
    assert activation.handle(record) == []
    assert activation.item(agent) == settled


@pytest.mark.parametrize("code", ["ThrottlingException", "DisabledException", "AccessDeniedException"])
def test_a_key_service_that_refuses_is_asked_again(activation: Activation, code: str) -> None:
    agent = activation.create()
    (record,) = activation.records()
    refuse(activate_agent.application().kms, "Decrypt", code)

    assert activation.handle(record) == [number(record)]
    assert activation.status(agent) == ("pending", None)


@pytest.mark.parametrize(("age", "seconds"), [(-5, 1), (0, 1), (3, 3), (9, 9), (3600, 10)])
def test_each_pause_doubles_the_age_of_a_record_within_bounds(age: float, seconds: float) -> None:
    records = [{"dynamodb": {"ApproximateCreationDateTime": 1000.0}}, {"dynamodb": {}}]

    assert activate_agent.pause({"Records": records}, 1000 + age) == seconds


def test_a_function_that_cannot_be_composed_fails_every_record_and_says_why(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = [activation.create(), activation.create()]
    records = activation.records()
    monkeypatch.undo()
    monkeypatch.setattr(activate_agent, "time", SimpleNamespace(sleep=print, time=lambda: 0.0, monotonic=lambda: 0.0))
    monkeypatch.setenv("ELEVENLABS_URL", "http://elevenlabs.example")
    activate_agent.application.cache_clear()

    assert activation.handle(*records) == list(map(number, records))
    assert [activation.status(agent)[0] for agent in agents] == ["pending"] * 2
    causes = {line["cause"] for line in activation.lines()}
    assert causes == {"the environment variable ELEVENLABS_URL is not https://"}


@pytest.mark.parametrize("voice_id", ["a-voice", *OUTCOMES])
def test_a_line_has_ids_and_outcomes_and_nowhere_is_the_key(activation: Activation, voice_id: str) -> None:
    agent = activation.create(voice_id)
    activation.handle(*activation.records())
    (line,) = activation.lines()

    assert (line["workspaceId"], line["agentId"]) == (agent["workspaceId"], agent["_id"])
    assert line["requestId"]
    assert line.get("statusReason") == REASONS.get(voice_id)
    assert {"unsealMs", "elevenLabsMs"} <= line.keys()
    said = activation.log.getvalue() + activation.stage.dump()
    assert found(forms(ELEVENLABS_KEY.removeprefix("sk_elevenlabs_")), said) == []
    assert agent["ttsModel"]["elevenLabsApiKey"] not in activation.log.getvalue()

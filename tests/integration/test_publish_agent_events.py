"""Creations and changes of status become events on EventBridge, from the table's real stream records."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

import publish_agent_events
from call_agents.agents.events import EventBus
from call_agents.shared.config import Settings
from tests.local.stream import EventSourceMapping
from tests.support.client import Client, Stage
from tests.support.events import LambdaContext
from tests.support.faults import lose_requests, respond_instead
from tests.support.logs import Output, recorded_output
from tests.support.samples import BYO, EXAMPLE, MINIMUM

LATER = "2030-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Publisher:
    """The function, the stream before it, and a queue that subscribes to the bus behind it."""

    stage: Stage
    stream: EventSourceMapping
    bus: EventBus
    sqs: Any
    queue: str
    output: Output

    def handle(self, *records: dict[str, Any]) -> list[str]:
        """Invoke the function with records; return where it wants to be retried from."""
        result = publish_agent_events.handle({"Records": list(records)}, LambdaContext(), lambda: self.bus)
        return [failure["itemIdentifier"] for failure in result["batchItemFailures"]]

    def received(self) -> list[dict[str, Any]]:
        """Return the events that the subscriber has received, in order."""
        events: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            events += [json.loads(message["Body"]) for message in messages]
        return events


@pytest.fixture(scope="module")
def session_stream(session_stage: Stage, moto_url: str) -> EventSourceMapping:
    name = "PublishAgentEventsFunction"
    return EventSourceMapping(session_stage.template, name, publish_agent_events.handler, moto_url)


@pytest.fixture
def publisher(stage: Stage, session_stream: EventSourceMapping, variables: dict[str, str]) -> Iterator[Publisher]:
    events, sqs = boto3.client("events"), boto3.client("sqs")
    bus, queue = variables["EVENT_BUS"], sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.create_event_bus(Name=bus)
    events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": ["create-call-agent"]}))
    events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    session_stream.read()  # what the test before wrote
    with recorded_output() as output:
        yield Publisher(stage, session_stream, publish_agent_events.build(Settings(variables)), sqs, queue, output)
    sqs.delete_queue(QueueUrl=queue)
    events.remove_targets(Rule="all", EventBusName=bus, Ids=["queue"])
    events.delete_rule(Name="all", EventBusName=bus)
    events.delete_event_bus(Name=bus)


def number(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def test_each_creation_and_each_change_of_status_is_an_event(client: Client, publisher: Publisher) -> None:
    agent = client.post({**BYO, "systemPrompt": "a prompt"}).body
    for change in (
        {"status": "error", "statusReason": "invalid_key", "updatedAt": LATER},
        {"updatedAt": "2030-01-02T00:00:00.000Z"},  # no change of status
        {"status": "pending"},
        {"updatedAt": "2030-01-03T00:00:00.000Z"},  # pending anew
        {"provider": "x"},  # something else's
        {"status": "ready"},
    ):
        publisher.stage.change(agent, **change)
    records = publisher.stream.read()

    assert len(records) == 7
    assert publisher.handle(*records) == []
    events = publisher.received()
    assert {event["source"] for event in events} == {"create-call-agent"}
    assert [event["detail-type"] for event in events] == [
        "Agent Created",
        "Agent Failed",
        "Agent Pending",
        "Agent Pending",
        "Agent Ready",
    ]
    created, failed, *_ = (event["detail"] for event in events)
    assert created == {
        "agentId": agent["_id"],
        "workspaceId": "workspace-a",
        "userId": "user-a",
        "provider": "11labs_byo",
        "status": "pending",
        "createdAt": agent["createdAt"],
        "updatedAt": agent["updatedAt"],
    }
    assert failed == {**created, "status": "error", "statusReason": "invalid_key", "updatedAt": LATER}


def test_a_batch_is_published_in_order_ten_events_a_call(client: Client, publisher: Publisher) -> None:
    agents = [client.post(MINIMUM).body["_id"] for _ in range(23)]
    calls: list[str] = []
    publisher.bus.client.meta.events.register("before-sign.events.PutEvents", lambda **_: calls.append("PutEvents"))

    assert publisher.handle(*publisher.stream.read()) == []
    assert [event["detail"]["agentId"] for event in publisher.received()] == agents
    assert len(calls) == 3
    (line,) = [line for line in publisher.output.lines if line["service"] == "publish_agent_events"]
    assert (line["status"], line["events"]) == (200, "23")


def test_what_is_not_accepted_is_retried_from_there_on(client: Client, publisher: Publisher) -> None:
    for _ in range(4):
        client.post(MINIMUM)
    records = publisher.stream.read()
    results = [{"EventId": "1"}, {"EventId": "2"}, {"ErrorCode": "ThrottlingException"}, {"EventId": "4"}]
    refused = {"FailedEntryCount": 1, "Entries": results}
    respond_instead(publisher.bus.client, json.dumps(refused).encode())

    assert publisher.handle(*records) == [number(records[2])]
    line = publisher.output.lines[-1]
    assert (line["status"], line["cause"]) == (503, "PutEvents: ThrottlingException")


def test_events_of_one_agent_are_in_separate_calls(client: Client, publisher: Publisher) -> None:
    agent, _ = client.post(BYO).body, client.post(MINIMUM).body
    publisher.stage.change(agent, status="ready")
    received: list[list[str]] = []

    def note(**_: object) -> None:
        received.append([event["detail-type"] for event in publisher.received()])

    publisher.bus.client.meta.events.register("before-sign.events.PutEvents", note)

    assert publisher.handle(*publisher.stream.read()) == []
    note()
    # Before the first call, before the second, and at the end.
    assert received == [[], ["Agent Created", "Agent Created"], ["Agent Ready"]]


@pytest.mark.parametrize("results", [[], [{"EventId": "1"}], [{"EventId": ""}, {"EventId": "2"}]])
def test_an_incomplete_response_counts_as_none(
    client: Client, publisher: Publisher, results: list[dict[str, str]]
) -> None:
    for _ in range(2):
        client.post(MINIMUM)
    records = publisher.stream.read()
    respond_instead(publisher.bus.client, json.dumps({"FailedEntryCount": 0, "Entries": results}).encode())

    assert publisher.handle(*records) == [number(records[0])]


def test_a_bus_out_of_reach_loses_nothing(client: Client, publisher: Publisher) -> None:
    for _ in range(11):
        client.post(MINIMUM)
    records = publisher.stream.read()
    attempts = lose_requests(publisher.bus.client, "PutEvents")

    assert publisher.handle(*records) == [number(records[0])]
    assert len(attempts) == 3
    assert publisher.received() == []


def test_a_deletion_is_no_event(client: Client, publisher: Publisher) -> None:
    client.post(EXAMPLE)
    publisher.handle(*publisher.stream.read())
    publisher.received()
    publisher.stage.clear()

    assert publisher.stream.read() == []  # the filter passes creations and changes only
    assert publisher.handle({"eventName": "REMOVE", "dynamodb": {"Keys": {}, "SequenceNumber": "1"}}) == []
    assert publisher.received() == []


def test_a_damaged_item_is_logged_and_holds_nobody_up(client: Client, publisher: Publisher) -> None:
    damaged, sound = client.post(MINIMUM).body, client.post(MINIMUM).body
    records = publisher.stream.read()
    del records[0]["dynamodb"]["NewImage"]["userId"]

    with recorded_output() as output:
        assert publisher.handle(*records) == []
    assert [event["detail"]["agentId"] for event in publisher.received()] == [sound["_id"]]
    (line,), (metrics,) = output.lines, output.metrics
    assert (line["level"], line["damagedItems"]) == (
        "WARNING",
        f"workspace-a/{damaged['_id']}: malformed agent: userId",
    )
    assert metrics == {"RequestsSucceeded": 1, "DamagedItems": 1}


def test_a_wrong_environment_loses_nothing_and_is_logged(
    client: Client, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post(MINIMUM)
    records = publisher.stream.read()
    monkeypatch.setenv("EVENT_BUS", "")
    publish_agent_events.application.cache_clear()
    result = publish_agent_events.handler({"Records": records}, LambdaContext())

    assert result == {"batchItemFailures": [{"itemIdentifier": number(records[0])}]}
    assert publisher.output.lines[-1]["cause"] == "the environment variable EVENT_BUS is not set"

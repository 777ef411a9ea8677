"""Lambda handler of the agents table's stream: publishes an event for each creation and each change of ``status``.

Events are published in the order of the stream. When EventBridge does not accept one, Lambda retries from there on, so
an event can come twice, and none is lost for as long as the stream keeps its records (24 hours). An item that something
else has damaged has no event; it is logged.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from call_agents.agents.events import MAX_ENTRIES, AgentEvent, EventBus, NotPublished, event_of
from call_agents.shared.config import Settings
from call_agents.shared.errors import InternalError
from call_agents.shared.invocation import Frame, Invocation, Response, lambda_request_id

SERVICE = "publish_agent_events"

Record = dict[str, Any]


@cache
def frame() -> Frame[Response]:
    """Return the frame."""
    return Frame(SERVICE, Settings(os.environ), lambda response, _request_id: response)


@cache
def application() -> EventBus:
    """Build the application from the environment."""
    return build(Settings(os.environ))


def build(settings: Settings) -> EventBus:
    """Build the application from settings; raise ConfigError when one is missing or wrong."""
    return EventBus(settings.events(), settings.text("EVENT_BUS"))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Publish the events of a batch of records.

    Parameters
    ----------
    event : dict
        Records of the stream (AWS, "Using AWS Lambda with Amazon DynamoDB").
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``{"batchItemFailures": [{"itemIdentifier"}]}``: the sequence number from which on to retry, if any.
    """
    return handle(event, context, application)


def handle(event: dict[str, Any], context: object, get_bus: Callable[[], EventBus]) -> dict[str, Any]:
    """Handle a batch with a bus of your own; otherwise as `handler`."""
    waiting = list(event["Records"])
    frame().run(event, context, lambda invocation: publish(waiting, get_bus(), invocation), lambda_request_id(context))
    return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record in waiting[:1]]}


def publish(waiting: list[Record], bus: EventBus, invocation: Invocation) -> Response:
    """Publish the events of records, and remove each record that is done from the list."""
    published = 0
    while waiting:
        batch = next_batch(waiting)
        events = {index: event for index, record in enumerate(batch) if (event := try_event_of(record, invocation))}
        try:
            bus.publish(list(events.values()))
        except NotPublished as error:
            first_refused = list(events)[error.accepted]  # its index in the batch
            del waiting[:first_refused]
            raise
        del waiting[: len(batch)]
        published += len(events)
        invocation.log["events"] = str(published)
    return Response(200, None)


def next_batch(waiting: list[Record]) -> list[Record]:
    """Return the records for one call, at most one of each agent.

    EventBridge can accept a part of a call. The retry would then change the order of two events of one agent.
    """
    agents: set[str] = set()
    for index, record in enumerate(waiting[:MAX_ENTRIES]):
        agent = str(record["dynamodb"]["Keys"])
        if agent in agents:
            return waiting[:index]
        agents.add(agent)
    return waiting[:MAX_ENTRIES]


def try_event_of(record: Record, invocation: Invocation) -> AgentEvent | None:
    """Return a record's event. A damaged item has none: it is logged, because a retry would only hold up the others."""
    try:
        return event_of(record)
    except InternalError as error:
        keys = record["dynamodb"]["Keys"]
        damaged = f"{keys['workspaceId']['S']}/{keys['_id']['S']}: {error.internal}"
        invocation.log["damagedItems"] = "; ".join(filter(None, (invocation.log.get("damagedItems"), damaged)))
        return None

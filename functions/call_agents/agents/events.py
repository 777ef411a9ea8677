"""Events about agents on an EventBridge bus: one for each creation and each change of ``status``.

A pending agent that is modified gets another one, because its ElevenLabs key has to be tried with its new values. An
event has ids, provider, status and times, never a name, a prompt or a key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from call_agents.agents.agent import ERROR, PENDING, READY, Agent
from call_agents.agents.store import agent_from_item
from call_agents.shared.aws import translate_errors
from call_agents.shared.errors import InternalError, ServiceUnavailable

if TYPE_CHECKING:
    from types_boto3_events import EventBridgeClient
    from types_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE = "create-call-agent"
CREATED = "Agent Created"
KIND_OF_CHANGE = {READY: "Agent Ready", ERROR: "Agent Failed", PENDING: "Agent Pending"}
"""``detail-type`` of a change, by the new status."""

MAX_ENTRIES = 10
"""Events in one call. Source: EventBridge API Reference, "PutEvents"."""


@dataclass(frozen=True)
class AgentEvent:
    """One event.

    Parameters
    ----------
    kind : str
        `CREATED`, or a value of `KIND_OF_CHANGE`.
    detail : dict
        ``agentId``, ``workspaceId``, ``userId``, ``provider``, ``status``, ``statusReason`` (in error only),
        ``createdAt``, ``updatedAt``.
    """

    kind: str
    detail: dict[str, str]


def event_of(record: Mapping[str, Any]) -> AgentEvent | None:
    """Return the event for a record of the agents table's stream; None when the change needs no event.

    Parameters
    ----------
    record : Mapping
        With new and old image (AWS, "Using AWS Lambda with Amazon DynamoDB").

    Raises
    ------
    InternalError
        When the item is damaged. It names the attribute.
    """
    images = record["dynamodb"]
    if record["eventName"] == "INSERT":
        agent = agent_from_item(images["NewImage"])
        return AgentEvent(CREATED, _detail(agent))
    if record["eventName"] == "MODIFY" and _marks(images["NewImage"]) != _marks(images.get("OldImage", {})):
        agent = agent_from_item(images["NewImage"])
        return AgentEvent(KIND_OF_CHANGE[agent.status], _detail(agent))
    return None


def _marks(image: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what an event is about: the status and, of a pending agent, since when."""
    status = image.get("status")
    return status, image.get("updatedAt") if status == {"S": PENDING} else None


def _detail(agent: Agent) -> dict[str, str]:
    detail = {
        "agentId": agent.id,
        "workspaceId": agent.workspace_id,
        "userId": agent.user_id,
        "provider": agent.provider,
        "status": agent.status,
    }
    if agent.status_reason is not None:
        detail["statusReason"] = agent.status_reason
    return {**detail, "createdAt": agent.created_at, "updatedAt": agent.updated_at}


class NotPublished(ServiceUnavailable):
    """EventBridge did not accept all events.

    Parameters
    ----------
    internal : str
        Why.
    accepted : int
        How many events it accepted before the first that it did not.
    """

    def __init__(self, internal: str, accepted: int) -> None:
        super().__init__(internal=internal)
        self.accepted = accepted


@dataclass(frozen=True)
class EventBus:
    """An EventBridge bus.

    Parameters
    ----------
    client : EventBridgeClient
        boto3's client.
    name : str
        Name of the bus.
    """

    client: "EventBridgeClient"
    name: str

    def publish(self, events: Sequence[AgentEvent]) -> None:
        """Publish events in their order.

        Parameters
        ----------
        events : sequence of AgentEvent
            At most `MAX_ENTRIES`.

        Raises
        ------
        NotPublished
            When EventBridge throttled, failed or timed out, or refused an event. Later events of the call may have been
            published all the same.
        """
        if not events:
            return
        try:
            with translate_errors("PutEvents"):
                response = self.client.put_events(Entries=[self._entry(event) for event in events])
                results = response["Entries"]
        except (InternalError, ServiceUnavailable) as error:
            raise NotPublished(error.internal, accepted=0) from None
        if len(results) != len(events):
            raise NotPublished("PutEvents: incomplete response", accepted=0)
        for index, result in enumerate(results):
            if not result.get("EventId"):
                raise NotPublished(f"PutEvents: {result.get('ErrorCode', '')}", accepted=index)

    def _entry(self, event: AgentEvent) -> "PutEventsRequestEntryTypeDef":
        return {
            "EventBusName": self.name,
            "Source": SOURCE,
            "DetailType": event.kind,
            "Detail": json.dumps(event.detail),
        }

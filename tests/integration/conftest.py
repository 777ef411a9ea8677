"""What the tests of activation share: ElevenLabs on this machine, and messages as the queue has them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

import activate_agent
import retry_agents
from call_agents.agents.activation import Activation, build_activation
from call_agents.agents.elevenlabs import connect
from call_agents.shared.config import Settings
from tests.local import aws, elevenlabs
from tests.support.client import Client, Stage
from tests.support.events import LambdaContext, queue_event
from tests.support.logs import Output, recorded_output
from tests.support.samples import with_own_key

NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)
FUNCTION_SECONDS = 30
"""Timeout of `activate_agent`."""


@dataclass(frozen=True)
class Trials:
    """Agents with their own keys, and the functions that have these keys tried.

    Parameters
    ----------
    client : Client
        Creates agents.
    stage : Stage
        Has their table.
    app : Activation
        What `activate_agent` runs with. For it, now is `NEW_YEAR`.
    output : Output
        What the functions print.
    """

    client: Client
    stage: Stage
    app: Activation
    output: Output

    def create(self, voice_id: str = "a-voice", **more: str) -> dict[str, Any]:
        """Create an agent with its own key; return the response's body."""
        agent: dict[str, Any] = self.client.post({**with_own_key(voice_id), **more}).body
        assert agent["status"] == "pending"
        return agent

    def handle(self, *agents: dict[str, Any], context: object = None) -> set[str]:
        """Invoke `activate_agent` with a batch of events about agents; return the ids of those that come back."""
        return self.handle_bodies({agent["_id"]: json.dumps(event_about(agent)) for agent in agents}, context)

    def handle_bodies(self, messages: dict[str, str], context: object = None) -> set[str]:
        """Invoke `activate_agent` with any messages, by id; return the ids of those that come back."""
        context = context or LambdaContext(timeout=FUNCTION_SECONDS)
        result = activate_agent.handle(queue_event(messages), context, lambda: self.app)
        assert set(result) == {"batchItemFailures"}
        return {failure["itemIdentifier"] for failure in result["batchItemFailures"]}

    def retry(self, **command: object) -> tuple[int, Any]:
        """Invoke `retry_agents`; return status and body."""
        app = retry_agents.Application(self.app.agents, lambda: NEW_YEAR)
        result = retry_agents.handle(command, LambdaContext(), lambda: app)
        assert set(result) == {"statusCode", "body"}
        return result["statusCode"], result["body"]

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines of the functions that have keys tried."""
        services = {activate_agent.SERVICE, retry_agents.SERVICE}
        return [line for line in self.output.lines if line["service"] in services]

    def item(self, agent: dict[str, Any]) -> dict[str, Any]:
        """Return an agent's item."""
        (item,) = (item for item in self.stage.items if item["_id"]["S"] == agent["_id"])
        return item

    def status(self, agent: dict[str, Any]) -> tuple[str, str | None]:
        """Return an agent's status and its reason, as they are stored."""
        item = self.item(agent)
        return item["status"]["S"], item.get("statusReason", {}).get("S")


def event_about(agent: dict[str, Any]) -> dict[str, Any]:
    """Return EventBridge's event about an agent, as far as it matters."""
    detail = {"agentId": agent["_id"], "workspaceId": agent["workspaceId"], "status": "pending"}
    return {"source": "create-call-agent", "detail-type": "Agent Created", "detail": detail}


@pytest.fixture(scope="session")
def elevenlabs_url() -> str:
    return elevenlabs.start()


@pytest.fixture(scope="session")
def moto_url() -> str:
    """Serve moto's tables, which are those of its decorators, over HTTP."""
    return aws.start_embedded()


@pytest.fixture
def trials(client: Client, stage: Stage, elevenlabs_url: str, variables: dict[str, str]) -> Iterator[Trials]:
    app = build_activation(Settings(variables))
    # Plain HTTP is for local runs only, so the client of ElevenLabs is replaced.
    app = replace(app, elevenlabs=connect(elevenlabs_url, ""), now=lambda: NEW_YEAR)
    with recorded_output() as output:
        yield Trials(client, stage, app, output)

"""What the tests of activation share: ElevenLabs on this machine, and the stream of moto's table."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

import activate_agent
import reactivate_agent
from call_agents.agents.activation import Activation, build_activation
from call_agents.agents.elevenlabs import connect
from call_agents.shared.config import Settings
from tests.local import aws, elevenlabs
from tests.local.stream import EventSourceMapping
from tests.support.client import Client, Stage
from tests.support.events import LambdaContext
from tests.support.logs import Output, recorded_output
from tests.support.samples import BYO

NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Trials:
    """Agents with their own keys, and the functions that try these keys.

    Parameters
    ----------
    client : Client
        Creates agents.
    stage : Stage
        Has their table.
    app : Activation
        What the functions run with. For it, now is `NEW_YEAR`.
    stream : EventSourceMapping
        Reads the table's stream.
    output : Output
        What the functions print.
    pauses : list
        Seconds for which `activate_agent` paused.
    """

    client: Client
    stage: Stage
    app: Activation
    stream: EventSourceMapping
    output: Output
    pauses: list[float] = field(default_factory=list)

    def create(self, voice_id: str = "a-voice", **more: str) -> dict[str, Any]:
        """Create an agent with its own key; return the response's body."""
        tts_model = {**BYO["ttsModel"], "voiceId": voice_id}
        agent: dict[str, Any] = self.client.post({**BYO, "ttsModel": tts_model, **more}).body
        assert agent["status"] == "pending"
        return agent

    def records(self) -> list[dict[str, Any]]:
        """Return the stream's new records that the filter passes."""
        return self.stream.read()

    def handle(self, *records: dict[str, Any], context: object = None) -> list[str]:
        """Invoke `activate_agent` with records; return the sequence numbers of those that failed."""
        context = context or LambdaContext(timeout=60)
        result = activate_agent.handle({"Records": list(records)}, context, lambda: self.app, self.pauses.append)
        assert set(result) == {"batchItemFailures"}
        return [failure["itemIdentifier"] for failure in result["batchItemFailures"]]

    def reactivate(self, event: object) -> tuple[int, Any]:
        """Invoke `reactivate_agent`; return status and body."""
        result = reactivate_agent.handle(event, LambdaContext(), lambda: self.app)
        assert set(result) == {"statusCode", "body"}
        return result["statusCode"], result["body"]

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines of the functions that try keys."""
        services = {activate_agent.SERVICE, reactivate_agent.SERVICE}
        return [line for line in self.output.lines if line["service"] in services]

    def item(self, agent: dict[str, Any]) -> dict[str, Any]:
        """Return an agent's item."""
        (item,) = (item for item in self.stage.items if item["_id"]["S"] == agent["_id"])
        return item

    def status(self, agent: dict[str, Any]) -> tuple[str, str | None]:
        """Return an agent's status and its reason, as they are stored."""
        item = self.item(agent)
        return item["status"]["S"], item.get("statusReason", {}).get("S")


@pytest.fixture(scope="session")
def elevenlabs_url() -> str:
    return elevenlabs.start()


@pytest.fixture(scope="session")
def moto_url() -> str:
    """Serve moto's tables, which are those of its decorators, over HTTP."""
    return aws.start_embedded()


@pytest.fixture(scope="session")
def session_stream(session_stage: Stage, moto_url: str) -> EventSourceMapping:
    """Read the stream of moto's table over HTTP, because moto's decorators lack some of the calls."""
    return EventSourceMapping(session_stage.template, "ActivateAgentFunction", activate_agent.handler, moto_url)


@pytest.fixture
def trials(
    client: Client,
    stage: Stage,
    session_stream: EventSourceMapping,
    elevenlabs_url: str,
    variables: dict[str, str],
) -> Iterator[Trials]:
    app = build_activation(Settings(variables))
    # Plain HTTP is for local runs only, so the client of ElevenLabs is replaced.
    app = replace(app, elevenlabs=connect(elevenlabs_url, "", app.elevenlabs.clock), now=lambda: NEW_YEAR)
    session_stream.read()  # what the test before wrote
    with recorded_output() as output:
        yield Trials(client, stage, app, session_stream, output)

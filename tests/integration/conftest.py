"""What the tests of activation share: ElevenLabs on this machine, and the real stream of moto's table."""

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

import activate_agent
import reactivate_agent
from agents.elevenlabs import connect
from tests.conftest import BYO, Client, Stage
from tests.support.leaks import recorded
from tests.local import aws, elevenlabs
from tests.support.events import LambdaContext
from tests.local.stream import EventSourceMapping


@dataclass(frozen=True)
class Activation:
    """Agents with keys of their own, and the function that tries these.

    Parameters
    ----------
    client : Client
        Creates agents.
    stage : Stage
        Keeps them.
    mapping : EventSourceMapping
        Reads their stream.
    pauses : list
        Seconds for which the function has paused.
    log : StringIO
        Everything that any library logs.
    """

    client: Client
    stage: Stage
    mapping: EventSourceMapping
    pauses: list[float]
    log: io.StringIO

    def create(self, voice_id: str = "a-voice", **more: str) -> dict[str, Any]:
        """Create an agent with a key of its own; return it as it was answered."""
        tts_model = {**BYO["ttsModel"], "voiceId": voice_id}
        agent: dict[str, Any] = self.client.post({**BYO, "ttsModel": tts_model, **more}).body
        assert agent["status"] == "pending"
        return agent

    def records(self) -> list[dict[str, Any]]:
        """Return what the stream has new, and the filter lets pass."""
        return self.mapping.read()

    def handle(self, *records: dict[str, Any], context: object = None) -> list[str]:
        """Start the function with records; return the sequence numbers of those that failed."""
        result = activate_agent.handler({"Records": list(records)}, context or LambdaContext(timeout=60))
        assert set(result) == {"batchItemFailures"}
        return [failure["itemIdentifier"] for failure in result["batchItemFailures"]]

    def lines(self) -> list[dict[str, Any]]:
        """Return what the function has logged of its records."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines() if line.startswith('{"level"')]
        return [line for line in lines if line["service"] == activate_agent.SERVICE]

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
def streams_url() -> str:
    """Serve the streams of the tables in this process: moto's decorators do not know all of their calls."""
    return aws.start_embedded()


@pytest.fixture
def activation(
    client: Client,
    stage: Stage,
    elevenlabs_url: str,
    streams_url: str,
    new_application: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Activation]:
    new_application()
    real = activate_agent.application()
    # Plain HTTP is for local runs only, which these tests are not: they have moto in their own process.
    local = replace(real, elevenlabs=connect(elevenlabs_url, "", real.elevenlabs.clock))
    pauses: list[float] = []
    monkeypatch.setattr(activate_agent, "application", lambda: local)
    monkeypatch.setattr(reactivate_agent, "application", lambda: local)
    clock = SimpleNamespace(sleep=pauses.append, time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(activate_agent, "time", clock)
    with recorded() as log:
        made = Activation(client, stage, EventSourceMapping(stage.template, streams_url), pauses, log)
        made.records()  # what other tests have left
        yield made

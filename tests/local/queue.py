"""The rule and the queue of a local run: they pass events about pending agents to `activate_agent`."""

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import activate_agent
from tests.local.stream import matches
from tests.support.events import LambdaContext, queue_event
from tests.support.template import Template

_POLL_SECONDS = 0.1


@dataclass
class _Message:
    body: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    visible_at: float = 0
    receives: int = 0


class ActivationQueue:
    """Has the template's rule, batch size, pause and number of attempts.

    Parameters
    ----------
    template : Template
        Has the rule and the queue.
    """

    def __init__(self, template: Template) -> None:
        function = template.resources("AWS::Serverless::Function")["ActivateAgentFunction"]
        queue = template.resources("AWS::SQS::Queue")["ActivationQueue"]
        self._pattern = template.resources("AWS::Events::Rule")["PendingAgentsRule"]["EventPattern"]
        self._batch_size: int = function["Events"]["PendingAgents"]["Properties"]["BatchSize"]
        self._timeout: float = function["Timeout"]
        self._pause: float = queue["VisibilityTimeout"]
        self._attempts: int = queue["RedrivePolicy"]["maxReceiveCount"]
        self._lock = threading.Lock()
        self._messages: dict[str, _Message] = {}

    def put(self, event: dict[str, Any]) -> None:
        """Take an event of the bus, if it matches the rule."""
        if matches(event, self._pattern):
            message = _Message(json.dumps(event))
            with self._lock:
                self._messages[message.id] = message

    def start(self) -> None:
        """Hand messages over as they come, in threads of this process."""
        threading.Thread(target=self._run, daemon=True).start()

    def deliver(self) -> None:
        """Hand over all messages that are visible, once, and wait for the results."""
        for batch in self._receive():
            self._hand_over(batch)

    def _run(self) -> None:
        while True:
            for batch in self._receive():
                threading.Thread(target=self._hand_over, args=(batch,), daemon=True).start()
            time.sleep(_POLL_SECONDS)

    def _receive(self) -> list[list[_Message]]:
        now = time.monotonic()
        with self._lock:
            visible = [message for message in self._messages.values() if message.visible_at <= now]
            for message in visible:
                message.visible_at, message.receives = now + self._pause, message.receives + 1
        return [visible[start : start + self._batch_size] for start in range(0, len(visible), self._batch_size)]

    def _hand_over(self, batch: list[_Message]) -> None:
        event = queue_event({message.id: message.body for message in batch})
        result = activate_agent.handler(event, LambdaContext(timeout=self._timeout))
        failed = {failure["itemIdentifier"] for failure in result["batchItemFailures"]}
        with self._lock:
            for message in batch:
                if message.id not in failed or message.receives >= self._attempts:
                    del self._messages[message.id]

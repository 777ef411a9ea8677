"""Keys at their limits leave the capacity of the table of agents to other workspaces."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import pytest

import create_agent
from call_agents.shared.aws import CLIENT_CONFIG, attempts
from call_agents.shared.config import Settings
from tests.conftest import Manage
from tests.support.client import Client
from tests.support.samples import MINIMUM
from tests.support.template import Template

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LARGEST = {**MINIMUM, "prompt": "x" * 261_000}
LOUD, QUIET = 16, 4
"""Keys that send a largest body every second, and keys of others that send an ordinary one."""


@dataclass
class Capacity:
    """The write units of the table of agents: so many a second, of which one second can be saved up.

    A write is admitted while any are left. DynamoDB's burst capacity, which is not guaranteed, is left out.
    """

    units_per_second: int
    clock: Callable[[], float]
    left: float = field(init=False)
    since: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin with a whole second."""
        self.left, self.since = self.units_per_second, self.clock()

    def take(self, units: int) -> bool:
        """Take units for a write; False when DynamoDB would throttle it."""
        now = self.clock()
        self.left = min(self.units_per_second, self.left + (now - self.since) * self.units_per_second)
        self.since = now
        if self.left <= 0:
            return False
        self.left -= units
        return True


@dataclass
class Street:
    """Clients of one application whose table of agents has a limited capacity, in virtual time."""

    seconds: float = 0

    def now(self) -> datetime:
        """Return the virtual time."""
        return NOON + timedelta(seconds=self.seconds)

    def limit(self, dynamodb: Any, units_per_second: int) -> None:
        """Throttle writes of agents over the capacity, as DynamoDB does."""
        capacity = Capacity(units_per_second, lambda: self.seconds)

        def charge(params: dict[str, Any], **_: object) -> None:
            if not capacity.take(ceil(len(params["body"]) / 1024)):
                error = {"Error": {"Code": "ThrottlingException"}}
                raise dynamodb.exceptions.ClientError(error, "PutItem")

        dynamodb.meta.events.register("before-call.dynamodb.PutItem", charge)

    def run(self, loud: list[Client], quiet: list[Client], seconds: int) -> tuple[Counter[int], Counter[int]]:
        """Let every client send a request in every second; return the statuses that the loud and the quiet ones get."""
        statuses: tuple[Counter[int], Counter[int]] = Counter(), Counter()
        senders = [(client, LARGEST, 0) for client in loud] + [(client, MINIMUM, 1) for client in quiet]
        for second in range(seconds):
            for number, (client, body, kind) in enumerate(senders):
                self.seconds = second + number / len(senders)
                statuses[kind][client.post(body).status] += 1
        return statuses


Run = Callable[..., tuple[Counter[int], Counter[int]]]


@pytest.fixture
def run(template: Template, variables: dict[str, str], manage: Manage) -> Run:
    """Run loud and quiet clients; keyword arguments change variables."""
    default = int(template.content["Parameters"]["MaxTableUnits"]["Default"])

    def run(seconds: int, units_per_second: int = default, **changed: str) -> tuple[Counter[int], Counter[int]]:
        street = Street()
        # One attempt: whatever botocore's retries would save is counted as harm.
        settings = Settings({**variables, **changed}, CLIENT_CONFIG.merge(attempts(1)))
        app = replace(create_agent.build(settings), now=street.now)
        street.limit(app.agents.client, units_per_second)

        def client(workspace_id: str) -> Client:
            _, issued = manage(action="issue", workspaceId=workspace_id, userId="user")
            return Client(app, issued["key"], workspace_id)

        loud = [client(f"loud-{number}") for number in range(LOUD)]
        quiet = [client(f"quiet-{number}") for number in range(QUIET)]
        return street.run(loud, quiet, seconds)

    return run


def test_keys_at_their_limits_harm_nobody(run: Run) -> None:
    loud, quiet = run(10)  # the beginning of a minute, when their budgets are whole

    assert loud == {201: LOUD * 2, 429: LOUD * 8}  # 600 KB are two of the largest bodies
    assert quiet == {201: QUIET * 10}


def test_without_limit_and_with_fewer_units_they_would(run: Run) -> None:
    loud, quiet = run(5, units_per_second=1000, KILOBYTES_PER_MINUTE="0")

    assert loud[503] > LOUD
    assert quiet[503] >= QUIET

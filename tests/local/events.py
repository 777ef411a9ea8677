"""EventBridge of a local run: each event is printed as it happens."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO, cast

from call_agents.agents.events import EventBus


@dataclass(frozen=True)
class _Printer:
    """Stands for boto3's client, as far as `EventBus` uses it."""

    out: TextIO

    def put_events(self, *, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Print events and accept them."""
        for entry in Entries:
            print(f"{entry['DetailType']} {json.dumps(json.loads(entry['Detail']))}", file=self.out, flush=True)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": str(index)} for index in range(len(Entries))]}


def printed_bus(out: TextIO) -> EventBus:
    """Return a bus whose events are printed."""
    return EventBus(cast("Any", _Printer(out)), "printed")

"""EventBridge of a local run: events are printed as they happen, and those about pending agents go to the queue."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO, cast

from call_agents.agents.events import EventBus
from tests.local.queue import ActivationQueue


@dataclass(frozen=True)
class _Bus:
    """Stands for boto3's client, as far as `EventBus` uses it."""

    queue: ActivationQueue
    out: TextIO | None

    def put_events(self, *, Entries: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Accept events."""
        for entry in Entries:
            detail = json.loads(entry["Detail"])
            self.queue.put({"source": entry["Source"], "detail-type": entry["DetailType"], "detail": detail})
            if self.out:
                print(f"{entry['DetailType']} {json.dumps(detail)}", file=self.out, flush=True)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": str(index)} for index in range(len(Entries))]}


def local_bus(queue: ActivationQueue, out: TextIO | None = None) -> EventBus:
    """Return a bus whose events go to the queue and, with a stream to print to, are printed."""
    return EventBus(cast("Any", _Bus(queue, out)), "local")

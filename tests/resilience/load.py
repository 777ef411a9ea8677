"""Sends load, with faults or without, and checks that exactly the agents that were returned are stored.

    python -m tests.resilience.load --faults 0.1

Clients retry with the same Idempotency-Key until they get a 201, as clients should.
"""

import argparse
import http.client
import json
import random
import statistics
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from tests.local import aws
from tests.support import emulator
from tests.support.proxy import ACTIONS_AFTER, ACTIONS_BEFORE, Fault, Proxy
from tests.support.proxy import serving as proxying
from tests.support.server import Server, serving

ACTIONS = (*ACTIONS_BEFORE, *ACTIONS_AFTER)
MAX_TRIES = 20
BODY: dict[str, Any] = {"name": "Sophie", "ttsModel": {"provider": "rime"}, "settings": {"speed": 0.8}}
BYO = {"provider": "11labs_byo", "voiceId": "voice-1", "elevenLabsApiKey": "sk_0123456789abcdef"}


@dataclass
class Tally:
    """What the clients observed."""

    seconds: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    agents: set[str] = field(default_factory=set)
    wanted: int = 0
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, outcome: str, seconds: float, agent: str | None) -> None:
        """Count a response."""
        with self.lock:
            self.outcomes[outcome] += 1
            self.seconds.append(seconds)
            if agent:
                self.agents.add(agent)

    def end(self, *, created: bool) -> None:
        """Count an agent that a client wanted."""
        with self.lock:
            self.wanted += 1
            self.failed += not created


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 when exactly the returned agents are stored."""
    options = _parser().parse_args(arguments)
    aws.use_local_credentials()
    with ExitStack() as stack:
        url = stack.enter_context(emulator.running())
        proxy = stack.enter_context(proxying(url))
        command = ("--rate-limit", "0", "--endpoint-url", proxy.url)
        servers = [stack.enter_context(serving(*command)) for _ in range(options.processes)]
        proxy.plan(*(Fault("*", action, share=options.faults / len(ACTIONS)) for action in ACTIONS if options.faults))
        print(f"{options.seconds} s, {options.clients} clients, {options.processes} processes", flush=True)
        tally = drive(servers, options)
        proxy.plan()
        stored = stored_agents(url)
    return show(tally, stored, proxy, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.resilience.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="how long (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=16, help="how many at once (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="servers (default: %(default)s)")
    parser.add_argument("--faults", type=float, default=0, help="share of calls to AWS that fail: 0.1 (default: none)")
    return parser


def drive(servers: list[Server], options: argparse.Namespace) -> Tally:
    """Run the clients until the time is over."""
    tally = Tally()
    end = time.monotonic() + options.seconds
    clients = [
        threading.Thread(target=client, args=(servers[number % len(servers)], number, end, tally))
        for number in range(options.clients)
    ]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    return tally


def client(server: Server, number: int, end: float, tally: Tally) -> None:
    """Create one agent after another; every fourth has a secret."""
    chance = random.Random(number)  # noqa: S311 - pauses, not secrets
    while time.monotonic() < end:
        body = BODY if chance.random() > 0.25 else {**BODY, "ttsModel": BYO}
        headers = {"idempotency-key": str(uuid.uuid4())}
        tally.end(created=create(server, json.dumps(body), headers, chance, tally))


def create(server: Server, body: str, headers: dict[str, str], chance: random.Random, tally: Tally) -> bool:
    """Send a request until it gets a 201; return whether it did."""
    for attempt in range(MAX_TRIES):
        started = time.monotonic()
        try:
            outcome, agent = post(server, body, headers)
        except (OSError, http.client.HTTPException) as error:
            outcome, agent = type(error).__name__, None
        tally.note(outcome, time.monotonic() - started, agent)
        if agent:
            return True
        time.sleep(chance.random() * min(2, 0.05 * 2**attempt))
    return False


def post(server: Server, body: str, headers: dict[str, str]) -> tuple[str, str | None]:
    """Send a request once: its outcome and, for a 201, the agent's id."""
    response = server.send(body, headers)
    if response.status == 201:
        replayed = " replayed" if response.header("Idempotent-Replayed") else ""
        return f"201{replayed}", response.body["_id"]
    return f"{response.status} {response.code}", None


def stored_agents(url: str) -> list[str]:
    """Return the ids of all agents that are stored."""
    scan = aws.connect(url).dynamodb.get_paginator("scan")
    pages = scan.paginate(
        TableName="AgentsTable",
        ConsistentRead=True,
        ProjectionExpression="#id",
        ExpressionAttributeNames={"#id": "_id"},
    )
    return [item["_id"]["S"] for page in pages for item in page["Items"]]


def show(tally: Tally, stored: list[str], proxy: Proxy, options: argparse.Namespace) -> int:
    """Print what happened; return the exit status."""
    total = len(tally.seconds)
    print(f"{total} requests, {total / options.seconds:.0f} a second, {sum(proxy.injected.values())} faults injected")
    for outcome, count in sorted(tally.outcomes.items()):
        print(f"  {count:6} {outcome}")
    cuts = statistics.quantiles((seconds * 1000 for seconds in tally.seconds), n=100)
    median, p90, p99, longest = cuts[49], cuts[89], cuts[98], max(tally.seconds) * 1000
    print(f"latency in ms: median {median:.0f}, p90 {p90:.0f}, p99 {p99:.0f}, max {longest:.0f}")
    result = verdict(tally, stored)
    print(f"{tally.wanted} agents wanted, {len(tally.agents)} returned with 201, {len(stored)} stored: {result}")
    return 0 if result == "equal" else 1


def verdict(tally: Tally, stored: list[str]) -> str:
    """Return `equal` when every wanted agent was returned and stored once, and no other."""
    once = sorted(stored) == sorted(tally.agents)
    return "equal" if once and len(stored) == tally.wanted and not tally.failed else "NOT EQUAL"


if __name__ == "__main__":
    sys.exit(main())

"""Load on this machine: clients that create agents as fast as they are answered, and a count of what came of it.

Several processes of the local server run the real handler, on an emulated AWS of its own, behind a proxy that breaks a
share of the calls when it is told to. A client that gets no 201 sends the same request again with the same
Idempotency-Key, as the README says that it should. In the end as many agents must be stored as were answered.
"""

import argparse
import http.client
import json
import random
import shlex
import signal
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.local import aws
from tests.support import emulator
from tests.support.proxy import ACTIONS_AFTER, ACTIONS_BEFORE, Fault, Proxy, serving
from tests.support.template import ROOT

ACTIONS = (*ACTIONS_BEFORE, *ACTIONS_AFTER)
MAX_TRIES = 20
BODY: dict[str, Any] = {"name": "Sophie", "ttsModel": {"provider": "rime"}, "settings": {"speed": 0.8}}
SEALED = {"provider": "11labs_byo", "voiceId": "voice-1", "elevenLabsApiKey": "sk_0123456789abcdef"}


@dataclass
class Tally:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    agents: set[str] = field(default_factory=set)
    wanted: int = 0
    given_up: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, outcome: str, seconds: float, agent: str | None) -> None:
        """Count an answer."""
        with self.lock:
            self.outcomes[outcome] += 1
            self.seconds.append(seconds)
            if agent:
                self.agents.add(agent)

    def end(self, *, created: bool) -> None:
        """Count an agent that was wanted."""
        with self.lock:
            self.wanted += 1
            self.given_up += not created


@dataclass(frozen=True)
class Target:
    """A server, as the `curl` line that it prints tells."""

    host: str
    path: str
    headers: dict[str, str]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 when as many agents are stored as were answered."""
    options = _parser().parse_args(arguments)
    aws.use_local_credentials()
    with ExitStack() as stack:
        url = stack.enter_context(emulator.running())
        proxy = stack.enter_context(serving(url))
        targets = [stack.enter_context(server(proxy.url)) for _ in range(options.processes)]
        proxy.plan(*(Fault("*", action, share=options.faults / len(ACTIONS)) for action in ACTIONS if options.faults))
        print(f"{options.seconds} s, {options.clients} clients, {options.processes} processes", flush=True)
        tally = drive(targets, options)
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


@contextmanager
def server(endpoint_url: str) -> Iterator[Target]:
    """Run a local server without a rate limit while the block runs."""
    command = [sys.executable, "-m", "tests.local", "serve", "--port", "0", "--rate-limit", "0"]
    process = subprocess.Popen(
        [*command, "--endpoint-url", endpoint_url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        words = shlex.split(next(line for line in process.stdout or () if line.startswith("curl ")))
        headers = [words[index + 1].split(": ") for index, word in enumerate(words) if word == "-H"]
        url = urlsplit(words[2])
        yield Target(url.netloc, url.path, dict(headers))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def drive(targets: list[Target], options: argparse.Namespace) -> Tally:
    """Let the clients run, each on its own, until the time is over."""
    tally = Tally()
    end = time.monotonic() + options.seconds
    clients = [
        threading.Thread(target=client, args=(targets[number % len(targets)], number, end, tally))
        for number in range(options.clients)
    ]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    return tally


def client(target: Target, number: int, end: float, tally: Tally) -> None:
    """Create one agent after the other; every fourth has a secret to be sealed."""
    chance = random.Random(number)  # noqa: S311 - pauses, not secrets
    while time.monotonic() < end:
        body = BODY if chance.random() > 0.25 else {**BODY, "ttsModel": SEALED}
        headers = {**target.headers, "idempotency-key": str(uuid.uuid4())}
        tally.end(created=create(target, json.dumps(body), headers, chance, tally))


def create(target: Target, body: str, headers: dict[str, str], chance: random.Random, tally: Tally) -> bool:
    """Send a request until it is answered with 201; return whether it was."""
    for attempt in range(MAX_TRIES):
        started = time.monotonic()
        try:
            outcome, agent = post(target, body, headers)
        except (OSError, http.client.HTTPException) as error:
            outcome, agent = type(error).__name__, None
        tally.note(outcome, time.monotonic() - started, agent)
        if agent:
            return True
        time.sleep(chance.random() * min(2, 0.05 * 2**attempt))
    return False


def post(target: Target, body: str, headers: dict[str, str]) -> tuple[str, str | None]:
    """Send a request once: its outcome and, when it is 201, the agent's id."""
    connection = http.client.HTTPConnection(target.host, timeout=60)
    try:
        connection.request("POST", target.path, body, headers)
        answer = connection.getresponse()
        content = json.load(answer)
    finally:
        connection.close()
    if answer.status == 201:
        replayed = " replayed" if answer.getheader("Idempotent-Replayed") else ""
        return f"201{replayed}", content["_id"]
    return f"{answer.status} {content['error']['code']}", None


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
    print(f"{tally.wanted} agents wanted, {len(tally.agents)} answered with 201, {len(stored)} stored: {result}")
    return 0 if result == "equal" else 1


def verdict(tally: Tally, stored: list[str]) -> str:
    """Tell whether every agent that was wanted was answered and stored once, and no other."""
    once = sorted(stored) == sorted(tally.agents)
    return "equal" if once and len(stored) == tally.wanted and not tally.given_up else "NOT EQUAL"


if __name__ == "__main__":
    sys.exit(main())

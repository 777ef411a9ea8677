"""What is measured of each program, and that all of them do the same job."""

import json
import random
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.bench import function, instructions, tools
from tests.bench.aws import Cloud
from tests.bench.function import Function
from tests.bench.packages import OURS, READ, Variant, environment, size
from tests.local import aws

OTHER_API_KEY = aws.MANAGED_TEST_API_KEYS[0]
BLOCK = 25
"""Warm requests to one program before the next one follows."""


@dataclass
class Figures:
    """What was measured of one program; times in milliseconds, memory and package in bytes."""

    package: int = 0
    instructions_cold: int = 0
    instructions_warm: int = 0
    cold: list[float] = field(default_factory=list)
    init: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    warm_cpu: float = 0
    memory: int = 0


def event(name: str = OURS.event, **changes: Any) -> dict[str, Any]:
    """Return a sample event with an idempotency key of its own and these headers, or this body, instead."""
    made: dict[str, Any] = json.loads((instructions.EVENTS / name).read_text("utf-8"))
    made["headers"]["idempotency-key"] = uuid4().hex
    made["headers"].update(changes.get("headers", {}))
    if "body" in changes:
        made["body"] = json.dumps(changes["body"])
    return made


def check_job(tested: Function, cloud: Cloud) -> None:
    """Make sure that a program does the job, or stop: a program that does less is faster.

    Raises
    ------
    AssertionError
        Naming what it does not do.
    """
    _, response = tested.invoke(event())
    agent = json.loads(response["body"])
    headers = {name.lower(): value for name, value in response["headers"].items()}
    sent = json.loads(event()["body"])
    _must(response["statusCode"] == 201 and headers["location"].endswith(f"/v1/api/agents/{agent['_id']}"), "201")
    _must(all(agent[name] == value for name, value in sent.items() if name != "settings"), "the agent is returned")
    _must({name: float(value) for name, value in agent["settings"].items()} == sent["settings"], "settings")
    key = {"workspaceId": {"S": agent["workspaceId"]}, "_id": {"S": agent["_id"]}}
    item = cloud.clients.dynamodb.get_item(TableName="AgentsTable", Key=key, ConsistentRead=True).get("Item", {})
    _must(item["name"]["S"] == sent["name"] and item["createdAt"] == {"S": agent["createdAt"]}, "the agent is stored")
    _, least = tested.invoke(event(body={"name": "Sophie", "ttsModel": {"provider": "rime"}}))
    _must(json.loads(least["body"])["llmModel"] == "gpt-4o-mini", "defaults")
    for name, status, changes in _refusals(sent):
        _must(tested.invoke(event(**changes))[1]["statusCode"] in status, name)


def check_limit(limited: Function) -> None:
    """Make sure that a program whose limit is one request in a minute refuses more, or stop."""
    # Between two of three requests at most one minute begins.
    statuses = {limited.invoke(event(headers={"x-api-key": OTHER_API_KEY}))[1]["statusCode"] for _ in range(3)}
    _must(HTTPStatus.TOO_MANY_REQUESTS in statuses, f"requests are counted: {statuses}")


def _refusals(sent: dict[str, Any]) -> Iterator[tuple[str, set[int], dict[str, Any]]]:
    yield "no key", {401}, {"headers": {"x-api-key": ""}}
    yield "unknown key", {401}, {"headers": {"x-api-key": "cca_test_nobody"}}
    yield "foreign workspace", {403}, {"headers": {"x-workspace-id": "another"}}
    for name, value in (
        ("name", 1),
        ("ttsModel", {}),
        ("type", "video"),
        ("maxAttemptsForSmartCallback", 101),
        ("gapBetweenEachAttemptForSmartCallback", [{"days": 31}]),
        ("settings", {"speed": 3}),
        ("phoneNumberIds", {}),
    ):
        yield f"wrong {name}", {400, 422}, {"body": {**sent, name: value}}


def _must(condition: object, what: str) -> None:
    if not condition:
        raise AssertionError(f"it does not do the same job: {what}")


def progress(text: str) -> None:
    """Show progress."""
    print(text, file=sys.stderr, flush=True)


class Bench:
    """All programs, on one AWS.

    Parameters
    ----------
    cloud : Cloud
        Where they find AWS.
    packages : dict
        The programs' packages.
    folder : Path
        For notes.
    """

    def __init__(self, cloud: Cloud, packages: dict[Variant, Path], folder: Path) -> None:
        self._cloud = cloud
        self._packages = packages
        self._folder = folder
        self.figures = {variant: Figures(package=size(package)) for variant, package in packages.items()}

    def _start(self, stack: ExitStack, variant: Variant, limit: str = "") -> Function:
        limit = limit or variant.limit
        variables = environment(self._cloud.tls, self._cloud.variables, self._cloud.authority, limit)
        note = self._folder / f"{variant.module}.note"
        return stack.enter_context(function.running(self._packages[variant], variant.module, variables, note))

    def check(self) -> None:
        """Check that all do the same job, and store the agent that is read."""
        for variant in self._packages:
            progress(f"same job: {variant.name}")
            with ExitStack() as stack:
                tested = self._start(stack, variant)
                if variant is READ:
                    _must(tested.invoke(event(READ.event))[1]["statusCode"] == READ.status, "reading")
                    continue
                check_job(tested, self._cloud)
                if variant is OURS:
                    stored = json.loads((instructions.EVENTS / "create_agent_idempotent.json").read_text("utf-8"))
                    _must(tested.invoke(stored)[1]["statusCode"] == OURS.status, "the agent that is read")
                if variant.limit != "0":
                    check_limit(self._start(stack, variant, limit="1"))

    def count(self) -> None:
        """Count instructions, without TLS, whose handshakes are random."""

        def one(variant: Variant) -> None:
            package = self._packages[variant]
            variables = environment(self._cloud.plain, self._cloud.variables, self._cloud.authority, variant.limit)
            cold = instructions.count(tools.PYTHON, package, variant, 1, variables)
            self.figures[variant].instructions_cold = cold
            if variant.bytecode:
                times = 1 + instructions.WARM
                warm = instructions.count(tools.PYTHON, package, variant, times, variables)
                self.figures[variant].instructions_warm = (warm - cold) // instructions.WARM
            progress(f"instructions: {variant.name}: {cold / 1e6:.1f} M cold")

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, self._packages))

    def start_cold(self, rounds: int) -> None:
        """Time cold starts, one program after the other, in another order in each round."""
        for number in range(rounds):
            progress(f"cold start: round {number + 1} of {rounds}")
            for variant in random.sample(list(self._packages), len(self._packages)):
                with ExitStack() as stack:
                    self._time_start(variant, self._start(stack, variant))

    def _time_start(self, variant: Variant, tested: Function) -> None:
        figures = self.figures[variant]
        started, (cold, response) = function.now(), tested.invoke(event(variant.event))
        _must(response["statusCode"] == variant.status, f"{variant.name}: {response}")
        init = (float(tested.note.read_text("utf-8")) - started) * 1000
        figures.cold.append(cold)
        figures.init.append(init)
        figures.first.append(cold - init)

    def keep_warm(self, requests: int) -> None:
        """Time warm requests; all programs run, and take turns."""
        with ExitStack() as stack:
            running = {variant: self._start(stack, variant) for variant in self._packages if variant.bytecode}
            for variant, tested in running.items():
                for _ in range(BLOCK):
                    tested.invoke(event(variant.event))
            used = {variant: tested.cpu_ms() for variant, tested in running.items()}
            blocks = -(-requests // BLOCK)
            for number in range(blocks):
                progress(f"warm: block {number + 1} of {blocks}") if number % 10 == 0 else None
                for variant, tested in random.sample(list(running.items()), len(running)):
                    self.figures[variant].warm += [tested.invoke(event(variant.event))[0] for _ in range(BLOCK)]
            for variant, tested in running.items():
                self.figures[variant].warm_cpu = (tested.cpu_ms() - used[variant]) / (blocks * BLOCK)
                self.figures[variant].memory = tested.peak_memory()

    def results(self) -> dict[str, dict[str, float]]:
        """Return each program's figures: medians, and for warm requests the 99th percentile too."""
        return {variant.name: summary(figures) for variant, figures in self.figures.items()}


def summary(figures: Figures) -> dict[str, float]:
    """Summarize figures; what was not measured is left out."""
    found = {
        "package_mb": figures.package / 1e6,
        "instructions_cold_m": figures.instructions_cold / 1e6,
        "instructions_warm_m": figures.instructions_warm / 1e6,
        "warm_cpu_ms": figures.warm_cpu,
        "memory_mb": figures.memory / 1e6,
    }
    for name in ("cold", "init", "first", "warm"):
        times = getattr(figures, name)
        found[f"{name}_ms"] = statistics.median(times) if times else 0
    found["warm_p99_ms"] = statistics.quantiles(figures.warm, n=100)[98] if figures.warm else 0
    return {name: round(value, 2) for name, value in found.items() if value}

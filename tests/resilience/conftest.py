"""An emulator, a proxy before it, and a summary of what went through."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

import create_agent
import deployment
from tests.support import emulator
from tests.support.proxy import Proxy, serving
from tests.resilience.world import Outbound, World
from tests.support.leaks import LOUD, forget_loggers
from tests.local import aws
from tests.support.template import Template

# What an operator, or somebody else, might set: none of it may weaken a time limit or let a secret out.
POISON = {
    **LOUD,
    "AWS_MAX_ATTEMPTS": "100",
    "AWS_RETRY_MODE": "adaptive",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:9",
}

Compose = Callable[[dict[str, str | None]], None]

_summary: list[str] = []


def note(line: str) -> None:
    """Add a line to the summary."""
    _summary.append(line)


@pytest.fixture(scope="session")
def proxy() -> Iterator[Proxy]:
    with emulator.running() as url, serving(url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def world(template: Template, proxy: Proxy) -> Iterator[World]:
    clients = aws.connect(proxy.upstream)
    aws.create_resources(template, clients)
    world = World(proxy, clients, Outbound())
    yield world
    world.check_tables()
    _summary.append(
        f"{world.requests} requests, {sum(proxy.injected.values())} faults injected: "
        + (", ".join(f"{count} {action}" for action, count in sorted(proxy.injected.items())) or "none")
    )
    _summary.append(f"{len(world.created)} agents answered with 201, {len(world.stored)} stored")
    _summary.append(f"{len(world.secrets)} secrets looked for in {world.forms} forms in logs, answers and tables")
    _summary.append(f"{len(world.leaks)} found")


@pytest.fixture
def new_application(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> Iterator[Compose]:
    """Compose the functions anew, in a poisoned environment in which a case may change more."""
    # With botocore's own id of a call, which production does without, the attempts of one call can be told from others.
    events = (*deployment._HANDLED_EVENTS, "request-created")  # noqa: SLF001 - a header more, for the proxy to see
    monkeypatch.setattr(deployment, "_HANDLED_EVENTS", events)

    def compose(variables: dict[str, str | None]) -> None:
        for name, value in {**POISON, "ENDPOINT_URL": proxy.url, **variables}.items():
            if value is None:
                monkeypatch.delenv(name)
            else:
                monkeypatch.setenv(name, value)
        forget_application()
        create_agent.prepare()  # as Lambda does before the first request; 50 at once would make 50 applications

    warnings.filterwarnings("ignore", "POWERTOOLS_", UserWarning)  # it says that it is told to say too much
    compose({})
    yield compose
    forget_application()


def set_time_limits(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let clients wait so long instead, for a connection and for an answer."""
    limits = Config(connect_timeout=seconds, read_timeout=seconds)
    config = deployment._CLIENT_CONFIG  # noqa: SLF001 - no variable can change it
    monkeypatch.setattr(deployment, "_CLIENT_CONFIG", config.merge(limits))


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch, new_application: Compose) -> None:
    """Let time limits and pauses be as they are, but shorter, so that thousands of faults fit in minutes."""
    set_time_limits(monkeypatch, 0.3)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda _self, _context: 0.01)
    new_application({"RATE_LIMIT_PER_MINUTE": "1000"})


def forget_application() -> None:
    """Let the functions be composed anew, and leave no connection open."""
    if create_agent.application.cache_info().currsize:
        app = create_agent.application()
        vars(app.agents)["_client"].close()
        kms: Any = app.kms
        if kms.cache_info().currsize:
            kms().close()
    create_agent.application.cache_clear()
    forget_loggers()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _summary:
        terminalreporter.section("what went through")
        for line in _summary:
            terminalreporter.line(line)

"""Worlds for the cases: moto in this process, or an emulator over HTTP behind a proxy; and applications for them."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff

import create_agent
from call_agents.shared.aws import CLIENT_CONFIG
from call_agents.shared.config import Settings
from call_agents.shared.secret_box import SecretBox
from tests.local import aws
from tests.resilience.world import GetApplication, Outbound, World
from tests.support import emulator
from tests.support.client import Stage
from tests.support.leaks import LOUD
from tests.support.proxy import Proxy, serving
from tests.support.template import Template

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient

# What an operator, or somebody else, might set. None of it may weaken a timeout or reveal a secret.
POISON = {
    **LOUD,
    "AWS_MAX_ATTEMPTS": "100",
    "AWS_RETRY_MODE": "adaptive",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:9",
}

PARALLEL = Config(connect_timeout=30, read_timeout=30)
"""Timeouts of parallel requests: their results matter, not the speed of a small machine."""

Compose = Callable[..., GetApplication]

_summary: list[str] = []


def note(line: str) -> None:
    """Add a line to the summary."""
    _summary.append(line)


@pytest.fixture(scope="session")
def outbound() -> Outbound:
    return Outbound()


@pytest.fixture(scope="session")
def proxy() -> Iterator[Proxy]:
    with emulator.running() as url, serving(url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def world(template: Template, proxy: Proxy, outbound: Outbound) -> Iterator[World]:
    """An emulated AWS over HTTP, with the proxy in front of it."""
    clients = aws.connect(proxy.upstream)
    aws.create_resources(template, clients)
    world = World(clients, outbound, proxy)
    yield world
    world.check_tables()
    faults = ", ".join(f"{count} {action}" for action, count in sorted(proxy.injected.items())) or "none"
    note(f"{world.requests} requests over HTTP, faults injected: {faults}")
    summarise(world)


@pytest.fixture(scope="session")
def moto_world(session_stage: Stage, outbound: Outbound) -> Iterator[World]:
    """moto in this process."""
    world = World(session_stage.clients, outbound)
    yield world
    world.check_tables()
    note(f"{world.requests} requests on moto")
    summarise(world)


def summarise(world: World) -> None:
    """Add what was observed to the summary."""
    note(f"{len(world.created)} agents returned with 201, {len(world.stored)} stored")
    note(f"{len(world.secrets)} secrets looked for in {world.forms} forms, {len(world.leaks)} found")


@pytest.fixture
def compose(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Iterator[Compose]:
    """Build applications in a poisoned environment, in which a case may change more."""
    clients: list[KMSClient] = []
    applications: list[create_agent.Application] = []
    warnings.filterwarnings("ignore", "POWERTOOLS_", UserWarning)  # Powertools warns of its own debug variables

    def build(
        world: World, changed: dict[str, str | None] | None = None, config: Config | None = None
    ) -> GetApplication:
        url = world.proxy.url if world.proxy else ""
        given = {**variables, **POISON, "ENDPOINT_URL": url, **(changed or {})}
        settings = Settings({name: value for name, value in given.items() if value is not None})
        for name, value in given.items():
            monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)

        @cache
        def kms() -> "KMSClient":
            clients.append(settings.kms())
            return clients[-1]

        @cache
        def application() -> create_agent.Application:
            built = create_agent.build(replace(settings, client_config=CLIENT_CONFIG.merge(config or Config())))
            applications.append(built)
            # moto needs no ENDPOINT_URL, which is what allows test keys in a local run.
            allowed = built.access.allow_test_keys or not (world.proxy or "ENDPOINT_URL" in (changed or {}))
            access = replace(built.access, allow_test_keys=allowed)
            return replace(built, secrets=SecretBox(kms, built.secrets.key_id), access=access)

        return application

    yield build
    for app in applications:
        app.access.keys.client.close()
        if app.access.rate_limiter:
            app.access.rate_limiter.client.close()
    for client in clients:
        client.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch, compose: Compose, world: World) -> GetApplication:
    """An application with short timeouts and pauses, so that hundreds of faults fit in minutes."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda _self, _context: 0.01)
    limits = Config(connect_timeout=0.3, read_timeout=0.3)
    app = compose(world, {"RATE_LIMIT_PER_MINUTE": "1000"}, limits)
    app()  # parallel requests share one application
    return app


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the summary."""
    if _summary:
        terminalreporter.section("what was observed")
        for line in _summary:
            terminalreporter.line(line)

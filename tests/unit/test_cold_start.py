"""A cold start prepares the first request, sends nothing, and survives whatever is wrong with the environment."""

import gc
import random
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import create_agent
import get_agent
from tests.support.client import Client, Stage
from tests.support.events import PATH, LambdaContext, http_event

Start = Callable[..., Any]
HANDLERS: dict[str, Any] = {"create_agent": create_agent, "get_agent": get_agent}


@pytest.fixture
def start(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Import an entry point as Lambda does, with these changes of the template's variables."""

    def load(name: str = "create_agent", **changed: str) -> Any:
        HANDLERS[name].application.cache_clear()
        for variable, value in {**variables, **changed}.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.delitem(sys.modules, "cold_start", raising=False)
        monkeypatch.delitem(sys.modules, f"cold_start.{name}", raising=False)
        return import_module(f"cold_start.{name}")

    yield load
    for module in HANDLERS.values():
        module.application.cache_clear()
        module.frame.cache_clear()
    gc.unfreeze()


def event_for(name: str, client: Client) -> dict[str, Any]:
    """Return a request that a function accepts."""
    if name == "create_agent":
        return client.event()
    return http_event(method="GET", path=f"{PATH}/{client.post().body['_id']}", headers=client.headers)


@pytest.mark.parametrize(
    ("name", "limit", "calls"),
    [
        ("create_agent", "60", ["GetItem", "UpdateItem", "PutItem"]),
        ("create_agent", "0", ["GetItem", "PutItem"]),
        ("get_agent", "60", ["GetItem", "UpdateItem", "GetItem"]),
        ("get_agent", "0", ["GetItem", "GetItem"]),
    ],
)
def test_warm_up_sends_nothing_and_requests_work_afterwards(
    start: Start, client: Client, stage: Stage, name: str, limit: str, calls: list[str]
) -> None:
    entry_point, handler = start(name, RATE_LIMIT_PER_MINUTE=limit), HANDLERS[name]
    app = handler.application()
    signed: list[str] = []
    for table in (app.access.keys, app.access.rate_limiter):
        if table:
            events: Any = table.client.meta.events
            events.register("before-sign", lambda operation_name, **_: signed.append(operation_name))
    entry_point.warm_up(entry_point.prepare)

    assert signed == calls
    assert stage.items == []
    response = entry_point.handler(event_for(name, client), LambdaContext())
    assert response["statusCode"] in {200, 201}
    # The handler uses what was made.
    assert handler.application.cache_info().misses == 1


def test_the_client_of_kms_is_made_when_the_first_secret_comes(start: Start) -> None:
    start()

    assert create_agent.application().secrets.client.cache_info().currsize == 0  # type: ignore[attr-defined]  # functools.cache has it


def test_the_heap_is_frozen_and_the_collector_on(start: Start) -> None:
    gc.unfreeze()
    start()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


@pytest.mark.parametrize("variable", ["AGENTS_TABLE", "RATE_LIMIT_PER_MINUTE"])
@pytest.mark.parametrize("name", HANDLERS)
def test_a_wrong_environment_is_reported_by_the_request(start: Start, client: Client, name: str, variable: str) -> None:
    event = event_for(name, client)
    response = start(name, **{variable: ""}).handler(event, LambdaContext())

    assert gc.isenabled()
    assert response["statusCode"] == 500
    assert '"code":"internal_error"' in response["body"]


def test_environments_of_one_snapshot_draw_their_own_numbers(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks: list[Callable[[], None]] = []
    runtime = ModuleType("snapshot_restore_py")
    runtime.register_after_restore = hooks.append  # type: ignore[attr-defined]  # Lambda's runtime has it
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    start()

    assert hooks == [random.seed]

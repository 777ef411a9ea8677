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
from tests.support.client import Client, Stage
from tests.support.events import LambdaContext

Start = Callable[..., Any]


@pytest.fixture
def start(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Import `cold_start` as Lambda does, with these changes of the template's variables."""

    def load(**changed: str) -> Any:
        create_agent.application.cache_clear()
        for name, value in {**variables, **changed}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delitem(sys.modules, "cold_start", raising=False)
        return import_module("cold_start")

    yield load
    for made in (create_agent.application, create_agent.frame):
        made.cache_clear()
    gc.unfreeze()


@pytest.mark.parametrize(
    ("limit", "calls"), [("60", ["GetItem", "PutItem", "UpdateItem"]), ("0", ["GetItem", "PutItem"])]
)
def test_warm_up_sends_nothing_and_requests_work_afterwards(
    start: Start, client: Client, stage: Stage, limit: str, calls: list[str]
) -> None:
    cold_start = start(RATE_LIMIT_PER_MINUTE=limit)
    app = create_agent.application()
    signed: list[str] = []
    for table in (app.access.keys, app.access.rate_limiter):
        if table:
            events: Any = table.client.meta.events
            events.register("before-sign", lambda operation_name, **_: signed.append(operation_name))
    cold_start.warm_up()

    assert signed == calls
    assert stage.items == []
    assert cold_start.handler(client.event(), LambdaContext())["statusCode"] == 201
    # The handler uses what was made; the client of KMS is made when the first secret comes.
    assert create_agent.application.cache_info().misses == 1
    assert app.secrets.client.cache_info().currsize == 0  # type: ignore[attr-defined]  # functools.cache has it


def test_the_heap_is_frozen_and_the_collector_on(start: Start) -> None:
    gc.unfreeze()
    start()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


@pytest.mark.parametrize("variable", ["AGENTS_TABLE", "RATE_LIMIT_PER_MINUTE"])
def test_a_wrong_environment_is_reported_by_the_request(start: Start, client: Client, variable: str) -> None:
    response = start(**{variable: ""}).handler(client.event(), LambdaContext())

    assert response["statusCode"] == 500
    assert '"code":"internal_error"' in response["body"]


def test_environments_of_one_snapshot_draw_their_own_numbers(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks: list[Callable[[], None]] = []
    runtime = ModuleType("snapshot_restore_py")
    runtime.register_after_restore = hooks.append  # type: ignore[attr-defined]  # Lambda's runtime has it
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    start()

    assert hooks == [random.seed]

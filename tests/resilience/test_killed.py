"""A process is killed before or after a call, as by a timeout or a lost machine, and the client retries."""

import json
import os
import signal
import subprocess
import sys
import threading
from itertools import product

import pytest

from tests.resilience.case import Case, event_of
from tests.resilience.checks import check_always
from tests.resilience.conftest import Compose
from tests.resilience.test_exactly_once import BYO, CALLS, KEYS
from tests.resilience.world import GetApplication, World
from tests.support.leaks import found
from tests.support.proxy import Proxy
from tests.support.template import ROOT

MOMENTS = list(product(CALLS, ("before", "after")))


def run_and_kill(proxy: Proxy, event: object, operation: str, moment: str) -> str:
    """Let a process handle an event, and kill it just before or after a call; return what it printed until then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.resilience.worker"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    done = threading.Event()

    def watch(called: str, when: str) -> None:
        if called == operation and when == moment:
            process.send_signal(signal.SIGKILL)
            process.wait(20)
        if called == operation and when == "after":
            done.set()

    proxy.on_request = watch
    try:
        out, _ = process.communicate(json.dumps(event).encode(), timeout=60)
        assert done.wait(20)
    finally:
        proxy.on_request = lambda _operation, _moment: None
    assert process.returncode == -signal.SIGKILL
    return out.decode()


@pytest.fixture
def app(world: World, compose: Compose, monkeypatch: pytest.MonkeyPatch) -> GetApplication:
    """An application for retries, and the same environment for processes."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT / "functions"), str(ROOT))))
    return compose(world)


@pytest.mark.parametrize("headers", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("operation", "moment"), MOMENTS)
def test_a_killed_process_and_the_retry(
    world: World, proxy: Proxy, app: GetApplication, operation: str, moment: str, headers: dict[str, str]
) -> None:
    keys = world.keys()
    keys.store({})
    proxy.plan()
    step: Case = {"headers": headers, "set": {"/ttsModel": BYO}, "expect": {}}
    printed = run_and_kill(proxy, event_of(step, keys), operation, moment)
    assert "statusCode" not in printed
    assert found(keys.secrets | keys.hashes, printed) == []
    left = world.items(keys["WORKSPACE"])
    retry = world.run([step], keys, app)
    check_always(retry, keys, world)
    response = retry.sent[0].response

    # A write that was sent before the process died still succeeds.
    assert len(left) == (operation == "PutItem")
    assert response.status == 201
    assert ("Idempotent-Replayed" in response.headers) == bool(left and headers)
    assert len(retry.items) == (1 if headers else len(left) + 1)
    if left and headers:
        assert response.body["_id"] == left[0]["_id"]["S"]

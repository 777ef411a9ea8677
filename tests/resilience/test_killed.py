"""A process is killed between a call and its answer, as by a timeout or a lost machine, and the client tries again."""

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
from tests.resilience.world import Keys, World
from tests.support.leaks import found
from tests.support.template import ROOT

MOMENTS = list(product(CALLS, ("before", "after")))


def run_and_kill(world: World, event: object, operation: str, moment: str) -> str:
    """Let a process answer an event, and kill it when a call of its is about to be done, or was just done.

    Returns
    -------
    str
        What it printed and logged until then.
    """
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

    world.proxy.on_request = watch
    try:
        out, _ = process.communicate(json.dumps(event).encode(), timeout=60)
        assert done.wait(20)
    finally:
        world.proxy.on_request = lambda _operation, _moment: None
    assert process.returncode == -signal.SIGKILL
    return out.decode()


@pytest.fixture
def keys(world: World, new_application: Compose, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Keys of a workspace, and an environment for processes."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT / "functions"), str(ROOT))))
    new_application({})
    keys = world.keys()
    keys.store({})
    world.proxy.plan()
    return keys


@pytest.mark.parametrize("headers", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("operation", "moment"), MOMENTS)
def test_a_killed_process_and_the_retry(
    world: World, keys: Keys, operation: str, moment: str, headers: dict[str, str]
) -> None:
    step: Case = {"headers": headers, "set": {"/ttsModel": BYO}, "expect": {}}
    said = run_and_kill(world, event_of(step, keys), operation, moment)
    assert "statusCode" not in said
    assert found(keys.secrets | keys.hashes, said) == []
    left = world.items(keys["WORKSPACE"])
    retry = world.run([step], keys)
    check_always(retry, keys, world)
    answer = retry.sent[0].answer

    # What was sent before the process died is done all the same.
    assert len(left) == (operation == "PutItem")
    assert answer.status == 201
    assert ("Idempotent-Replayed" in answer.headers) == bool(left and headers)
    assert len(retry.items) == (1 if headers else len(left) + 1)
    if left and headers:
        assert answer.body["_id"] == left[0]["_id"]["S"]

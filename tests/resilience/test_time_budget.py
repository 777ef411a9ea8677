"""Every request ends before its function does, whatever hangs."""

from typing import Any

import pytest

from tests.resilience.case import Case
from tests.resilience.checks import check_always
from tests.resilience.conftest import Compose, note
from tests.resilience.test_exactly_once import BYO
from tests.resilience.world import FUNCTION_MS, Seen, World


def hang(operation: str, times: int | None = None, skip: int = 0, action: str = "hang_before") -> dict[str, Any]:
    fault: dict[str, Any] = {"operation": operation, "action": action, "skip": skip}
    return fault if times is None else {**fault, "times": times}


WORST = [
    hang("GetItem", times=2),
    hang("UpdateItem"),
    hang("Encrypt", times=2),
    hang("PutItem", action="hang_after"),
    hang("GetItem", times=2, skip=1),
]
"""Every call hangs as often as possible without failing the request."""

CASES: dict[str, tuple[Case, int, dict[str, int]]] = {
    "the read of the key hangs": ({"faults": [hang("GetItem")]}, 503, {"GetItem": 3}),
    "the rate limiter hangs": ({"faults": [hang("UpdateItem")]}, 201, {"GetItem": 1, "UpdateItem": 1, "PutItem": 1}),
    "the encryption hangs": ({"faults": [hang("Encrypt")]}, 503, {"Encrypt": 3}),
    "the write hangs, before": ({"faults": [hang("PutItem")]}, 503, {"PutItem": 3, "GetItem": 2}),
    "the write hangs, after": ({"faults": [hang("PutItem", action="hang_after")]}, 201, {"PutItem": 3, "GetItem": 2}),
    "everything hangs": ({"faults": WORST}, 201, {"GetItem": 6, "UpdateItem": 1, "Encrypt": 3, "PutItem": 3}),
    "a response of DynamoDB trickles": (
        {"faults": [hang("GetItem", action="trickle_after")], "time_left": 9_000},
        503,
        {},
    ),
    "a response of KMS trickles": ({"faults": [hang("Encrypt", action="trickle_after")], "time_left": 9_000}, 503, {}),
    "the service asks for long pauses": (
        {"faults": [hang("PutItem", action="throttle_for_long")], "time_left": 9_000},
        503,
        {"PutItem": 2},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_request_ends_in_time(world: World, compose: Compose, name: str) -> None:
    case, status, calls = CASES[name]
    keys = world.keys()
    keys.store({})
    seen: Seen = world.run([{"set": {"/ttsModel": BYO}, "expect": {}, **case}], keys, compose(world))
    check_always(seen, keys, world)

    (sent,) = seen.sent
    assert sent.response.status == status
    assert {operation: _count(seen, operation) for operation in calls} == calls
    limit = sent.step.get("time_left", FUNCTION_MS) / 1000
    note(f"{name}: {sent.response.status} after {sent.seconds:.1f} s of {limit:.0f}")


def _count(seen: Seen, operation: str) -> int:
    return sum(call.operation == operation for call in seen.calls)

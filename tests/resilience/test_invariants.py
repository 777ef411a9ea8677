"""What holds after any sequence of requests, retries and faults; hypothesis looks for one after which it does not.

I1: one Idempotency-Key has one agent at most. I2: there are as many agents as were answered, and at most one more for
each request whose outcome was not told. I3: an answer is what is stored, then and later. I4 to I7, in `checks`: no item
lacks an attribute, no secret is anywhere, no call makes more than three attempts, no request outlives its time.
"""

import hashlib
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from agents.values import to_json
from tests.resilience.checks import check_always
from tests.support.proxy import ACTIONS_AFTER, ACTIONS_BEFORE, ALWAYS
from tests.resilience.test_exactly_once import BYO, CALLS
from tests.resilience.world import Seen, World, agent_of

BODIES: dict[str, dict[str, Any]] = {
    "plain": {"/name": "Sophie"},
    "other": {"/name": "Another"},
    "sealed": {"/ttsModel": BYO},
    "refused": {"/llmModel": "nope"},
}

faults = st.fixed_dictionaries(
    {
        "operation": st.sampled_from(CALLS),
        "action": st.sampled_from((*ACTIONS_BEFORE, *ACTIONS_AFTER)),
        "times": st.sampled_from((1, 2, ALWAYS)),
        "skip": st.sampled_from((0, 0, 1)),
    }
)
BLIND = [
    {"operation": "PutItem", "action": "reset_after"},
    {"operation": "GetItem", "action": "reset_before", "skip": 1},
]
"""The write is done, and nobody can tell: chance alone would seldom make it so."""

plans = st.one_of(st.lists(faults, max_size=3), st.lists(faults, max_size=3), st.just(BLIND))


def machine(world: World) -> type[RuleBasedStateMachine]:
    """Make the machine's class; hypothesis makes its instances itself."""

    class Requests(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.keys = world.keys()
            self.keys.store({})
            self.answered: dict[str, str] = {}
            self.bodies: dict[str, str] = {}
            self.untold = 0
            self.keys_used: set[str] = set()
            self.writes_without_key = 0
            self.last: dict[str, Any] = {}
            self.body = ""

        @rule(body=st.sampled_from(sorted(BODIES)), key=st.sampled_from((None, "key-1", "key-2")), plan=plans)
        def request(self, body: str, key: str | None, plan: list[dict[str, Any]]) -> None:
            self.body = body
            self.last = {"headers": {"idempotency-key": key} if key else {}, "set": BODIES[body], "expect": {}}
            self.send(plan)

        @precondition(lambda self: self.last)
        @rule(plan=plans)
        def retry(self, plan: list[dict[str, Any]]) -> None:
            self.send(plan)

        def send(self, plan: list[dict[str, Any]]) -> None:
            seen = world.run([{**self.last, "faults": plan}], self.keys)
            check_always(seen, self.keys, world)
            self.note(seen)
            stored = {item["_id"]["S"]: to_json(agent_of(item)) for item in seen.items}
            assert len(self.answered) <= len(stored) <= len(self.answered) + self.untold  # I2
            assert {name: stored[name] for name in self.answered} == self.answered  # I3
            assert len(stored) <= len(self.keys_used) + self.writes_without_key  # I1

        def id_of(self, key: str) -> str:
            """Derive an agent's id apart from the code that does."""
            workspace = self.keys["WORKSPACE"]
            return hashlib.sha256(f"{len(workspace)}:{workspace}:{key}".encode()).hexdigest()[:24]

        def note(self, seen: Seen) -> None:
            answer, key = seen.sent[0].answer, self.last["headers"].get("idempotency-key")
            refused = self.body == "refused" and any(call.operation == "UpdateItem" for call in seen.calls)
            assert answer.status in ({400} if refused else {201, 422, 503})
            if answer.status == 201:
                agent = answer.body
                assert self.answered.setdefault(agent["_id"], to_json(agent)) == to_json(agent)
                assert key is None or agent["_id"] == self.id_of(key)
                assert key is None or self.bodies.setdefault(key, self.body) == self.body
            if answer.status == 422:
                assert self.bodies.get(str(key)) != self.body
            # Only a request that came to its write may have left an agent behind.
            wrote = any(call.operation == "PutItem" for call in seen.calls)
            self.untold += answer.status == 503 and wrote
            self.writes_without_key += key is None and wrote
            self.keys_used |= {key} if key and wrote else set()

    return Requests


@pytest.mark.usefixtures("hurried")
def test_the_invariants_hold_after_any_faults(world: World) -> None:
    run_state_machine_as_test(
        machine(world),
        settings=settings(
            max_examples=40,
            stateful_step_count=12,
            deadline=None,  # faults take time
            suppress_health_check=list(HealthCheck),  # the same
            phases=(Phase.generate,),  # a failing sequence is short enough, and shrinking it would take minutes
            database=None,
        ),
    )

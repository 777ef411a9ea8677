"""Invariants after any sequence of requests, retries and faults; hypothesis searches for a counterexample.

I1: one Idempotency-Key has at most one agent. I2: there are as many agents as were returned, and at most one more for
each request with an unknown outcome. I3: a response is what is stored, then and later. I4 to I7, in `checks`: items are
complete, no secret is anywhere, no call makes more than three attempts, every request ends in time.
"""

import hashlib
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from call_agents.shared.json_values import to_json
from tests.resilience.checks import check_always
from tests.resilience.test_exactly_once import BYO, CALLS
from tests.resilience.world import GetApplication, Seen, World, agent_of
from tests.support.proxy import ACTIONS_AFTER, ACTIONS_BEFORE, ALWAYS

BODIES: dict[str, dict[str, Any]] = {
    "plain": {"/name": "Sophie"},
    "other": {"/name": "Another"},
    "with a secret": {"/ttsModel": BYO},
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
UNKNOWN = [
    {"operation": "PutItem", "action": "reset_after"},
    {"operation": "GetItem", "action": "reset_before", "skip": 1},
]
"""The write succeeds, and its outcome stays unknown. Chance alone would rarely produce this."""

plans = st.one_of(st.lists(faults, max_size=3), st.lists(faults, max_size=3), st.just(UNKNOWN))


def machine(world: World, app: GetApplication) -> type[RuleBasedStateMachine]:
    """Return the machine's class, of which hypothesis makes instances."""

    class Requests(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.keys = world.keys()
            self.keys.store({})
            self.returned: dict[str, str] = {}
            self.bodies: dict[str, str] = {}
            self.unknown = 0
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
            seen = world.run([{**self.last, "faults": plan}], self.keys, app)
            check_always(seen, self.keys, world)
            self.note(seen)
            stored = {item["_id"]["S"]: to_json(agent_of(item)) for item in seen.items}
            assert len(self.returned) <= len(stored) <= len(self.returned) + self.unknown  # I2
            assert {name: stored[name] for name in self.returned} == self.returned  # I3
            assert len(stored) <= len(self.keys_used) + self.writes_without_key  # I1

        def id_of(self, key: str) -> str:
            """Derive an agent's id without the code under test."""
            workspace = self.keys["WORKSPACE"]
            return hashlib.sha256(f"{len(workspace)}:{workspace}:{key}".encode()).hexdigest()[:24]

        def note(self, seen: Seen) -> None:
            response, key = seen.sent[0].response, self.last["headers"].get("idempotency-key")
            refused = self.body == "refused" and "validateMs" in seen.lines[-1]
            # With a key, what the lists do not allow may have been created before: that is looked up.
            expected = ({400, 422, 503} if key else {400}) if refused else {201, 422, 503}
            assert response.status in expected | {429}  # counting is throttled
            if response.status == 201:
                agent = response.body
                assert self.returned.setdefault(agent["_id"], to_json(agent)) == to_json(agent)
                assert key is None or agent["_id"] == self.id_of(key)
                assert key is None or self.bodies.setdefault(key, self.body) == self.body
            if response.status == 422:
                assert self.bodies.get(str(key)) != self.body
            # Only a request that reached its write can have stored an agent.
            wrote = any(call.operation == "PutItem" for call in seen.calls)
            self.unknown += response.status == 503 and wrote
            self.writes_without_key += key is None and wrote
            self.keys_used |= {key} if key and wrote else set()

    return Requests


def test_the_invariants_hold_after_any_faults(world: World, hurried: GetApplication) -> None:
    run_state_machine_as_test(
        machine(world, hurried),
        settings=settings(
            max_examples=25,
            stateful_step_count=12,
            deadline=None,  # faults take time
            suppress_health_check=list(HealthCheck),  # the same
            phases=(Phase.generate,),  # a failing sequence is short enough, and shrinking it would take minutes
            database=None,
        ),
    )

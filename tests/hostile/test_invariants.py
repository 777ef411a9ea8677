"""What holds after any sequence of requests, retries and faults; hypothesis looks for one after which it does not.

I1: one Idempotency-Key has one agent at most. I2: there are as many agents as were answered, and at most one more for
each request whose outcome was not told. I3: an answer is what is stored, then and later. I4 to I7, in `checks`: no item
lacks an attribute, no secret is anywhere, no call makes more than three attempts, no request outlives its time.
"""

from typing import Any

import pytest
from botocore.config import Config
from botocore.retries.standard import ExponentialBackoff
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

import deployment
from agents.idempotency import agent_id
from tests.hostile.checks import check_always
from tests.hostile.conftest import Compose
from tests.hostile.proxy import ACTIONS_AFTER, ACTIONS_BEFORE, ALWAYS
from tests.hostile.test_exactly_once import BYO, CALLS
from tests.hostile.world import Sent, World, agent_of

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
plans = st.lists(faults, max_size=3)


def machine(world: World) -> type[RuleBasedStateMachine]:
    """Make the machine's class; hypothesis makes its instances itself."""

    class Requests(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.keys = world.keys()
            self.keys.store({})
            self.answered: dict[str, Any] = {}
            self.by_key: dict[str, str] = {}
            self.untold = 0
            self.last: dict[str, Any] = {}

        @rule(body=st.sampled_from(sorted(BODIES)), key=st.sampled_from((None, "key-1", "key-2")), plan=plans)
        def request(self, body: str, key: str | None, plan: list[dict[str, Any]]) -> None:
            self.last = {"headers": {"idempotency-key": key} if key else {}, "set": BODIES[body], "expect": {}}
            self.send(plan)

        @precondition(lambda self: self.last)
        @rule(plan=plans)
        def retry(self, plan: list[dict[str, Any]]) -> None:
            self.send(plan)

        def send(self, plan: list[dict[str, Any]]) -> None:
            seen = world.run([{**self.last, "faults": plan}], self.keys)
            check_always(seen, self.keys, world)
            self.note(seen.sent[0])
            stored = {item["_id"]["S"]: agent_of(item) for item in seen.items}
            assert len(self.answered) <= len(stored) <= len(self.answered) + self.untold  # I2
            assert {name: stored[name] for name in self.answered} == self.answered  # I3

        def note(self, sent: Sent) -> None:
            assert sent.answer.status in {201, 400, 422, 500, 503}
            key = self.last["headers"].get("idempotency-key")
            self.untold += sent.answer.status in {500, 503}
            if sent.answer.status == 422:
                assert key in self.by_key or self.untold
            if sent.answer.status != 201:
                return
            agent = sent.answer.body
            self.answered[agent["_id"]] = agent
            if key:
                assert agent["_id"] == agent_id(self.keys["WORKSPACE"], key)  # I1
                assert self.by_key.setdefault(key, sent.answer.text) == sent.answer.text

    return Requests


def test_the_invariants_hold_after_any_faults(
    world: World, monkeypatch: pytest.MonkeyPatch, new_application: Compose
) -> None:
    # The retries take their real course; only the waiting is shortened, so that thousands of faults fit in a minute.
    shorter = deployment._CLIENT_CONFIG.merge(Config(connect_timeout=0.1, read_timeout=0.15))  # noqa: SLF001 - no variable can change it
    monkeypatch.setattr(deployment, "_CLIENT_CONFIG", shorter)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda _self, _context: 0.001)
    new_application({"RATE_LIMIT_PER_MINUTE": "0"})
    run_state_machine_as_test(
        machine(world),
        settings=settings(
            max_examples=40,
            stateful_step_count=12,
            deadline=None,  # faults take time
            suppress_health_check=list(HealthCheck),  # the same
            database=None,
        ),
    )

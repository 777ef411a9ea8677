"""At most one agent for one Idempotency-Key, a 201 for what is stored, and no claim of what is not known.

Every fault of every call, before and after the commit, once and for ever, with and without a key; and many at once.
"""

import copy
from collections import Counter
from itertools import product

import pytest

from tests.resilience.case import Case
from tests.resilience.checks import check_always
from tests.support.proxy import ACTIONS_AFTER, ACTIONS_BEFORE, ALWAYS
from tests.resilience.world import Keys, Seen, World

BYO = {"provider": "11labs_byo", "voiceId": "voice-1", "elevenLabsApiKey": "{{ELEVENLABS_KEY}}"}
"""Of an agent that takes all four calls."""

KEYS: dict[str, dict[str, str]] = {"with a key": {"idempotency-key": "retry-1"}, "without": {}}
CALLS = ("GetItem", "UpdateItem", "Encrypt", "PutItem")
FAULTS = list(product(CALLS, (*ACTIONS_BEFORE, *ACTIONS_AFTER), (1, ALWAYS)))


def expected(operation: str, action: str, times: int) -> int:
    """Return the status of a request that meets a fault."""
    if operation == "UpdateItem":
        return 201  # it protects, it does not authorize
    if action == "checksum_after" and operation == "Encrypt":
        return 503  # KMS has no checksum, so botocore looks at none and does not try again
    if operation == "PutItem" and action.endswith("_after"):
        return 201  # it is looked up
    heals = times == 1 and not action.startswith("foreign")
    return 201 if heals else 503


def send(world: World, keys: Keys, *steps: Case) -> Seen:
    seen = world.run([{"set": {"/ttsModel": BYO}, "expect": {}, **copy.deepcopy(step)} for step in steps], keys)
    check_always(seen, keys, world)
    return seen


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("headers", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("operation", "action", "times"), FAULTS)
def test_each_fault_of_each_call_and_the_retry(
    world: World, operation: str, action: str, times: int, headers: dict[str, str]
) -> None:
    keys = world.keys()
    keys.store({})
    fault = {"operation": operation, "action": action, "times": times}
    first = send(world, keys, {"headers": headers, "faults": [fault]})
    retry = send(world, keys, {"headers": headers})

    (answer,), (again,) = (seen.sent for seen in (first, retry))
    assert answer.answer.status == expected(operation, action, times)
    assert again.answer.status == 201
    assert len(first.items) == (answer.answer.status == 201)
    assert len(retry.items) == (1 if headers else len(first.items) + 1)
    if answer.answer.status == 201 and headers:
        assert again.answer.text == answer.answer.text
        assert again.answer.headers["Idempotent-Replayed"] == "true"
    assert ("Idempotent-Replayed" in again.answer.headers) == bool(headers and first.items)
    assert "Idempotent-Replayed" not in answer.answer.headers


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("action", ACTIONS_AFTER)
def test_an_outcome_that_nobody_can_tell_is_not_told_and_the_retry_finds_it(world: World, action: str) -> None:
    keys = world.keys()
    keys.store({})
    lost = {"operation": "PutItem", "action": action}
    unseen = {"operation": "GetItem", "action": "reset_before", "skip": 1}
    first = send(world, keys, {"headers": KEYS["with a key"], "faults": [lost, unseen]})
    retry = send(world, keys, {"headers": KEYS["with a key"]})

    assert [sent.answer.status for sent in (*first.sent, *retry.sent)] == [503, 201]
    assert first.items == retry.items
    assert len(first.items) == 1


STORM = [
    {"operation": "*", "action": "throttle", "share": 0.2},
    {"operation": "PutItem", "action": "reset_after", "share": 0.2},
    {"operation": "PutItem", "action": "500_before", "share": 0.2},
    {"operation": "GetItem", "action": "reset_before", "share": 0.2},
]


@pytest.mark.usefixtures("hurried")
def test_50_at_once_with_one_key_in_a_storm_are_one_agent(world: World) -> None:
    keys = world.keys()
    keys.store({})
    storm = send(world, keys, {"headers": KEYS["with a key"], "times": 50, "parallel": True, "faults": STORM})
    after = send(world, keys, {"headers": KEYS["with a key"]})

    assert {sent.answer.status for sent in storm.sent} <= {201, 503}
    texts = Counter(sent.answer.text for sent in (*storm.sent, *after.sent) if sent.answer.status == 201)
    assert len(texts) == 1
    assert len(storm.items) == len(after.items) == 1
    answers = [sent.answer for sent in storm.sent if sent.answer.status == 201]
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) <= 1


@pytest.mark.usefixtures("hurried")
def test_50_at_once_with_keys_of_their_own_in_a_storm_are_as_many_agents_as_answers(world: World) -> None:
    keys = world.keys()
    keys.store({})
    each = {"headers": {"idempotency-key": "key-{{NUMBER}}"}, "times": 50}
    storm = send(world, keys, {**each, "parallel": True, "faults": STORM})
    after = send(world, keys, each)

    answered = {sent.answer.body["_id"] for sent in storm.sent if sent.answer.status == 201}
    unknown = sum(sent.answer.status == 503 for sent in storm.sent)
    assert len(answered) <= len(storm.items) <= len(answered) + unknown
    assert [sent.answer.status for sent in after.sent] == [201] * 50
    assert len(after.items) == 50

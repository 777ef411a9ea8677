"""One Idempotency-Key creates one agent, and a 201 is stored, whatever fails.

Every fault of every call, before and after the commit, once and always, with and without a key; and many at once.
"""

import copy
from collections import Counter
from itertools import product

import pytest

from tests.resilience.case import Case
from tests.resilience.checks import check_always
from tests.resilience.world import GetApplication, Keys, Seen, World
from tests.support.proxy import ACTIONS_AFTER, ACTIONS_BEFORE, ALWAYS

BYO = {"provider": "11labs_byo", "voiceId": "voice-1", "elevenLabsApiKey": "{{ELEVENLABS_KEY}}"}
"""An agent that takes all four calls."""

KEYS: dict[str, dict[str, str]] = {"with a key": {"idempotency-key": "retry-1"}, "without": {}}
CALLS = ("GetItem", "UpdateItem", "Encrypt", "PutItem")
FAULTS = list(product(CALLS, (*ACTIONS_BEFORE, *ACTIONS_AFTER), (1, ALWAYS)))


def expected(operation: str, action: str, times: int) -> int:
    """Return the status of a request that meets a fault."""
    if operation == "UpdateItem":
        return 429 if action == "throttle" else 201  # the rate limit fails open, unless there are too many requests
    if action == "checksum_after" and operation == "Encrypt":
        return 503  # KMS has no checksum, so botocore does not check it and does not retry
    if operation == "PutItem" and action.endswith("_after"):
        return 201  # the write is verified
    recovers = times == 1 and not action.startswith("foreign")
    return 201 if recovers else 503


def send(world: World, keys: Keys, app: GetApplication, *steps: Case) -> Seen:
    seen = world.run([{"set": {"/ttsModel": BYO}, "expect": {}, **copy.deepcopy(step)} for step in steps], keys, app)
    check_always(seen, keys, world)
    return seen


@pytest.mark.parametrize("headers", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("operation", "action", "times"), FAULTS)
def test_each_fault_of_each_call_and_the_retry(
    world: World, hurried: GetApplication, operation: str, action: str, times: int, headers: dict[str, str]
) -> None:
    keys = world.keys()
    keys.store({})
    fault = {"operation": operation, "action": action, "times": times}
    first = send(world, keys, hurried, {"headers": headers, "faults": [fault]})
    retry = send(world, keys, hurried, {"headers": headers})

    (first_sent,), (again,) = (seen.sent for seen in (first, retry))
    assert first_sent.response.status == expected(operation, action, times)
    assert again.response.status == 201
    assert len(first.items) == (first_sent.response.status == 201)
    assert len(retry.items) == (1 if headers else len(first.items) + 1)
    if first_sent.response.status == 201 and headers:
        assert again.response.text == first_sent.response.text
        assert again.response.headers["Idempotent-Replayed"] == "true"
    assert ("Idempotent-Replayed" in again.response.headers) == bool(headers and first.items)
    assert "Idempotent-Replayed" not in first_sent.response.headers


@pytest.mark.parametrize("action", ACTIONS_AFTER)
def test_an_unknown_outcome_is_503_and_the_retry_finds_it(world: World, hurried: GetApplication, action: str) -> None:
    keys = world.keys()
    keys.store({})
    lost = {"operation": "PutItem", "action": action}
    unverified = {"operation": "GetItem", "action": "reset_before", "skip": 1}
    first = send(world, keys, hurried, {"headers": KEYS["with a key"], "faults": [lost, unverified]})
    retry = send(world, keys, hurried, {"headers": KEYS["with a key"]})

    assert [sent.response.status for sent in (*first.sent, *retry.sent)] == [503, 201]
    assert first.items == retry.items
    assert len(first.items) == 1


STORM = [
    {"operation": "*", "action": "throttle", "share": 0.2},
    {"operation": "PutItem", "action": "reset_after", "share": 0.2},
    {"operation": "PutItem", "action": "500_before", "share": 0.2},
    {"operation": "GetItem", "action": "reset_before", "share": 0.2},
]


def test_50_parallel_requests_with_one_key_are_one_agent(world: World, hurried: GetApplication) -> None:
    keys = world.keys()
    keys.store({})
    storm = send(world, keys, hurried, {"headers": KEYS["with a key"], "times": 50, "parallel": True, "faults": STORM})
    after = send(world, keys, hurried, {"headers": KEYS["with a key"]})

    assert {sent.response.status for sent in storm.sent} <= {201, 429, 503}
    texts = Counter(sent.response.text for sent in (*storm.sent, *after.sent) if sent.response.status == 201)
    assert len(texts) == 1
    assert len(storm.items) == len(after.items) == 1
    responses = [sent.response for sent in storm.sent if sent.response.status == 201]
    assert sum("Idempotent-Replayed" not in response.headers for response in responses) <= 1


def test_50_parallel_requests_with_own_keys_are_50_agents(world: World, hurried: GetApplication) -> None:
    keys = world.keys()
    keys.store({})
    each = {"headers": {"idempotency-key": "key-{{NUMBER}}"}, "times": 50}
    storm = send(world, keys, hurried, {**each, "parallel": True, "faults": STORM})
    after = send(world, keys, hurried, each)

    returned = {sent.response.body["_id"] for sent in storm.sent if sent.response.status == 201}
    unknown = sum(sent.response.status == 503 for sent in storm.sent)
    assert len(returned) <= len(storm.items) <= len(returned) + unknown
    assert [sent.response.status for sent in after.sent] == [201] * 50
    assert len(after.items) == 50

"""Every case of the catalogue, against the real handler, a real HTTP AWS and a proxy that breaks what a case says.

What a case expects stands in it. What holds for all of them stands in `checks`.
"""

import base64
from collections import Counter
from typing import Any

import pytest

from agents.values import meaning
from tests.resilience.case import Case, at, filled, load_cases, steps
from tests.resilience.checks import check_always
from tests.resilience.conftest import Compose, set_time_limits
from tests.resilience.world import Keys, Seen, Sent, World, agent_of

CASES = load_cases()


def test_no_two_cases_have_the_same_name() -> None:
    assert [name for name, times in Counter(case["id"] for case in CASES).items() if times > 1] == []


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: Case, world: World, new_application: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    if case.get("parallel"):
        set_time_limits(monkeypatch, 30)  # what matters is what comes of it, and not how fast a small machine is
    keys = world.keys()
    keys.store(case)
    new_application(case.get("environment", {}))
    seen = world.run(steps(case), keys)

    for sent in seen.sent:
        check_expected(sent, keys)
    check_always(seen, keys, world)
    check_case(case, seen, keys, world)
    if "same_text_as" in case.get("expect", {}):
        new_application({})
        assert seen.sent[0].answer.text == text_of(case["expect"]["same_text_as"], world)


def text_of(name: str, world: World) -> str:
    """Return the body of the first answer of another case."""
    (other,) = [case for case in CASES if case["id"] == name]
    keys = world.keys()
    keys.store(other)
    return world.run(steps(other), keys).sent[0].answer.text


def check_expected(sent: Sent, keys: Keys) -> None:
    """Status, code, faults and headers are those that the case expects."""
    expect, answer = sent.step["expect"], sent.answer
    if "status" in expect:
        assert answer.status == expect["status"], answer.text
    if answer.status >= 400:
        assert answer.code == expect["code"]
        if "fault_count" in expect:
            assert len(answer.body["error"]["details"]) == expect["fault_count"]
        else:
            assert answer.faults == expect.get("faults", {})
    for name, value in expect.get("headers", {}).items():
        assert answer.headers.get(name) == value
    for pointer, value in filled(expect.get("answered", {}), keys).items():
        assert same(at(answer.body, pointer), value)
    assert sent.seconds < expect.get("max_seconds", sent.seconds + 1)


def same(one: object, other: object) -> bool:
    """Compare as JSON does: 1 is not true, and 1.0 is 1."""
    return one is not ... and meaning(one) == meaning(other)


def check_case(case: Case, seen: Seen, keys: Keys, world: World) -> None:
    """What the case expects of all its requests together."""
    expect = case.get("expect", {})
    answers = [sent.answer for sent in seen.sent]
    agents = {(answer.body["workspaceId"], answer.body["_id"]) for answer in answers if answer.status == 201}
    assert len(seen.items) == expect.get("items", len(agents))
    if "statuses" in expect:
        assert Counter(str(answer.status) for answer in answers) == expect["statuses"]
    if "agents" in expect:
        assert len(agents) == expect["agents"]
    if "replayed" in expect:
        assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == expect["replayed"]
    if "calls" in expect:
        counts = Counter(call.operation for call in seen.calls)
        assert {name: counts[name] for name in expect["calls"]} == expect["calls"]
    for name, value in expect.get("log", {}).items():
        assert seen.lines[-1].get(name) == value, seen.lines[-1]
    assert world.unused == expect.get("unused_faults", [])
    assert seen.items or not expect.keys() & {"stored", "not_stored", "absent"}
    for item in seen.items:
        check_stored(expect, item, keys)


def check_stored(expect: dict[str, Any], item: dict[str, Any], keys: Keys) -> None:
    agent = agent_of(item)
    for pointer, value in filled(expect.get("stored", {}), keys).items():
        assert same(at(agent, pointer), value)
    for pointer, value in filled(expect.get("not_stored", {}), keys).items():
        assert at(agent, pointer) is not ...
        assert not same(at(agent, pointer), value)
    for name in expect.get("absent", []):
        assert name not in item


def test_what_is_sealed_opens_for_its_agent_only(world: World, new_application: Compose) -> None:
    keys = world.keys()
    keys.store({})
    new_application({})
    byo = {"provider": "11labs_byo", "voiceId": "voice-1", "elevenLabsApiKey": "{{ELEVENLABS_KEY}}"}
    (item,) = world.run([{"set": {"/ttsModel": byo}}], keys).items
    ciphertext = base64.b64decode(item["ttsModel"]["M"]["elevenLabsApiKey"]["S"])
    kms = world.clients.kms
    context = {"workspaceId": keys["WORKSPACE"], "agentId": item["_id"]["S"]}

    opened = kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=context)
    assert opened["Plaintext"].decode() == keys["ELEVENLABS_KEY"]
    for other in ({**context, "agentId": "0" * 24}, {**context, "workspaceId": "another"}, {}):
        with pytest.raises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=other)

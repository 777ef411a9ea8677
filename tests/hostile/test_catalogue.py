"""Every case of the catalogue, against the real handler, a real HTTP AWS and a proxy that breaks what a case says.

What a case expects stands in it. What holds for all of them stands here.
"""

import base64
from collections import Counter
from typing import Any

import pytest

from agents.sealing import encryption_context
from tests.hostile.case import Case, at, filled, load_cases, steps
from tests.hostile.checks import check_always
from tests.hostile.conftest import Compose
from tests.hostile.world import Keys, Seen, Sent, World, agent_of
from tests.leaks import SHOWN

CASES = load_cases()
KEY_TABLES = ("ApiKeysTable", "RateLimitsTable")


def test_no_two_cases_have_the_same_name() -> None:
    assert [name for name, times in Counter(case["id"] for case in CASES).items() if times > 1] == []


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: Case, world: World, new_application: Compose) -> None:
    keys = world.keys()
    keys.store(case)
    new_application(case.get("environment", {}))
    seen = world.run(steps(case), keys)

    for sent in seen.sent:
        check_expected(sent, keys)
    check_always(seen, keys, world)
    check_case(case, seen, keys)
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
    if "statuses" in expect:
        return
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
        assert at(answer.body, pointer) == value


def check_case(case: Case, seen: Seen, keys: Keys) -> None:
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
    for item in seen.items:
        check_stored(expect, item, keys)


def check_stored(expect: dict[str, Any], item: dict[str, Any], keys: Keys) -> None:
    agent = agent_of(item)
    for pointer, value in filled(expect.get("stored", {}), keys).items():
        assert at(agent, pointer) == value
    for pointer, value in filled(expect.get("not_stored", {}), keys).items():
        assert at(agent, pointer) != value
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
    context = encryption_context(keys["WORKSPACE"], item["_id"]["S"])

    opened = kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=context)
    assert opened["Plaintext"].decode() == keys["ELEVENLABS_KEY"]
    for other in ({**context, "agentId": "0" * 24}, {**context, "workspaceId": "another"}, {}):
        with pytest.raises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=other)


def test_no_secret_is_in_the_tables_of_keys_and_counts(world: World) -> None:
    """Last, over all that the cases before it left; the agents of each case were looked at with it."""
    scan = world.clients.dynamodb.get_paginator("scan")
    dump = "".join(repr(page["Items"]) for name in KEY_TABLES for page in scan.paginate(TableName=name))
    pieces = {dump[start : start + SHOWN] for start in range(len(dump))}
    assert world.secrets
    assert pieces & {form[:SHOWN] for form in world.secrets} == set()

"""Every case of the catalogue, against the real handler, a real HTTP AWS and a proxy that breaks what a case says.

What a case expects stands in it. What holds for all of them stands here.
"""

import base64
import json
import os
import re
from collections import Counter
from typing import Any

import pytest

from agents.models import ANSWER_FIELDS
from agents.sealing import encryption_context
from tests.hostile.case import Case, at, filled, load_cases, steps
from tests.hostile.conftest import Compose
from tests.hostile.secrets import SHOWN, found
from tests.hostile.world import Keys, Seen, Sent, World, agent_of

CASES = load_cases()
INSIDE = re.compile(r"traceback|botocore|boto3|pydantic|dynamodb|arn:aws|\.py\b|Exception|of the inside", re.IGNORECASE)
MAX_ATTEMPTS = 3
KEY_TABLES = ("ApiKeysTable", "RateLimitsTable")
REQUIRED = {*ANSWER_FIELDS, "extraFields", "requestDigest", "writeToken"}


def test_no_two_cases_have_the_same_name() -> None:
    assert [name for name, times in Counter(case["id"] for case in CASES).items() if times > 1] == []


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: Case, world: World, new_application: Compose) -> None:
    keys = world.keys()
    keys.store(case)
    new_application(case.get("environment", {}))
    seen = world.run(steps(case), keys)

    for sent in seen.sent:
        check_answer(sent)
        check_expected(sent, keys)
    check_items(seen)
    check_calls(seen)
    check_secrets(seen, keys)
    check_outbound(seen, world)
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


def check_answer(sent: Sent) -> None:
    """Every answer is the gateway's format, JSON, in the one shape, in time, and tells nothing of the inside."""
    result, answer = sent.result, sent.answer
    assert set(result) == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert isinstance(result["statusCode"], int)
    assert isinstance(result["body"], str)
    assert result["isBase64Encoded"] is False
    assert all(isinstance(part, str) and "\n" not in part for header in answer.headers.items() for part in header)
    json.dumps(result).encode()
    assert answer.text.encode()
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert sent.seconds < sent.step.get("time_left", 28_000) / 1000 + 1
    if answer.status == 201:
        assert list(answer.body)[: len(ANSWER_FIELDS)] == list(ANSWER_FIELDS)
        assert answer.headers["Location"] == f"/v1/api/agents/{answer.body['_id']}"
        return
    assert set(answer.body) == {"message", "error"}
    assert set(answer.body["error"]) - {"details", "reset_at"} == {"code", "message", "requestId"}
    assert answer.body["message"] == answer.body["error"]["message"]
    assert answer.headers["X-Request-Id"] == answer.body["error"]["requestId"]
    assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)
    assert ("Retry-After" in answer.headers) == (answer.status in (429, 503))
    assert not INSIDE.search(answer.text)


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


def check_items(seen: Seen) -> None:
    """An agent that was answered is stored as it was answered, and whole."""
    stored = {(item["workspaceId"]["S"], item["_id"]["S"]): item for item in seen.items}
    for sent in seen.sent:
        if sent.answer.status == 201:
            agent = sent.answer.body
            assert agent_of(stored[agent["workspaceId"], agent["_id"]]) == agent
            assert agent["createdAt"] == agent["updatedAt"]
            assert agent["userId"] == "user-1"
    for item in seen.items:
        assert set(item) == REQUIRED


def check_calls(seen: Seen) -> None:
    """No request makes more attempts than it may, and every sealing is bound to the agent that it is for."""
    for operation, count in Counter(call.operation for call in seen.calls).items():
        reads = 3 if operation == "GetItem" else 1  # the key, and the looking after a write or two
        assert count <= MAX_ATTEMPTS * reads * len(seen.sent), operation
    for call in seen.calls:
        if call.operation == "Encrypt":
            assert set(call.content["EncryptionContext"]) == {"workspaceId", "agentId"}
    contexts = [call.content["EncryptionContext"] for call in seen.calls if call.operation == "Encrypt"]
    for item in seen.items:
        if "elevenLabsApiKey" in item["ttsModel"]["M"]:
            assert {"workspaceId": item["workspaceId"]["S"], "agentId": item["_id"]["S"]} in contexts


def check_secrets(seen: Seen, keys: Keys) -> None:
    """No secret, nor its beginning, nor an encoding of it, is in any answer, log line, metric or item."""
    everything = seen.log + repr([sent.result for sent in seen.sent]) + repr(seen.items)
    assert found(keys.secrets | keys.hashes, everything) == []
    assert "Traceback" not in seen.log


def check_outbound(seen: Seen, world: World) -> None:
    """Nothing in a request makes the function talk to anybody but AWS."""
    urls = (world.proxy.url, world.proxy.upstream, os.environ["ENDPOINT_URL"])
    assert seen.outbound - {("127.0.0.1", int(url.rpartition(":")[2])) for url in urls if url} == set()


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

"""What holds for every request, whatever is sent and whatever goes wrong."""

import base64
import json
import os
import re
from collections import Counter
from typing import Any

from agents.agent import ANSWER_FIELDS
from agents.values import to_json
from telemetry import LATENCIES, OUR_FAILURES, SUCCESSES
from tests.conftest import without_rate_limit
from tests.resilience.world import FUNCTION_MS, Keys, Seen, Sent, World, agent_of
from tests.support.leaks import found

INSIDE = re.compile(r"traceback|botocore|boto3|pydantic|dynamodb|arn:aws|\.py\b|Exception|of the inside", re.IGNORECASE)
MAX_ATTEMPTS = 3
REQUIRED = {*ANSWER_FIELDS, "extraFields", "requestDigest", "writeToken"}
LOGGED = {
    *("level", "message", "timestamp", "service", "status", "requestId", "keyId", "workspaceId", "agentId"),
    *("outcome", "cause", *OUR_FAILURES, *LATENCIES, "validateMs", "_aws"),
    *(*SUCCESSES.values(), *OUR_FAILURES.values(), "RequestsRejected", "RequestsFailed", "AuthenticationFailed"),
}
"""All that a log line may hold: ids, outcomes, times and counts."""

_refusals: dict[tuple[str, str], Any] = {}
"""The first answer of each code that must not tell one reason from another."""


def check_always(seen: Seen, keys: Keys, world: World) -> None:
    """Check all of it."""
    for sent in seen.sent:
        check_answer(sent)
    check_items(seen, keys, world)
    check_calls(seen, keys)
    check_log(seen)
    check_secrets(seen, keys, world)
    check_outbound(seen, world)


def check_answer(sent: Sent) -> None:
    """Every answer is the gateway's format, JSON, in the one shape, in time, and tells nothing of the inside."""
    result, answer = sent.result, sent.answer
    assert set(result) == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert type(result["statusCode"]) is int
    assert isinstance(result["body"], str)
    assert result["isBase64Encoded"] is False
    assert all(isinstance(part, str) and "\n" not in part for header in answer.headers.items() for part in header)
    json.dumps(result).encode()
    assert answer.text.encode()
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Request-Id" in answer.headers
    assert sent.seconds < sent.step.get("time_left", FUNCTION_MS) / 1000
    if answer.status == 201:
        assert list(answer.body)[: len(ANSWER_FIELDS)] == list(ANSWER_FIELDS)
        assert answer.headers["Location"] == f"/v1/api/agents/{answer.body['_id']}"
    else:
        check_error(sent)


def check_error(sent: Sent) -> None:
    """Every error has the one shape, and those that must not tell their reason are alike to the byte."""
    answer, error = sent.answer, sent.answer.body["error"]
    assert set(answer.body) == {"message", "error"}
    assert set(error) - {"details", "reset_at"} == {"code", "message", "requestId"}
    assert ("reset_at" in error) == (answer.status == 429)
    assert answer.body["message"] == error["message"]
    assert answer.headers["X-Request-Id"] == error["requestId"]
    assert all(set(fault) == {"path", "code", "message"} for fault in error.get("details", []))
    assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)
    assert ("Retry-After" in answer.headers) == (answer.status in (429, 503))
    assert "Location" not in answer.headers
    assert not INSIDE.search(answer.text)
    if answer.status in (401, 403):
        whole = (answer.text, without_rate_limit(answer.headers))
        assert _refusals.setdefault((error["code"], error["requestId"]), whole) == whole


def check_items(seen: Seen, keys: Keys, world: World) -> None:
    """An agent that was answered is stored as it was answered, and whole; its secret opens for it."""
    stored = {(item["workspaceId"]["S"], item["_id"]["S"]): item for item in seen.items}
    for sent in seen.sent:
        if sent.answer.status == 201:
            agent = sent.answer.body
            assert to_json(agent_of(stored[agent["workspaceId"], agent["_id"]])) == to_json(agent)
            assert agent["createdAt"] == agent["updatedAt"]
            assert agent["userId"] == "user-1"
    for (workspace_id, agent_id), item in stored.items():
        assert set(item) == REQUIRED
        tts_model = item["ttsModel"]["M"]
        assert ("elevenLabsApiKey" in tts_model) == (tts_model["provider"]["S"] == "11labs_byo")
        if "elevenLabsApiKey" in tts_model:
            blob = base64.b64decode(tts_model["elevenLabsApiKey"]["S"])
            context = {"workspaceId": workspace_id, "agentId": agent_id}
            secret = world.clients.kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"].decode()
            assert secret in json.dumps([keys, *(sent.step for sent in seen.sent)], default=str)


def check_calls(seen: Seen, keys: Keys) -> None:
    """No call is tried too often, reads are consistent, and what is sealed is sealed for an agent."""
    attempts = Counter(call.invocation for call in seen.calls)
    assert all(count <= MAX_ATTEMPTS for count in attempts.values())
    for call in seen.calls:
        if call.operation == "GetItem":
            assert call.content["ConsistentRead"] is True
        if call.operation == "UpdateItem":
            assert attempts[call.invocation] == 1
        if call.operation == "Encrypt":
            context = call.content["EncryptionContext"]
            assert set(context) == {"workspaceId", "agentId"}
            assert context["workspaceId"] == keys["WORKSPACE"]
            assert re.fullmatch("[0-9a-f]{24}", context["agentId"])
    if len(seen.sent) == 1:
        calls = {call.invocation: (call.operation, call.content.get("TableName")) for call in seen.calls}
        assert all(count == 1 for count in Counter(calls.values()).values())


def check_log(seen: Seen) -> None:
    """Each request has one line, of ids and outcomes, unless the level is above them."""
    assert len(seen.lines) == (0 if os.environ["LOG_LEVEL"] == "CRITICAL" else len(seen.sent))
    for line in seen.lines:
        assert line.keys() <= LOGGED


def check_secrets(seen: Seen, keys: Keys, world: World) -> None:
    """No secret, nor a piece of it, nor an encoding of it, is in any answer, log line, metric or item."""
    everything = seen.log + repr([sent.result for sent in seen.sent]) + repr(seen.items)
    leaks = found(keys.secrets | keys.hashes, everything)
    world.leaks += leaks
    assert leaks == []
    assert "Traceback" not in seen.log


def check_outbound(seen: Seen, world: World) -> None:
    """Nothing in a request makes the function talk to anybody but AWS, or start a program."""
    urls = (world.proxy.url, world.proxy.upstream, os.environ["ENDPOINT_URL"])
    assert seen.outbound - {("127.0.0.1", int(url.rpartition(":")[2])) for url in urls if url} == set()

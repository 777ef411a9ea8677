"""What holds for every request, whatever is sent and whatever fails."""

import base64
import json
import os
import re
from collections import Counter
from typing import Any

from call_agents.agents.agent import RESPONSE_FIELDS
from call_agents.shared.invocation import COUNTED_WARNINGS, TIMED_STEPS
from call_agents.shared.json_values import to_json
from tests.resilience.world import FUNCTION_MS, Keys, Seen, Sent, World, agent_of
from tests.support.client import without_rate_limit
from tests.support.leaks import found

INSIDE = re.compile(r"traceback|botocore|boto3|pydantic|dynamodb|arn:aws|\.py\b|Exception|of the inside", re.IGNORECASE)
MAX_ATTEMPTS = 3
SHOWN = [name for name in RESPONSE_FIELDS if name != "statusReason"]
REQUIRED = {*SHOWN, "extraFields", "requestDigest", "writeToken"}
LOGGED = {
    *("level", "message", "timestamp", "service", "status", "requestId", "keyId", "workspaceId", "agentId"),
    *("outcome", "cause", "kilobytes", *COUNTED_WARNINGS, *(f"{step}Ms" for step in (*TIMED_STEPS, "validate"))),
    *("cold_start", "function_name", "function_memory_size", "function_arn", "function_request_id", "xray_trace_id"),
}
"""All that a log line may have: ids, outcomes and times."""

_refusals: dict[tuple[str, str], Any] = {}
"""The first response of each code that must not distinguish reasons."""


def check_always(seen: Seen, keys: Keys, world: World) -> None:
    """Check all of it."""
    for sent in seen.sent:
        check_response(sent)
    check_items(seen, keys, world)
    check_calls(seen, keys)
    check_log(seen)
    check_secrets(seen, keys, world)
    check_outbound(seen, world)


def check_response(sent: Sent) -> None:
    """Every response is in the gateway's format, JSON, in time, and shows nothing internal."""
    result, response = sent.result, sent.response
    assert set(result) == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert type(result["statusCode"]) is int
    assert isinstance(result["body"], str)
    assert result["isBase64Encoded"] is False
    assert all(isinstance(part, str) and "\n" not in part for header in response.headers.items() for part in header)
    json.dumps(result).encode()
    assert response.text.encode()
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Request-Id" in response.headers
    assert sent.seconds < sent.step.get("time_left", FUNCTION_MS) / 1000
    if response.status == 201:
        assert list(response.body)[: len(SHOWN)] == SHOWN
        assert response.headers["Location"] == f"/v1/api/agents/{response.body['_id']}"
    else:
        check_error(sent)


def check_error(sent: Sent) -> None:
    """Every error has the one shape, and errors that must not show their reason are the same to the byte."""
    response, error = sent.response, sent.response.body["error"]
    assert set(response.body) == {"message", "error"}
    assert set(error) - {"details", "reset_at"} == {"code", "message", "requestId"}
    assert ("reset_at" in error) == (response.status == 429)
    assert response.body["message"] == error["message"]
    assert response.headers["X-Request-Id"] == error["requestId"]
    assert all(set(fault) == {"path", "code", "message"} for fault in error.get("details", []))
    assert ("WWW-Authenticate" in response.headers) == (response.status == 401)
    assert ("Retry-After" in response.headers) == (response.status in (429, 503))
    assert "Location" not in response.headers
    assert not INSIDE.search(response.text)
    if response.status in (401, 403):
        whole = (response.text, without_rate_limit(response.headers))
        assert _refusals.setdefault((error["code"], error["requestId"]), whole) == whole


def check_items(seen: Seen, keys: Keys, world: World) -> None:
    """A returned agent is stored completely and as it was returned; its secret can be decrypted for it."""
    stored = {(item["workspaceId"]["S"], item["_id"]["S"]): item for item in seen.items}
    for sent in seen.sent:
        if sent.response.status == 201:
            agent = sent.response.body
            assert to_json(agent_of(stored[agent["workspaceId"], agent["_id"]])) == to_json(agent)
            assert agent["createdAt"] == agent["updatedAt"]
            assert agent["userId"] == "user-1"
    for (workspace_id, agent_id), item in stored.items():
        assert set(item) == REQUIRED
        tts_model = item["ttsModel"]["M"]
        assert ("elevenLabsApiKey" in tts_model) == (tts_model["provider"]["S"] == "11labs_byo")
        if "elevenLabsApiKey" in tts_model:
            blob = base64.b64decode(tts_model["elevenLabsApiKey"]["S"].removeprefix("encrypted:"))
            context = {"workspaceId": workspace_id, "agentId": agent_id}
            secret = world.clients.kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"].decode()
            assert secret in json.dumps([keys, *(sent.step for sent in seen.sent)], default=str)


def check_calls(seen: Seen, keys: Keys) -> None:
    """No call is attempted too often, reads are consistent, and secrets are encrypted for one agent."""
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
    """Each request has one log line with known fields, unless the level is above it."""
    assert len(seen.lines) == (0 if os.environ["LOG_LEVEL"] == "CRITICAL" else len(seen.sent))
    for line in seen.lines:
        assert line.keys() <= LOGGED


def check_secrets(seen: Seen, keys: Keys, world: World) -> None:
    """No secret, no piece and no encoding of it is in any response, log line, metric or item."""
    everything = seen.log + repr([sent.result for sent in seen.sent]) + repr(seen.items)
    leaks = found(keys.secrets | keys.hashes, everything)
    world.leaks += leaks
    assert leaks == []
    assert "Traceback" not in seen.log


def check_outbound(seen: Seen, world: World) -> None:
    """No request makes the function connect to anything but AWS, or start a program."""
    allowed = {("127.0.0.1", int(url.rpartition(":")[2])) for url in (*world.urls, os.environ["ENDPOINT_URL"]) if url}
    assert seen.outbound - allowed == set()

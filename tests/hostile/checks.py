"""What holds for every request, whatever is sent and whatever goes wrong."""

import base64
import json
import os
import re
from collections import Counter

from agents.models import ANSWER_FIELDS
from agents.sealing import encryption_context
from tests.hostile.world import Keys, Seen, Sent, World, agent_of
from tests.leaks import found

INSIDE = re.compile(r"traceback|botocore|boto3|pydantic|dynamodb|arn:aws|\.py\b|Exception|of the inside", re.IGNORECASE)
MAX_ATTEMPTS = 3
REQUIRED = {*ANSWER_FIELDS, "extraFields", "requestDigest", "writeToken"}


def check_always(seen: Seen, keys: Keys, world: World) -> None:
    """Check all of it."""
    for sent in seen.sent:
        check_answer(sent)
    check_items(seen, world)
    check_calls(seen)
    check_secrets(seen, keys, world)
    check_outbound(seen, world)


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


def check_items(seen: Seen, world: World) -> None:
    """An agent that was answered is stored as it was answered, and whole; its secret opens for it."""
    stored = {(item["workspaceId"]["S"], item["_id"]["S"]): item for item in seen.items}
    for sent in seen.sent:
        if sent.answer.status == 201:
            agent = sent.answer.body
            assert agent_of(stored[agent["workspaceId"], agent["_id"]]) == agent
            assert agent["createdAt"] == agent["updatedAt"]
            assert agent["userId"] == "user-1"
    for (workspace_id, agent_id), item in stored.items():
        assert set(item) == REQUIRED
        sealed = item["ttsModel"]["M"].get("elevenLabsApiKey")
        if sealed:
            blob, context = base64.b64decode(sealed["S"]), encryption_context(workspace_id, agent_id)
            assert world.clients.kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"]


def check_calls(seen: Seen) -> None:
    """No request makes more attempts than it may, and nothing is sealed without the context of an agent."""
    for operation, count in Counter(call.operation for call in seen.calls).items():
        reads = 2 if operation == "GetItem" else 1  # the key, and a look at what became of the write
        assert count <= MAX_ATTEMPTS * reads * len(seen.sent), operation
    for call in seen.calls:
        if call.operation == "Encrypt":
            assert set(call.content["EncryptionContext"]) == {"workspaceId", "agentId"}


def check_secrets(seen: Seen, keys: Keys, world: World) -> None:
    """No secret, nor its beginning, nor an encoding of it, is in any answer, log line, metric or item."""
    everything = seen.log + repr([sent.result for sent in seen.sent]) + repr(seen.items)
    leaks = found(keys.secrets | keys.hashes, everything)
    world.leaks += leaks
    assert leaks == []
    assert "Traceback" not in seen.log


def check_outbound(seen: Seen, world: World) -> None:
    """Nothing in a request makes the function talk to anybody but AWS."""
    urls = (world.proxy.url, world.proxy.upstream, os.environ["ENDPOINT_URL"])
    assert seen.outbound - {("127.0.0.1", int(url.rpartition(":")[2])) for url in urls if url} == set()

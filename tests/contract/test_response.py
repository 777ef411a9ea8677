"""The response to a creation, and how the agent is stored."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from call_agents.agents.agent import RESPONSE_FIELDS
from tests.conftest import NewApplication
from tests.support.client import Client, Stage, without_rate_limit
from tests.support.faults import lose_requests
from tests.support.samples import BYO, ELEVENLABS_KEY, EXAMPLE, MINIMUM

FIELDS_WITHOUT_ERROR = tuple(name for name in RESPONSE_FIELDS if name != "statusReason")
SET_BY_THE_SERVER: dict[str, Any] = {
    "workspaceId": "workspace-a",
    "userId": "user-a",
    "activeSessions": [],
    "status": "ready",
    "currentNode": None,
}


def test_response_to_the_example_is_the_agent_itself(client: Client) -> None:
    response = client.post(EXAMPLE)
    agent = response.body

    assert response.status == 201
    assert tuple(agent) == FIELDS_WITHOUT_ERROR
    assert re.fullmatch("[0-9a-f]{24}", agent.pop("_id"))
    assert agent.pop("createdAt") == agent.pop("updatedAt")
    assert agent == {
        **json.loads(json.dumps(EXAMPLE), parse_float=Decimal),
        **SET_BY_THE_SERVER,
        "phoneNumberIds": [],
        "variables": {},
    }


def test_smallest_request_gets_the_defaults(client: Client) -> None:
    agent = client.post(MINIMUM).body

    assert {name: agent[name] for name in agent if name not in ("_id", "createdAt", "updatedAt")} == {
        **SET_BY_THE_SERVER,
        "name": "Sophie",
        "type": "voice",
        "ttsModel": {"provider": "rime", "voiceId": "mistv2_Wildflower", "language": "en"},
        "llmModel": "gpt-4o-mini",
        "smartCallback": False,
        "maxAttemptsForSmartCallback": 5,
        "gapBetweenEachAttemptForSmartCallback": [],
        "phoneNumberIds": [],
        "settings": {},
        "variables": {},
    }


def test_timestamps_are_utc_to_the_millisecond(client: Client) -> None:
    moment = datetime(2026, 1, 1, 2, 30, 0, 7_999, timezone(timedelta(hours=2)))
    agent = replace(client, app=replace(client.app, now=lambda: moment)).post().body

    assert (agent["createdAt"], agent["updatedAt"]) == ("2026-01-01T00:30:00.007Z", "2026-01-01T00:30:00.007Z")


def test_the_clock_is_the_current_time(client: Client) -> None:
    created = datetime.fromisoformat(client.post().body["createdAt"])

    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)


def test_headers_name_the_agent_and_the_request(client: Client) -> None:
    response = client.post()

    assert without_rate_limit(response.headers) == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": "request-1",
        "Location": f"/v1/api/agents/{response.body['_id']}",
    }


def test_a_stage_before_the_path_changes_nothing(client: Client) -> None:
    event = client.event()
    event["requestContext"]["stage"] = "prod"
    response = client.send({**event, "rawPath": "/prod/v1/api/agents"})

    assert response.headers["Location"] == f"/v1/api/agents/{response.body['_id']}"


def test_response_is_what_is_stored(client: Client, stage: Stage) -> None:
    agents = [client.post(body).body for body in (EXAMPLE, MINIMUM, BYO, {**MINIMUM, "extra": [1.5, None]})]

    assert sorted(stage.stored, key=lambda agent: str(agent["_id"])) == sorted(agents, key=lambda agent: agent["_id"])


def test_own_key_is_stored_and_returned_encrypted_only(client: Client, stage: Stage) -> None:
    response = client.post(BYO)
    encrypted = response.body["ttsModel"]["elevenLabsApiKey"]

    assert (response.status, response.body["status"]) == (201, "pending")
    assert response.body["ttsModel"] == {**BYO["ttsModel"], "language": "en", "elevenLabsApiKey": encrypted}
    decrypted = stage.clients.kms.decrypt(
        CiphertextBlob=base64.b64decode(encrypted.removeprefix("encrypted:")),
        EncryptionContext={"workspaceId": "workspace-a", "agentId": response.body["_id"]},
    )
    assert decrypted["Plaintext"] == ELEVENLABS_KEY.encode()
    assert ELEVENLABS_KEY not in response.text + stage.dump()


def test_unknown_fields_are_stored_apart_from_trusted_ones(client: Client, stage: Stage) -> None:
    client.post({**MINIMUM, "ttl": 1, "expiresAt": 2, "requestDigest": "forged", "writeToken": "forged"})

    (item,) = stage.items
    assert set(item) == {*FIELDS_WITHOUT_ERROR, "extraFields", "requestDigest", "writeToken"}
    assert item["requestDigest"] != {"S": "forged"} != item["writeToken"]
    assert set(item["extraFields"]["M"]) == {"ttl", "expiresAt", "requestDigest", "writeToken"}


def test_no_api_key_is_stored(client: Client, stage: Stage) -> None:
    client.post()

    assert client.key.rpartition("_")[2] not in stage.dump()


@pytest.mark.parametrize("body", [EXAMPLE, BYO])
def test_kms_is_called_for_own_keys_only(client: Client, new_application: NewApplication, body: object) -> None:
    app = new_application()
    attempts = lose_requests(app.secrets.client(), "Encrypt")

    assert replace(client, app=app).post(body).status == (503 if body is BYO else 201)
    assert len(attempts) == (3 if body is BYO else 0)
    assert app.secrets.client() is app.secrets.client()

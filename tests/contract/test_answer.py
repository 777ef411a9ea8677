"""The contract's answer to a creation, and how the agent is stored."""

import base64
import json
import re
from collections.abc import Callable
from decimal import Decimal

import pytest

import create_agent
from agents.agent import ANSWER_FIELDS
from agents.sealing import encryption_context
from tests.conftest import BYO, ELEVENLABS_KEY, EXAMPLE, MINIMUM, Client, Stage, without_rate_limit
from tests.support.template import load_template

TIMESTAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_the_answer_to_the_pages_example_is_the_agent_itself(client: Client) -> None:
    answer = client.post(EXAMPLE)
    agent = answer.body

    assert answer.status == 201
    assert tuple(agent) == ANSWER_FIELDS
    assert re.fullmatch("[0-9a-f]{24}", agent.pop("_id"))
    assert re.fullmatch(TIMESTAMP, agent["createdAt"])
    assert agent.pop("createdAt") == agent.pop("updatedAt")
    assert agent == {
        **json.loads(json.dumps(EXAMPLE), parse_float=Decimal),
        "workspaceId": "workspace-a",
        "userId": "user-a",
        "phoneNumberIds": [],
        "activeSessions": [],
        "status": "ready",
        "currentNode": None,
        "variables": {},
    }


def test_what_the_least_request_leaves_out_has_the_pages_defaults(client: Client) -> None:
    agent = client.post(MINIMUM).body

    assert {name: agent[name] for name in agent if name not in ("_id", "createdAt", "updatedAt")} == {
        "workspaceId": "workspace-a",
        "userId": "user-a",
        "name": "Sophie",
        "type": "voice",
        "ttsModel": {"provider": "rime", "voiceId": "mistv2_Wildflower", "language": "en"},
        "llmModel": "gpt-4o-mini",
        "smartCallback": False,
        "maxAttemptsForSmartCallback": 5,
        "gapBetweenEachAttemptForSmartCallback": [],
        "phoneNumberIds": [],
        "activeSessions": [],
        "settings": {},
        "status": "ready",
        "currentNode": None,
        "variables": {},
    }


def test_the_headers_of_the_answer_name_the_agent_and_the_request(client: Client) -> None:
    answer = client.post()

    assert without_rate_limit(answer.headers) == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": "request-1",
        "Location": f"/v1/api/agents/{answer.body['_id']}",
    }


def test_the_location_does_not_depend_on_the_stage(client: Client) -> None:
    answer = client.send({**client.event(), "rawPath": "/prod/v1/api/agents"})

    assert answer.headers["Location"] == f"/v1/api/agents/{answer.body['_id']}"


def test_the_answer_is_what_is_stored(client: Client, stage: Stage) -> None:
    answers = [client.post(body).body for body in (EXAMPLE, MINIMUM, BYO, {**MINIMUM, "extra": [1.5, None]})]

    assert sorted(stage.stored, key=lambda agent: str(agent["_id"])) == sorted(answers, key=lambda agent: agent["_id"])


@pytest.mark.parametrize("provider", ["openai", "rime", "elevenlabs", "google", "cartesia"])
def test_an_agent_with_a_platform_voice_is_ready_at_once(client: Client, provider: str) -> None:
    assert client.change(ttsModel={"provider": provider, "voiceId": "v"}).body["status"] == "ready"


def test_an_agent_with_its_own_key_is_pending_and_shows_the_key_sealed(client: Client, stage: Stage) -> None:
    answer = client.post(BYO)
    sealed = answer.body["ttsModel"]["elevenLabsApiKey"]

    assert (answer.status, answer.body["status"]) == (201, "pending")
    opened = stage.clients.kms.decrypt(
        CiphertextBlob=base64.b64decode(sealed),
        EncryptionContext=encryption_context("workspace-a", answer.body["_id"]),
    )
    assert opened["Plaintext"] == ELEVENLABS_KEY.encode()
    assert ELEVENLABS_KEY not in answer.text + stage.dump()


def test_what_looks_sealed_already_is_sealed_again(client: Client) -> None:
    looks_sealed = "AQICAHhFakeCiphertext=="
    answer = client.change(ttsModel={**BYO["ttsModel"], "elevenLabsApiKey": looks_sealed})

    assert answer.status == 201
    assert answer.body["ttsModel"]["elevenLabsApiKey"] != looks_sealed


def test_kept_fields_are_stored_apart_from_what_the_server_trusts(client: Client, stage: Stage) -> None:
    client.post({**MINIMUM, "ttl": 1, "expiresAt": 2, "requestDigest": "forged", "writeToken": "forged"})

    (item,) = stage.items
    assert set(item) == {*ANSWER_FIELDS, "extraFields", "requestDigest", "writeToken"}
    assert item["requestDigest"] != {"S": "forged"} != item["writeToken"]
    assert set(item["extraFields"]["M"]) == {"ttl", "expiresAt", "requestDigest", "writeToken"}


def test_tables_have_the_keys_of_the_contract_and_agents_a_stream() -> None:
    tables = load_template().resources("AWS::DynamoDB::Table")

    assert [key["AttributeName"] for key in tables["ApiKeysTable"]["KeySchema"]] == ["keyHash"]
    assert [key["AttributeName"] for key in tables["AgentsTable"]["KeySchema"]] == ["workspaceId", "_id"]
    assert tables["AgentsTable"]["StreamSpecification"]


def test_no_api_key_is_stored(client: Client, stage: Stage) -> None:
    client.post()

    assert client.headers["x-api-key"] not in stage.dump()
    assert client.headers["x-api-key"].rpartition("_")[2] not in stage.dump()


def test_the_key_service_is_not_even_connected_to_before_the_first_secret(
    client: Client, new_application: Callable[[], None]
) -> None:
    new_application()
    made = create_agent.application().kms.cache_info  # type: ignore[attr-defined]  # functools.cache has it

    client.post(EXAMPLE)
    assert made().currsize == 0
    client.post(BYO)
    client.post(BYO)
    assert (made().currsize, made().misses) == (1, 1)

"""The contract's table of request headers, a test a row."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import MINIMUM, Client, Stage, without_rate_limit


@pytest.mark.parametrize("key", [None, "", "  "])
def test_a_missing_api_key_is_401_missing_api_key(client: Client, key: str | None) -> None:
    answer = client.post(headers={"x-api-key": key})

    assert (answer.status, answer.code) == (401, "missing_api_key")
    assert answer.headers["WWW-Authenticate"] == 'ApiKey realm="agents"'


def test_unknown_revoked_and_expired_keys_look_the_same(client: Client, stage: Stage) -> None:
    (item,) = stage.clients.dynamodb.scan(
        TableName="ApiKeysTable", FilterExpression="userId = :u", ExpressionAttributeValues={":u": {"S": "user-a"}}
    )["Items"]

    def store(change: dict[str, dict[str, str]]) -> None:
        stage.clients.dynamodb.put_item(TableName="ApiKeysTable", Item={**item, **change})

    answers = [client.post(headers={"x-api-key": "nonsense"})]
    for change in ({"status": {"S": "revoked"}}, {"expiresAt": {"N": "1"}}, {"userId": {"N": "1"}}):
        store(change)
        answers.append(client.post())
    stage.clients.dynamodb.delete_item(TableName="ApiKeysTable", Key={"keyHash": item["keyHash"]})
    answers.append(client.post())

    assert {(answer.status, answer.code) for answer in answers} == {(401, "invalid_api_key")}
    assert len({(answer.text, str(answer.headers)) for answer in answers}) == 1


@pytest.mark.parametrize("workspace_id", [None, "", " "])
def test_a_missing_workspace_is_400_missing_header(client: Client, workspace_id: str | None) -> None:
    answer = client.post(headers={"x-workspace-id": workspace_id})

    assert (answer.status, answer.code) == (400, "missing_header")


def test_another_workspace_is_403_whether_it_exists_or_not(
    client: Client, manage: Callable[..., tuple[int, Any]], stage: Stage
) -> None:
    manage(action="issue", workspaceId="workspace-b", userId="user-b")
    existing = client.post(headers={"x-workspace-id": "workspace-b"})
    unknown = client.post(headers={"x-workspace-id": "no-such-workspace"})
    assert client.post(headers={"x-workspace-id": "WORKSPACE-A"}).status == 403

    assert (existing.status, existing.code) == (403, "workspace_forbidden")
    assert existing.text == unknown.text
    assert without_rate_limit(existing.headers) == without_rate_limit(unknown.headers)
    assert stage.items == []


@pytest.mark.parametrize(
    "media_type", [None, "application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;"]
)
def test_json_is_accepted_in_any_case_with_any_parameters_and_unsaid(client: Client, media_type: str | None) -> None:
    assert client.post(headers={"content-type": media_type}).status == 201


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/vnd.api+json"])
def test_any_other_content_type_is_415(client: Client, media_type: str) -> None:
    answer = client.post(headers={"content-type": media_type})

    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "é"])
def test_an_idempotency_key_that_is_none_is_400_invalid_header(client: Client, key: str) -> None:
    answer = client.post(headers={"idempotency-key": key})

    assert (answer.status, answer.code) == (400, "invalid_header")


def test_strict_handling_refuses_unknown_fields_and_says_that_it_did(client: Client) -> None:
    strict: dict[str, str | None] = {"prefer": "handling=strict"}
    refused = client.post({**MINIMUM, "systemPrompt": "…"}, strict)
    accepted = client.post(MINIMUM, strict)

    assert (refused.status, refused.faults) == (400, {"systemPrompt": "unknown_field"})
    assert accepted.status == 201
    assert refused.headers["Preference-Applied"] == accepted.headers["Preference-Applied"] == "handling=strict"


@pytest.mark.parametrize("body", ["{", "x" * 300_000])
def test_any_answer_to_a_known_caller_says_so(client: Client, body: str) -> None:
    assert client.post(body, {"prefer": "handling=strict"}).headers["Preference-Applied"] == "handling=strict"
    stranger = client.post(body, {"prefer": "handling=strict", "x-api-key": "nonsense"})
    assert "Preference-Applied" not in stranger.headers


def test_without_that_preference_nothing_is_said_of_it(client: Client) -> None:
    assert "Preference-Applied" not in client.post(MINIMUM).headers
    assert "Preference-Applied" not in client.post({}).headers


def test_header_names_may_be_capitalised(client: Client) -> None:
    event = client.event()
    event["headers"] = {name.title(): value for name, value in event["headers"].items()}

    assert client.send(event).status == 201


def test_a_base64_body_is_decoded(client: Client) -> None:
    event = client.event(base64.b64encode(json.dumps(MINIMUM).encode()).decode(), {"content-type": None})

    assert client.send({**event, "isBase64Encoded": True}).status == 201


def test_a_caller_without_a_valid_key_learns_nothing_of_the_body(client: Client) -> None:
    broken: list[object] = ["{", {"name": 1}, None, "x" * 300_000, MINIMUM]
    headers: dict[str, str | None] = {"x-api-key": "nonsense", "content-type": "text/plain", "idempotency-key": ""}

    assert len({client.post(body, headers).text for body in broken}) == 1


def test_a_caller_of_another_workspace_learns_nothing_of_the_body(client: Client) -> None:
    assert client.post({"name": 1}, {"x-workspace-id": "another"}).status == 403

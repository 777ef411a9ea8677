"""The headers of a request, a test for each row of the contract's table."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Manage
from tests.support.client import Client, Stage, without_rate_limit
from tests.support.samples import MINIMUM

Headers = dict[str, str | None]


def codes(client: Client, header: str, *values: str | None) -> set[tuple[int, str]]:
    """Return status and code of the responses to requests with each of these values of a header."""
    responses = [client.post(headers={header: value}) for value in values]
    return {(response.status, response.code) for response in responses}


def test_missing_api_key_is_401(client: Client) -> None:
    assert codes(client, "x-api-key", None, "", "  ") == {(401, "missing_api_key")}
    assert client.post(headers={"x-api-key": None}).headers["WWW-Authenticate"] == 'ApiKey realm="agents"'


def test_unknown_revoked_and_expired_keys_look_the_same(client: Client, manage: Manage, stage: Stage) -> None:
    later = replace(client, app=replace(client.app, now=lambda: datetime.now(UTC) + timedelta(days=2)))
    _, expiring = manage(action="issue", workspaceId="workspace-a", userId="user-a", lifetimeDays=1)
    _, revoked = manage(action="issue", workspaceId="workspace-a", userId="user-a")
    manage(action="revoke", workspaceId="workspace-a", keyId=revoked["keyId"])

    responses = [client.post(headers={"x-api-key": key}) for key in ("nonsense", revoked["key"])]
    responses.append(later.post(headers={"x-api-key": expiring["key"]}))
    stage.clear()
    responses.append(client.post())

    assert {(response.status, response.code) for response in responses} == {(401, "invalid_api_key")}
    assert len({(response.text, str(response.headers)) for response in responses}) == 1


def test_two_api_keys_are_no_key(client: Client) -> None:
    event = client.event()
    event["headers"]["X-Api-Key"] = client.key

    assert client.send(event).code == "invalid_api_key"


def test_missing_workspace_is_400(client: Client) -> None:
    assert codes(client, "x-workspace-id", None, "", " ") == {(400, "missing_header")}


def test_another_workspace_is_403_whether_it_exists_or_not(client: Client, manage: Manage, stage: Stage) -> None:
    manage(action="issue", workspaceId="workspace-b", userId="user-b")
    names = ("workspace-b", "no-such-workspace", "WORKSPACE-A")
    responses = [client.post(headers={"x-workspace-id": name}) for name in names]

    assert {(response.status, response.code) for response in responses} == {(403, "workspace_forbidden")}
    assert len({(response.text, str(without_rate_limit(response.headers))) for response in responses}) == 1
    assert stage.items == []


def test_json_is_accepted_with_any_parameters(client: Client) -> None:
    accepted = (None, "", "application/json", "Application/JSON", "application/json ; charset=utf-8;x")

    assert {client.post(headers={"content-type": media_type}).status for media_type in accepted} == {201}


def test_any_other_content_type_is_415(client: Client) -> None:
    refused = (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/vnd.api+json",
        "application/json,x/y",
        ";",
    )

    assert codes(client, "content-type", *refused) == {(415, "unsupported_media_type")}
    assert client.post(headers={"content-type": "text/plain"}).headers["Accept"] == "application/json"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
def test_a_compressed_body_is_415_and_says_what_is_accepted(client: Client, encoding: str) -> None:
    response = client.post("\x1f\x8b", {"content-encoding": encoding})

    assert (response.status, response.code) == (415, "unsupported_media_type")
    assert response.headers["Accept-Encoding"] == "identity"
    assert "Content-Encoding" in response.body["message"]
    assert {client.post(headers={"content-encoding": none}).status for none in ("", "identity", "Identity")} == {201}


def test_invalid_idempotency_key_is_400(client: Client) -> None:
    assert codes(client, "idempotency-key", "", "k" * 256, "two words", "é") == {(400, "invalid_header")}


def test_strict_handling_is_confirmed_in_every_response(client: Client) -> None:
    strict: Headers = {"prefer": "handling=strict"}
    bodies = [MINIMUM, {**MINIMUM, "systemPrompt": "…"}, "{", "x" * 300_000]
    responses = [client.post(body, strict) for body in bodies]

    assert [response.status for response in responses] == [201, 400, 400, 413]
    assert {response.headers["Preference-Applied"] for response in responses} == {"handling=strict"}
    for silent in (client.post(MINIMUM), client.post({}), client.post(MINIMUM, {**strict, "x-api-key": "nonsense"})):
        assert "Preference-Applied" not in silent.headers


def test_header_names_are_case_insensitive(client: Client) -> None:
    event = client.event()
    event["headers"] = {name.title(): value for name, value in event["headers"].items()}

    assert client.send(event).status == 201


def test_base64_body_is_decoded(client: Client) -> None:
    event = client.event(base64.b64encode(json.dumps(MINIMUM).encode()).decode(), {"content-type": None})

    assert client.send({**event, "isBase64Encoded": True}).status == 201


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-api-key": "nonsense", "x-workspace-id": None}, "invalid_api_key"),
        ({"x-workspace-id": "another", "idempotency-key": ""}, "workspace_forbidden"),
        ({"idempotency-key": "", "content-type": "text/plain"}, "invalid_header"),
        ({"content-type": "text/plain"}, "unsupported_media_type"),
    ],
)
def test_headers_are_checked_in_order_and_before_the_body(client: Client, headers: Headers, code: str) -> None:
    responses = [client.post(body, headers) for body in ("{", {"name": 1}, None, "x" * 300_000)]

    assert {response.code for response in responses} == {code}
    assert len({response.text for response in responses}) == 1

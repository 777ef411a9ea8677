"""One agent for one Idempotency-Key, however often and however concurrently it is sent."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tests.conftest import Manage
from tests.support.client import Client, Stage
from tests.support.http import HttpResponse
from tests.support.samples import BYO, EXAMPLE

KEY: dict[str, str | None] = {"idempotency-key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
REORDERED = json.dumps(dict(reversed(EXAMPLE.items())), indent=2).replace("\n", "\r\n").replace("0.8", "0.80")


def replayed(response: HttpResponse) -> bool:
    return response.headers.get("Idempotent-Replayed") == "true"


def test_the_same_request_gets_the_same_agent(client: Client, stage: Stage) -> None:
    responses = [client.post(body, KEY) for body in (EXAMPLE, EXAMPLE, REORDERED)]

    assert [response.status for response in responses] == [201, 201, 201]
    assert responses[0].body == responses[1].body == responses[2].body
    assert responses[1].headers["Location"] == f"/v1/api/agents/{responses[0].body['_id']}"
    assert [replayed(response) for response in responses] == [False, True, True]
    assert len(stage.items) == 1


def test_another_body_is_422(client: Client, stage: Stage) -> None:
    client.post(EXAMPLE, KEY)
    # 1 and "1" are not equal, and a default is not the same as a value that was sent.
    others = [{**EXAMPLE, "name": "Another"}, {**EXAMPLE, "x": 1}, {**EXAMPLE, "x": "1"}, {**EXAMPLE, "variables": {}}]

    assert {(response.status, response.code) for response in (client.post(body, KEY) for body in others)} == {
        (422, "idempotency_key_reused")
    }
    assert [agent["name"] for agent in stage.stored] == ["Customer Support Agent"]


def test_another_secret_is_another_body(client: Client, stage: Stage) -> None:
    first = client.post(BYO, KEY)
    other = {**BYO, "ttsModel": {**BYO["ttsModel"], "elevenLabsApiKey": "sk_another"}}

    assert client.post(other, KEY).status == 422
    assert client.post(BYO, KEY).body == first.body
    assert len(stage.items) == 1


def test_workspaces_are_independent(client: Client, manage: Manage, stage: Stage) -> None:
    _, issued = manage(action="issue", workspaceId="workspace-b", userId="user-b")
    one = client.post(EXAMPLE, KEY)
    other = Client(client.app, issued["key"], "workspace-b").post(EXAMPLE, KEY)

    assert one.body["_id"] != other.body["_id"]
    assert not replayed(other)
    assert len(stage.items) == 2


def test_api_keys_of_a_workspace_share_idempotency_keys(client: Client, manage: Manage, stage: Stage) -> None:
    _, issued = manage(action="issue", workspaceId="workspace-a", userId="user-b")
    one, other = client.post(EXAMPLE, KEY), replace(client, key=issued["key"]).post(EXAMPLE, KEY)

    assert (other.body, replayed(other)) == (one.body, True)
    assert len(stage.items) == 1


def test_without_a_key_the_same_body_creates_two_agents(client: Client, stage: Stage) -> None:
    assert client.post(EXAMPLE).body["_id"] != client.post(EXAMPLE).body["_id"]
    assert len(stage.items) == 2


def test_a_refused_request_does_not_use_up_the_key(client: Client, stage: Stage) -> None:
    assert client.post({**EXAMPLE, "llmModel": "nope"}, KEY).status == 400
    assert client.post(EXAMPLE, {**KEY, "x-api-key": "nonsense"}).status == 401
    created = client.post(EXAMPLE, KEY)

    assert (created.status, replayed(created)) == (201, False)
    assert len(stage.items) == 1


def test_concurrent_requests_get_one_agent(client: Client, stage: Stage) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: client.post(EXAMPLE, KEY), range(16)))

    assert {response.status for response in responses} == {201}
    assert len({response.body["_id"] for response in responses}) == 1
    assert len(stage.items) == 1

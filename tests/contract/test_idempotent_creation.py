"""One agent for one Idempotency-Key, however often and however concurrently it is sent."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tests.conftest import Manage, NewApplication
from tests.support.client import Client, Stage
from tests.support.faults import refuse
from tests.support.http import HttpResponse
from tests.support.logs import recorded_output
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


def test_a_replay_needs_neither_the_lists_nor_kms(
    client: Client, stage: Stage, new_application: NewApplication
) -> None:
    bodies = [{**EXAMPLE, "llmModel": "gpt-4.1"}, BYO]
    keys: list[dict[str, str | None]] = [{"idempotency-key": f"key-{number}"} for number in range(len(bodies))]
    created = [client.post(body, key) for body, key in zip(bodies, keys, strict=True)]
    app = new_application(ALLOWED_LLM_MODELS="gpt-4o-mini", ALLOWED_TTS_PROVIDERS="openai,11labs_byo")
    refuse(app.secrets.client(), "Encrypt", "DisabledException")
    later = replace(client, app=app)

    again = [later.post(body, key) for body, key in zip(bodies, keys, strict=True)]
    assert [(response.status, replayed(response)) for response in again] == [(201, True)] * 2
    assert [response.body for response in again] == [response.body for response in created]
    assert [response.headers["Location"] for response in again] == [one.headers["Location"] for one in created]
    # Another body under the same key is still told so, and what was never created is refused as ever.
    others = [later.post({**body, "name": "Another"}, key) for body, key in zip(bodies, keys, strict=True)]
    assert [response.status for response in others] == [422, 422]
    assert [later.post(body, {"idempotency-key": "new"}).status for body in bodies] == [400, 503]
    assert [later.post(body).status for body in bodies] == [400, 503]
    assert len(stage.items) == 2


def test_a_replay_shows_the_agent_as_it_is_now(client: Client, stage: Stage) -> None:
    agent = client.post(BYO, KEY).body
    stage.change(agent, status="error", statusReason="invalid_key", updatedAt="2030-01-01T00:00:00.000Z")
    again = client.post(BYO, KEY)

    assert (again.status, replayed(again)) == (201, True)
    assert [again.body[name] for name in ("status", "statusReason")] == ["error", "invalid_key"]
    assert list(again.body).index("statusReason") == list(again.body).index("status") + 1


def test_a_replay_of_a_damaged_item_is_a_logged_500(client: Client, stage: Stage) -> None:
    client.post(EXAMPLE, KEY)
    (item,) = stage.items
    stage.clients.dynamodb.put_item(TableName="AgentsTable", Item={**item, "variables": {"M": {"a": {"B": b"x"}}}})
    with recorded_output() as output:
        response = client.post(EXAMPLE, KEY)

    assert (response.status, response.code) == (500, "internal_error")
    assert [line["cause"] for line in output.lines] == ["malformed agent: variables"]

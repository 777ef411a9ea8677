"""The contract's promise of one agent for one Idempotency-Key."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conftest import BYO, EXAMPLE, Answer, Client, Stage

KEY: dict[str, str | None] = {"idempotency-key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
REORDERED = json.dumps(dict(reversed(EXAMPLE.items())), indent=2).replace("\n", "\r\n").replace("0.8", "0.80")


def replayed(answer: Answer) -> bool:
    return answer.headers.get("Idempotent-Replayed") == "true"


def test_the_same_request_again_is_answered_with_the_same_agent(client: Client, stage: Stage) -> None:
    answers = [client.post(EXAMPLE, KEY) for _ in range(3)]

    assert [answer.status for answer in answers] == [201, 201, 201]
    assert answers[0].body == answers[1].body == answers[2].body
    assert [replayed(answer) for answer in answers] == [False, True, True]
    assert len(stage.items) == 1


def test_order_of_members_and_white_space_do_not_count(client: Client, stage: Stage) -> None:
    first, again = client.post(EXAMPLE, KEY), client.post(REORDERED, KEY)

    assert (again.status, again.body["_id"], replayed(again)) == (201, first.body["_id"], True)
    assert len(stage.items) == 1


def test_the_same_key_with_another_body_is_422(client: Client, stage: Stage) -> None:
    client.post(EXAMPLE, KEY)
    answer = client.post({**EXAMPLE, "name": "Another"}, KEY)

    assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    assert [agent["name"] for agent in stage.stored] == ["Customer Support Agent"]


def test_another_secret_is_another_body_and_the_first_stays(client: Client, stage: Stage) -> None:
    first = client.post(BYO, KEY)
    other = {**BYO, "ttsModel": {**BYO["ttsModel"], "elevenLabsApiKey": "sk_another"}}

    assert client.post(other, KEY).status == 422
    assert client.post(BYO, KEY).body == first.body
    assert len(stage.items) == 1


def test_keys_of_two_workspaces_are_independent(
    client: Client, manage: Callable[..., tuple[int, Any]], stage: Stage
) -> None:
    _, issued = manage(action="issue", workspaceId="workspace-b", userId="user-b")
    one, other = client.post(EXAMPLE, KEY), Client(issued["key"], "workspace-b").post(EXAMPLE, KEY)

    assert one.body["_id"] != other.body["_id"]
    assert not replayed(other)
    assert len(stage.items) == 2


def test_another_key_of_the_same_workspace_finds_the_same_agent(
    client: Client, manage: Callable[..., tuple[int, Any]], stage: Stage
) -> None:
    _, issued = manage(action="issue", workspaceId="workspace-a", userId="user-b")
    one, other = client.post(EXAMPLE, KEY), Client(issued["key"], "workspace-a").post(EXAMPLE, KEY)

    assert (other.body, replayed(other)) == (one.body, True)
    assert len(stage.items) == 1


def test_without_a_key_the_same_body_creates_two_agents(client: Client, stage: Stage) -> None:
    assert client.post(EXAMPLE).body["_id"] != client.post(EXAMPLE).body["_id"]
    assert len(stage.items) == 2


def test_a_refused_request_uses_up_no_key(client: Client, stage: Stage) -> None:
    assert client.post({**EXAMPLE, "llmModel": "nope"}, KEY).status == 400
    assert client.post(EXAMPLE, {**KEY, "x-api-key": "nonsense"}).status == 401
    created = client.post(EXAMPLE, KEY)

    assert (created.status, replayed(created)) == (201, False)
    assert len(stage.items) == 1


def test_concurrent_requests_are_answered_with_one_agent(client: Client, stage: Stage) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post(EXAMPLE, KEY), range(16)))

    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["_id"] for answer in answers}) == 1
    assert len(stage.items) == 1

"""Reading an agent back: the response, who gets it, and what everybody else gets."""

from dataclasses import replace

import pytest

import get_agent
from tests.conftest import Manage, NewApplication
from tests.support.client import Client, Stage, without_rate_limit
from tests.support.events import PATH, LambdaContext, http_event
from tests.support.faults import lose_requests
from tests.support.http import HttpResponse
from tests.support.logs import recorded_output
from tests.support.samples import BYO, EXAMPLE

Headers = dict[str, str | None]


def outcome(response: HttpResponse) -> tuple[int, str | None]:
    return response.status, response.code


@pytest.fixture
def neighbour(client: Client, manage: Manage) -> Client:
    """A caller of another workspace."""
    _, issued = manage(action="issue", workspaceId="workspace-b", userId="user-b")
    return replace(client, key=issued["key"], workspace_id="workspace-b")


def test_location_leads_to_the_agent(client: Client) -> None:
    for body in (EXAMPLE, BYO, {**EXAMPLE, "systemPrompt": "…", "variables": {"a": [None, 1.10]}}):
        created = client.post(body)
        read = client.get(created.headers["Location"].removeprefix(f"{PATH}/"))

        assert (read.status, read.body) == (200, created.body)
        assert without_rate_limit(read.headers) == {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": "request-1",
        }


def test_the_agent_is_shown_as_it_is_now(client: Client, stage: Stage) -> None:
    agent = client.post(BYO).body
    stage.change(agent, status="error", statusReason="voice_not_found", updatedAt="2030-01-01T00:00:00.000Z")
    read = client.get(agent["_id"]).body

    changed = {"status": "error", "statusReason": "voice_not_found", "updatedAt": "2030-01-01T00:00:00.000Z"}
    assert read == {**agent, **changed}
    stage.change(agent, status="ready")
    assert "statusReason" not in client.get(agent["_id"]).body


def test_a_reason_that_was_kept_as_an_unknown_field_is_not_shown(client: Client, stage: Stage) -> None:
    agent = client.post(EXAMPLE).body
    (item,) = stage.items
    kept = {"M": {"statusReason": {"S": "forged"}, "x": {"S": "kept"}}}
    stage.clients.dynamodb.put_item(TableName="AgentsTable", Item={**item, "extraFields": kept})

    assert client.get(agent["_id"]).body == {**agent, "x": "kept"}


def test_unknown_malformed_and_foreign_ids_are_alike_to_the_byte(client: Client, neighbour: Client) -> None:
    agent_id = client.post(EXAMPLE).body["_id"]
    ids = (agent_id, "0" * 24, "0" * 23, agent_id.upper(), "x", "é", "a b", ".", "0" * 10_000)
    responses = [neighbour.get(each) for each in ids]

    assert {outcome(response) for response in responses} == {(404, "agent_not_found")}
    assert len({(response.text, str(without_rate_limit(response.headers))) for response in responses}) == 1
    assert client.get(agent_id).status == 200


def test_head_is_get_without_its_body(client: Client) -> None:
    agent_id = client.post(EXAMPLE).body["_id"]
    for each in (agent_id, "0" * 24):
        read, head = client.get(each), client.get(each, method="HEAD")

        assert (head.status, head.text) == (read.status, "")
        assert without_rate_limit(head.headers) == without_rate_limit(read.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"])
def test_any_other_method_is_405_with_what_is_allowed(client: Client, method: str) -> None:
    response = client.get("0" * 24, method=method)

    assert outcome(response) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("event", [None, {}, http_event(method=""), http_event(method="GET"), {"rawPath": f"{PATH}/1"}])
def test_an_event_of_another_path_or_without_a_method_is_404(client: Client, event: object) -> None:
    assert outcome(client.read(event)) == (404, "not_found")
    deeper = http_event(method="GET", path=f"{PATH}/1/2", headers=client.headers)
    assert outcome(client.read(deeper)) == (404, "not_found")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-api-key": None, "x-workspace-id": None}, (401, "missing_api_key")),
        ({"x-api-key": "nonsense"}, (401, "invalid_api_key")),
        ({"x-workspace-id": None}, (400, "missing_header")),
        ({"x-workspace-id": "workspace-b"}, (403, "workspace_forbidden")),
    ],
)
def test_the_caller_is_checked_as_for_a_creation(client: Client, headers: Headers, expected: tuple[int, str]) -> None:
    read, created = client.get("0" * 24, headers), client.post(EXAMPLE, headers)

    assert outcome(read) == outcome(created) == expected
    assert (read.text, without_rate_limit(read.headers)) == (created.text, without_rate_limit(created.headers))


def test_reading_counts_against_the_same_limit(client: Client, new_application: NewApplication) -> None:
    limited = replace(client, app=new_application(RATE_LIMIT_PER_MINUTE="2"))
    agent_id = limited.post(EXAMPLE).body["_id"]

    assert [limited.get(agent_id).status for _ in range(2)] == [200, 429]


def test_a_table_out_of_reach_is_503_and_logged(client: Client, new_application: NewApplication) -> None:
    agent_id = client.post(EXAMPLE).body["_id"]
    broken = replace(client, app=new_application())
    with recorded_output() as output:
        client.get(agent_id)
        lose_requests(broken.app.agents.client, "GetItem")
        response = broken.get(agent_id)

    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    read, failed = output.lines
    assert (read["service"], read["status"], read["agentId"]) == ("get_agent", 200, agent_id)
    assert {"keyId", "workspaceId", "authenticateMs", "readMs"} <= read.keys()
    assert (failed["status"], failed["cause"]) == (503, "GetItem: ConnectionClosedError")
    assert [set(metrics) & {"RequestsSucceeded", "RequestsFailed"} for metrics in output.metrics] == [
        {"RequestsSucceeded"},
        {"RequestsFailed"},
    ]


def test_the_function_reads_its_environment(
    client: Client, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_id = client.post(EXAMPLE).body["_id"]
    event = http_event(method="GET", path=f"{PATH}/{agent_id}", headers=client.headers)
    statuses = []
    for changed in ({}, {"AGENTS_TABLE": ""}):
        for name, value in {**variables, **changed}.items():
            monkeypatch.setenv(name, value)
        get_agent.application.cache_clear()
        with recorded_output() as output:
            statuses.append(get_agent.handler(event, LambdaContext())["statusCode"])
    get_agent.application.cache_clear()

    assert statuses == [200, 500]
    assert [line["cause"] for line in output.lines] == ["the environment variable AGENTS_TABLE is not set"]


def test_a_damaged_item_is_a_logged_500_that_names_the_attribute(client: Client, stage: Stage) -> None:
    agent = client.post(EXAMPLE).body
    stage.change(agent, ttsModel="secret-value")
    with recorded_output() as output:
        response = client.get(agent["_id"])

    assert outcome(response) == (500, "internal_error")
    assert [line["cause"] for line in output.lines] == ["malformed agent: ttsModel"]
    assert "secret-value" not in response.text + output.text

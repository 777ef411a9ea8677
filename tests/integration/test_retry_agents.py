"""An operator has agents' keys tried again."""

from dataclasses import replace
from typing import Any

import pytest

import retry_agents
from call_agents.agents.store import AgentStore
from tests.integration.conftest import Trials
from tests.support.client import Stage
from tests.support.events import LambdaContext
from tests.support.faults import lose_requests
from tests.support.logs import recorded_output
from tests.support.samples import ELEVENLABS_KEY, MINIMUM

NEW_YEAR = "2030-01-01T00:00:00.000Z"


def of(agent: dict[str, Any]) -> dict[str, str]:
    return {"workspaceId": agent["workspaceId"], "agentId": agent["_id"]}


@pytest.mark.parametrize("status", ["error", "pending"])
def test_an_agent_becomes_pending_and_loses_its_reason(trials: Trials, status: str) -> None:
    agent = trials.create("invalid-key")
    if status == "error":
        trials.handle(agent)

    assert trials.retry(**of(agent)) == (200, {"workspaceId": "workspace-a", "agentIds": [agent["_id"]]})
    assert trials.status(agent) == ("pending", None)
    assert trials.item(agent)["updatedAt"] == {"S": NEW_YEAR}
    line = trials.lines()[-1]
    assert (line["service"], line["status"], line["workspaceId"], line["agentId"]) == (
        *("retry_agents", 200, "workspace-a", agent["_id"]),
    )


def test_all_agents_of_a_workspace_that_are_not_ready(trials: Trials) -> None:
    agents = [trials.create(voice_id) for voice_id in ("a-voice", "invalid-key", "no-such-voice", "busy")]
    trials.handle(*agents)
    plain = trials.client.post(MINIMUM).body
    status, body = trials.retry(workspaceId="workspace-a")

    assert (status, body["workspaceId"], sorted(body["agentIds"])) == (
        *(200, "workspace-a", sorted(agent["_id"] for agent in agents[1:])),
    )
    assert "after" not in body
    assert [trials.status(agent) for agent in (*agents, plain)] == [
        *(("ready", None), ("pending", None), ("pending", None), ("pending", None), ("ready", None)),
    ]
    assert trials.retry(workspaceId="workspace-b") == (200, {"workspaceId": "workspace-b", "agentIds": []})


def body_in_time(app: retry_agents.Application, *remaining: int) -> Any:
    """Retry all agents of a workspace; the context says these remaining times, one after the other."""
    times = iter(remaining)
    context = type("Context", (), {"get_remaining_time_in_millis": lambda _: next(times)})()
    return retry_agents.handle({"workspaceId": "workspace-a"}, context, lambda: app)["body"]


def test_what_there_is_no_time_for_is_left_to_the_next_command(trials: Trials) -> None:
    agents = sorted(trials.create()["_id"] for _ in range(4))
    body = body_in_time(retry_agents.Application(trials.app.agents, trials.app.now), 28_000, 20_000, 9_999)

    assert body == {"workspaceId": "workspace-a", "agentIds": agents[:2], "after": agents[1]}
    _, rest = trials.retry(workspaceId="workspace-a", after=agents[1])
    assert rest == {"workspaceId": "workspace-a", "agentIds": agents[2:]}


def test_a_long_search_without_a_hit_ends_in_time_too(trials: Trials) -> None:
    class Empty(AgentStore):
        def find_not_ready(self, workspace_id: str, after: str | None) -> tuple[list[str], str | None]:  # noqa: ARG002 - as its base
            return [], "f" * 24

    store = Empty(trials.app.agents.client, trials.app.agents.table)
    body = body_in_time(retry_agents.Application(store, trials.app.now), 28_000, 20_000, 9_999)
    assert body == {"workspaceId": "workspace-a", "agentIds": [], "after": "f" * 24}


def test_pages_are_followed_to_the_end(trials: Trials) -> None:
    agents = sorted(trials.create()["_id"] for _ in range(5))

    class Small(AgentStore):
        def find_not_ready(self, workspace_id: str, after: str | None) -> tuple[list[str], str | None]:
            found, _ = super().find_not_ready(workspace_id, after)
            return found[:2], found[1] if len(found) > 2 else None

    app = replace(trials.app, agents=Small(trials.app.agents.client, trials.app.agents.table))
    _, body = replace(trials, app=app).retry(workspaceId="workspace-a")
    assert body == {"workspaceId": "workspace-a", "agentIds": agents}


def test_what_became_ready_meanwhile_is_left_alone(trials: Trials) -> None:
    agents = sorted((trials.create() for _ in range(2)), key=lambda agent: agent["_id"])

    class Late(AgentStore):
        def find_not_ready(self, workspace_id: str, after: str | None) -> tuple[list[str], str | None]:
            found = super().find_not_ready(workspace_id, after)
            trials.stage.change(agents[0], status="ready")
            return found

    app = replace(trials.app, agents=Late(trials.app.agents.client, trials.app.agents.table))
    _, body = replace(trials, app=app).retry(workspaceId="workspace-a")
    assert body["agentIds"] == [agents[1]["_id"]]
    assert trials.status(agents[0]) == ("ready", None)


def test_what_cannot_be_retried_is_404(trials: Trials) -> None:
    ready, plain = trials.create(), trials.client.post(MINIMUM).body
    trials.handle(ready)
    trials.stage.change(plain, status="error", statusReason="invalid_key")

    for agent in (ready, plain, {**ready, "_id": "0" * 24}, {**ready, "workspaceId": "workspace-b"}):
        status, body = trials.retry(**of(agent))
        assert (status, body["error"]["code"]) == (404, "not_found")
    assert trials.status(plain) == ("error", "invalid_key")


@pytest.mark.parametrize("operation", ["UpdateItem", "Query"])
def test_a_table_out_of_reach_is_503(trials: Trials, operation: str) -> None:
    agent = trials.create()
    lose_requests(trials.app.agents.client, operation)
    status, body = trials.retry(**(of(agent) if operation == "UpdateItem" else {"workspaceId": "workspace-a"}))

    assert (status, body["error"]["code"]) == (503, "service_unavailable")
    assert trials.lines()[-1]["cause"].startswith(operation)


def test_a_bad_command_has_the_error_shape_of_the_api(trials: Trials) -> None:
    for command in ({}, {"workspaceId": "w", "agentId": ELEVENLABS_KEY}, {"workspaceId": "w", "agentid": "0" * 24}):
        status, body = trials.retry(**command)

        assert (status, body["error"]["code"], body["message"]) == (400, "validation_error", body["error"]["message"])
        assert ELEVENLABS_KEY not in f"{body}{trials.output.text}"


def test_the_function_reads_its_environment(
    stage: Stage,  # noqa: ARG001 - the tables have to exist
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = []
    for table in (variables["AGENTS_TABLE"], ""):
        monkeypatch.setenv("AGENTS_TABLE", table)
        retry_agents.application.cache_clear()
        with recorded_output() as output:
            results.append(retry_agents.handler({"workspaceId": "w"}, LambdaContext())["statusCode"])
    retry_agents.application.cache_clear()

    assert results == [200, 500]
    assert [line["cause"] for line in output.lines] == ["the environment variable AGENTS_TABLE is not set"]

"""Every file in `events/` runs with the command that the README names, and shows what it is there for."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.local import aws
from tests.support.client import Client, Stage
from tests.support.logs import FUNCTIONS
from tests.support.template import ROOT

STATUS = {
    "activate_agent": None,  # it returns messages that failed, and no status
    "create_agent": 201,
    "create_agent_11labs_byo": 201,
    "create_agent_11labs_byo_invalid_key": 201,
    "create_agent_base64": 201,
    "create_agent_idempotent": 201,
    "create_agent_invalid": 400,
    "create_agent_minimal": 201,
    "create_agent_missing_key": 401,
    "get_agent": 200,
    "get_agent_of_another_workspace": 404,
    "get_agent_unknown": 404,
    "issue_api_key": 201,
    "limit_api_key": 200,
    "list_api_keys": 200,
    "publish_agent_events": None,  # the same
    "retry_agents": 200,
    "revoke_api_key": 200,
    "rotate_api_key": 201,
}


def read(text: str) -> list[dict[str, Any]]:
    """Read one JSON object after another."""
    results, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        result, end = decoder.raw_decode(text)
        results.append(result)
        text = text[end:]
    return results


def test_every_event_shows_what_it_is_there_for() -> None:
    names = [*STATUS, "create_agent_idempotent"]
    command = [sys.executable, "-m", "tests.local", "invoke", *(f"events/{name}.json" for name in names)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr  # not all of them are 2xx
    *found, again = read(run.stdout)
    results = dict(zip(STATUS, found, strict=True))

    assert {path.stem for path in (ROOT / "events").glob("*.json")} == set(STATUS)
    assert {name: result.get("statusCode") for name, result in results.items()} == STATUS
    # The idempotent event is replayed.
    assert again["body"] == results["create_agent_idempotent"]["body"]
    assert again["headers"]["Idempotent-Replayed"] == "true"
    assert results["get_agent"]["body"] == again["body"]
    assert results["get_agent_unknown"]["body"] == results["get_agent_of_another_workspace"]["body"]
    # The invalid event has all kinds of field errors.
    assert {detail["path"] for detail in results["create_agent_invalid"]["body"]["error"]["details"]} == {
        "name",
        "ttsModel.voiceId",
        "ttsModel.language",
        "llmModel",
        "smartCallback",
        "maxAttemptsForSmartCallback",
        "gapBetweenEachAttemptForSmartCallback[0].hours",
        "settings.speed",
    }
    # Keys have been tried meanwhile: one agent is ready, and the other is in error and can be retried.
    accepted, refused = (results[f"create_agent_11labs_byo{of}"]["body"] for of in ("", "_invalid_key"))
    assert (accepted["status"], refused["status"]) == ("pending", "pending")
    assert results["retry_agents"]["body"]["agentIds"] == [refused["_id"]]
    assert results["activate_agent"] == results["publish_agent_events"] == {"batchItemFailures": []}
    assert accepted["_id"] in (ROOT / "events/activate_agent.json").read_text("utf-8")
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    tried = [line["outcome"] for line in lines if line.get("agentId") == refused["_id"] and "elevenLabsMs" in line]
    assert tried == ["error", "error"]
    assert {line["service"] for line in lines} == {function.SERVICE for function in FUNCTIONS}


@pytest.mark.parametrize("key", [aws.TEST_API_KEY, *aws.MANAGED_TEST_API_KEYS])
def test_a_deployed_function_refuses_the_keys_of_the_events(client: Client, stage: Stage, key: str) -> None:
    aws.admit_test_keys(stage.template, stage.clients)
    assert key.split("_")[2] in stage.dump()
    response = replace(client, key=key, workspace_id=aws.WORKSPACE_ID).post()

    assert (response.status, response.code) == (401, "invalid_api_key")

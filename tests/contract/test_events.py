"""Every file in `events/` runs, with the command that the README names, and shows what it is there for."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import Client, Stage
from tests.local import aws
from tests.support.template import ROOT

STATUS = {
    "create_agent": 201,
    "create_agent_11labs_byo": 201,
    "create_agent_base64": 201,
    "create_agent_idempotent": 201,
    "create_agent_invalid": 400,
    "create_agent_minimal": 201,
    "create_agent_missing_key": 401,
    "issue_api_key": 201,
    "list_api_keys": 200,
    "reactivate_agent": 409,
    "revoke_api_key": 200,
    "rotate_api_key": 201,
}


def read(text: str) -> list[dict[str, Any]]:
    """Read one JSON object after another."""
    answers, position = [], 0
    while text[position:].strip():
        position += len(text[position:]) - len(text[position:].lstrip())
        answer, position = json.JSONDecoder().raw_decode(text, position)
        answers.append(answer)
    return answers


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    """The answers to all files, and to the idempotent one a second time."""
    names = [*STATUS, "create_agent_idempotent"]
    command = [sys.executable, "-m", "tests.local", "invoke", *(f"events/{name}.json" for name in names)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr  # not all of them are 2xx
    found = read(run.stdout)
    assert len(found) == len(names)
    return {**dict(zip(STATUS, found, strict=False)), "again": found[-1]}


def test_no_file_is_forgotten() -> None:
    assert {path.stem for path in (ROOT / "events").iterdir()} == set(STATUS)


@pytest.mark.parametrize("name", STATUS)
def test_each_event_is_answered_as_intended(answers: dict[str, dict[str, Any]], name: str) -> None:
    assert answers[name]["statusCode"] == STATUS[name]
    assert set(answers[name]) == {"statusCode", "headers", "body"}
    assert isinstance(answers[name]["body"], dict)


def test_the_idempotent_event_finds_its_agent_again(answers: dict[str, dict[str, Any]]) -> None:
    assert answers["again"]["body"] == answers["create_agent_idempotent"]["body"]
    assert answers["again"]["headers"]["Idempotent-Replayed"] == "true"


def test_the_invalid_event_shows_all_its_faults(answers: dict[str, dict[str, Any]]) -> None:
    assert {fault["path"] for fault in answers["create_agent_invalid"]["body"]["error"]["details"]} == {
        "name",
        "ttsModel.voiceId",
        "ttsModel.language",
        "llmModel",
        "smartCallback",
        "maxAttemptsForSmartCallback",
        "gapBetweenEachAttemptForSmartCallback[0].hours",
        "settings.speed",
    }


def test_the_agent_that_is_to_be_activated_again_is_the_one_with_its_own_key(
    answers: dict[str, dict[str, Any]],
) -> None:
    event = json.loads((ROOT / "events/reactivate_agent.json").read_text(encoding="utf-8"))

    assert event["agentId"] == answers["create_agent_11labs_byo"]["body"]["_id"]
    assert answers["create_agent_11labs_byo"]["body"]["status"] == "pending"
    # The stream has had its key tried meanwhile.
    assert answers["reactivate_agent"]["body"]["message"].startswith("This agent is ready")


def test_the_own_key_of_the_byo_event_comes_back_sealed(answers: dict[str, dict[str, Any]]) -> None:
    event = json.loads((ROOT / "events/create_agent_11labs_byo.json").read_text(encoding="utf-8"))
    sent, got = json.loads(event["body"])["ttsModel"], answers["create_agent_11labs_byo"]["body"]["ttsModel"]

    assert got["elevenLabsApiKey"] != sent["elevenLabsApiKey"]
    assert {**got, "elevenLabsApiKey": 0} == {**sent, "elevenLabsApiKey": 0}


@pytest.mark.parametrize("key", [aws.TEST_API_KEY, *aws.MANAGED_TEST_API_KEYS])
def test_a_deployed_function_refuses_the_events_keys_even_if_its_table_has_them(stage: Stage, key: str) -> None:
    aws.admit_test_keys(stage.template, stage.clients)
    assert f"keyId': {{'S': '{key.split('_')[2]}'}}" in stage.dump()
    answer = Client(key, aws.WORKSPACE_ID).post()

    assert (answer.status, answer.code) == (401, "invalid_api_key")

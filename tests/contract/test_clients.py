"""What public clients of the API send, and what they do with the answer."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Client, Stage

RECEPTIONIST: dict[str, Any] = {
    "name": "Claire — Sarah Johnson (Compass) [Example]",
    "llmModel": "gemini-2.5-flash",
    "ttsModel": {"provider": "rime", "voiceId": "arcana_celeste", "language": "en"},
    "settings": {"model": "arcana", "speed": 1.05},
    "type": "voice",
    "systemPrompt": "You answer every call.\n\n## Identity & Tone\n"
    + "Be professional, efficient, and courteous.\n" * 100,
}
PLUMBER: dict[str, Any] = {
    "name": "Murphy's Plumbing, Heating & Air",
    "ttsModel": {"provider": "rime", "voiceId": "mistv3_astra", "language": "en", "rimeModel": "mistv3"},
    "llmModel": "gpt-5.1-chat-latest",
    "fallbackLlmModel": "gemini-3.1-flash-lite",
    "sttProvider": {"id": "deepgram-flux-multi"},
    "fallbackSttProvider": {"id": "deepgram-nova-3"},
    "settings": {"speed": 1.06, "volume": 1, "temperature": 0.3},
    "websiteUrl": "https://example.com",
    "pathway": None,
    "__v": 0,
}


def test_long_prompts_punctuation_and_unknown_settings_are_ordinary(client: Client, stage: Stage) -> None:
    answer = client.post(RECEPTIONIST)

    assert answer.status == 201
    assert {name: answer.body[name] for name in ("name", "systemPrompt")} == {
        name: RECEPTIONIST[name] for name in ("name", "systemPrompt")
    }
    assert answer.body["settings"]["model"] == "arcana"
    assert stage.stored == [answer.body]


def test_a_model_outside_the_list_is_refused_by_default(client: Client) -> None:
    assert client.post(PLUMBER).faults == {"llmModel": "not_allowed"}


def test_with_the_list_opened_it_is_accepted_and_all_else_is_kept(
    client: Client, monkeypatch: pytest.MonkeyPatch, new_application: Callable[[], None]
) -> None:
    monkeypatch.setenv("ALLOWED_LLM_MODELS", "")
    new_application()
    answer = client.post(PLUMBER)

    assert answer.status == 201
    sent, got = json.loads(json.dumps(PLUMBER)), json.loads(answer.text)
    assert {name: got[name] for name in sent} == sent


def test_clients_read_an_id_of_24_characters_an_echoed_name_and_no_phone_numbers(client: Client) -> None:
    answer = client.post(RECEPTIONIST)

    assert 200 <= answer.status < 300
    assert len(answer.body["_id"]) == 24
    assert answer.body["name"] == RECEPTIONIST["name"]
    assert answer.body["phoneNumberIds"] == []
    assert answer.body["workspaceId"] == "workspace-a"


@pytest.mark.parametrize("body", [RECEPTIONIST, {}, "{", None])
def test_every_answer_is_json_before_anyone_looks_at_its_status(client: Client, body: object) -> None:
    answer = client.post(body)

    assert answer.headers["Content-Type"] == "application/json"
    assert isinstance(answer.body, dict)


def test_both_places_where_clients_look_for_a_message_have_it(client: Client) -> None:
    body = client.post({}).body

    assert body["message"] == body["error"]["message"] == "name: is required (and 1 more, see error.details)"


def test_a_stage_before_the_path_makes_no_difference(client: Client) -> None:
    assert client.send({**client.event(RECEPTIONIST), "rawPath": "/prod/v1/api/agents"}).status == 201

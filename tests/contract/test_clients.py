"""Public clients of the API work unchanged: what they send is accepted, and responses are as they read them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import NewApplication
from tests.support.client import Client, Stage
from tests.support.http import HttpResponse

SMOKE_TEST: dict[str, Any] = {
    "name": "SMOKE TEST — delete me",
    "ttsModel": {"provider": "rime", "voiceId": "mistv3_astra", "language": "en", "rimeModel": "mistv3"},
    "llmModel": "gpt-5.1-chat-latest",
    "fallbackLlmModel": "gemini-3.1-flash-lite",
    "sttProvider": {"id": "deepgram-flux-multi"},
    "fallbackSttProvider": {"id": "deepgram-nova-3"},
    "settings": {"speed": 1.06, "volume": 1, "temperature": 0.3},
}
PLUMBER: dict[str, Any] = {
    "name": "Murphy's Plumbing, Heating & Air",
    "ttsModel": {"provider": "rime", "voiceId": "mistv3_luna", "language": "en"},
    "llmModel": "gemini-2.5-flash",
    "settings": {"speed": 0.95},
    "websiteUrl": "https://example.com",
}
RECEPTIONIST: dict[str, Any] = {
    "name": "Claire — Sarah Johnson (Compass) [Example]",
    "llmModel": "gemini-2.5-flash",
    "ttsModel": {"provider": "rime", "voiceId": "arcana_celeste", "language": "en"},
    "settings": {"model": "arcana", "speed": 1.05},
    "type": "voice",
    "systemPrompt": "You answer every call.\n\n## Identity & Tone\n" + "Be professional and courteous.\n" * 200,
}
ESTATE_AGENT: dict[str, Any] = {
    "name": "Sarah Johnson's AI Receptionist",
    "llmModel": "gpt-4o-mini",
    "ttsModel": {"provider": "elevenlabs", "voiceId": "default", "language": "en-US"},
    "settings": {"speed": 1, "volume": 1, "temperature": 0.7},
    "variables": {"greeting": "Thank you for calling. I'm the AI assistant.", "reseller": "example"},
}
OLDER_DOCUMENTATION: dict[str, Any] = {
    "name": "Customer Support Agent",
    "ttsModel": {"provider": "cartesia", "voiceId": "mistv2_Wildflower", "name": "Sophie", "language": "en"},
    "llmModel": "gpt-4o",
    "type": "voice",
}
CLONE: dict[str, Any] = {
    **ESTATE_AGENT,
    "pathway": None,
    "__v": 0,
    "_id": "65f0c0de5eed0ca11a9e0003",
    "status": "error",
}
OWN_KEY: dict[str, Any] = {
    "name": "Updated Customer Support Agent",
    "llmModel": "claude-3-5-sonnet-latest",
    "ttsModel": {
        "provider": "11labs_byo",
        "voiceId": "21m00Tcm4TlvDq8ikWAM",
        "name": "Premium Voice",
        "language": "en",
        "elevenLabsApiKey": "an-elevenlabs-api-key",
    },
    "gapBetweenEachAttemptForSmartCallback": [{"days": 1, "hours": 0}, {"days": 1, "hours": 12}],
}

ACCEPTED = (PLUMBER, RECEPTIONIST, ESTATE_AGENT, OLDER_DOCUMENTATION, CLONE)
WITH_OTHER_MODELS = (SMOKE_TEST, OWN_KEY)
SET_BY_THE_SERVER = ("_id", "status")


def check_kept(sent: dict[str, Any], response: HttpResponse) -> None:
    """Everything that was sent is returned, except for what only the server sets."""
    assert response.status == 201
    sent, got = json.loads(json.dumps(sent)), json.loads(response.text)
    for name in SET_BY_THE_SERVER:
        assert got[name] != sent.pop(name, None)
    if "elevenLabsApiKey" in sent["ttsModel"]:
        assert got["ttsModel"].pop("elevenLabsApiKey") != sent["ttsModel"].pop("elevenLabsApiKey")
    assert {name: got[name] for name in sent} == sent


@pytest.mark.parametrize("body", ACCEPTED)
def test_bodies_of_clients_are_accepted_and_kept(client: Client, stage: Stage, body: dict[str, Any]) -> None:
    response = client.post(body)

    check_kept(body, response)
    assert stage.stored == [response.body]


@pytest.mark.parametrize("body", WITH_OTHER_MODELS)
def test_other_models_need_an_open_list(client: Client, new_application: NewApplication, body: dict[str, Any]) -> None:
    assert client.post(body).field_errors == {"llmModel": "not_allowed"}
    check_kept(body, replace(client, app=new_application(ALLOWED_LLM_MODELS="")).post(body))


def test_clients_find_what_they_read_in_a_response(client: Client) -> None:
    agent = client.post(RECEPTIONIST).body

    assert isinstance(agent["_id"], str)
    assert len(agent["_id"]) == 24
    assert (agent["name"], agent["phoneNumberIds"]) == (RECEPTIONIST["name"], [])
    assert (agent["workspaceId"], agent["status"]) == ("workspace-a", "ready")


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html"])
def test_every_response_is_json_whatever_is_accepted(client: Client, accept: str) -> None:
    for body in (RECEPTIONIST, {}, "{", "", "x" * 300_000):
        response = client.post(body, {"accept": accept})

        assert response.headers["Content-Type"] == "application/json"
        assert isinstance(response.body, dict)


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        ({}, {}, "name: is required (and 1 more, see error.details)"),
        (PLUMBER, {"x-api-key": ""}, "Send your API key in the x-api-key header. No other header is read for it."),
        (
            PLUMBER,
            {"content-type": "text/plain"},
            "Send the body as JSON, with the header Content-Type: application/json.",
        ),
    ],
)
def test_a_message_for_people_is_in_both_places(
    client: Client, body: object, headers: dict[str, str | None], message: str
) -> None:
    error = client.post(body, headers).body

    assert error["message"] == error["error"]["message"] == message

"""What public clients of the API send over HTTP, and what they do with the answer: none of them has to be changed."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

import create_agent
from tests.conftest import Answer, Client, Stage
from tests.local.gateway import gateway, listen
from tests.support.template import load_template

ROUTES = load_template().routes("CreateAgentFunction")

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

Send = Callable[..., Answer]


@contextmanager
def listening(client: Client, stage_path: str = "") -> Iterator[Send]:
    """Serve the function on loopback, under a stage or none, and send as a client does that knows the base URL."""
    routes = {(method, stage_path + path) for method, path in ROUTES}
    server = listen(gateway(create_agent.handler, routes), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    def send(body: object, **headers: str) -> Answer:
        text = body if isinstance(body, str) else json.dumps(body)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)) as connection:
            url = f"{stage_path}/v1" + "/api/agents"  # the base URL that they are given, and what they append
            connection.request("POST", url, text.encode(), {**client.headers, **given})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())

    try:
        yield send
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def send(client: Client) -> Iterator[Send]:
    with listening(client) as sender:
        yield sender


@pytest.fixture
def any_model(monkeypatch: pytest.MonkeyPatch, new_application: Callable[[], None]) -> None:
    """The list of models is opened, as the vendor's is."""
    monkeypatch.setenv("ALLOWED_LLM_MODELS", "")
    new_application()


def check_kept(sent: dict[str, Any], answer: Answer) -> None:
    """See that everything that was sent comes back, but for what is the server's to say."""
    got = json.loads(answer.text)
    assert answer.status == 201
    sent, got = json.loads(json.dumps(sent)), {**got, "ttsModel": dict(got["ttsModel"])}
    for ours in SET_BY_THE_SERVER:
        assert got[ours] != sent.pop(ours, None)
    if "elevenLabsApiKey" in sent["ttsModel"]:
        assert got["ttsModel"].pop("elevenLabsApiKey") != sent["ttsModel"].pop("elevenLabsApiKey")
    assert {name: got[name] for name in sent} == sent


@pytest.mark.parametrize("body", ACCEPTED)
def test_what_clients_send_comes_back_with_every_field_that_the_page_does_not_list(
    send: Send, stage: Stage, body: dict[str, Any]
) -> None:
    answer = send(body)

    check_kept(body, answer)
    assert stage.stored == [answer.body]


@pytest.mark.parametrize("body", WITH_OTHER_MODELS)
def test_a_model_outside_the_list_is_refused_by_default(send: Send, body: dict[str, Any]) -> None:
    assert send(body).faults == {"llmModel": "not_allowed"}


@pytest.mark.usefixtures("any_model")
@pytest.mark.parametrize("body", WITH_OTHER_MODELS)
def test_with_the_list_opened_it_is_accepted_and_all_else_is_kept(send: Send, body: dict[str, Any]) -> None:
    check_kept(body, send(body))


def test_clients_read_a_bare_object_with_an_id_of_24_characters_and_no_phone_numbers(send: Send) -> None:
    answer = send(RECEPTIONIST)

    assert 200 <= answer.status < 300
    assert isinstance(answer.body["_id"], str)
    assert len(answer.body["_id"]) == 24
    assert answer.body["name"] == RECEPTIONIST["name"]
    assert answer.body["phoneNumberIds"] == []
    assert answer.body["workspaceId"] == "workspace-a"
    assert answer.body["status"] == "ready"


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html"])
@pytest.mark.parametrize("body", [RECEPTIONIST, {}, "{", "", "x" * 300_000])
def test_every_answer_is_json_before_anyone_looks_at_its_status(send: Send, body: object, accept: str) -> None:
    answer = send(body, accept=accept)

    assert answer.headers["Content-Type"] == "application/json"
    assert isinstance(answer.body, dict)


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        ({}, {}, "name: is required (and 1 more, see error.details)"),
        (PLUMBER, {"x_api_key": ""}, "Send your API key in the x-api-key header. No other header is read for it."),
        (
            PLUMBER,
            {"content_type": "text/plain"},
            "Send the body as JSON, with the header Content-Type: application/json.",
        ),
    ],
)
def test_both_places_where_clients_look_for_a_message_have_one_that_a_person_can_read(
    send: Send, body: object, headers: dict[str, str], message: str
) -> None:
    answer = send(body, **headers).body

    assert answer["message"] == answer["error"]["message"] == message


def test_a_stage_before_the_path_makes_no_difference(client: Client) -> None:
    with listening(client, "/prod") as send:
        check_kept(PLUMBER, send(PLUMBER))
        assert send({}).status == 400

"""The fields of a request: what is accepted, what is refused with which code, and what is stored."""

import json
import re
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from tests.support.client import Client, Stage
from tests.support.http import HttpResponse
from tests.support.samples import BYO, ELEVENLABS_KEY, EXAMPLE, MINIMUM
from tests.support.template import Template

GAPS = "gapBetweenEachAttemptForSmartCallback"
ATTEMPTS = "maxAttemptsForSmartCallback"
BASE: dict[str, Any] = {**EXAMPLE, "ttsModel": {"provider": "openai", "voiceId": "alloy"}, GAPS: [{}]}
OWN_KEY: dict[str, Any] = {"ttsModel": BYO["ttsModel"]}
ABSENT = object()
BASE64 = "QUJDabc0" * 11
"""As ciphertexts were returned before December 2026."""


def changed(path: str, value: object, base: dict[str, Any] = BASE) -> dict[str, Any]:
    """Return a body with the value at a path such as ``ttsModel.voiceId`` or ``phoneNumberIds[0]`` changed."""
    body = deepcopy(base)
    *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", path)]
    place: Any = body
    for part in parents:
        place = place.setdefault(part, [None]) if part == "phoneNumberIds" else place[part]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return body


def value_at(path: str, body: Any) -> Any:
    for part in re.findall(r"\w+", path):
        body = body[int(part) if part.isdigit() else part]
    return body


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("name", ["x", "é" * 256, "Murphy's Plumbing, Heating & Air — Compass"]),
        ("type", ["voice"]),
        ("ttsModel.provider", ["openai", "rime", "elevenlabs", "google", "cartesia"]),
        ("ttsModel.voiceId", ["v", "v" * 256]),
        (
            "ttsModel.language",
            [
                *("en", "en-US", "ast", "zh-yue", "zh-yue-min-nan", "zh-Hant-TW", "es-419", "sl-rozaj-biske"),
                *("de-1996", "en-a-bbb-x-private", "x-own", "de-DE-u-co-phonebk", "X-abcdefgh"),
            ],
        ),
        ("ttsModel.name", ["Sophie", ""]),
        ("smartCallback", [True, False]),
        (ATTEMPTS, [1, 100]),
        (GAPS, [[], [{"days": 0, "hours": 0}], [{"days": 30, "hours": 23, "minutes": 5}]]),
        ("phoneNumberIds", [[], ["n"], ["n" * 128, "m"]]),
        ("settings.speed", [0, 2, 1.06, 0.8]),
        ("settings.volume", [0, 2]),
        ("settings.temperature", [0, 2]),
    ],
)
def test_valid_value_is_stored(client: Client, path: str, values: list[Any]) -> None:
    for value in values:
        response = client.post(changed(path, value))

        assert response.status == 201, (value, response.text)
        assert value_at(path, response.body) == json.loads(json.dumps(value), parse_float=Decimal)


def test_every_model_of_the_list_is_accepted(client: Client, template: Template) -> None:
    models = template.environment("CreateAgentFunction")["ALLOWED_LLM_MODELS"].split(",")

    assert "gpt-4o-mini" in models
    assert [client.change(llmModel=model).body["llmModel"] for model in models] == models


@pytest.mark.parametrize(
    ("path", "sent", "stored"),
    [
        ("name", '"  Sophie \\t\\n"', "Sophie"),
        ("ttsModel.voiceId", '" alloy\\u00a0"', "alloy"),
        (ATTEMPTS, "3.0", 3),
        (ATTEMPTS, "1e1", 10),
        (f"{GAPS}[0]", '{"hours":2.0}', {"days": 1, "hours": 2}),
        (f"{GAPS}[0]", "{}", {"days": 1, "hours": 0}),
        ("settings.speed", "1.10", Decimal("1.1")),
        ("settings.speed", "0.80000000000000000000000001", Decimal("0.80000000000000000000000001")),
    ],
)
def test_value_is_normalized(client: Client, path: str, sent: str, stored: object) -> None:
    response = client.post(json.dumps(changed(path, "$value")).replace('"$value"', sent))

    assert value_at(path, response.body) == stored


MESSAGES = {
    "array_type": "must be an array",
    "boolean_type": "must be true or false, without quotes",
    "greater_than_equal": "must be greater than or equal to ",
    "integer_type": "must be an integer, such as 5",
    "language_tag": "must be a BCP 47 language tag, such as en or en-US",
    "less_than_equal": "must be less than or equal to ",
    "level": "must be a number from 0 to 2",
    "missing": "is required",
    "not_allowed": "must be ",
    "object_type": "must be an object",
    "repeated_item": "must not contain the same item twice",
    "string_too_long": "must have at most ",
    "string_too_short": "must have at least 1 character",
    "string_type": "must be a string",
    "too_long": "must have at most 100 items",
    "unexpected": "must be left out, unless the provider is 11labs_byo",
    "visible_ascii": "must consist of visible ASCII characters",
}
"""The message of each code; one that ends with a blank goes on with what is allowed."""

NOT_TEXT: list[object] = [5, True, [], {}]
NOT_AN_OBJECT: list[object] = [[], "x", 5, True]
NOT_AN_ARRAY: list[object] = [{}, "x", 5, True]
NOT_A_LEVEL: list[object] = [-0.1, 2.1, "1", True, [1], {}]


@pytest.mark.parametrize(
    ("path", "code", "values"),
    [
        ("name", "missing", [ABSENT, None]),
        ("name", "string_too_short", ["", " \t "]),
        ("name", "string_too_long", ["n" * 257]),
        ("name", "string_type", NOT_TEXT),
        ("type", "not_allowed", ["video", "", 1]),
        ("ttsModel", "missing", [ABSENT, None]),
        ("ttsModel", "object_type", NOT_AN_OBJECT),
        ("ttsModel.provider", "missing", [ABSENT, None]),
        ("ttsModel.provider", "string_type", NOT_TEXT),
        ("ttsModel.provider", "not_allowed", ["", "nope", "RIME", "rime ", "11LABS_BYO", "11labs_byo\u00a0"]),
        ("ttsModel.voiceId", "missing", [ABSENT, None]),
        ("ttsModel.voiceId", "string_type", NOT_TEXT),
        ("ttsModel.voiceId", "string_too_short", ["", " \u00a0"]),
        ("ttsModel.voiceId", "string_too_long", ["v" * 257]),
        ("ttsModel.language", "string_type", NOT_TEXT),
        ("ttsModel.language", "string_too_long", ["en-" + "x" * 126, "v" * 10_000]),
        (
            "ttsModel.language",
            "language_tag",
            ["", "e", "English", "en_US", "en-", "-en", "en-US\n", "x en", "١٢", "en-12", "x-", "en-a", "x-123456789"],
        ),
        ("ttsModel.name", "string_type", [5, []]),
        ("ttsModel.elevenLabsApiKey", "unexpected", ["sk", ""]),
        ("llmModel", "string_type", NOT_TEXT),
        ("llmModel", "not_allowed", ["", "gpt-5", "GPT-4o", " gpt-4o", "gpt-4o\n", "gpt\u20114o"]),
        ("smartCallback", "boolean_type", ["true", 1, 0, {}]),
        (ATTEMPTS, "integer_type", [3.5, "3", True, [3]]),
        (ATTEMPTS, "greater_than_equal", [0, -1]),
        (ATTEMPTS, "less_than_equal", [101, 9_007_199_254_740_993]),
        (GAPS, "array_type", NOT_AN_ARRAY),
        (GAPS, "too_long", [[{}] * 101]),
        (f"{GAPS}[0]", "object_type", [None, *NOT_AN_OBJECT]),
        (f"{GAPS}[0].days", "greater_than_equal", [-1]),
        (f"{GAPS}[0].days", "less_than_equal", [31]),
        (f"{GAPS}[0].days", "integer_type", ["1", 1.5]),
        (f"{GAPS}[0].hours", "greater_than_equal", [-1]),
        (f"{GAPS}[0].hours", "less_than_equal", [24]),
        (f"{GAPS}[0].hours", "integer_type", ["1", 1.5]),
        ("phoneNumberIds", "array_type", NOT_AN_ARRAY),
        ("phoneNumberIds", "repeated_item", [["a", "b", "a"]]),
        # The items of a long array are not looked at.
        ("phoneNumberIds", "too_long", [[str(number) for number in range(101)], [1] * 1000]),
        ("phoneNumberIds[0]", "string_type", [None, *NOT_TEXT]),
        ("phoneNumberIds[0]", "string_too_short", [""]),
        ("phoneNumberIds[0]", "string_too_long", ["n" * 129]),
        ("settings", "object_type", NOT_AN_OBJECT),
        ("settings.speed", "level", NOT_A_LEVEL),
        ("settings.volume", "level", NOT_A_LEVEL),
        ("settings.temperature", "level", NOT_A_LEVEL),
        ("variables", "object_type", NOT_AN_OBJECT),
    ],
)
def test_invalid_value_is_refused(client: Client, stage: Stage, path: str, code: str, values: list[object]) -> None:
    for value in values:
        response = client.post(changed(path, value))

        assert (response.status, response.code) == (400, "validation_error"), value
        assert response.field_errors == {path: code}, value
        message = response.body["error"]["details"][0]["message"]
        assert message == MESSAGES[code] or (MESSAGES[code].endswith(" ") and message.startswith(MESSAGES[code]))
    assert stage.items == []


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("missing", [ABSENT, None]),
        ("string_too_short", [""]),
        ("string_too_long", ["k" * 513]),
        ("encrypted_value", ["encrypted:", "encrypted:AQICAHh+/=", " encrypted:é\n", "encrypted:" + "A" * 600, BASE64]),
        ("string_type", NOT_TEXT),
        ("visible_ascii", [" ", "a b", "a\r\nx: y", "é", "\x7f", "k\n"]),
    ],
)
def test_own_provider_requires_a_usable_key(client: Client, stage: Stage, code: str, values: list[object]) -> None:
    path = "ttsModel.elevenLabsApiKey"

    assert {repr(value): client.post(changed(path, value, BYO)).field_errors for value in values} == {
        repr(value): {path: code} for value in values
    }
    assert stage.items == []
    assert client.post(changed(path, "k" * 512, BYO)).status == 201


def test_a_clone_of_an_agent_with_its_own_key_needs_the_key(client: Client) -> None:
    original = client.post(BYO).body
    refused = client.post(original)
    original["ttsModel"]["elevenLabsApiKey"] = ELEVENLABS_KEY

    assert refused.field_errors == {"ttsModel.elevenLabsApiKey": "encrypted_value"}
    message = "is the encrypted form from a response; send the ElevenLabs key itself"
    assert refused.body["error"]["details"][0]["message"] == message
    assert client.post(original).status == 201


def test_a_voice_of_elevenlabs_with_an_own_key_has_an_id_that_can_exist(client: Client) -> None:
    def post(voice_id: str) -> HttpResponse:
        return client.post(changed("ttsModel.voiceId", voice_id, BYO))

    assert [post(voice_id).body["ttsModel"]["voiceId"] for voice_id in ("Aa0_-", "\u00a0v\n", "v" * 64)] == [
        *("Aa0_-", "v", "v" * 64)
    ]
    refused = [post(voice_id) for voice_id in ("a b", "a/b", "..", "é", "v" * 65)]
    assert {str(response.field_errors) for response in refused} == {"{'ttsModel.voiceId': 'voice_id'}"}


def test_null_for_an_optional_field_is_the_same_as_leaving_it_out(client: Client) -> None:
    key: dict[str, str | None] = {"idempotency-key": "nulls"}
    optional = ("type", "llmModel", "smartCallback", ATTEMPTS, "phoneNumberIds", "settings", "variables")
    nulls = dict.fromkeys(("voiceId", "language", "name", "elevenLabsApiKey"))
    sparse = client.post({**MINIMUM, GAPS: [{}]}, key)
    full = client.post(
        {
            **MINIMUM,
            **dict.fromkeys(optional),
            "ttsModel": {"provider": "rime", **nulls},
            GAPS: [dict.fromkeys(("days", "hours"))],
        },
        key,
    )

    assert (full.status, full.body) == (201, sparse.body)
    assert client.change(settings={"speed": None, "volume": None, "temperature": None, "x": None}).body["settings"] == {
        "x": None
    }
    assert client.post({**MINIMUM, GAPS: None}).body[GAPS] == []


def test_only_rime_has_a_default_voice(client: Client) -> None:
    providers = ("rime", "openai", "elevenlabs", "11labs_byo", "google", "cartesia")
    responses = {provider: client.change(ttsModel={"provider": provider}) for provider in providers}

    assert responses.pop("rime").body["ttsModel"]["voiceId"] == "mistv2_Wildflower"
    assert {response.field_errors["ttsModel.voiceId"] for response in responses.values()} == {"missing"}


def test_arrays_may_have_100_items(client: Client) -> None:
    assert client.change(**{GAPS: [{}] * 100, "phoneNumberIds": [str(number) for number in range(100)]}).status == 201


def test_unknown_fields_are_kept_everywhere(client: Client, stage: Stage) -> None:
    names = ("model_config", "model_extra", "secret", "hasElevenLabsApiKey", "__class__", "__v", "fields", "extra")
    top: dict[str, Any] = {"systemPrompt": "You are…", "sttProvider": {"id": "deepgram-flux-multi"}, "nothing": None}
    top |= dict.fromkeys(names, False)
    tts_model = {"provider": "rime", "rimeModel": "mistv3", "nothing": None}
    response = client.post({**MINIMUM, **top, "ttsModel": tts_model, GAPS: [{"days": 2, "minutes": 5}]})

    assert response.status == 201
    assert {name: response.body[name] for name in top} == top
    assert response.body["ttsModel"] == {**tts_model, "voiceId": "mistv2_Wildflower", "language": "en"}
    assert response.body[GAPS] == [{"days": 2, "hours": 0, "minutes": 5}]
    assert response.body["llmModel"] == "gpt-4o-mini"
    assert stage.stored == [response.body]


def test_what_only_the_server_sets_is_ignored(client: Client) -> None:
    original = client.post({**EXAMPLE, "systemPrompt": "…"}).body
    forged = {"workspaceId": 5, "userId": "attacker", "status": "forged", "createdAt": [], "_id": "x", "currentNode": 1}
    forged["statusReason"] = "invalid_key"
    clone = client.change(json.loads(json.dumps({**original, **forged, "activeSessions": 1}, default=float)))

    assert clone.status == 201
    own = ("_id", "createdAt", "updatedAt")
    assert {name: value for name, value in clone.body.items() if name not in own} == {
        name: value for name, value in original.items() if name not in own
    }
    assert clone.body["_id"] not in (original["_id"], "x")

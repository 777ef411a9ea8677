"""The contract's table of body fields, a test a row and a case for each bound."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import BYO, EXAMPLE, MINIMUM, Client, Stage
from tests.support.template import load_template

MODELS = load_template().environment("CreateAgentFunction")["ALLOWED_LLM_MODELS"].split(",")
PROVIDERS = load_template().environment("CreateAgentFunction")["ALLOWED_TTS_PROVIDERS"].split(",")
GAPS = "gapBetweenEachAttemptForSmartCallback"


def tts(**members: object) -> dict[str, object]:
    return {"ttsModel": {"provider": "openai", "voiceId": "alloy", **members}}


def refused(client: Client, stage: Stage, **members: object) -> dict[str, str]:
    answer = client.change(**members)
    assert (answer.status, answer.code) == (400, "validation_error")
    assert stage.items == []
    return answer.faults


@pytest.mark.parametrize("field", ["name", "ttsModel"])
def test_name_and_tts_model_are_required(client: Client, field: str) -> None:
    answer = client.post({name: value for name, value in EXAMPLE.items() if name != field})

    assert (answer.status, answer.faults) == (400, {field: "missing"})


@pytest.mark.parametrize(("name", "stored"), [("x", "x"), ("  Sophie \t\n", "Sophie"), ("é" * 256, "é" * 256)])
def test_a_name_is_trimmed_and_has_1_to_256_characters(client: Client, name: str, stored: str) -> None:
    assert client.change(name=name).body["name"] == stored


@pytest.mark.parametrize("name", ["", " \t ", "n" * 257, None, 1, True, ["A"], {}])
def test_any_other_name_is_refused(client: Client, stage: Stage, name: object) -> None:
    assert list(refused(client, stage, name=name)) == ["name"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_of_the_list_is_accepted(client: Client, provider: str) -> None:
    secret = {"elevenLabsApiKey": "sk"} if provider == "11labs_byo" else {}

    assert client.change(**tts(provider=provider, **secret)).body["ttsModel"]["provider"] == provider


def test_the_lists_are_those_of_the_page_and_of_the_contract() -> None:
    assert PROVIDERS == ["openai", "rime", "elevenlabs", "11labs_byo", "google", "cartesia"]
    assert MODELS == [
        "gpt-4o-mini",
        "gpt-4o",
        "gpt-4o-enterprise",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-4.1-enterprise",
        "gpt-4.1-mini-enterprise",
        "gemini-2.5-flash",
        "gemini-2.0-flash-001",
    ]


@pytest.mark.parametrize("provider", ["", "nope", "RIME", "rime ", "11LABS_BYO", "11labs_byo\u00a0", None, 5, ["rime"]])
def test_any_other_provider_is_refused(client: Client, stage: Stage, provider: object) -> None:
    assert list(refused(client, stage, **tts(provider=provider))) == ["ttsModel.provider"]


@pytest.mark.parametrize("tts_model", [None, [], "rime", 1, True])
def test_a_tts_model_is_an_object(client: Client, stage: Stage, tts_model: object) -> None:
    assert refused(client, stage, ttsModel=tts_model) == {"ttsModel": "object_type"}


def test_an_empty_tts_model_lacks_its_provider(client: Client, stage: Stage) -> None:
    assert refused(client, stage, ttsModel={})["ttsModel.provider"] == "missing"


def test_rime_has_a_default_voice(client: Client) -> None:
    assert client.post(MINIMUM).body["ttsModel"]["voiceId"] == "mistv2_Wildflower"


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name not in ("rime", "11labs_byo")])
def test_the_others_require_a_voice(client: Client, stage: Stage, provider: str) -> None:
    assert refused(client, stage, ttsModel={"provider": provider}) == {"ttsModel.voiceId": "missing"}


@pytest.mark.parametrize("provider", ["rime", "openai"])
@pytest.mark.parametrize("voice_id", ["", "v" * 257, None, 5, [], {}])
def test_a_voice_has_1_to_256_characters(client: Client, stage: Stage, provider: str, voice_id: object) -> None:
    assert list(refused(client, stage, **tts(provider=provider, voiceId=voice_id))) == ["ttsModel.voiceId"]


def test_a_voice_may_have_256_characters(client: Client) -> None:
    assert client.change(**tts(voiceId="v" * 256)).status == 201


def test_the_default_language_is_english(client: Client) -> None:
    assert client.post(MINIMUM).body["ttsModel"]["language"] == "en"


@pytest.mark.parametrize(
    "tag", ["en", "en-US", "zh-Hant-TW", "es-419", "sl-rozaj-biske", "en-a-bbb-x-private", "x-own"]
)
def test_a_language_is_a_bcp_47_tag(client: Client, tag: str) -> None:
    assert client.change(**tts(language=tag)).body["ttsModel"]["language"] == tag


@pytest.mark.parametrize("tag", ["", "English", "en_US", "en-", "-en", "en-US\n", "e", "١٢", "v" * 10_000, None, 5, {}])
def test_anything_else_is_no_language(client: Client, stage: Stage, tag: object) -> None:
    assert list(refused(client, stage, **tts(language=tag))) == ["ttsModel.language"]


def test_a_voice_may_have_a_name_for_people(client: Client) -> None:
    assert client.change(**tts(name="Sophie")).body["ttsModel"]["name"] == "Sophie"
    assert "name" not in client.change(**tts()).body["ttsModel"]


@pytest.mark.parametrize("name", [None, 5, []])
def test_that_name_is_text(client: Client, stage: Stage, name: object) -> None:
    assert refused(client, stage, **tts(name=name)) == {"ttsModel.name": "string_type"}


def test_an_own_elevenlabs_account_requires_its_key(client: Client, stage: Stage) -> None:
    assert refused(client, stage, **tts(provider="11labs_byo")) == {"ttsModel.elevenLabsApiKey": "missing"}


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "11labs_byo"])
@pytest.mark.parametrize("key", ["sk", None])
def test_a_key_with_any_other_provider_is_refused(client: Client, stage: Stage, provider: str, key: str | None) -> None:
    members = tts(provider=provider, elevenLabsApiKey=key)

    assert refused(client, stage, **members) == {"ttsModel.elevenLabsApiKey": "unexpected"}


@pytest.mark.parametrize("key", ["", " ", "a b", "a\r\nx: y", "é", "k" * 513, None, 5, True, ["sk"]])
def test_a_key_that_could_be_none_is_refused(client: Client, stage: Stage, key: object) -> None:
    members = tts(provider="11labs_byo", elevenLabsApiKey=key)

    assert list(refused(client, stage, **members)) == ["ttsModel.elevenLabsApiKey"]


def test_the_default_model_is_the_pages(client: Client) -> None:
    assert client.post(MINIMUM).body["llmModel"] == "gpt-4o-mini"


@pytest.mark.parametrize("model", MODELS)
def test_each_model_of_the_list_is_accepted(client: Client, model: str) -> None:
    assert client.change(llmModel=model).body["llmModel"] == model


@pytest.mark.parametrize("model", ["", "gpt-5", "GPT-4o", " gpt-4o", "gpt-4o\n", "gpt\u20114o", None, True, ["gpt-4o"]])
def test_any_other_model_is_refused(client: Client, stage: Stage, model: object) -> None:
    assert list(refused(client, stage, llmModel=model)) == ["llmModel"]


@pytest.mark.parametrize("value", ["true", 1, 0, None, {}])
def test_smart_callback_is_a_json_boolean(client: Client, stage: Stage, value: object) -> None:
    assert refused(client, stage, smartCallback=value) == {"smartCallback": "boolean_type"}


@pytest.mark.parametrize(("sent", "stored"), [("1", 1), ("100", 100), ("3.0", 3), ("1e1", 10)])
def test_attempts_are_an_integer_from_1_to_100(client: Client, sent: str, stored: int) -> None:
    answer = client.post(json.dumps(EXAMPLE).replace('Callback": 3,', f'Callback": {sent},'))

    assert answer.body["maxAttemptsForSmartCallback"] == stored


@pytest.mark.parametrize("value", [0, -1, 101, 3.5, "3", True, None, [3], 10**40, 9007199254740993])
def test_any_other_number_of_attempts_is_refused(client: Client, stage: Stage, value: object) -> None:
    assert list(refused(client, stage, maxAttemptsForSmartCallback=value)) == ["maxAttemptsForSmartCallback"]


def test_a_gap_has_defaults_bounds_and_room_for_more(client: Client) -> None:
    gaps: list[dict[str, object]] = [
        {},
        {"days": 0, "hours": 0},
        {"days": 30, "hours": 23},
        {"hours": 2.0, "minutes": 5},
    ]

    assert client.change(**{GAPS: gaps}).body[GAPS] == [
        {"days": 1, "hours": 0},
        {"days": 0, "hours": 0},
        {"days": 30, "hours": 23},
        {"days": 1, "hours": 2, "minutes": 5},
    ]


@pytest.mark.parametrize(
    ("gap", "path"),
    [
        ({"days": -1}, "[0].days"),
        ({"days": 31}, "[0].days"),
        ({"days": "1"}, "[0].days"),
        ({"hours": -1}, "[0].hours"),
        ({"hours": 24}, "[0].hours"),
        ({"hours": None}, "[0].hours"),
        (None, "[0]"),
        ([], "[0]"),
        (1, "[0]"),
    ],
)
def test_any_other_gap_is_refused(client: Client, stage: Stage, gap: object, path: str) -> None:
    assert list(refused(client, stage, **{GAPS: [gap]})) == [GAPS + path]


@pytest.mark.parametrize("field", [GAPS, "phoneNumberIds"])
@pytest.mark.parametrize("value", ["x", {}, 5, True, None])
def test_gaps_and_phone_numbers_are_arrays(client: Client, stage: Stage, field: str, value: object) -> None:
    assert refused(client, stage, **{field: value}) == {field: "array_type"}


def test_there_are_at_most_100_gaps_and_100_phone_numbers(client: Client, stage: Stage) -> None:
    numbers = [str(number) for number in range(101)]

    assert client.change(**{GAPS: [{}] * 100, "phoneNumberIds": numbers[:100]}).status == 201
    assert client.change(**{GAPS: [{}] * 101, "phoneNumberIds": numbers}).faults == {
        GAPS: "too_long",
        "phoneNumberIds": "too_long",
    }
    assert len(stage.items) == 1


@pytest.mark.parametrize("numbers", [[""], ["n" * 129], [5], [None], [["a"]], [True]])
def test_a_phone_number_id_has_1_to_128_characters(client: Client, stage: Stage, numbers: list[object]) -> None:
    assert list(refused(client, stage, phoneNumberIds=numbers)) == ["phoneNumberIds[0]"]


def test_no_phone_number_stands_twice(client: Client, stage: Stage) -> None:
    assert refused(client, stage, phoneNumberIds=["a", "b", "a"]) == {"phoneNumberIds": "repeated_item"}
    assert client.change(phoneNumberIds=["a", "n" * 128]).body["phoneNumberIds"] == ["a", "n" * 128]


@pytest.mark.parametrize("level", ["speed", "volume", "temperature"])
@pytest.mark.parametrize("value", [0, 2, 1.06, 0.8])
def test_a_level_is_a_number_from_0_to_2(client: Client, level: str, value: float) -> None:
    assert client.change(settings={level: value}).body["settings"] == {level: Decimal(str(value))}


@pytest.mark.parametrize("level", ["speed", "volume", "temperature"])
@pytest.mark.parametrize("value", [-0.1, 2.1, "1", True, None, [1], float("nan"), float("inf")])
def test_any_other_level_is_refused(client: Client, stage: Stage, level: str, value: object) -> None:
    assert list(refused(client, stage, settings={level: value})) == [f"settings.{level}"]


@pytest.mark.parametrize("field", ["settings", "variables"])
@pytest.mark.parametrize("value", [[], "x", 5, True, None])
def test_settings_and_variables_are_objects(client: Client, stage: Stage, field: str, value: object) -> None:
    assert refused(client, stage, **{field: value}) == {field: "object_type"}


FREE = (
    '{"s":"","n":1,"f":1.5,"d":0.30000000000000004,"big":%s,"t":true,"z":null,"a":[1,"x",null,[],{}],'
    '"o":{"k":{"v":[]}},"typed":{"S":"x"},"status":"a","a.b":"c","#y":":z","ключ":"🔑","__proto__":{"x":1}}'
    % ("9" * 38)
)


@pytest.mark.parametrize("field", ["settings", "variables", "pathway"])
def test_free_json_survives_unchanged(client: Client, stage: Stage, field: str) -> None:
    answer = client.post(json.dumps(MINIMUM)[:-1] + f',"{field}":{FREE}}}')
    free = json.loads(FREE, parse_float=Decimal)

    assert answer.status == 201
    assert answer.body[field] == free
    assert [agent[field] for agent in stage.stored] == [free]
    assert '"d":0.30000000000000004' in answer.text


@pytest.mark.parametrize(
    ("free", "path"),
    [
        ("NaN", ".x"),
        ("Infinity", ".x"),
        ("1e400", ".x"),
        ("1e38", ".x"),
        ("1e-131", ".x"),
        ("9" * 39, ".x"),
        ('"\\ud800"', ".x"),
        ('{"\\ud800":1}', ".x.�"),
        ('{"":1}', ".x"),
        ('{"a":1,"a":2}', ".x.a"),
    ],
)
@pytest.mark.parametrize("field", ["settings", "variables", "pathway"])
def test_what_the_database_cannot_hold_is_refused_by_name(
    client: Client, stage: Stage, field: str, free: str, path: str
) -> None:
    answer = client.post(json.dumps(MINIMUM)[:-1] + f',"{field}":{{"x":{free}}}}}')

    assert (answer.status, list(answer.faults)) == (400, [field + path])
    assert stage.items == []


@pytest.mark.parametrize("field", ["settings", "variables", "pathway"])
def test_the_deepest_nesting_that_is_accepted_can_be_stored(client: Client, stage: Stage, field: str) -> None:
    def nested(depth: int) -> str:
        return json.dumps(MINIMUM)[:-1] + f',"{field}":' + '{"m":' * depth + "1" + "}" * depth + "}"

    assert client.post(nested(30)).status == 201
    refusal = client.post(nested(31))
    assert (refusal.status, list(refusal.faults.values())) == (400, ["too_deep"])
    assert len(stage.items) == 1


def test_an_item_too_large_for_the_database_is_413_and_names_the_field(client: Client, stage: Stage) -> None:
    answer = client.post(json.dumps(MINIMUM)[:-1] + ',"variables":{"a":[' + "1," * 125_000 + "1]}}")

    assert (answer.status, answer.code) == (413, "payload_too_large")
    assert answer.faults == {"variables": "item_too_large"}
    assert stage.items == []


def test_a_body_over_256_kib_is_413(client: Client, stage: Stage) -> None:
    answer = client.post(json.dumps(MINIMUM) + " " * 262_144)

    assert (answer.status, answer.code) == (413, "payload_too_large")
    assert stage.items == []


@pytest.mark.parametrize(
    "body", [None, "", " ", "{", "null", "[]", "true", '"{}"', "{}{}", "{'name':'A'}", "[" * 100_000]
)
def test_a_body_that_is_no_json_object_is_400_invalid_json(client: Client, stage: Stage, body: str | None) -> None:
    answer = client.post(body)

    assert (answer.status, answer.code) == (400, "invalid_json")
    assert stage.items == []


def test_a_member_that_stands_twice_is_400(client: Client, stage: Stage) -> None:
    answer = client.post('{"name":"A","name":"B","ttsModel":{"provider":"rime","provider":"openai"}}')

    assert (answer.status, answer.code) == (400, "validation_error")
    assert answer.faults["name"] == answer.faults["ttsModel.provider"] == "repeated_member"
    assert stage.items == []


@pytest.mark.parametrize("kind", ["video", "", None, 1])
def test_the_type_is_voice(client: Client, stage: Stage, kind: object) -> None:
    assert refused(client, stage, type=kind) == {"type": "not_allowed"}
    assert client.post(MINIMUM).body["type"] == "voice"


def test_unknown_fields_are_kept_wherever_they_stand(client: Client, stage: Stage) -> None:
    body: dict[str, Any] = {
        **MINIMUM,
        "systemPrompt": "You are…",
        "sttProvider": {"id": "deepgram-flux-multi"},
        "__v": 0,
        "nothing": None,
        "ttsModel": {"provider": "rime", "rimeModel": "mistv3", "nothing": None},
        GAPS: [{"days": 2, "minutes": 5}],
    }
    answer = client.post(body)

    assert answer.status == 201
    assert {name: answer.body[name] for name in ("systemPrompt", "sttProvider", "__v", "nothing")} == {
        name: body[name] for name in ("systemPrompt", "sttProvider", "__v", "nothing")
    }
    assert answer.body["ttsModel"]["rimeModel"] == "mistv3"
    assert answer.body["ttsModel"]["nothing"] is None
    assert answer.body[GAPS] == [{"days": 2, "hours": 0, "minutes": 5}]
    assert stage.stored == [answer.body]


def test_what_only_the_server_sets_is_ignored_so_that_an_answer_can_be_posted_as_a_clone(client: Client) -> None:
    original = client.post({**EXAMPLE, "systemPrompt": "…"}).body
    forged = {**original, "workspaceId": 5, "userId": "attacker", "status": "forged", "createdAt": [], "_id": "\x00"}
    clone = client.change(json.loads(json.dumps(forged, default=float)))
    strict = client.post(json.loads(json.dumps({**EXAMPLE, "_id": "x"})), {"prefer": "handling=strict"})

    assert clone.status == strict.status == 201
    own = ("_id", "createdAt", "updatedAt")
    assert {name: value for name, value in clone.body.items() if name not in own} == {
        name: value for name, value in original.items() if name not in own
    }
    assert clone.body["_id"] not in (original["_id"], "\x00")


def test_a_clone_of_an_agent_with_its_own_key_is_sealed_again(client: Client) -> None:
    original = client.post(BYO).body
    clone = client.post(original).body

    assert clone["ttsModel"]["elevenLabsApiKey"] != original["ttsModel"]["elevenLabsApiKey"]

"""How field errors are reported: all at once, without values, with suggestions, and strictly when that is preferred."""

from typing import Any

import pytest

from tests.conftest import NewApplication
from tests.support.client import Client
from tests.support.http import HttpResponse
from tests.support.samples import ELEVENLABS_KEY, MINIMUM

GAPS = "gapBetweenEachAttemptForSmartCallback"
RIME: dict[str, Any] = {"provider": "rime"}
UNKNOWN = "is not a known field: remove it, or do not send Prefer: handling=strict"


def messages(response: HttpResponse) -> dict[str, str]:
    return {detail["path"]: detail["message"] for detail in response.body["error"]["details"]}


@pytest.fixture
def few_choices(client: Client, new_application: NewApplication) -> Client:
    """A client of an application that allows two models and three providers."""
    app = new_application(ALLOWED_LLM_MODELS="gpt-4o-mini,gpt-4o", ALLOWED_TTS_PROVIDERS="rime,11labs_byo,openai")
    return Client(app, client.key, client.workspace_id)


def strict(client: Client, body: object) -> HttpResponse:
    return client.post(body, {"prefer": "handling=strict"})


def test_all_errors_are_reported_at_once_and_each_field_once(client: Client) -> None:
    response = client.post(
        '{"name":" ","llmModel":"gpt4o","settings":{"speed":1e400},"elevenLabsApiKey":"sk_secret",'
        '"ttsModel":{"provider":"nope","language":"English","elevenLabsApiKey":"sk_secret"},'
        f'"{GAPS}":[{{"days":1}},{{"hours":24}}]}}'
    )

    assert response.field_errors == {
        "name": "string_too_short",
        "ttsModel.provider": "not_allowed",
        "ttsModel.voiceId": "missing",
        "ttsModel.language": "language_tag",
        "ttsModel.elevenLabsApiKey": "unexpected",
        "llmModel": "not_allowed",
        f"{GAPS}[1].hours": "less_than_equal",
        "settings.speed": "level",
        "elevenLabsApiKey": "misplaced_secret",
    }
    assert len(response.body["error"]["details"]) == 9
    assert "sk_secret" not in response.text


def test_a_wrong_type_hides_no_other_error(client: Client) -> None:
    assert client.post({"name": "A", "ttsModel": {"provider": ["rime"]}, "llmModel": 1}).field_errors == {
        "ttsModel.provider": "string_type",
        "ttsModel.voiceId": "missing",
        "llmModel": "string_type",
    }


def test_at_most_100_errors_and_known_fields_first(client: Client) -> None:
    many = client.post('{"ttsModel":{"provider":"rime"},"variables":{"a":[' + "NaN," * 1000 + "1]}}")
    few = client.post('{"ttsModel":{"provider":"rime"},"variables":{"a":[' + "NaN," * 98 + "1]}}")

    assert (len(many.field_errors), len(few.field_errors)) == (100, 99)
    assert next(iter(many.field_errors.items())) == ("name", "missing")
    assert many.body["message"] == "name: is required (and 99 more, see error.details)"


def test_the_lists_of_a_deployment_are_in_the_message(few_choices: Client) -> None:
    response = few_choices.post({"name": "A", "llmModel": "claude", "ttsModel": {**RIME, "provider": "azure"}})

    assert messages(response) == {
        "llmModel": "must be one of gpt-4o-mini, gpt-4o",
        "ttsModel.provider": "must be one of rime, 11labs_byo, openai",
        "ttsModel.voiceId": "is required",
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"llmModel": "gpt4o"}, {"llmModel": "must be one of gpt-4o-mini, gpt-4o; did you mean gpt-4o?"}),
        (
            {"ttsModel": {"provider": "11lab_byo", "voiceId": "v", "elevenLabsApiKey": "sk"}},
            {
                "ttsModel.provider": "must be one of rime, 11labs_byo, openai; did you mean 11labs_byo?",
                "ttsModel.elevenLabsApiKey": "must be left out, unless the provider is 11labs_byo",
            },
        ),
        (
            {"ttsModel": {"provider": "openai", "voice": "v"}},
            {"ttsModel.voiceId": "is required; voice was sent: is it meant to be voiceId?"},
        ),
        ({"ttsModel": {"provider": "openai", "name": "v"}}, {"ttsModel.voiceId": "is required"}),
        ({"name": 5, "Nom": "A"}, {"name": "must be a string"}),
    ],
)
def test_errors_suggest_what_was_meant(few_choices: Client, body: dict[str, Any], expected: dict[str, str]) -> None:
    assert messages(few_choices.post({**MINIMUM, **body})) == expected


@pytest.mark.parametrize(
    ("provider", "key", "meant"),
    [
        ("elevenlabs_byo", "sk", "11labs_byo"),
        ("elevenlabs_byo", None, "11labs_byo"),
        ("11labs", "sk", "11labs_byo"),
        ("11labs", None, "elevenlabs"),
        ("Eleven Labs", None, "elevenlabs"),
        ("ElevenLabs", "sk", "11labs_byo"),
        ("OpenAI", None, "openai"),
        ("open-ai", None, "openai"),
        ("GOOGLE ", None, "google"),
    ],
)
def test_a_suggestion_leads_to_the_right_provider(client: Client, provider: str, key: str | None, meant: str) -> None:
    response = client.change(ttsModel={"provider": provider, "voiceId": "v", "elevenLabsApiKey": key})

    assert messages(response)["ttsModel.provider"].endswith(f"; did you mean {meant}?")


def test_a_missing_field_suggests_the_misspelt_one(client: Client) -> None:
    assert messages(client.post({"Name": "A", "TTSModel": RIME})) == {
        "Name": "is misspelt: the field is name",
        "TTSModel": "is misspelt: the field is ttsModel",
        "name": "is required; Name was sent: is it meant to be name?",
        "ttsModel": "is required; TTSModel was sent: is it meant to be ttsModel?",
    }


MISSPELT: list[tuple[dict[str, Any], str, str]] = [
    ({"llmmodel": "gpt-4o"}, "llmmodel", "llmModel"),
    ({"LLM_Model": None}, "LLM_Model", "llmModel"),
    ({"Settings": {}}, "Settings", "settings"),
    ({"phone-number-ids": []}, "phone-number-ids", "phoneNumberIds"),
    ({"smart callback": True}, "smart callback", "smartCallback"),
    ({"ttsModel": {**RIME, "voice_id": "v"}}, "ttsModel.voice_id", "voiceId"),
    ({"ttsModel": {**RIME, "voiceID": "v"}}, "ttsModel.voiceID", "voiceId"),
    ({"ttsModel": {**RIME, "elevenlabsApiKey": ""}}, "ttsModel.elevenlabsApiKey", "elevenLabsApiKey"),
    ({GAPS: [{}, {"Days": 1}]}, f"{GAPS}[1].Days", "days"),
]


@pytest.mark.parametrize("headers", [{}, {"prefer": "handling=strict"}])
def test_a_misspelt_field_is_refused_with_its_right_name(client: Client, headers: dict[str, str | None]) -> None:
    for body, path, right in MISSPELT:
        response = client.post({**MINIMUM, **body}, headers)

        assert response.field_errors == {path: "misspelt_field"}
        assert messages(response) == {path: f"is misspelt: the field is {right}"}
    assert client.change(settings={"Speed": 1}, variables={"Name": 1}, SystemPrompt="…").status == 201


def test_strict_handling_refuses_unknown_fields(client: Client) -> None:
    body = {
        **MINIMUM,
        "odd": 1,
        "workspace_id": "w",  # the server sets workspaceId, so nothing is suggested
        "_id": "a clone's",
        "ttsModel": {**RIME, "languages": "en", "rimeModel": "mistv3"},
        GAPS: [{"day": 1, "days": 2}, 5, {"hour": 1}],
        "settings": {"model": "arcana"},
        "variables": {"any": "name"},
    }

    assert messages(strict(client, body)) == {
        "odd": UNKNOWN,
        "workspace_id": UNKNOWN,
        "ttsModel.languages": f"{UNKNOWN}; did you mean language?",
        "ttsModel.rimeModel": UNKNOWN,
        f"{GAPS}[0].day": UNKNOWN,  # days was sent
        f"{GAPS}[1]": "must be an object",
        f"{GAPS}[2].hour": f"{UNKNOWN}; did you mean hours?",
    }


def test_strict_handling_accepts_what_has_no_unknown_field(client: Client) -> None:
    body = {**MINIMUM, "_id": "x", "settings": {"model": "arcana"}, GAPS: [{"days": 2}]}
    agents = [response.body for response in (strict(client, body), client.post(body))]

    one, other = ({**agent, "_id": "", "createdAt": "", "updatedAt": ""} for agent in agents)
    assert one == other
    assert strict(client, {**MINIMUM, GAPS: 5}).field_errors == {GAPS: "array_type"}
    assert strict(client, {**MINIMUM, "ttsModel": 5}).field_errors == {"ttsModel": "object_type"}


def test_strict_handling_reports_at_most_100_unknown_fields(client: Client) -> None:
    # Unpaired surrogates are not shown, so all these fields have the same path.
    alike = {chr(0xD800 + number): 1 for number in range(1000)}

    assert strict(client, {**MINIMUM, **alike}).field_errors == {"\N{REPLACEMENT CHARACTER}": "unknown_field"}
    assert len(strict(client, {**MINIMUM, **{f"x{number}": 1 for number in range(200)}}).field_errors) == 100


SHAPED = "sk_" + "0123456789abcdef" * 3
"""A text of the shape of an ElevenLabs key."""

MISPLACED: list[tuple[dict[str, Any], str]] = [
    ({"elevenLabsApiKey": "sk"}, "elevenLabsApiKey"),
    ({"ttsModel": {**RIME, "elevenlabsApiKey": "sk"}}, "ttsModel.elevenlabsApiKey"),
    ({"xi-api-key": "sk"}, "xi-api-key"),
    ({"apiKey": "sk"}, "apiKey"),
    ({"OPENAI_API_KEY": "sk"}, "OPENAI_API_KEY"),
    ({"accessToken": "sk"}, "accessToken"),
    ({"client_secret": "sk"}, "client_secret"),
    ({"Authorization": "Bearer sk"}, "Authorization"),
    ({"ttsModel": {**RIME, "xi-api-key": "sk"}}, "ttsModel.xi-api-key"),
    ({"ttsModel": {**RIME, "elevenLabsKey": "sk"}}, "ttsModel.elevenLabsKey"),
    ({"ttsModel": {**RIME, "elevenLabsApiToken": "sk"}}, "ttsModel.elevenLabsApiToken"),
    ({"ttsModel": {**RIME, "elevenlabsApiKeyValue": "sk"}}, "ttsModel.elevenlabsApiKeyValue"),
    ({"ttsModel": {**RIME, "key": "sk"}}, "ttsModel.key"),
    ({"name": SHAPED}, "name"),
    ({"ttsModel": {**RIME, "voiceId": SHAPED}}, "ttsModel.voiceId"),
    ({"variables": {"a": [f"Use {SHAPED}."]}}, "variables.a[0]"),
    ({"settings": {"note": f"\n{SHAPED}\n"}}, "settings.note"),
    ({"settings": {"ELEVENLABS-API-KEY": SHAPED}}, "settings.ELEVENLABS-API-KEY"),
    ({"variables": {"a": [[{"elevenLabsApiKey": f"Bearer_{SHAPED}"}]]}}, "variables.a[0][0].elevenLabsApiKey"),
    ({"variables": {"a": {SHAPED: 1}}}, "variables.a"),
    ({"deepgramKey": "sk"}, "deepgramKey"),
    ({"refresh_token": "sk"}, "refresh_token"),
    ({"credentials": "sk"}, "credentials"),
    ({"ttsModel": {**RIME, "voiceKey": "sk"}}, "ttsModel.voiceKey"),
    ({"ttsModel": {**RIME, "password": "sk"}}, "ttsModel.password"),
    ({"my_elevenLabsApiKey2": "sk"}, "my_elevenLabsApiKey2"),
    ({"ttsModel.elevenLabsApiKey": "sk"}, "ttsModel.elevenLabsApiKey"),
    ({"ttsModel": {**RIME, "elevenLabs Api.Key ": "sk"}}, "ttsModel.elevenLabs Api.Key "),
    ({"ttsModel": {**RIME, "fallback": {"elevenLabsApiKey": SHAPED}}}, "ttsModel.fallback.elevenLabsApiKey"),
    ({"x": {"ttsModel": {"elevenLabsApiKey": SHAPED}}}, "x.ttsModel.elevenLabsApiKey"),
    ({GAPS: [{"elevenLabsApiKey": SHAPED}]}, f"{GAPS}[0].elevenLabsApiKey"),
]


def test_a_secret_in_the_wrong_place_is_refused(client: Client) -> None:
    responses = [client.post({**MINIMUM, **body}) for body, _ in MISPLACED]

    assert [response.field_errors for response in responses] == [{path: "misplaced_secret"} for _, path in MISPLACED]
    assert {message for response in responses for message in messages(response).values()} == {
        "must be left out: an ElevenLabs key belongs in ttsModel.elevenLabsApiKey, and no other secret is stored"
    }


def test_what_is_no_secret_is_kept(client: Client) -> None:
    names = {"elevenLabsApiKeyOwner": "me", "apiKeyId": "5", "maxTokens": 5, "keyboard": "x", "key": "A minor"}
    data = {"hasElevenLabsApiKey": False, "apiKey": "", "token": None, "sk": "sk_" + "g" * 48, "sha": "0" * 64}

    free = {"apiKey": "of the caller's own system", "elevenLabsApiKey": "asked for in the call", "taxiKey": "x"}
    assert client.change(**names, **data, taxiKey="x", variables=free, settings=free).status == 201


def test_no_error_repeats_a_value(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    secret = ELEVENLABS_KEY
    bodies: list[object] = [
        {"ttsModel": {"provider": "11labs_byo", "voiceId": 5, "elevenLabsApiKey": secret}},
        {"name": "A", "ttsModel": {"provider": secret, "voiceId": "v"}, "llmModel": secret},
        {"name": "A", "ttsModel": {**RIME, "language": secret}, "type": secret},
        {"name": [secret], "settings": {"speed": secret}, "phoneNumberIds": [secret] * 2},
        {"name": "A", "elevenLabsApiKey": secret, "smartCallback": secret, "variables": secret},
        f'{{"name":"{secret}"',
        f'{{"name":"{secret}"}}{secret}',
        f'{{"name":"{secret}\\ud800"}}',
    ]
    for body in bodies:
        response = strict(client, body)

        assert response.status == 400
        assert secret not in response.text + str(response.headers)
    assert secret not in "".join(capsys.readouterr())


def test_paths_are_short_however_deep_the_body_is(client: Client) -> None:
    (path,) = client.change(**{"a" * 64: {"b" * 64: {"c" * 64: {"d" * 64: {"e" * 64: {"": 1}}}}}}).field_errors

    assert len(path) < 400
    assert path.endswith("…")


def test_a_list_without_the_default_model_requires_a_model(client: Client, new_application: NewApplication) -> None:
    narrow = Client(new_application(ALLOWED_LLM_MODELS="gpt-4.1"), client.key, client.workspace_id)

    assert narrow.post().body["message"] == "llmModel: must be one of gpt-4.1"
    assert narrow.change(llmModel="gpt-4.1").status == 201


def test_an_empty_list_of_models_allows_any_of_256_characters(client: Client, new_application: NewApplication) -> None:
    wide = Client(new_application(ALLOWED_LLM_MODELS=""), client.key, client.workspace_id)

    assert wide.change(llmModel="m" * 256).body["llmModel"] == "m" * 256
    assert wide.change(llmModel="m" * 257).field_errors == {"llmModel": "string_too_long"}
    assert wide.change(llmModel="").field_errors == {"llmModel": "string_too_short"}

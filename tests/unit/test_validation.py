"""A body becomes a request, or all of its faults are told at once and none of its values."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import validation
from agents.agent import new_agent
from agents.errors import MAX_DETAILS, InvalidJson, ValidationFailed
from agents.validation import AgentRequest, AllowedValues, validate
from agents.values import faults as value_faults
from agents.values import parse_json
from tests.conftest import EXAMPLE

ALLOWED = AllowedValues(llm_models=("gpt-4o-mini", "gpt-4o"), tts_providers=("rime", "11labs_byo", "openai"))
RIME: dict[str, Any] = {"provider": "rime"}
SECRET = "sk_0123456789"


def read(body: Any, *, strict: bool = False) -> AgentRequest:
    return validate(body, ALLOWED, strict=strict)


def faults(body: Any, *, strict: bool = False) -> dict[str, str]:
    with pytest.raises(ValidationFailed) as caught:
        read(body, strict=strict)
    assert SECRET not in repr(caught.value.faults) + caught.value.public
    assert caught.value.__context__ is None
    return {fault.path: fault.code for fault in caught.value.faults}


@pytest.mark.parametrize("body", [None, True, 1, "text", '{"name":"A"}', []])
def test_a_body_that_is_no_object_is_no_request(body: object) -> None:
    with pytest.raises(InvalidJson):
        read(body)


def test_every_fault_is_found_at_once_and_each_field_is_named_once() -> None:
    body = {
        "name": " ",
        "ttsModel": {"provider": "nope", "language": "English", "elevenLabsApiKey": SECRET},
        "llmModel": "gpt4o",
        "gapBetweenEachAttemptForSmartCallback": [{"days": 1}, {"hours": 24}],
        "settings": parse_json('{"speed":1e400}'),
        "elevenLabsApiKey": SECRET,
    }

    assert faults(body) == {
        "name": "string_too_short",
        "ttsModel.provider": "not_allowed",
        "ttsModel.voiceId": "missing",
        "ttsModel.language": "language_tag",
        "ttsModel.elevenLabsApiKey": "unexpected",
        "llmModel": "not_allowed",
        "gapBetweenEachAttemptForSmartCallback[1].hours": "less_than_equal",
        "settings.speed": "level",
        "elevenLabsApiKey": "misplaced_secret",
    }


def test_messages_speak_of_json_and_not_of_python() -> None:
    body = {
        "name": 1,
        "type": "video",
        "ttsModel": [],
        "settings": [],
        "variables": 1,
        "phoneNumberIds": {},
        "smartCallback": 1,
    }
    with pytest.raises(ValidationFailed) as caught:
        read(body)

    assert {fault.path: fault.message for fault in caught.value.faults} == {
        "name": "must be a string",
        "type": "must be 'voice'",
        "ttsModel": "must be an object",
        "settings": "must be an object",
        "variables": "must be an object",
        "phoneNumberIds": "must be an array",
        "smartCallback": "must be true or false, without quotes",
    }


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ({"llmModel": "gpt4o"}, "llmModel", "must be one of gpt-4o-mini, gpt-4o; did you mean gpt-4o?"),
        ({"llmModel": "GPT-4o"}, "llmModel", "must be one of gpt-4o-mini, gpt-4o; did you mean gpt-4o?"),
        ({"llmModel": "claude"}, "llmModel", "must be one of gpt-4o-mini, gpt-4o"),
        (
            {"ttsModel": {"provider": "11lab_byo", "voiceId": "v"}},
            "ttsModel.provider",
            "must be one of rime, 11labs_byo, openai; did you mean 11labs_byo?",
        ),
        (
            {"ttsModel": {"provider": "openai", "voice_id": "v"}},
            "ttsModel.voiceId",
            "is required; voice_id was sent: is it meant to be voiceId?",
        ),
        (
            {"ttsModel": {"provider": "openai", "voice": "v"}},
            "ttsModel.voiceId",
            "is required; voice was sent: is it meant to be voiceId?",
        ),
        ({"ttsModel": {"provider": "openai", "name": "v"}}, "ttsModel.voiceId", "is required"),
        ({"name": None, "Name": "A"}, "name", "must be a string"),
    ],
)
def test_near_misses_are_told_by_what_was_meant(body: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        read({"name": "A", "ttsModel": RIME, **body})

    assert [(fault.path, fault.message) for fault in caught.value.faults] == [(path, message)]


def test_a_misspelt_field_is_told_by_its_name_where_it_leaves_another_missing() -> None:
    with pytest.raises(ValidationFailed) as caught:
        read({"Name": "A", "TTSModel": RIME})

    assert [fault.message for fault in caught.value.faults] == [
        "is required; Name was sent: is it meant to be name?",
        "is required; TTSModel was sent: is it meant to be ttsModel?",
    ]


def test_strict_handling_tells_what_a_misspelt_field_was_to_be() -> None:
    gap = {"day": 1, "days": 2}
    body = {"name": "A", "ttsModel": {**RIME, "Language": "en"}, "llm_model": "x", "odd": 1, "workspace_id": "w"}
    with pytest.raises(ValidationFailed) as caught:
        read({**body, "gapBetweenEachAttemptForSmartCallback": [gap]}, strict=True)

    unknown = "is not a known field: leave it out, or do not send Prefer: handling=strict"
    assert {fault.path: fault.message for fault in caught.value.faults} == {
        "llm_model": f"{unknown}; did you mean llmModel?",
        "odd": unknown,
        "workspace_id": unknown,  # the server sets workspaceId, whatever is sent
        "ttsModel.Language": f"{unknown}; did you mean language?",
        "gapBetweenEachAttemptForSmartCallback[0].day": unknown,  # days is there
    }


def test_a_key_beside_a_misspelt_provider_is_told_what_it_goes_with() -> None:
    with pytest.raises(ValidationFailed) as caught:
        read({"name": "A", "ttsModel": {"provider": "11lab_byo", "voiceId": "v", "elevenLabsApiKey": SECRET}})

    assert {fault.path: fault.message for fault in caught.value.faults} == {
        "ttsModel.provider": "must be one of rime, 11labs_byo, openai; did you mean 11labs_byo?",
        "ttsModel.elevenLabsApiKey": "must be left out, unless the provider is 11labs_byo",
    }


def test_many_unknown_fields_that_look_alike_are_not_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    look = Mock(return_value="")
    monkeypatch.setattr(validation, "did_you_mean", look)
    # Their paths are the same: a lone surrogate is not shown.
    body = {"name": "A", "ttsModel": RIME} | {chr(0xD800 + number): 1 for number in range(1000)}

    assert "\N{REPLACEMENT CHARACTER}" in faults(body, strict=True)
    assert look.call_count == MAX_DETAILS


def test_a_secret_in_the_wrong_place_is_like_no_value_and_in_no_message() -> None:
    body = {"name": "A", "ttsModel": {"provider": SECRET, "voiceId": "v"}, "llmModel": SECRET}

    assert faults(body) == {"llmModel": "not_allowed", "ttsModel.provider": "not_allowed"}


def test_no_answer_grows_with_the_number_of_faults_and_fields_of_the_page_come_first() -> None:
    body = parse_json('{"ttsModel":{"provider":"rime"},"variables":{"a":[' + "NaN," * 1000 + "1]}}")
    with pytest.raises(ValidationFailed) as caught:
        read(body)

    assert len(caught.value.faults) == MAX_DETAILS
    assert caught.value.faults[0].path == "name"


def test_long_arrays_are_refused_before_their_items_are_looked_at() -> None:
    assert faults({"name": "A", "ttsModel": RIME, "phoneNumberIds": [1] * 1000}) == {"phoneNumberIds": "too_long"}


def test_no_path_grows_with_the_depth_of_a_body() -> None:
    body = {"name": "A", "ttsModel": RIME, "a" * 64: {"b" * 64: {"c" * 64: {"d" * 64: {"e" * 64: {"": 1}}}}}}

    (path,) = faults(body)
    assert len(path) < 400
    assert path.endswith("…")


def test_a_list_without_the_default_model_makes_the_model_required() -> None:
    with pytest.raises(ValidationFailed) as caught:
        validate({"name": "A", "ttsModel": RIME}, AllowedValues(("gpt-4.1",), ("rime",)), strict=False)

    assert caught.value.public == "llmModel: must be one of gpt-4.1"


def test_an_empty_list_of_models_means_any() -> None:
    body = {"name": "A", "ttsModel": RIME, "llmModel": "gpt-5.1-chat-latest"}

    assert validate(body, AllowedValues((), ("rime",)), strict=False).fields["llmModel"] == "gpt-5.1-chat-latest"


def test_a_fault_of_a_type_hides_no_other_one() -> None:
    assert faults({"name": "A", "ttsModel": {"provider": ["rime"]}, "llmModel": 1}) == {
        "ttsModel.provider": "string_type",
        "ttsModel.voiceId": "missing",
        "llmModel": "string_type",
    }


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"elevenLabsApiKey": SECRET}, "elevenLabsApiKey"),
        ({"ttsModel": {**RIME, "elevenlabsApiKey": SECRET}}, "ttsModel.elevenlabsApiKey"),
        ({"ttsModel": {**RIME, "eleven_labs_api_key": SECRET}}, "ttsModel.eleven_labs_api_key"),
        ({"settings": {"ELEVENLABS-API-KEY": SECRET}}, "settings.ELEVENLABS-API-KEY"),
        ({"variables": {"elevenLabsApiKey": SECRET}}, "variables.elevenLabsApiKey"),
        ({"variables": {"a": [[{"elevenLabsApiKey": SECRET}]]}}, "variables.a[0][0].elevenLabsApiKey"),
        ({"fallbackTts": {"elevenLabsApiKey": SECRET}}, "fallbackTts.elevenLabsApiKey"),
        ({"ttsModel.elevenLabsApiKey": SECRET}, "ttsModel.elevenLabsApiKey"),
        ({"ttsModel": {**RIME, "elevenLabs Api.Key ": SECRET}}, "ttsModel.elevenLabs Api.Key "),
        ({"ttsModel": {**RIME, "fallback": {"elevenLabsApiKey": SECRET}}}, "ttsModel.fallback.elevenLabsApiKey"),
        ({"x": {"ttsModel": {"elevenLabsApiKey": SECRET}}}, "x.ttsModel.elevenLabsApiKey"),
        (
            {"gapBetweenEachAttemptForSmartCallback": [{"elevenLabsApiKey": SECRET}]},
            "gapBetweenEachAttemptForSmartCallback[0].elevenLabsApiKey",
        ),
    ],
)
def test_an_elevenlabs_key_in_any_other_place_is_refused(body: dict[str, Any], path: str) -> None:
    assert faults({"name": "A", "ttsModel": RIME, **body}) == {path: "misplaced_secret"}


def test_strict_handling_refuses_unknown_fields_where_they_are_not_free() -> None:
    body = {
        "name": "A",
        "ttsModel": {**RIME, "rimeModel": "mistv3"},
        "gapBetweenEachAttemptForSmartCallback": [{"minutes": 1}, 5],
        "settings": {"model": "arcana"},
        "variables": {"any": "name"},
        "systemPrompt": "…",
        "_id": "a clone's",
    }

    assert faults(body, strict=True) == {
        "systemPrompt": "unknown_field",
        "ttsModel.rimeModel": "unknown_field",
        "gapBetweenEachAttemptForSmartCallback[0].minutes": "unknown_field",
        "gapBetweenEachAttemptForSmartCallback[1]": "object_type",
    }


def test_strict_handling_of_a_request_without_unknown_fields_changes_nothing() -> None:
    body = {"name": "A", "ttsModel": RIME}

    assert read(body, strict=True) == read(body)


def test_neither_the_fields_nor_a_repr_of_a_request_hold_the_secret() -> None:
    request = read({"name": "A", "ttsModel": {"provider": "11labs_byo", "voiceId": "v", "elevenLabsApiKey": SECRET}})

    assert request.secret == SECRET
    assert SECRET not in repr(request) + str(request.fields)


def test_unknown_fields_named_like_python_ones_disturb_nothing() -> None:
    names = ("llm_model", "model_config", "model_extra", "secret", "__class__", "__dict__", "fields", "extra")
    body = {"name": "A", "ttsModel": RIME, **dict.fromkeys(names, 1)}
    agent = new_agent(
        read(body).fields, agent_id="1" * 24, workspace_id="w", user_id="u", is_ready=True, now=datetime.now(UTC)
    )

    assert agent.extra == dict.fromkeys(names, 1)
    assert agent.fields["llmModel"] == "gpt-4o-mini"


_names = st.text(max_size=3) | st.sampled_from(["elevenLabsApiKey", "eleven", "LabsApiKey", "\ud800", "é"])
_odd = st.sampled_from(["\ud800", "é", Decimal("NaN"), Decimal("0.5"), Decimal("1E+200"), None, True, 1, "text"])
_bodies = st.dictionaries(
    _names,
    st.recursive(_odd, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3)),
    max_size=4,
)


@given(_bodies)
def test_a_quick_look_never_passes_what_a_search_would_find(body: dict[str, Any]) -> None:
    found = [*value_faults(body), *validation._misplaced_secrets(body)]  # noqa: SLF001 - the two have to agree

    assert not (found and validation._is_plain(body))  # noqa: SLF001 - the same


def test_a_quick_look_passes_an_ordinary_body_and_goes_no_deeper_than_a_search() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]

    assert validation._is_plain(parse_json(json.dumps(EXAMPLE)))  # noqa: SLF001 - it is only a quicker way
    assert not validation._is_plain({"variables": deep})  # noqa: SLF001 - the same

"""The environment is read in one place, and an error names the variable but never its value."""

from pathlib import Path

import pytest

from call_agents.shared.config import Settings
from call_agents.shared.errors import ConfigError

LOCAL = {"ENDPOINT_URL": "http://127.0.0.1:5000"}


@pytest.mark.parametrize("variables", [{}, {"AGENTS_TABLE": ""}, {"AGENTS_TABLE": " "}])
def test_missing_variable_is_named_in_the_log_only(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings(variables).text("AGENTS_TABLE")

    assert caught.value.internal == "the environment variable AGENTS_TABLE is not set"
    assert "AGENTS_TABLE" not in caught.value.public


def test_text_and_lists_are_trimmed() -> None:
    settings = Settings({"AGENTS_TABLE": " t ", "ALLOWED_LLM_MODELS": " gpt-4o, x ,", "ALLOWED_TTS_PROVIDERS": "a"})

    assert settings.text("AGENTS_TABLE") == "t"
    assert settings.allowed_values.llm_models == ("gpt-4o", "x")
    assert settings.allowed_values.tts_providers == ("a",)


def test_no_models_means_any_but_providers_are_required() -> None:
    assert Settings({"ALLOWED_TTS_PROVIDERS": "rime"}).allowed_values.llm_models == ()
    for providers in ({}, {"ALLOWED_TTS_PROVIDERS": " , "}):
        with pytest.raises(ConfigError) as caught:
            _ = Settings(providers).allowed_values
        assert caught.value.internal == "the environment variable ALLOWED_TTS_PROVIDERS is empty"


@pytest.mark.parametrize(("value", "count"), [("0", 0), (" 60 ", 60), ("999999999", 999_999_999)])
def test_count_is_a_whole_number(value: str, count: int) -> None:
    assert Settings({"LIMIT": value}).count("LIMIT") == count


@pytest.mark.parametrize("value", ["-1", "1.5", "ten", "1e3", "\u0661", "9999999999"])
def test_invalid_count_is_named_without_its_value(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings({"LIMIT": value}).count("LIMIT")

    assert caught.value.internal == "the environment variable LIMIT is not a whole number"


@pytest.mark.parametrize(("url", "local"), [(None, False), ("", False), (" ", False), (" http://aws ", True)])
def test_test_keys_are_allowed_with_an_emulator_only(url: str | None, local: bool) -> None:  # noqa: FBT001 - a case
    settings = Settings({} if url is None else {"ENDPOINT_URL": url})

    assert settings.allow_test_keys is local
    assert settings.endpoint_url == ("http://aws" if local else None)


@pytest.mark.parametrize(
    ("level", "used"), [(None, "INFO"), ("", "INFO"), ("NOPE", "INFO"), (" debug ", "DEBUG"), ("CRITICAL", "CRITICAL")]
)
def test_unknown_log_level_means_info(level: str | None, used: str) -> None:
    assert Settings({} if level is None else {"LOG_LEVEL": level}).log_level == used


@pytest.mark.parametrize(("value", "used"), [(None, "CreateCallAgent"), (" ", "CreateCallAgent"), (" stack ", "stack")])
def test_metrics_namespace_has_a_default(value: str | None, used: str) -> None:
    assert Settings({} if value is None else {"POWERTOOLS_METRICS_NAMESPACE": value}).metrics_namespace == used


def test_elevenlabs_url_is_https_outside_a_local_run() -> None:
    assert Settings({"ELEVENLABS_URL": "https://x.test/"}).elevenlabs_url == "https://x.test"
    assert Settings({"ELEVENLABS_URL": "http://x.test", **LOCAL}).elevenlabs_url == "http://x.test"
    for url, problem in (("", "is not set"), ("http://x.test", "does not start with https://")):
        with pytest.raises(ConfigError) as caught:
            _ = Settings({"ELEVENLABS_URL": url}).elevenlabs_url
        assert caught.value.internal == f"the environment variable ELEVENLABS_URL {problem}"


def test_public_roots_are_the_operators_or_botocores() -> None:
    assert Settings({"AWS_CA_BUNDLE": "/own.pem"}).public_roots == "/own.pem"
    assert Settings({"AWS_CA_BUNDLE": ""}).public_roots == Settings({}).public_roots
    assert Path(Settings({}).public_roots).name == "cacert.pem"

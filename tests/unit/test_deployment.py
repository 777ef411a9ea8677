"""The environment is read in one place, and what is wrong with it is named."""

import logging
from typing import Any

import pytest

from agents.errors import DeploymentError
from deployment import Environment

REGION = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.mark.parametrize("variables", [{}, {"AGENTS_TABLE": ""}, {"AGENTS_TABLE": " "}])
def test_a_missing_variable_is_named_in_the_log_and_not_in_the_answer(variables: dict[str, str]) -> None:
    with pytest.raises(DeploymentError) as caught:
        Environment(variables).text("AGENTS_TABLE")

    assert caught.value.internal == "the environment variable AGENTS_TABLE is not set"
    assert "AGENTS_TABLE" not in caught.value.public


def test_lists_are_separated_by_commas() -> None:
    environment = Environment({"ALLOWED_LLM_MODELS": " gpt-4o, gpt-4.1 ,", "ALLOWED_TTS_PROVIDERS": "rime"})

    assert environment.allowed_values.llm_models == ("gpt-4o", "gpt-4.1")
    assert environment.allowed_values.tts_providers == ("rime",)


def test_no_models_means_any_and_no_providers_is_a_mistake() -> None:
    assert Environment({"ALLOWED_TTS_PROVIDERS": "rime"}).allowed_values.llm_models == ()
    for providers in ({}, {"ALLOWED_TTS_PROVIDERS": " , "}):
        with pytest.raises(DeploymentError) as caught:
            _ = Environment(providers).allowed_values
        assert "ALLOWED_TTS_PROVIDERS" in caught.value.internal


@pytest.mark.parametrize(("value", "count"), [("0", 0), (" 60 ", 60), ("999999999", 999_999_999)])
def test_a_count_is_a_whole_number(value: str, count: int) -> None:
    assert Environment({"LIMIT": value}).count("LIMIT") == count


@pytest.mark.parametrize("value", ["", "-1", "1.5", "ten", "1e3", "\u0661", "9999999999"])
def test_a_count_that_is_none_is_named(value: str) -> None:
    with pytest.raises(DeploymentError) as caught:
        Environment({"LIMIT": value}).count("LIMIT")
    assert "LIMIT" in caught.value.internal


@pytest.mark.parametrize(("url", "local"), [("", False), (" ", False), ("http://127.0.0.1:5000", True)])
def test_test_keys_work_with_a_local_aws_only(url: str, local: bool) -> None:  # noqa: FBT001 - a case's outcome
    environment = Environment({"ENDPOINT_URL": url})

    assert environment.allow_test_keys is local
    assert environment.endpoint_url == (url if local else None)


@pytest.mark.parametrize(
    ("level", "used"), [(None, "INFO"), ("", "INFO"), ("NOPE", "INFO"), ("debug", "DEBUG"), ("ERROR", "ERROR")]
)
def test_a_wrong_log_level_breaks_nothing(level: str | None, used: str) -> None:
    environment = Environment({} if level is None else {"LOG_LEVEL": level})

    assert environment.log_level == used
    assert environment.logger(f"test_deployment_{level}").log_level == getattr(logging, used)


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_botocore_never_logs_what_it_sends(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REGION.items():
        monkeypatch.setenv(name, value)
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    getattr(Environment({}), service)()

    assert not logging.getLogger("botocore.endpoint").isEnabledFor(logging.INFO)


def test_a_client_whose_failures_matter_little_tries_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**REGION, "AWS_MAX_ATTEMPTS": "100"}.items():
        monkeypatch.setenv(name, value)
    client: Any = Environment({}).dynamodb(attempts=1)

    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (0.5, 1)


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_the_environment_cannot_change_time_limits_attempts_or_endpoint(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = {
        **REGION,
        "AWS_MAX_ATTEMPTS": "100",
        "AWS_RETRY_MODE": "adaptive",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:9",
    }
    for name, value in poison.items():
        monkeypatch.setenv(name, value)

    client: Any = getattr(Environment({}), service)()

    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (0.5, 1)
    assert client.meta.endpoint_url == f"https://{service}.eu-west-1.amazonaws.com"

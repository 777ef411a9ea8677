"""A wrong name gets the most similar choice as a suggestion, or none."""

import pytest

from call_agents.shared.suggestions import closest, did_you_mean

PROVIDERS = ("openai", "rime", "elevenlabs", "11labs_byo", "google", "cartesia")
MODELS = ("gpt-4o-mini", "gpt-4o", "gpt-4.1", "gemini-2.5-flash")


@pytest.mark.parametrize(
    ("name", "choices", "meant"),
    [
        ("11lab_byo", PROVIDERS, "11labs_byo"),
        ("11labs", PROVIDERS, "11labs_byo"),
        ("ElevenLabs", PROVIDERS, "elevenlabs"),
        ("eleven_labs", PROVIDERS, "elevenlabs"),
        ("OPENAI", PROVIDERS, "openai"),
        ("gpt4o", MODELS, "gpt-4o"),
        ("gpt-4o-mni", MODELS, "gpt-4o-mini"),
        ("gemini-1.5-flash", MODELS, "gemini-2.5-flash"),
        ("llmmodel", ("llmModel",), "llmModel"),
        ("abcx", ("abcd",), "abcd"),  # exactly 0.75
        ("gpt-5", MODELS, None),
        ("azure", PROVIDERS, None),
        ("", PROVIDERS, None),
        ("rime", (), None),
    ],
)
def test_the_most_similar_choice_is_suggested(name: str, choices: tuple[str, ...], meant: str | None) -> None:
    assert closest(name, choices) == meant
    assert did_you_mean(name, choices) == (f"; did you mean {meant}?" if meant else "")


def test_only_names_of_64_characters_are_compared() -> None:
    assert closest("x" * 64, ["x" * 64]) == "x" * 64
    assert closest("x" * 65, ["x" * 64]) is None
    assert closest("x" * 64, ["x" * 65]) is None


def test_only_100_choices_are_compared() -> None:
    others = [f"field{number}" for number in range(100)]

    assert closest("name", [*others[:99], "nmae"]) == "nmae"
    assert closest("name", [*others, "nmae"]) is None

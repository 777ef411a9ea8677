"""A wrong name is told what it was probably meant to be, and nothing is guessed of what is like none."""

import pytest

from agents.near_misses import did_you_mean, nearest

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
        ("gpt-5", MODELS, None),
        ("azure", PROVIDERS, None),
        ("", PROVIDERS, None),
        ("rime", (), None),
    ],
)
def test_the_likest_choice_is_found_if_any_is_like(name: str, choices: tuple[str, ...], meant: str | None) -> None:
    assert nearest(name, choices) == meant
    assert did_you_mean(name, choices) == (f"; did you mean {meant}?" if meant else "")


def test_long_names_are_not_compared() -> None:
    assert nearest("gpt-4o" * 50_000, ["gpt-4o" * 50_000]) is None
    assert nearest("gpt-4o", ["gpt-4o" * 50_000]) is None


def test_no_more_than_a_hundred_choices_are_looked_at() -> None:
    others = [f"field{number}" for number in range(100)]

    assert nearest("name", [*others[:99], "nmae"]) == "nmae"
    assert nearest("name", [*others, "nmae"]) is None

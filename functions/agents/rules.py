"""The rules of single fields that need code, and their limits; `agents.models` puts them in their places.

They stand apart from the models because production validates without pydantic's Python half (`agents.request_schema`).
"""

import re
from decimal import Decimal

from pydantic_core import PydanticCustomError

from agents.values import Json

RIME = "rime"
ELEVENLABS_BYO = "11labs_byo"
OTHER = "any other provider"
MODEL_TAGS = (RIME, ELEVENLABS_BYO, OTHER)
"""Tags of the models of ``ttsModel``: pydantic puts them into the paths of errors."""

DEFAULT_RIME_VOICE = "mistv2_Wildflower"
DEFAULT_LLM_MODEL = "gpt-4o-mini"
MAX_LEVEL = 2
MAX_ITEMS = 100

VISIBLE_ASCII = re.compile("[!-~]+")

# RFC 5646 §2.1, without what its registry has no use for: grandfathered tags, and languages of four letters and more.
LANGUAGE_TAG = re.compile(
    "[A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}"  # language, with its extensions
    "(-[A-Za-z]{4})?"  # script
    "(-([A-Za-z]{2}|[0-9]{3}))?"  # region
    "(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"  # variants
    "(-[A-WY-Za-wy-z0-9](-[A-Za-z0-9]{2,8})+)*"  # extensions
    "(-[Xx](-[A-Za-z0-9]{1,8})+)?"  # private use
    "|[Xx](-[A-Za-z0-9]{1,8})+"
)


def language_tag(value: str) -> str:
    """Return a BCP 47 language tag, or refuse it."""
    if not LANGUAGE_TAG.fullmatch(value):
        raise PydanticCustomError("language_tag", "must be a BCP 47 language tag, such as en or en-US")
    return value


def visible_ascii(value: str) -> str:
    """Return a text that may stand in a header, or refuse it."""
    if not VISIBLE_ASCII.fullmatch(value):
        raise PydanticCustomError("visible_ascii", "must consist of visible ASCII characters")
    return value


def unique(values: list[str]) -> list[str]:
    """Return a list without repeats, or refuse it."""
    if len(set(values)) != len(values):
        raise PydanticCustomError("repeated_item", "must not hold the same value twice")
    return values


def at_most_100(value: object) -> object:
    """Refuse a long list before each of its items is looked at."""
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        raise PydanticCustomError("too_long", "must have at most 100 items")
    return value


def level(value: Json) -> Json:
    """Return a number from 0 to 2 as it is, or refuse it."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    # A Decimal compares itself with anything but NaN.
    if not is_number or value != value or not 0 <= value <= MAX_LEVEL:  # noqa: PLR0124 - which differs from itself
        raise PydanticCustomError("level", "must be a number from 0 to 2")
    return value


def only_with_byo(_: object) -> None:
    """Refuse an ElevenLabs key where the provider brings its own."""
    raise PydanticCustomError("unexpected", "must be left out, unless the provider is 11labs_byo")


def tts_variant(value: object) -> str:
    """Tell by its provider which model a ``ttsModel`` has to fit."""
    provider = value.get("provider") if isinstance(value, dict) else None
    return provider if provider in (RIME, ELEVENLABS_BYO) else OTHER

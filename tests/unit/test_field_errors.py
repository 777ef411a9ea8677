"""Field errors name the field in the words of JSON, and never hold its value."""

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from call_agents.shared.field_errors import FieldError, child_path, from_pydantic, has_unpaired_surrogate


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    number: int = Field(ge=1)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(max_length=3, pattern="^x")
    inner: Inner
    items: list[str] = Field(max_length=2)
    mapping: dict[str, str] = {}


def errors_of(value: object, tags: tuple[str, ...] = ()) -> list[FieldError]:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(value)
    return from_pydantic(caught.value, tags)


def test_pydantics_errors_become_field_errors() -> None:
    assert errors_of({"text": 5, "inner": {"number": "x", "odd": 1}, "items": ["a", 1], "mapping": []}) == [
        FieldError("text", "string_type", "must be a string"),
        FieldError("inner.number", "integer_type", "must be an integer, such as 5"),
        FieldError("inner.odd", "unknown_field", "is not a known field"),
        FieldError("items[1]", "string_type", "must be a string"),
        FieldError("mapping", "object_type", "must be an object"),
    ]
    assert errors_of({"text": "xxxx", "inner": {"number": 0}, "items": ["secret"] * 3}) == [
        FieldError("text", "string_too_long", "must have at most 3 characters"),
        FieldError("inner.number", "greater_than_equal", "must be greater than or equal to 1"),
        FieldError("items", "too_long", "must have at most 2 items"),
    ]
    assert errors_of({"text": "\ud800", "inner": 5}) == [
        FieldError("text", "not_unicode", "must be Unicode text"),
        FieldError("inner", "object_type", "must be an object"),
        FieldError("items", "missing", "is required"),
    ]
    assert errors_of("secret") == [FieldError("", "object_type", "must be an object")]


def test_tags_of_unions_are_not_part_of_a_path() -> None:
    assert errors_of({"text": "x", "items": [], "inner": {}}, tags=("inner",)) == [
        FieldError("number", "missing", "is required")
    ]


@pytest.mark.parametrize(
    ("path", "name", "child"),
    [
        ("", "name", "name"),
        ("settings", "speed", "settings.speed"),
        ("phoneNumberIds", 2, "phoneNumberIds[2]"),
        ("", 0, "[0]"),
        ("a", "n" * 64, "a." + "n" * 64),
        ("a", "n" * 65, "a." + "n" * 64 + "…"),
        ("a", "x\ud800\udfff", "a.x\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        ("p" * 256, "b", "p" * 256 + ".b"),
        ("p" * 257, "b", "p" * 257 + "…"),
        ("p" * 257, 1, "p" * 257 + "…"),
        ("p" * 257 + "…", "b", "p" * 257 + "…"),
    ],
)
def test_a_path_is_short_and_unicode(path: str, name: str | int, child: str) -> None:
    assert child_path(path, name) == child


@pytest.mark.parametrize(
    ("text", "found"), [("a", False), ("é😀", False), ("\ud800", True), ("é\udfff", True), ("\ud7ff\ue000", False)]
)
def test_unpaired_surrogates_are_found(text: str, found: bool) -> None:  # noqa: FBT001 - a case
    assert has_unpaired_surrogate(text) is found

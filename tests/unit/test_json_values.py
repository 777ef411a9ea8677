"""JSON is read and written exactly, and what is not JSON is refused without repeating it."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from call_agents.shared.errors import InvalidJson
from call_agents.shared.json_values import DuplicateKeys, canonical_json, iso, parse_json, parse_number, to_json


@pytest.mark.parametrize(
    ("text", "number", "written"),
    [
        ("0.8", Decimal("0.8"), "0.8"),
        ("1", 1, "1"),
        ("1.0", 1, "1"),
        ("1.10", Decimal("1.1"), "1.1"),
        ("1E2", 100, "100"),
        ("-0", 0, "0"),
        ("-0.0", 0, "0"),
        ("0e-999", 0, "0"),
        ("0.30000000000000004", Decimal("0.30000000000000004"), "0.30000000000000004"),
        ("9007199254740993", 9007199254740993, "9007199254740993"),
        ("9" * 38, int("9" * 38), "9" * 38),
        ("-" + "9" * 38, -int("9" * 38), "-" + "9" * 38),
        ("9" * 39, Decimal("9" * 39), "9" * 39),
        ("-0." + "1" * 38, Decimal("-0." + "1" * 38), "-0." + "1" * 38),
        ("1e37", 10**37, "1" + "0" * 37),
        ("1e38", Decimal("1E+38"), "1E+38"),
        ("1e-130", Decimal("1E-130"), "1E-130"),
        ("1." + "0" * 500_000 + "1", Decimal("1." + "0" * 500_000 + "1"), "1." + "0" * 500_000 + "1"),
    ],
    ids=range(18),
)
def test_a_number_has_one_exact_form(text: str, number: int | Decimal, written: str) -> None:
    parsed = parse_json(text)

    assert (parsed, type(parsed)) == (number, type(number))
    assert parse_number(text) == parsed
    assert to_json(parsed) == written


@pytest.mark.parametrize("text", ["NaN", "1e999999999999999999999", "1e-999999999999999999999"])
def test_a_number_that_decimal_cannot_hold_is_nan(text: str) -> None:
    assert parse_json(text).is_nan()
    assert parse_json("-Infinity") == Decimal("-Infinity")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1, column 1"),
        ("{'a':1}", "line 1, column 2"),
        ("[1,\n 01]", "line 2, column 3"),
        ("{}{}", "line 1, column 3"),
    ],
)
def test_what_is_not_json_is_refused_without_repeating_it(text: str, place: str) -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json(text)

    assert caught.value.public.startswith(f"The body is not JSON: there is a mistake at {place}. Send ")
    # The parser's exception would hold the whole body.
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("character", "what_to_do"),
    [
        ("\n", "a line break must be written \\n"),
        ("\r\n", "a line break must be written \\r\\n"),
        ("\t", "a tab must be written \\t"),
        ("\x01", "the control character must be written \\u0001"),
    ],
)
def test_a_raw_control_character_in_a_string_is_named(character: str, what_to_do: str) -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json(f'{{"a":\n"b{character}"}}')

    assert f"at line 2, column 3. In a string, {what_to_do}. Send " in caught.value.public


@pytest.mark.parametrize("text", ["+1", ".5", "1.", "[1,]", '"\\u00"', '{"a":"\\q"}', "0x1", "\ufeff{}", "[" * 100_000])
def test_only_rfc_8259_is_json(text: str) -> None:
    with pytest.raises(InvalidJson):
        parse_json(text)


def test_duplicate_keys_are_noted_once_each() -> None:
    parsed = parse_json('{"a":1,"b":{"c":1},"a":2,"a":3}')

    assert parsed == {"a": 3, "b": {"c": 1}}
    assert isinstance(parsed, DuplicateKeys)
    assert parsed.duplicates == ["a"]
    assert type(parsed["b"]) is dict


def test_json_is_compact_unicode_in_order() -> None:
    value = {"b": [1, None, True, 'é\n"😀'], "a": {"d": Decimal("0.5"), "c": {}}}

    assert to_json(value) == '{"b":[1,null,true,"é\\n\\"😀"],"a":{"d":0.5,"c":{}}}'
    assert canonical_json(value) == '{"a":{"c":{},"d":0.5},"b":[1,null,true,"é\\n\\"😀"]}'
    assert canonical_json([{"b": 1, "a": [{"d": 1, "c": 2}]}]) == '[{"a":[{"c":2,"d":1}],"b":1}]'


def test_times_are_utc() -> None:
    moment = datetime(2026, 1, 1, 1, 2, 3, 45_678, timezone(timedelta(hours=2)))

    assert (iso(moment), iso(moment, "milliseconds")) == ("2025-12-31T23:02:03Z", "2025-12-31T23:02:03.045Z")


_numbers = st.integers(-(10**37), 10**37) | st.decimals(
    min_value=-(10**9), max_value=10**9, places=9, allow_nan=False, allow_infinity=False
)
_scalars = st.none() | st.booleans() | _numbers.map(str).map(parse_number) | st.text(max_size=20)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=50)
@given(_json)
def test_any_json_survives_text(value: Any) -> None:
    text = to_json(value)

    assert parse_json(text) == parse_json(canonical_json(value)) == value
    assert json.loads(text, parse_float=Decimal) == value

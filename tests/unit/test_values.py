"""Free JSON survives exactly, or is refused with its path."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import example, given
from hypothesis import strategies as st

from agents import values
from agents.errors import InvalidJson
from agents.store import MAX_GROWTH

LONGEST_PATH = 256 + len(".") + 64 + len("…")
"""What may be shown of a path, one more name, and that there is more."""

READER: Any = TypeDeserializer()
"""Boto3's own, which other programs read the table with."""


@pytest.mark.parametrize(
    ("text", "number", "shown"),
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
        ("-0." + "1" * 38, Decimal("-0." + "1" * 38), "-0." + "1" * 38),
        ("1e37", 10**37, "1" + "0" * 37),
        ("1e-130", Decimal("1E-130"), "1E-130"),
    ],
)
def test_a_number_has_one_form_before_and_after_the_database(text: str, number: int | Decimal, shown: str) -> None:
    parsed = values.parse_number(text)

    assert (parsed, type(parsed)) == (number, type(number))
    assert values.to_json(parsed) == shown
    assert values.from_attribute(values.to_attribute(parsed)) == parsed
    assert not list(values.faults(parsed))
    assert READER.deserialize(values.to_attribute(parsed)) == number


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("NaN", "not_finite"),
        ("Infinity", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e999999999999999999999", "not_finite"),
        ("1e-999999999999999999999", "not_finite"),
        ("1e38", "number_out_of_range"),
        ("-1e38", "number_out_of_range"),
        ("1.7976931348623157e308", "number_out_of_range"),
        ("9" * 39, "number_out_of_range"),
        ("9" * 5000, "number_out_of_range"),
        ("1e-131", "number_out_of_range"),
        ("1e-400", "number_out_of_range"),
        ("0." + "1" * 39, "too_many_digits"),
        ("1." + "1" * 38, "too_many_digits"),
    ],
)
def test_a_number_that_the_database_cannot_hold_is_refused_with_its_path(text: str, code: str) -> None:
    body = values.parse_json(f'{{"settings":{{"deep":[0,{text}]}}}}')

    (fault,) = values.faults(body)

    assert (fault.path, fault.code) == ("settings.deep[1]", code)


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        (r'{"name":"\ud800"}', "name", "not_unicode"),
        (r'{"a":{"\udc00":1}}', "a.�", "not_unicode"),
        ('{"a":{"":1}}', "a", "empty_name"),
        ('{"a":{"b":1,"c":2,"b":3}}', "a.b", "repeated_member"),
        ('{"%s":1}' % ("k" * 65_536), "k" * 64 + "…", "name_too_long"),
    ],
)
def test_text_and_names_that_the_database_cannot_hold_are_refused(text: str, path: str, code: str) -> None:
    (fault,) = values.faults(values.parse_json(text))

    assert (fault.path, fault.code) == (path, code)


def test_a_surrogate_pair_is_ordinary_text() -> None:
    value = values.parse_json(r'["\ud83d\ude00"]')

    assert value == ["😀"]
    assert not list(values.faults(value))


@pytest.mark.parametrize(("depth", "faults"), [(values.MAX_DEPTH, 0), (values.MAX_DEPTH + 1, 1), (900, 1)])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_refused_beyond_what_an_item_holds(depth: int, faults: int, opening: str, closing: str) -> None:
    body = values.parse_json('{"variables":' + opening * depth + "1" + closing * depth + "}")

    assert [fault.code for fault in values.faults(body)] == ["too_deep"] * faults


@pytest.mark.parametrize(
    "text", ["", " ", "{", "{'a':1}", "[1,]", "01", "+1", ".5", "1.", "{}{}", '"\\u00"', '{"a":"\x01"}', '{"a":"\\q"}']
)
def test_what_is_not_json_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidJson) as caught:
        values.parse_json(text)

    # None of the parser's words: they differ from Python to Python, and may quote the text.
    place = r"The body is not JSON: there is a mistake at line \d+, column \d+\. Send the agent as one JSON object.*"
    assert re.fullmatch(place, caught.value.public)
    assert caught.value.__context__ is None


def test_a_byte_order_mark_is_called_what_it_is() -> None:
    with pytest.raises(InvalidJson) as caught:
        values.parse_json("\ufeff{}")

    assert caught.value.public.startswith("The body begins with a byte order mark, which JSON must not have. Send ")


def test_nesting_that_the_parser_cannot_follow_is_refused() -> None:
    with pytest.raises(InvalidJson, match="400 invalid_json"):
        values.parse_json("[" * 100_000)


def test_a_meaning_has_one_text_whatever_the_order_of_members() -> None:
    one, other = values.parse_json('{"a":{"c":1,"b":[2.0]}}'), values.parse_json('{ "a": {"b": [2], "c": 1} }')

    assert values.meaning(one) == values.meaning(other) == '{"a":{"b":[2],"c":1}}'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("[0.1,-0.5,1.10]", "[0.1,-0.5,1.1]"),
        ("1.0000000000000000000000000000000000001", "1.0000000000000000000000000000000000001"),
        ("1e-130", "1E-130"),
        ('{"a":{"b":0.30000000000000004}}', '{"a":{"b":0.30000000000000004}}'),
    ],
)
def test_a_number_is_written_as_a_number_with_every_digit(text: str, written: str) -> None:
    assert values.to_json(values.parse_json(text)) == written


@pytest.mark.parametrize("text", ['{"":"1.5"}', '"{"":"1.5"}"', r'\"{"":"1.5"}\"', '\\{"":"1.5"}', '{"":"'])
def test_text_that_looks_like_a_number_being_written_stays_text(text: str) -> None:
    for value in (text, [text, Decimal("0.5"), text], {text: text}, {"a": {text: [Decimal("0.5")]}}):
        assert json.loads(values.to_json(value), parse_float=Decimal) == value


def test_a_meaning_tells_numbers_texts_and_objects_apart() -> None:
    texts = [
        "0.5",
        '"0.5"',
        '{"x":0.5}',
        '{"x":"0.5"}',
        "[0.5]",
        '["0.5"]',
        json.dumps('{"":"0.5"}'),
        "5",
        "true",
        "1",
        "null",
    ]
    meanings = {values.meaning(values.parse_json(text)) for text in texts}

    assert len(meanings) == len(texts)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 1),
        (True, 1),
        ("", 0),
        ("é", 2),
        (1, 2),
        (Decimal("0.12"), 4),
        ([], 3),
        ({}, 3),
        ([1], 3 + 1 + 2),
        ({"é": "x"}, 3 + 1 + 2 + 1),
    ],
)
def test_size_is_counted_as_the_database_counts_it(value: object, size: int) -> None:
    assert values.size_in_bytes(value) == size


_numbers = st.integers(-(10**37), 10**37) | st.decimals(
    min_value=-(10**9), max_value=10**9, places=9, allow_nan=False, allow_infinity=False
)
_scalars = st.none() | st.booleans() | _numbers.map(str).map(values.parse_number) | st.text(max_size=20)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=9), inner, max_size=4),
    max_leaves=20,
)


@given(_json)
def test_any_json_survives_text_and_database_unchanged(value: Any) -> None:
    assert not list(values.faults(value))
    assert values.parse_json(values.to_json(value)) == value
    assert values.from_attribute(values.to_attribute(value)) == value
    assert values.to_attribute(value) == TypeSerializer().serialize(value)


_written_numbers = st.sampled_from(["1e37", "-1e37", "1E37", "1e-130", "0.5", "9" * 38]) | st.builds(
    "{}e{}".format, st.integers(0, 99), st.integers(-130, 35)
)
_written = st.recursive(
    _written_numbers | st.sampled_from(["null", "true", '""', '"é"', '"😀"', '"\\u00e9"']) | st.text().map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=30).map(",".join).map("[{}]".format)
        | st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=4).map(
            lambda members: "{" + ",".join(f"{json.dumps(name)}:{member}" for name, member in members.items()) + "}"
        )
    ),
    max_leaves=30,
)


@given(_written)
@example("[" + ",".join(["1e37"] * 500) + "]")
@example("[" + ",".join(["-1e37"] * 500) + "]")
@example("[" + ",".join(["[]"] * 500) + "]")
@example("[" + ",".join(["{}"] * 500) + "]")
@example('"' + "😀" * 500 + '"')
def test_no_text_takes_more_bytes_in_an_item_than_the_check_of_its_size_counts_on(text: str) -> None:
    of_the_outermost = 22
    assert values.size_in_bytes(values.parse_json(text)) <= MAX_GROWTH * len(text) + of_the_outermost

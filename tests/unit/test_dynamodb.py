"""JSON values survive DynamoDB, and their size in an item is never counted too low."""

import json
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import example, given, settings
from hypothesis import strategies as st

from call_agents.agents.store import MAX_GROWTH
from call_agents.shared.dynamodb import from_attribute, from_item, size_in_bytes, to_attribute, to_item
from call_agents.shared.json_values import parse_json

READER: Any = TypeDeserializer()
"""boto3's own, which other programs read the table with."""


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        ("é", {"S": "é"}),
        (1, {"N": "1"}),
        (Decimal("1E-130"), {"N": "1E-130"}),
        (int("9" * 38), {"N": "9" * 38}),
        (Decimal("-0." + "1" * 38), {"N": "-0." + "1" * 38}),
        (True, {"BOOL": True}),
        (False, {"BOOL": False}),
        (None, {"NULL": True}),
        ({"a": {"b": 0}}, {"M": {"a": {"M": {"b": {"N": "0"}}}}}),
        ([1, ["x"]], {"L": [{"N": "1"}, {"L": [{"S": "x"}]}]}),
    ],
)
def test_each_type_has_its_attribute_value(value: object, attribute: dict[str, Any]) -> None:
    assert to_attribute(value) == attribute
    assert from_attribute(attribute) == value
    assert type(from_attribute(attribute)) is type(value)
    assert READER.deserialize(attribute) == value
    assert from_item(to_item({"name": value})) == {"name": value}


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 1),
        (True, 1),
        ("", 0),
        ("abc", 3),
        ("é", 2),
        (1, 2),
        (12, 3),
        (Decimal("0.12"), 4),
        ([], 3),
        ({}, 3),
        ([1, 2], 3 + 2 * (1 + 2)),
        ({"é": "x", "a": None}, 3 + (1 + 2 + 1) + (1 + 1 + 1)),
    ],
)
def test_size_is_counted_as_dynamodb_counts_it(value: object, size: int) -> None:
    assert size_in_bytes(value) == size


_scalars = st.none() | st.booleans() | st.integers(-(10**37), 10**37) | st.text(max_size=20)
_json = st.recursive(
    _scalars | st.decimals(-9, 9, places=9, allow_nan=False).map(str).map(parse_json),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=9), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=50)
@given(_json)
def test_any_json_survives_dynamodb(value: Any) -> None:
    assert from_attribute(to_attribute(value)) == value
    assert to_attribute(value) == TypeSerializer().serialize(value)


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


@settings(max_examples=50)
@given(_written)
@example("[" + ",".join(["1e37"] * 500) + "]")
@example("[" + ",".join(["-1e37"] * 500) + "]")
@example("[" + ",".join(["[]"] * 500) + "]")
@example('"' + "😀" * 500 + '"')
def test_no_text_grows_more_than_max_growth(text: str) -> None:
    outermost = 22
    assert size_in_bytes(parse_json(text)) <= MAX_GROWTH * len(text) + outermost

"""JSON values survive DynamoDB."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given, settings
from hypothesis import strategies as st

from call_agents.shared.dynamodb import NotJsonError, from_attribute, from_item, to_attribute, to_item
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


@pytest.mark.parametrize("attribute", [{"B": b"x"}, {"BS": [b"x"]}, {"SS": ["x"]}, {"NS": ["1"]}])
def test_binary_and_sets_are_not_json(attribute: dict[str, Any]) -> None:
    with pytest.raises(NotJsonError):
        from_attribute({"L": [attribute]})
    # In an item it is an object, so a key's record with it is no valid one.
    assert from_item({"status": attribute, "name": {"S": "x"}}) == {"status": attribute, "name": "x"}


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

"""JSON values as DynamoDB attribute values.

boto3's own ``TypeSerializer`` is not used: it fails on numbers that DynamoDB can hold (38 digits near 1e-130), and its
``TypeDeserializer`` does not keep integers apart from fractions.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from call_agents.shared.json_values import Json, parse_number

Item: TypeAlias = dict[str, Any]
"""Attribute values by name, as boto3's client takes and returns them."""


class NotJsonError(ValueError):
    """An attribute has a type that JSON does not have: binary, or a set."""


def to_attribute(value: Json) -> dict[str, Any]:
    """Turn a value into a DynamoDB attribute value: ``{"S": …}``, ``{"N": …}``, ``{"M": …}`` and so on."""
    kind = type(value)
    if kind is str:
        return {"S": value}
    if kind is int or kind is Decimal:
        return {"N": str(value)}
    if kind is bool:
        return {"BOOL": value}
    if kind is dict:
        return {"M": {name: to_attribute(member) for name, member in value.items()}}
    if kind is list:
        return {"L": [to_attribute(element) for element in value]}
    return {"NULL": True}


def from_attribute(attribute: Mapping[str, Any]) -> Json:
    """Turn a DynamoDB attribute value back into the value that `to_attribute` was given; raise NotJsonError if none."""
    ((kind, content),) = attribute.items()
    if kind == "N":
        return parse_number(content)
    if kind == "M":
        return {name: from_attribute(member) for name, member in content.items()}
    if kind == "L":
        return [from_attribute(element) for element in content]
    if kind == "NULL":
        return None
    if kind not in {"S", "BOOL"}:
        raise NotJsonError
    return content


def to_item(values: Mapping[str, Json]) -> Item:
    """Turn values by name into an item."""
    return {name: to_attribute(value) for name, value in values.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Json]:
    """Turn an item back into the values that `to_item` was given.

    A set or a binary attribute stays an attribute value: an object, which nothing takes for what it should be.
    """
    values: dict[str, Json] = {}
    for name, attribute in item.items():
        try:
            values[name] = from_attribute(attribute)
        except NotJsonError:
            values[name] = attribute
    return values

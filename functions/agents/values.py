"""Free JSON to DynamoDB values and back: exactly, and within what DynamoDB and boto3 can hold.

A number is kept as ``int`` when it is integral and as ``Decimal`` otherwise, in one canonical form, so ``0.8`` comes
back as ``0.8``, ``1`` as ``1``, and ``1.10`` as ``1.1`` before the database as well as after it. What cannot be held is
found by `faults` before anything is written.

Limits: DynamoDB's Developer Guide, "Supported data types" (38 digits, 1e-130 to 9.99e125) and "Quotas" (32 levels,
names below 64 KB, items up to 400 KB). Numbers stop at 1e38 because boto3 cannot read larger ones back.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeAlias

from agents.errors import Fault, InvalidJson

Json: TypeAlias = Any
"""``None | bool | int | Decimal | str | list[Json] | dict[str, Json]``, which mypy could follow by casts only."""

MAX_DIGITS = 38
"""Significant digits of a number."""

MAX_MAGNITUDE = 38
"""Numbers are smaller than ten to the power of this, in either direction from zero."""

MIN_MAGNITUDE = -130
"""Numbers other than zero are not closer to zero than ten to the power of this."""

MAX_DEPTH = 30
"""Objects and arrays inside one another in one field: DynamoDB's 32, less the item and the map of kept fields."""

MAX_NAME_BYTES = 65_535
"""Bytes of a member's name."""

MAX_ITEM_BYTES = 350 * 1024
"""Bytes of an item, counted as DynamoDB does; its own limit is 400 KB, the margin is for what the server adds."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN_NAME = 64
_SHOWN_PATH = 256

# Digits for any body; what Decimal itself cannot hold raises instead of turning into zero or infinity.
_EXACT = Context(prec=1_000_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation])

# The standard library's encoder, which is written in C, cannot write a Decimal. It writes this in its place, and no
# value that is written has a member without a name: `faults` refuses those. In a string, its quotes would be escaped.
_WRITTEN_NUMBER = re.compile('{"":"([^"]*)"}')


def _write_number(number: Decimal) -> dict[str, str]:
    return {"": str(number)}


_OPTIONS: Any = {"ensure_ascii": False, "check_circular": False, "separators": (",", ":"), "default": _write_number}
_encode = json.JSONEncoder(**_OPTIONS).encode
_encode_sorted = json.JSONEncoder(sort_keys=True, **_OPTIONS).encode


class _RepeatedMembers(dict[str, Json]):
    """An object in which a name stands more than once; RFC 8259 §4 leaves its meaning open, so `faults` refuses it."""

    def __init__(self, members: list[tuple[str, Json]]) -> None:
        super().__init__(members)
        self.repeated = [name for name, times in Counter(name for name, _ in members).items() if times > 1]


def parse_json(text: str) -> Json:
    """Read JSON text without losing anything: no rounding, and no repeated member that goes unseen.

    Parameters
    ----------
    text : str
        One JSON document (RFC 8259).

    Returns
    -------
    Json
        Its value. NaN and Infinity, which are not JSON, are read, so that `faults` can name their field.

    Raises
    ------
    InvalidJson
        When the text is not JSON or is nested deeper than the parser can follow.
    """
    try:
        return json.loads(
            text, parse_int=_parse_int, parse_float=parse_number, parse_constant=Decimal, object_pairs_hook=_members
        )
    except json.JSONDecodeError as error:
        # Without the parser's own words: they change from Python to Python, and could repeat a character of the body.
        problem = f"The body is not JSON: there is a mistake at line {error.lineno}, column {error.colno}."
        if text.startswith("\ufeff"):
            problem = "The body begins with a byte order mark, which JSON must not have."
    except RecursionError:
        problem = "The body is nested too deeply."
    # Raised here and not above: the parser's own exceptions hold the whole body.
    raise InvalidJson.because(problem)


def _members(members: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(members)
    return unique if len(unique) == len(members) else _RepeatedMembers(members)


def _parse_int(text: str) -> int | Decimal:
    return int(text) if len(text) <= MAX_MAGNITUDE else parse_number(text)


def parse_number(text: str) -> int | Decimal:
    """Read a number in its canonical form.

    Parameters
    ----------
    text : str
        As JSON or DynamoDB write it: ``1``, ``1.10``, ``1E-130``.

    Returns
    -------
    int | Decimal
        ``int`` when it is integral and below 1e38, else ``Decimal`` without trailing zeros. A number beyond what
        ``Decimal`` can hold is NaN, which `faults` refuses.
    """
    try:
        number = _EXACT.create_decimal(text).normalize(_EXACT)
    except (Inexact, InvalidOperation):
        return Decimal("NaN")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= 0 and number.adjusted() < MAX_MAGNITUDE:
        return int(number)
    return number


def to_json(value: Json) -> str:
    """Write a value as JSON, every digit of its numbers included.

    Parameters
    ----------
    value : Json
        What `parse_json` returned, or anything made of the same types; without a member whose name is empty.

    Returns
    -------
    str
        JSON without white space.
    """
    return _WRITTEN_NUMBER.sub(r"\1", _encode(value))


def meaning(value: Json) -> str:
    """Write a value as one text for one meaning: the order of members does not count, a number is no string.

    Parameters
    ----------
    value : Json
        As `to_json` takes it.

    Returns
    -------
    str
        For digests; it is JSON, but its numbers with a fraction are not written as numbers.
    """
    return _encode_sorted(value)


def child_path(path: str, name: str | int) -> str:
    """Name a member of an object or an element of an array: ``settings.speed``, ``phoneNumberIds[2]``.

    A long name or path is cut and a lone surrogate replaced: a path is part of an answer.
    """
    if len(path) > _SHOWN_PATH:
        return path if path.endswith("…") else f"{path}…"
    if isinstance(name, int):
        return f"{path}[{name}]"
    # Cut first: a long name is part of many paths.
    shown = _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", name[:_SHOWN_NAME])
    if len(name) > _SHOWN_NAME:
        shown += "…"
    return f"{path}.{shown}" if path else shown


def faults(value: Json, path: str = "", depth: int = 0) -> Iterator[Fault]:
    """Find everything in a value that DynamoDB or boto3 cannot hold, or could hold in two ways.

    Parameters
    ----------
    value : Json
        What `parse_json` returned.
    path : str
        Where the value stands.
    depth : int
        Objects and arrays around it.

    Yields
    ------
    Fault
        One for each place, with its path.
    """
    if isinstance(value, dict | list) and depth > MAX_DEPTH:
        yield Fault(path, "too_deep", f"must not hold more than {MAX_DEPTH} objects or arrays inside one another")
    elif isinstance(value, dict):
        yield from _object_faults(value, path, depth)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from faults(element, child_path(path, index), depth + 1)
    elif isinstance(value, str):
        if _has_lone_surrogate(value):
            yield Fault(path, "not_unicode", "must be Unicode text, without half of a surrogate pair")
    elif isinstance(value, Decimal):
        yield from _number_faults(value, path)


def _object_faults(value: dict[str, Json], path: str, depth: int) -> Iterator[Fault]:
    if isinstance(value, _RepeatedMembers):
        for name in value.repeated:
            yield Fault(child_path(path, name), "repeated_member", "must stand only once in its object")
    for name, member in value.items():
        place = child_path(path, name)
        if not name:
            yield Fault(path, "empty_name", "must not have a member whose name is empty")
        elif _has_lone_surrogate(name):
            yield Fault(place, "not_unicode", "must have a name of Unicode text, without half of a surrogate pair")
        elif len(name.encode()) > MAX_NAME_BYTES:
            yield Fault(place, "name_too_long", f"must have a name of at most {MAX_NAME_BYTES} bytes")
        yield from faults(member, place, depth + 1)


def _has_lone_surrogate(text: str) -> bool:
    return not text.isascii() and _LONE_SURROGATE.search(text) is not None


def _number_faults(number: Decimal, path: str) -> Iterator[Fault]:
    if not number.is_finite():
        yield Fault(path, "not_finite", "must be a finite number that a database can hold")
    elif not MIN_MAGNITUDE <= number.adjusted() < MAX_MAGNITUDE:
        yield Fault(path, "number_out_of_range", "must be a number from 1e-130 to below 1e38, or its negative, or 0")
    elif len(number.as_tuple().digits) > MAX_DIGITS:
        yield Fault(path, "too_many_digits", f"must be a number of at most {MAX_DIGITS} significant digits")


def to_attribute(value: Json) -> dict[str, Any]:
    """Turn a value into a DynamoDB attribute value, as the low-level client takes it.

    Parameters
    ----------
    value : Json
        A value in which `faults` finds nothing.

    Returns
    -------
    dict
        ``{"S": …}``, ``{"N": …}``, ``{"BOOL": …}``, ``{"NULL": True}``, ``{"L": …}`` or ``{"M": …}``.
    """
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
    """Turn a DynamoDB attribute value back into the value that `to_attribute` was given.

    Parameters
    ----------
    attribute : Mapping
        Of a kind that `to_attribute` makes.

    Returns
    -------
    Json
        The value, its numbers in their canonical form.
    """
    ((kind, content),) = attribute.items()
    if kind == "N":
        return parse_number(content)
    if kind == "M":
        return {name: from_attribute(member) for name, member in content.items()}
    if kind == "L":
        return [from_attribute(element) for element in content]
    return None if kind == "NULL" else content


def size_in_bytes(value: Json) -> int:
    """Count the bytes that a value takes in an item, as DynamoDB does, rounded up.

    The rules are those of the Developer Guide, "DynamoDB item sizes and formats": UTF-8 for strings and names, a byte
    for two digits and one more for a number, three for an object or array and one for each of its members.
    """
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, dict):
        return 3 + sum([1 + size_in_bytes(name) + size_in_bytes(member) for name, member in value.items()])
    if isinstance(value, list):
        return 3 + sum([1 + size_in_bytes(element) for element in value])
    return 2 + len(str(value)) // 2

"""JSON in and out without losing anything: exact numbers, and no duplicate key that goes unseen.

A number is an ``int`` when it is integral and a ``Decimal`` otherwise, always in one canonical form: ``0.8`` comes back
as ``0.8``, ``1`` as ``1``, and ``1.10`` as ``1.1``.
"""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeAlias

from call_agents.shared.errors import InvalidJson

Json: TypeAlias = Any
"""``None | bool | int | Decimal | str | list[Json] | dict[str, Json]``. A recursive type would only add casts."""

MAX_MAGNITUDE = 38
"""Integers below ten to the power of this are read as ``int``."""

# Enough digits for any body. What even Decimal cannot hold raises, instead of turning into zero or infinity.
_EXACT = Context(prec=1_000_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation])

_CONTROL_CHARACTERS = {
    **{chr(code): f"the control character must be written \\u{code:04x}" for code in range(0x20)},
    "\n": "a line break must be written \\n",
    "\r": "a line break must be written \\r\\n",
    "\t": "a tab must be written \\t",
}

_quote = json.JSONEncoder(ensure_ascii=False).encode


class DuplicateKeys(dict[str, Json]):
    """An object that had a key more than once. RFC 8259 §4 leaves its meaning open, so validation refuses it."""

    def __init__(self, members: list[tuple[str, Json]]) -> None:
        super().__init__(members)
        self.duplicates = [name for name, count in Counter(name for name, _ in members).items() if count > 1]


def parse_json(text: str) -> Json:
    """Parse JSON text exactly.

    Parameters
    ----------
    text : str
        One JSON document (RFC 8259).

    Returns
    -------
    Json
        Its value. NaN and Infinity, which are not JSON, are accepted here so that validation can name their field.

    Raises
    ------
    InvalidJson
        When the text is not JSON or is nested too deeply for the parser.
    """
    try:
        return json.loads(
            text, parse_int=_parse_int, parse_float=parse_number, parse_constant=Decimal, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        # The parser's own words change between Python versions and can repeat a character of the body.
        problem = f"The body is not JSON: there is a mistake at line {error.lineno}, column {error.colno}."
        if error.msg.startswith("Invalid control character"):
            problem += f" In a string, {_CONTROL_CHARACTERS[text[error.pos]]}."
        if text.startswith("\ufeff"):
            problem = "The body starts with a byte order mark, which JSON does not allow."
    except RecursionError:
        problem = "The body is nested too deeply."
    # Raised outside the except block: a chained exception of the parser would hold the whole body.
    raise InvalidJson.because(problem)


def _object(members: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(members)
    return unique if len(unique) == len(members) else DuplicateKeys(members)


def _parse_int(text: str) -> int | Decimal:
    return int(text) if len(text) <= MAX_MAGNITUDE else parse_number(text)


def parse_number(text: str) -> int | Decimal:
    """Parse a number into its canonical form.

    Parameters
    ----------
    text : str
        As JSON or DynamoDB write it: ``1``, ``1.10``, ``1E-130``.

    Returns
    -------
    int | Decimal
        ``int`` when it is integral and below 1e38, else ``Decimal`` without trailing zeros. A number that ``Decimal``
        cannot hold is NaN, which validation refuses.
    """
    try:
        number = _EXACT.create_decimal(text).normalize(_EXACT)
    except (Inexact, InvalidOperation):
        return Decimal("NaN")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= 0 and number.adjusted() < MAX_MAGNITUDE:
        return int(number)
    return number


def to_json(value: Json, *, sort_keys: bool = False) -> str:
    """Write a value as JSON without white space, every digit of its numbers included.

    Written by hand because the standard library's encoder cannot write a Decimal as a number.
    """
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, dict):
        members = sorted(value.items()) if sort_keys else value.items()
        return (
            "{" + ",".join([f"{_quote(key)}:{to_json(member, sort_keys=sort_keys)}" for key, member in members]) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join([to_json(element, sort_keys=sort_keys) for element in value]) + "]"
    # A bool is an int, too.
    return _quote(value) if isinstance(value, bool) or value is None else str(value)


def canonical_json(value: Json) -> str:
    """Write a value with sorted keys, so that equal values give equal text."""
    return to_json(value, sort_keys=True)


def iso(moment: datetime, precision: str = "seconds") -> str:
    """Write a time as ISO 8601 in UTC, ``2025-01-19T02:57:27Z``; precision is ``seconds`` or ``milliseconds``."""
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")

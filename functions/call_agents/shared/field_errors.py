"""Field errors: what is wrong with one field, for people and for programs, without its value."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ValidationError

MAX_SHOWN_NAME = 64
MAX_SHOWN_PATH = 256

_UNPAIRED_SURROGATE = re.compile("[\ud800-\udfff]")

# Pydantic's error type -> our code and message. An empty message means that pydantic's own is good enough.
_CODES = {
    "missing": ("missing", "is required"),
    "string_type": ("string_type", "must be a string"),
    "string_unicode": ("not_unicode", "must be Unicode text"),
    "int_type": ("integer_type", "must be an integer, such as 5"),
    "bool_type": ("boolean_type", "must be true or false, without quotes"),
    "list_type": ("array_type", "must be an array"),
    "dict_type": ("object_type", "must be an object"),
    "model_type": ("object_type", "must be an object"),
    "extra_forbidden": ("unknown_field", "is not a known field"),
    "literal_error": ("not_allowed", ""),
}
# Parts of pydantic's messages that we replace by "must", and leave out.
_SUBJECT = re.compile("^(Input|String|List|Value) should")
_COUNT = re.compile(" after validation, not [0-9]+$")


@dataclass(frozen=True)
class FieldError:
    """One thing that is wrong with one field.

    Parameters
    ----------
    path : str
        Where: ``ttsModel.voiceId``, ``phoneNumberIds[2]``. Empty for the body as a whole.
    code : str
        What, for programs: ``missing``, ``string_type``.
    message : str
        What was expected, for people. Never the value.
    """

    path: str
    code: str
    message: str


def child_path(path: str, name: str | int) -> str:
    """Return the path of a member or an element: ``settings.speed``, ``phoneNumberIds[2]``.

    Long names and paths are shortened and unpaired surrogates are replaced, because a path is part of a response.
    """
    if len(path) > MAX_SHOWN_PATH:
        return path if path.endswith("…") else f"{path}…"
    if isinstance(name, int):
        return f"{path}[{name}]"
    shown = _UNPAIRED_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", name[:MAX_SHOWN_NAME])
    if len(name) > MAX_SHOWN_NAME:
        shown += "…"
    return f"{path}.{shown}" if path else shown


def path_of(location: Iterable[str | int]) -> str:
    """Return the path of a location, which has the names and indexes from the body down."""
    path = ""
    for name in location:
        path = child_path(path, name)
    return path


def has_unpaired_surrogate(text: str) -> bool:
    """Return True for text that cannot be encoded as UTF-8."""
    return not text.isascii() and _UNPAIRED_SURROGATE.search(text) is not None


def from_pydantic(error: "ValidationError", tags: Collection[str] = ()) -> list[FieldError]:
    """Turn pydantic's error, which holds the input, into field errors, which do not.

    Parameters
    ----------
    error : ValidationError
        What pydantic raised.
    tags : collection of str
        Tags of discriminated unions. Pydantic puts them into its paths; the sender never wrote them.
    """
    lines = error.errors(include_input=False, include_context=False, include_url=False)
    return [_field_error(line["loc"], line["type"], line["msg"], tags) for line in lines]


def _field_error(location: tuple[str | int, ...], kind: str, text: str, tags: Collection[str]) -> FieldError:
    path = path_of(part for part in location if part not in tags)
    code, message = _CODES.get(kind, (kind, ""))
    return FieldError(path, code, message or _COUNT.sub("", _SUBJECT.sub("must", text)))

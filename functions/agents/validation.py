"""A decoded body in, a valid request out, or every fault of it at once."""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from pydantic_core import SchemaValidator, ValidationError

from agents.agent import ANSWER_FIELDS
from agents.errors import MAX_DETAILS, Fault, InvalidJson, ValidationFailed
from agents.near_misses import did_you_mean, nearest
from agents.request_schema import CREATE_AGENT_REQUEST, GAP, TTS_MODEL
from agents.rules import DEFAULT_LLM_MODEL, MODEL_TAGS
from agents.values import MAX_DEPTH, MAX_NAME_BYTES, Json, child_path
from agents.values import faults as value_faults

_REQUEST = SchemaValidator(CREATE_AGENT_REQUEST)
_FIELDS = {"": CREATE_AGENT_REQUEST["fields"].keys(), "ttsModel": TTS_MODEL["fields"].keys()}
_GAPS = "gapBetweenEachAttemptForSmartCallback"
_KEY_NAME = re.compile("[^a-z]*".join("elevenlabsapikey"))
_KEY_NAME_AT_END = re.compile(f"{_KEY_NAME.pattern}[^a-z]*$")

# What pydantic says of Python's types, in the words of JSON: code, and message unless pydantic's own will do.
_JSON_WORDS = {
    "missing": ("missing", "is required"),
    "string_type": ("string_type", "must be a string"),
    "string_unicode": ("not_unicode", "must be Unicode text"),
    "int_type": ("integer_type", "must be an integer, such as 5"),
    "bool_type": ("boolean_type", "must be true or false, without quotes"),
    "list_type": ("array_type", "must be an array"),
    "dict_type": ("object_type", "must be an object"),
    "model_type": ("object_type", "must be an object"),
    "extra_forbidden": ("unknown_field", "is unknown here"),
    "literal_error": ("not_allowed", ""),
}
_SUBJECT = re.compile("^(Input|String|List|Value) should")


@dataclass(frozen=True)
class AllowedValues:
    """The two lists that move often and are therefore deployment parameters.

    Parameters
    ----------
    llm_models : tuple of str
        Allowed values of ``llmModel``; empty means any.
    tts_providers : tuple of str
        Allowed values of ``ttsModel.provider``.
    """

    llm_models: tuple[str, ...]
    tts_providers: tuple[str, ...]


@dataclass(frozen=True)
class AgentRequest:
    """A valid request.

    Parameters
    ----------
    fields : dict
        What was sent and what was left out and has a default, by its name on the wire; all but the secret.
    secret : str or None
        The ElevenLabs key in plain text. It goes to the key service and nowhere else.
    """

    fields: dict[str, Json]
    secret: str | None = field(repr=False)


def validate(body: Json, allowed: AllowedValues, *, strict: bool) -> AgentRequest:
    """Turn a decoded body into a request.

    Parameters
    ----------
    body : Json
        What `agents.values.parse_json` returned.
    allowed : AllowedValues
        The deployment's lists.
    strict : bool
        Refuse fields that the API page does not list, instead of keeping them.

    Returns
    -------
    AgentRequest
        A request that the database can hold. The body stays as it is.

    Raises
    ------
    InvalidJson
        When the body is not an object.
    ValidationFailed
        With all faults, each field's first one only, and no more than `agents.errors.MAX_DETAILS`.
    """
    if not isinstance(body, dict):
        raise InvalidJson.because("The body is JSON, but not an object.")
    fields, model_faults = _parse(body)
    unknown = islice(_unknown_fields(body), MAX_DETAILS) if strict else ()
    seldom = () if _is_plain(body) else chain(_misplaced_secrets(body), value_faults(body))
    found: dict[str, Fault] = {}
    # The fields that the page lists come first; a body of 256 KiB can hold more faults than anyone wants to read.
    for fault in chain(_disallowed(body, allowed), model_faults, unknown, seldom):
        found.setdefault(fault.path, fault)
        if len(found) == MAX_DETAILS:
            break
    if fields is None or found:
        raise ValidationFailed(list(found.values()))
    return AgentRequest(fields, secret=fields["ttsModel"].pop("elevenLabsApiKey", None))


def faults_of(error: ValidationError) -> list[Fault]:
    """Turn pydantic's error, which holds the input, into faults, which do not."""
    lines = error.errors(include_input=False, include_context=False, include_url=False)
    return [_fault(line["loc"], line["type"], line["msg"]) for line in lines]


def _parse(body: dict[str, Json]) -> tuple[dict[str, Json] | None, list[Fault]]:
    try:
        return _REQUEST.validate_python(body), []
    except ValidationError as error:
        # One without a path is of a member's name, which `agents.values.faults` tells better.
        return None, [_with_hint(fault, body) for fault in faults_of(error) if fault.path]


def _fault(location: tuple[str | int, ...], kind: str, text: str) -> Fault:
    path = ""
    for step in location:
        if step not in MODEL_TAGS:
            path = child_path(path, step)
    code, message = _JSON_WORDS.get(kind, (kind, ""))
    return Fault(path, code, message or _SUBJECT.sub("must", text))


def _disallowed(body: dict[str, Json], allowed: AllowedValues) -> Iterator[Fault]:
    tts_model = body.get("ttsModel")
    provider = tts_model.get("provider") if isinstance(tts_model, dict) else None
    for path, value, choices in (
        ("llmModel", body.get("llmModel", DEFAULT_LLM_MODEL), allowed.llm_models),
        ("ttsModel.provider", provider, allowed.tts_providers),
    ):
        if isinstance(value, str) and choices and value not in choices:
            message = f"must be one of {', '.join(choices)}{did_you_mean(value, choices)}"
            yield Fault(path, "not_allowed", message)


def _unknown_fields(body: dict[str, Json]) -> Iterator[Fault]:
    gaps = body.get(_GAPS)
    places: list[tuple[str, Json, AbstractSet[str]]] = [("", body, _FIELDS[""])]
    places.append(("ttsModel", body.get("ttsModel"), _FIELDS["ttsModel"]))
    for index, gap in enumerate(gaps if isinstance(gaps, list) else ()):
        places.append((child_path(_GAPS, index), gap, GAP["fields"].keys()))
    for path, members, fields in places:
        if isinstance(members, dict):
            yield from _unknown_members(path, members, fields)


def _unknown_members(path: str, members: dict[str, Json], fields: AbstractSet[str]) -> Iterator[Fault]:
    absent = fields - members.keys()
    # What only the server sets is ignored, so that an answer can be posted again.
    ignored = () if path else ANSWER_FIELDS
    for name in members:
        if name not in fields and name not in ignored:
            hint = did_you_mean(name, absent)
            message = f"is not a known field: leave it out, or do not send Prefer: handling=strict{hint}"
            yield Fault(child_path(path, name), "unknown_field", message)


def _with_hint(fault: Fault, body: dict[str, Json]) -> Fault:
    """Name the member that was probably meant to be the one that is missing."""
    path, _, name = fault.path.rpartition(".")
    if fault.code != "missing" or path not in _FIELDS:
        return fault
    members = body[path] if path else body
    near = nearest(name, (member for member in members if member not in _FIELDS[path]))
    if near is None:
        return fault
    return replace(fault, message=f"{fault.message}; {child_path('', near)} was sent: is it meant to be {name}?")


def _is_plain(value: Json, depth: int = 0) -> bool:
    """Tell quickly of most bodies that the two searches below will find nothing."""
    if type(value) is dict:
        names = "".join(value)
        if "" in value or not names.isascii() or len(names) > MAX_NAME_BYTES or _KEY_NAME.search(names.lower()):
            return False
        value = value.values()
    elif type(value) is not list:
        return not any(value_faults(value))
    if depth > MAX_DEPTH:
        return False
    for child in value:
        kind = type(child)
        if not (child.isascii() if kind is str else kind is int or _is_plain(child, depth + 1)):
            return False
    return True


def _misplaced_secrets(value: Json, path: str = "", depth: int = 0) -> Iterator[Fault]:
    """Refuse what is meant as the ElevenLabs key but stands elsewhere: kept, it would be kept in plain text."""
    if isinstance(value, dict):
        for name in value:
            in_its_place = (path, depth, name) == ("ttsModel", 1, "elevenLabsApiKey")
            if _KEY_NAME_AT_END.search(name.lower()) and not in_its_place:
                message = "must be left out: an ElevenLabs key goes into ttsModel.elevenLabsApiKey"
                yield Fault(child_path(path, name), "misplaced_secret", message)
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for name, child in children if depth <= MAX_DEPTH else ():
        if isinstance(child, dict | list):
            yield from _misplaced_secrets(child, child_path(path, name), depth + 1)

"""A decoded body in, a valid request out, or every fault of it at once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from aws_lambda_powertools.utilities.parser import ValidationError, parse

from agents.errors import Fault, InvalidJson, ValidationFailed
from agents.models import MODEL_TAGS, SERVER_FIELDS, CreateAgentRequest, Gap, TtsModel, wire_names
from agents.values import Json, child_path
from agents.values import faults as value_faults

STRICT_APPLIED = {"Preference-Applied": "handling=strict"}
"""Header of every answer that was made with ``Prefer: handling=strict`` (RFC 7240 §3)."""

_GAPS = "gapBetweenEachAttemptForSmartCallback"
_ELEVENLABS_KEY_PATH = "ttsModel.elevenLabsApiKey"

# What pydantic says of Python's types, in the words of JSON: code, and message unless pydantic's own will do.
_JSON_WORDS = {
    "missing": ("missing", "is required"),
    "string_type": ("string_type", "must be a string"),
    "string_unicode": ("not_unicode", "must be Unicode text"),
    "int_type": ("integer_type", "must be an integer"),
    "bool_type": ("boolean_type", "must be true or false"),
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


def validate(body: Json, allowed: AllowedValues, *, strict: bool) -> CreateAgentRequest:
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
    CreateAgentRequest
        A request that the database can hold.

    Raises
    ------
    InvalidJson
        When the body is not an object.
    ValidationFailed
        With every fault, each field's first one only.
    """
    if not isinstance(body, dict):
        raise InvalidJson
    unknown = _unknown_fields(body) if strict else ()
    found: dict[str, Fault] = {}
    for fault in chain(value_faults(body), _misplaced_secrets(body), _disallowed(body, allowed), unknown):
        found.setdefault(fault.path, fault)
    request, faults = _parse(body)
    for fault in faults:
        found.setdefault(fault.path, fault)
    if request is None or found:
        raise ValidationFailed(list(found.values()), headers=STRICT_APPLIED if strict else None)
    return request


def model_faults(error: ValidationError) -> list[Fault]:
    """Turn pydantic's error, which holds the input, into faults, which do not."""
    lines = error.errors(include_input=False, include_context=False, include_url=False)
    return [_model_fault(line["loc"], line["type"], line["msg"]) for line in lines]


def _parse(body: dict[str, Json]) -> tuple[CreateAgentRequest | None, list[Fault]]:
    try:
        return parse(event=body, model=CreateAgentRequest), []
    except ValidationError as error:
        return None, model_faults(error)


def _model_fault(location: tuple[str | int, ...], kind: str, text: str) -> Fault:
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
        ("llmModel", body.get("llmModel"), allowed.llm_models),
        ("ttsModel.provider", provider, allowed.tts_providers),
    ):
        if isinstance(value, str) and choices and value not in choices:
            yield Fault(path, "not_allowed", f"must be one of {', '.join(choices)}")


def _objects(body: dict[str, Json]) -> Iterator[tuple[str, dict[str, Json], frozenset[str] | None]]:
    """Yield the objects of the contract: path, members, and the names that it lists (None: any name is free)."""
    candidates = [
        ("", body, wire_names(CreateAgentRequest) | SERVER_FIELDS),
        ("ttsModel", body.get("ttsModel"), wire_names(TtsModel)),
        ("settings", body.get("settings"), None),
        ("variables", body.get("variables"), None),
    ]
    gaps = body.get(_GAPS)
    if isinstance(gaps, list):
        candidates += [(child_path(_GAPS, index), gap, wire_names(Gap)) for index, gap in enumerate(gaps)]
    return ((path, members, names) for path, members, names in candidates if isinstance(members, dict))


def _unknown_fields(body: dict[str, Json]) -> Iterator[Fault]:
    for path, members, names in _objects(body):
        for name in members:
            if names is not None and name not in names:
                yield Fault(child_path(path, name), "unknown_field", "is unknown, and strict handling was preferred")


def _misplaced_secrets(body: dict[str, Json]) -> Iterator[Fault]:
    """Refuse what is meant as the ElevenLabs key but stands elsewhere: kept, it would be kept in plain text."""
    for path, members, _ in _objects(body):
        for name in members:
            place = child_path(path, name)
            folded = name.replace("_", "").replace("-", "").lower()
            if folded == _ELEVENLABS_KEY_PATH.rpartition(".")[2].lower() and place != _ELEVENLABS_KEY_PATH:
                message = f"must be left out: an ElevenLabs key goes into {_ELEVENLABS_KEY_PATH}"
                yield Fault(place, "misplaced_secret", message)

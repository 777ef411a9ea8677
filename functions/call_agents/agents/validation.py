"""Validates a request body: a valid request, or all its field errors at once."""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain, islice

from aws_lambda_powertools.utilities.parser import parse
from pydantic import ValidationError

from call_agents.agents.agent import RESPONSE_FIELDS
from call_agents.agents.models import DEFAULT_LLM_MODEL, TTS_TAGS, CreateAgentRequest, Gap, TtsModel
from call_agents.shared.config import AllowedValues
from call_agents.shared.errors import MAX_DETAILS, InvalidJson, ValidationFailed
from call_agents.shared.field_errors import FieldError, child_path, from_pydantic, has_unpaired_surrogate, path_of
from call_agents.shared.json_values import MAX_MAGNITUDE, DuplicateKeys, Json
from call_agents.shared.suggestions import closest, did_you_mean

# Limits of DynamoDB. Source: Developer Guide, "Supported data types" and "Quotas".
MAX_DIGITS = 38
"""Significant digits of a number."""
MIN_MAGNITUDE = -130
"""Numbers other than zero are at least ten to the power of this. They are below 1e38, not DynamoDB's 1e126: boto3
cannot read larger ones back."""
MAX_DEPTH = 30
"""Nesting depth of objects and arrays in a field: DynamoDB's 32, minus the item and the map of unknown fields."""
MAX_NAME_BYTES = 65_535
"""Bytes of a key."""

_GAPS = "gapBetweenEachAttemptForSmartCallback"
_KNOWN = {"": CreateAgentRequest.__annotations__.keys(), "ttsModel": TtsModel.__annotations__.keys()}
_SECRET_NAME = re.compile("[^a-z]*".join("elevenlabsapikey") + "[^a-z]*$")
_SECRET_LOCATION = ("ttsModel", "elevenLabsApiKey")


@dataclass(frozen=True)
class ValidRequest:
    """A valid request.

    Parameters
    ----------
    fields : dict
        Fields as they were sent or by default, without the secret.
    secret : str or None
        The ElevenLabs key in plain text. Send it to KMS and nowhere else.
    """

    fields: dict[str, Json]
    secret: str | None = field(repr=False)


def validate(body: Json, allowed: AllowedValues, *, strict: bool) -> ValidRequest:
    """Validate a parsed body.

    Parameters
    ----------
    body : Json
        What `parse_json` returned. It is not changed.
    allowed : AllowedValues
        Allowed models and providers.
    strict : bool
        Refuse unknown fields instead of keeping them.

    Returns
    -------
    ValidRequest
        A request that DynamoDB can store.

    Raises
    ------
    InvalidJson
        When the body is not an object.
    ValidationFailed
        With all field errors, one per field and at most `MAX_DETAILS`.
    """
    if not isinstance(body, dict):
        raise InvalidJson.because("The body is JSON, but not an object.")
    fields, model_errors = _parse(body)
    unknown = _unknown_fields(body) if strict else ()
    # Known fields come first; a body of 256 KiB can have more errors than anyone wants to read.
    errors: dict[str, FieldError] = {}
    for error in chain(_disallowed(body, allowed), model_errors, unknown, _unstorable(body)):
        errors.setdefault(error.path, error)
        if len(errors) == MAX_DETAILS:
            break
    if fields is None or errors:
        raise ValidationFailed(list(errors.values()))
    return ValidRequest(fields, secret=fields["ttsModel"].pop("elevenLabsApiKey", None))


def _parse(body: dict[str, Json]) -> tuple[dict[str, Json] | None, list[FieldError]]:
    """Validate with the models: the fields, or None and the errors."""
    try:
        fields = parse(event=body, model=CreateAgentRequest)
    except ValidationError as error:
        # An error without a path is about a key that is not Unicode; `_unstorable` says it better.
        return None, [_with_suggestion(found, body) for found in from_pydantic(error, TTS_TAGS) if found.path]
    return dict(fields), []


def _disallowed(body: dict[str, Json], allowed: AllowedValues) -> Iterator[FieldError]:
    """Find values outside the deployment's lists."""
    tts_model = body.get("ttsModel")
    provider = tts_model.get("provider") if isinstance(tts_model, dict) else None
    for path, value, choices in (
        ("llmModel", body.get("llmModel", DEFAULT_LLM_MODEL), allowed.llm_models),
        ("ttsModel.provider", provider, allowed.tts_providers),
    ):
        if isinstance(value, str) and choices and value not in choices:
            message = f"must be one of {', '.join(choices)}{did_you_mean(value, choices)}"
            yield FieldError(path, "not_allowed", message)


def _unknown_fields(body: dict[str, Json]) -> Iterator[FieldError]:
    """Find fields that the API does not have, at the top, in `ttsModel` and in the gaps."""
    gaps = body.get(_GAPS)
    places: list[tuple[str, Json, AbstractSet[str]]] = [("", body, _KNOWN[""])]
    places.append(("ttsModel", body.get("ttsModel"), _KNOWN["ttsModel"]))
    for index, gap in enumerate(gaps if isinstance(gaps, list) else ()):
        places.append((child_path(_GAPS, index), gap, Gap.__annotations__.keys()))
    for path, members, known in places:
        if not isinstance(members, dict):
            continue
        absent = known - members.keys()
        # Fields that only the server sets are ignored, so that a response can be posted again.
        ignored = () if path else RESPONSE_FIELDS
        for name in islice((name for name in members if name not in known and name not in ignored), MAX_DETAILS):
            message = "is not a known field: remove it, or do not send Prefer: handling=strict"
            yield FieldError(child_path(path, name), "unknown_field", message + did_you_mean(name, absent))


def _with_suggestion(error: FieldError, body: dict[str, Json]) -> FieldError:
    """Name the unknown field that was probably meant to be the missing one."""
    path, _, name = error.path.rpartition(".")
    if error.code != "missing" or path not in _KNOWN:
        return error
    members = body[path] if path else body
    similar = closest(name, (member for member in members if member not in _KNOWN[path]))
    if similar is None:
        return error
    return replace(error, message=f"{error.message}; {child_path('', similar)} was sent: is it meant to be {name}?")


def _unstorable(value: Json, location: tuple[str | int, ...] = ()) -> Iterator[FieldError]:
    """Find everything that DynamoDB cannot hold, that is ambiguous, or that would store a secret in plain text."""
    if isinstance(value, dict | list) and len(location) > MAX_DEPTH:
        yield FieldError(path_of(location), "too_deep", f"must not be nested more than {MAX_DEPTH} levels deep")
    elif isinstance(value, dict):
        yield from _unstorable_keys(value, location)
        for name, member in value.items():
            yield from _unstorable(member, (*location, name))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _unstorable(element, (*location, index))
    elif isinstance(value, str):
        if has_unpaired_surrogate(value):
            yield FieldError(path_of(location), "not_unicode", "must be Unicode text without unpaired surrogates")
    elif isinstance(value, Decimal):
        yield from _unstorable_number(value, location)


def _unstorable_keys(members: dict[str, Json], location: tuple[str | int, ...]) -> Iterator[FieldError]:
    for name in members:
        here = (*location, name)
        if _SECRET_NAME.search(name.lower()) and here != _SECRET_LOCATION:
            message = "must be left out: an ElevenLabs key belongs in ttsModel.elevenLabsApiKey"
            yield FieldError(path_of(here), "misplaced_secret", message)
        if not name:
            yield FieldError(path_of(location), "empty_name", "must not have an empty key")
        elif has_unpaired_surrogate(name):
            message = "must have a key of Unicode text without unpaired surrogates"
            yield FieldError(path_of(here), "not_unicode", message)
        elif len(name.encode()) > MAX_NAME_BYTES:
            yield FieldError(path_of(here), "name_too_long", f"must have a key of at most {MAX_NAME_BYTES} bytes")
    if isinstance(members, DuplicateKeys):
        for name in members.duplicates:
            yield FieldError(path_of((*location, name)), "repeated_member", "must not be a duplicate key")


def _unstorable_number(number: Decimal, location: tuple[str | int, ...]) -> Iterator[FieldError]:
    if not number.is_finite():
        yield FieldError(path_of(location), "not_finite", "must be a finite number")
    elif not MIN_MAGNITUDE <= number.adjusted() < MAX_MAGNITUDE:
        message = "must be 0, or from 1e-130 to below 1e38, or the negative of that"
        yield FieldError(path_of(location), "number_out_of_range", message)
    elif len(number.as_tuple().digits) > MAX_DIGITS:
        message = f"must have at most {MAX_DIGITS} significant digits"
        yield FieldError(path_of(location), "too_many_digits", message)

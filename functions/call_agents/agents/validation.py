"""Validates a request body: a valid request, or all its field errors at once."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain

from aws_lambda_powertools.utilities.parser import parse
from pydantic import ValidationError

from call_agents.agents.models import DEFAULT_LLM_MODEL, ELEVENLABS, ELEVENLABS_BYO, TTS_TAGS, CreateAgentRequest
from call_agents.agents.names import KNOWN, letters_and_digits, misplaced_secret, refused_names, unknown_names
from call_agents.shared.config import AllowedValues
from call_agents.shared.errors import MAX_DETAILS, InvalidJson, NotAllowed, ValidationFailed
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
MAX_VALUES = 10_000
"""JSON values in a body, itself and all inside it. In 256 KiB of text they cannot exceed the 400 KB of an item, because
a value takes at most 3 bytes more in an item than as text."""

_SECRET_LOCATION = ("ttsModel", "elevenLabsApiKey")
# What ElevenLabs issues. It is also found inside a longer text.
_ELEVENLABS_KEY = re.compile("sk_[0-9a-f]{48}")


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
        What `parse_json` returned, after `drop_nulls`. It is not changed.
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
    NotAllowed
        When the only errors are values that are not in the deployment's lists.
    ValidationFailed
        With all field errors, one per field and at most `MAX_DETAILS`.
    """
    if not isinstance(body, dict):
        raise InvalidJson.because("The body is JSON, but not an object.")
    _check_count(body)
    fields, model_errors = _parse(body)
    disallowed = list(_disallowed(body, allowed))
    unknown = unknown_names(body) if strict else ()
    # The first error of a field is reported. A body of 256 KiB can have more errors than anyone wants to read.
    errors: dict[str, FieldError] = {}
    for error in chain(disallowed, refused_names(body), model_errors, unknown, _refused_values(body)):
        errors.setdefault(error.path, error)
        if len(errors) == MAX_DETAILS:
            break
    if fields is None or errors:
        kind = NotAllowed if fields is not None and len(errors) == len(disallowed) else ValidationFailed
        raise kind(list(errors.values()))
    return ValidRequest(fields, secret=fields["ttsModel"].pop("elevenLabsApiKey", None))


def _check_count(body: dict[str, Json]) -> None:
    """Refuse a body of very many values, naming the field that has the most."""
    if _count(body) > MAX_VALUES:
        largest = max(body, key=lambda name: _count(body[name]))
        message = f"must have fewer elements and members: a body can have at most {MAX_VALUES} JSON values"
        raise ValidationFailed([FieldError(child_path("", largest), "too_many_values", message)])


def _count(value: Json) -> int:
    """Return the number of values in a value, itself included. Not recursive: nesting was not checked yet."""
    waiting, count = [value], 0
    while waiting:
        found = waiting.pop()
        count += 1
        if isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
    return count


def _parse(body: dict[str, Json]) -> tuple[dict[str, Json] | None, list[FieldError]]:
    """Validate with the models: the fields, or None and the errors."""
    try:
        fields = parse(event=body, model=CreateAgentRequest)
    except ValidationError as error:
        # An error without a path is about a key that is not Unicode; `_refused_values` says it better.
        return None, [_with_suggestion(found, body) for found in from_pydantic(error, TTS_TAGS) if found.path]
    return dict(fields), []


def _disallowed(body: dict[str, Json], allowed: AllowedValues) -> Iterator[FieldError]:
    """Find values outside the deployment's lists."""
    model = body.get("llmModel", DEFAULT_LLM_MODEL)
    if isinstance(model, str) and allowed.llm_models and model not in allowed.llm_models:
        message = f"must be one of {', '.join(allowed.llm_models)}{did_you_mean(model, allowed.llm_models)}"
        yield FieldError("llmModel", "not_allowed", message)
    tts_model = body["ttsModel"] if isinstance(body.get("ttsModel"), dict) else {}
    provider = tts_model.get("provider")
    if isinstance(provider, str) and provider not in allowed.tts_providers:
        meant = _meant_provider(provider, tts_model, allowed.tts_providers)
        message = f"must be one of {', '.join(allowed.tts_providers)}{meant}"
        yield FieldError("ttsModel.provider", "not_allowed", message)


def _meant_provider(provider: str, tts_model: dict[str, Json], choices: Collection[str]) -> str:
    """Return the suggestion. ElevenLabs is two providers: with a key of the customer's own, and without."""
    name = letters_and_digits(provider)
    if "11" in name or "eleven" in name:
        has_key = "byo" in name or "elevenLabsApiKey" in tts_model
        choices = {ELEVENLABS_BYO if has_key else ELEVENLABS} & set(choices)
        return "".join(f"; did you mean {choice}?" for choice in choices)
    return did_you_mean(name, choices)


def _with_suggestion(error: FieldError, body: dict[str, Json]) -> FieldError:
    """Name the unknown field that was probably meant to be the missing one."""
    path, _, name = error.path.rpartition(".")
    if error.code != "missing" or path not in KNOWN:
        return error
    members = body[path] if path else body
    similar = closest(name, (member for member in members if member not in KNOWN[path]))
    if similar is None:
        return error
    return replace(error, message=f"{error.message}; {child_path('', similar)} was sent: is it meant to be {name}?")


def _refused_values(value: Json, location: tuple[str | int, ...] = ()) -> Iterator[FieldError]:
    """Find everything that DynamoDB cannot hold, that is ambiguous, or that is an ElevenLabs key in the wrong place."""
    if isinstance(value, dict | list) and len(location) > MAX_DEPTH:
        yield FieldError(path_of(location), "too_deep", f"must not be nested more than {MAX_DEPTH} levels deep")
    elif isinstance(value, dict):
        yield from _refused_keys(value, location)
        for name, member in value.items():
            yield from _refused_values(member, (*location, name))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _refused_values(element, (*location, index))
    elif isinstance(value, str):
        if has_unpaired_surrogate(value):
            yield FieldError(path_of(location), "not_unicode", "must be Unicode text without unpaired surrogates")
        elif _ELEVENLABS_KEY.search(value) and location != _SECRET_LOCATION:
            yield misplaced_secret(path_of(location))
    elif isinstance(value, Decimal):
        yield from _unstorable_number(value, location)


def _refused_keys(members: dict[str, Json], location: tuple[str | int, ...]) -> Iterator[FieldError]:
    for name in members:
        here = (*location, name)
        if _ELEVENLABS_KEY.search(name):
            yield misplaced_secret(path_of(location))
        elif not name:
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

"""Validates a request body: a valid request, or all its field errors at once."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain, islice

from aws_lambda_powertools.utilities.parser import parse
from pydantic import ValidationError

from call_agents.agents.agent import RESPONSE_FIELDS
from call_agents.agents.models import (
    DEFAULT_LLM_MODEL,
    ELEVENLABS,
    ELEVENLABS_BYO,
    TTS_TAGS,
    AgentSettings,
    CreateAgentRequest,
    Gap,
    TtsModel,
)
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

_GAPS = "gapBetweenEachAttemptForSmartCallback"
_KNOWN: dict[str, Collection[str]] = {
    "": CreateAgentRequest.__annotations__.keys(),
    "ttsModel": TtsModel.__annotations__.keys(),
}
_GAP: Collection[str] = Gap.__annotations__.keys()
_SETTINGS: Collection[str] = AgentSettings.__annotations__.keys()
_SECRET_LOCATION = ("ttsModel", "elevenLabsApiKey")

# Names that mean a secret, without case and without all that is not a letter or digit.
_ELEVENLABS_KEY_NAME = re.compile(".*elevenlabsapikeys?[0-9]*")
_SECRET_NAME = re.compile(
    ".*((api|access|auth|bearer|private|client|secret|xi|eleven|labs|openai|rime|google|gemini|cartesia|provider|tts)"
    "(key|token)|secret)s?[0-9]*(value)?|token|authorization"
)
_NO_WORD = re.compile("[^a-z0-9]")
_SEPARATORS = re.compile(r"[-_\s]")
# What ElevenLabs issues. It is also found inside a longer text.
_ELEVENLABS_KEY = re.compile("(?<![A-Za-z0-9_])sk_[0-9a-f]{48}(?![A-Za-z0-9_])")


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


def drop_nulls(body: Json) -> None:
    """Remove known fields that are null from a parsed body: generated clients send null for what is not set."""
    if not isinstance(body, dict):
        return
    settings = body.get("settings")
    places = [*_known_places(body), ("settings", settings if isinstance(settings, dict) else {}, _SETTINGS)]
    for _, members, known in places:
        for name in [name for name in known if name in members and members[name] is None]:
            del members[name]


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
        When nothing is wrong but values that the deployment's lists do not have.
    ValidationFailed
        With all field errors, one per field and at most `MAX_DETAILS`.
    """
    if not isinstance(body, dict):
        raise InvalidJson.because("The body is JSON, but not an object.")
    _check_count(body)
    fields, model_errors = _parse(body)
    disallowed = list(_disallowed(body, allowed))
    unknown = _unknown_fields(body) if strict else ()
    # Known fields come first; a body of 256 KiB can have more errors than anyone wants to read.
    errors: dict[str, FieldError] = {}
    for error in chain(disallowed, _secrets_by_name(body), _misspelt(body), model_errors, unknown, _unstorable(body)):
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


def _known_places(body: dict[str, Json]) -> Iterator[tuple[str, dict[str, Json], Collection[str]]]:
    """Return path, members and known names of the objects in which names are checked."""
    yield "", body, _KNOWN[""]
    if isinstance(body.get("ttsModel"), dict):
        yield "ttsModel", body["ttsModel"], _KNOWN["ttsModel"]
    gaps = body.get(_GAPS)
    for index, gap in enumerate(gaps if isinstance(gaps, list) else ()):
        if isinstance(gap, dict):
            yield child_path(_GAPS, index), gap, _GAP


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
    words = _NO_WORD.sub("", provider.lower())
    if "11" in words or "eleven" in words:
        has_key = "byo" in words or "elevenLabsApiKey" in tts_model
        choices = {ELEVENLABS_BYO if has_key else ELEVENLABS} & set(choices)
        return "".join(f"; did you mean {choice}?" for choice in choices)
    return did_you_mean(words, choices)


def _misspelt(body: dict[str, Json]) -> Iterator[FieldError]:
    """Find names that differ from a known one only by case and separators: they would silently make another agent."""
    for path, members, known in _known_places(body):
        right_names = {_SEPARATORS.sub("", name).lower(): name for name in known}
        for name in members:
            right = right_names.get(_SEPARATORS.sub("", name).lower(), name)
            if right != name:
                yield FieldError(child_path(path, name), "misspelt_field", f"is misspelt: the field is {right}")


def _secrets_by_name(body: dict[str, Json]) -> Iterator[FieldError]:
    """Find secrets by their names at the top and in `ttsModel`: they would be stored in plain text."""
    for path in ("", "ttsModel"):
        members = body.get(path) if path else body
        for name, value in members.items() if isinstance(members, dict) else ():
            words = _NO_WORD.sub("", name.lower())
            is_secret = _SECRET_NAME.fullmatch(words) or (path and words == "key")
            if is_secret and isinstance(value, str) and value and name not in _KNOWN[path]:
                yield _misplaced(child_path(path, name))


def _misplaced(path: str) -> FieldError:
    message = "must be left out: an ElevenLabs key belongs in ttsModel.elevenLabsApiKey, and no other secret is stored"
    return FieldError(path, "misplaced_secret", message)


def _unknown_fields(body: dict[str, Json]) -> Iterator[FieldError]:
    """Find fields that the API does not have, at the top, in `ttsModel` and in the gaps."""
    for path, members, known in _known_places(body):
        # Fields that only the server sets are ignored, so that a response can be posted again.
        ignored = () if path else RESPONSE_FIELDS
        absent = [name for name in known if name not in members]
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
        elif _ELEVENLABS_KEY.search(value) and location != _SECRET_LOCATION:
            yield _misplaced(path_of(location))
    elif isinstance(value, Decimal):
        yield from _unstorable_number(value, location)


def _unstorable_keys(members: dict[str, Json], location: tuple[str | int, ...]) -> Iterator[FieldError]:
    for name, value in members.items():
        here = (*location, name)
        if _is_elevenlabs_key(name, value) and here != _SECRET_LOCATION:
            yield _misplaced(path_of(here))
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


def _is_elevenlabs_key(name: str, value: Json) -> bool:
    """Return True for the name of an ElevenLabs key that has a value, also in free JSON."""
    words = _NO_WORD.sub("", name.lower())
    return isinstance(value, str) and value != "" and _ELEVENLABS_KEY_NAME.fullmatch(words) is not None


def _unstorable_number(number: Decimal, location: tuple[str | int, ...]) -> Iterator[FieldError]:
    if not number.is_finite():
        yield FieldError(path_of(location), "not_finite", "must be a finite number")
    elif not MIN_MAGNITUDE <= number.adjusted() < MAX_MAGNITUDE:
        message = "must be 0, or from 1e-130 to below 1e38, or the negative of that"
        yield FieldError(path_of(location), "number_out_of_range", message)
    elif len(number.as_tuple().digits) > MAX_DIGITS:
        message = f"must have at most {MAX_DIGITS} significant digits"
        yield FieldError(path_of(location), "too_many_digits", message)

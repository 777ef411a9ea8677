"""Names of fields: which are known, misspelt, unknown, or the name of a secret.

The top of a body, `ttsModel` and the gaps have names of their own. In free JSON any name is allowed.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from call_agents.agents.agent import RESPONSE_FIELDS
from call_agents.agents.models import AgentSettings, CreateAgentRequest, Gap, TtsModel
from call_agents.shared.errors import MAX_DETAILS
from call_agents.shared.field_errors import FieldError, child_path
from call_agents.shared.json_values import Json
from call_agents.shared.suggestions import did_you_mean

KNOWN: Mapping[str, Collection[str]] = {
    "": CreateAgentRequest.__annotations__.keys(),
    "ttsModel": TtsModel.__annotations__.keys(),
}
"""Known names at the top and in `ttsModel`. Fields with the name of a secret are refused only in these two places."""

_GAPS = "gapBetweenEachAttemptForSmartCallback"
_GAP: Collection[str] = Gap.__annotations__.keys()
_SETTINGS: Collection[str] = AgentSettings.__annotations__.keys()

_SEPARATORS = re.compile(r"[-_\s]")

# Names that mean a secret, as `letters_and_digits` gives them.
_SECRET = re.compile(
    ".*((api|access|auth|bearer|private|client|secret|account|subscription|session|refresh|provider|vendor|byo"
    "|(^|eleven|labs)xi|eleven|labs|openai|rime|google|gemini|cartesia|deepgram|azure|anthropic|groq|playht|tts|stt|llm)"
    "(key|token)|secret)s?[0-9]*(value)?|(api)?token|xikey|authorization|bearer|password|credentials?"
)
_SECRET_OF_A_VOICE = re.compile(".*(key|token|secret|password)s?[0-9]*(value)?")
_NEITHER_LETTER_NOR_DIGIT = re.compile("[^a-z0-9]")


def known_places(body: dict[str, Json]) -> Iterator[tuple[str, dict[str, Json], Collection[str]]]:
    """Return path, members and known names of each object that has names of its own."""
    yield "", body, KNOWN[""]
    if isinstance(body.get("ttsModel"), dict):
        yield "ttsModel", body["ttsModel"], KNOWN["ttsModel"]
    gaps = body.get(_GAPS)
    for index, gap in enumerate(gaps if isinstance(gaps, list) else ()):
        if isinstance(gap, dict):
            yield child_path(_GAPS, index), gap, _GAP


def drop_nulls(body: Json) -> None:
    """Remove known fields that are null from a parsed body: generated clients send null for what is not set."""
    if not isinstance(body, dict):
        return
    settings = body.get("settings")
    places = [*known_places(body), ("settings", settings if isinstance(settings, dict) else {}, _SETTINGS)]
    for _, members, known in places:
        for name in known:
            if name in members and members[name] is None:
                del members[name]


def refused_names(body: dict[str, Json]) -> Iterator[FieldError]:
    """Find secrets by their names, which would be stored in plain text, and misspelt fields, which would be ignored."""
    for path, members, known in known_places(body):
        for name in members:
            if name in known:
                continue
            if path in KNOWN and _is_filled_text(members[name]) and _is_secret(name, path):
                yield misplaced_secret(child_path(path, name))
            elif right := _right_name(name, known):
                yield FieldError(child_path(path, name), "misspelt_field", f"is misspelt: the field is {right}")


def unknown_names(body: dict[str, Json]) -> Iterator[FieldError]:
    """Find fields that the API does not have."""
    for path, members, known in known_places(body):
        # Fields that only the server sets are ignored, so that a response can be posted again.
        ignored = () if path else RESPONSE_FIELDS
        absent = [name for name in known if name not in members]
        # Different names can become the same error, so a limit on errors alone would not limit this search.
        for name in islice((name for name in members if name not in known and name not in ignored), MAX_DETAILS):
            message = "is not a known field: remove it, or do not send Prefer: handling=strict"
            yield FieldError(child_path(path, name), "unknown_field", message + did_you_mean(name, absent))


def misplaced_secret(path: str) -> FieldError:
    """Return the field error of a secret that is not in its place."""
    message = "must be left out: an ElevenLabs key belongs in ttsModel.elevenLabsApiKey, and no other secret is stored"
    return FieldError(path, "misplaced_secret", message)


def letters_and_digits(text: str) -> str:
    """Return the letters and digits of a text, in lower case: ``xi-api-key`` and ``xiApiKey`` are then the same."""
    return _NEITHER_LETTER_NOR_DIGIT.sub("", text.lower())


def _is_filled_text(value: Json) -> bool:
    """Return True for a string that is not empty. `hasApiKey: false` is no secret."""
    return isinstance(value, str) and value != ""


def _is_secret(name: str, path: str) -> bool:
    pattern = _SECRET_OF_A_VOICE if path else _SECRET
    return pattern.fullmatch(letters_and_digits(name)) is not None


def _right_name(name: str, known: Collection[str]) -> str | None:
    """Return the known name that differs only by case and separators."""
    plain = _SEPARATORS.sub("", name).lower()
    return next((right for right in known if right.lower() == plain), None)

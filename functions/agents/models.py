"""The wire contract: what a request to create an agent may hold, and the agent that is answered.

The rules are those of the API page "Create Call Agent"; the README's "The contract in short" has them, with what was
decided where the page is silent. Python names are snake_case, the wire's are camelCase. Reading a body into these
models is the work of `agents.validation`.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from agents.times import iso
from agents.values import Json

RIME = "rime"
ELEVENLABS_BYO = "11labs_byo"
DEFAULT_RIME_VOICE = "mistv2_Wildflower"
DEFAULT_LLM_MODEL = "gpt-4o-mini"
MAX_LEVEL = 2
MAX_ITEMS = 100

_VISIBLE_ASCII = re.compile("[!-~]+")

# RFC 5646 §2.1, without what its registry has no use for: grandfathered tags, and languages of four letters and more.
_LANGUAGE_TAG = re.compile(
    r"""[a-z]{2,3} (?:-[a-z]{3}){0,3}                           # language, with its extensions
        (?:-[a-z]{4})?                                          # script
        (?:-(?: [a-z]{2} | [0-9]{3} ))?                         # region
        (?:-(?: [a-z0-9]{5,8} | [0-9][a-z0-9]{3} ))*            # variants
        (?:-[a-wy-z0-9](?:-[a-z0-9]{2,8})+)*                    # extensions
        (?:-x(?:-[a-z0-9]{1,8})+)?                              # private use
      | x(?:-[a-z0-9]{1,8})+""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def _language_tag(value: str) -> str:
    if not _LANGUAGE_TAG.fullmatch(value):
        raise PydanticCustomError("language_tag", "must be a BCP 47 language tag, such as en or en-US")
    return value


def visible_ascii(value: str) -> str:
    """Return a text that may stand in a header, or refuse it."""
    if not _VISIBLE_ASCII.fullmatch(value):
        raise PydanticCustomError("visible_ascii", "must consist of visible ASCII characters")
    return value


def _unique(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise PydanticCustomError("repeated_item", "must not hold the same value twice")
    return values


def _at_most_100(value: object) -> object:
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        raise PydanticCustomError("too_long", "must have at most 100 items")
    return value


def _level(value: Json) -> Json:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    # A Decimal compares itself with anything but NaN.
    if not is_number or Decimal(value).is_nan() or not 0 <= value <= MAX_LEVEL:
        raise PydanticCustomError("level", "must be a number from 0 to 2")
    return value


def _only_with_byo(_: object) -> None:
    raise PydanticCustomError("unexpected", "must be left out: it goes with provider 11labs_byo only")


def _is_absent(value: object) -> bool:
    return value is None


# No field takes JSON null, so None can say that a field was left out; then the answer leaves it out as well.
_ABSENT: Any = Field(default=None, exclude_if=_is_absent)

Level = Annotated[Any, BeforeValidator(_level)]
LanguageTag = Annotated[str, Field(max_length=128), AfterValidator(_language_tag)]
VoiceId = Annotated[str, Field(min_length=1, max_length=256)]
ElevenLabsApiKey = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(visible_ascii)]
PhoneNumberId = Annotated[str, Field(min_length=1, max_length=128)]
# Before its items: a long list is refused without a look at each of them.
_Short = BeforeValidator(_at_most_100)
PhoneNumberIds = Annotated[list[PhoneNumberId], _Short, Field(max_length=MAX_ITEMS), AfterValidator(_unique)]


class Wire(BaseModel):
    """Strict, for JSON tells its types apart; open, for clients send fields that the page does not list."""

    model_config = ConfigDict(strict=True, extra="allow", alias_generator=to_camel, hide_input_in_errors=True)


class TtsModel(Wire):
    """How the agent speaks, with any provider but the two below."""

    provider: str
    voice_id: VoiceId
    language: LanguageTag = "en"
    name: str = _ABSENT
    eleven_labs_api_key: Annotated[Any, BeforeValidator(_only_with_byo)] = Field(None, exclude=True, repr=False)


class RimeTtsModel(TtsModel):
    """Rime has a voice that is taken when none is named."""

    voice_id: VoiceId = DEFAULT_RIME_VOICE


class ByoTtsModel(TtsModel):
    """ElevenLabs with the customer's own key. No dump and no repr holds the key."""

    eleven_labs_api_key: ElevenLabsApiKey = Field(exclude=True, repr=False)


_OTHER = "any other provider"
MODEL_TAGS = (RIME, ELEVENLABS_BYO, _OTHER)
"""Tags of the models above: pydantic puts them into the paths of errors."""


def _tts_variant(value: object) -> str:
    provider = value.get("provider") if isinstance(value, dict) else None
    return provider if provider in (RIME, ELEVENLABS_BYO) else _OTHER


AnyTtsModel = Annotated[
    Annotated[RimeTtsModel, Tag(RIME)] | Annotated[ByoTtsModel, Tag(ELEVENLABS_BYO)] | Annotated[TtsModel, Tag(_OTHER)],
    Discriminator(_tts_variant),
]


class Gap(Wire):
    """The time between two attempts to call."""

    days: Annotated[int, Field(ge=0, le=30)] = 1
    hours: Annotated[int, Field(ge=0, le=23)] = 0


Gaps = Annotated[list[Gap], _Short, Field(max_length=MAX_ITEMS)]


class AgentSettings(Wire):
    """Three levels that have a range; anything else is kept as it is."""

    speed: Level = _ABSENT
    volume: Level = _ABSENT
    temperature: Level = _ABSENT


class CreateAgentRequest(Wire):
    """The body of ``POST /v1/api/agents``."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
    type: Literal["voice"] = "voice"
    tts_model: AnyTtsModel
    llm_model: Annotated[str, Field(min_length=1, max_length=256)] = DEFAULT_LLM_MODEL
    smart_callback: bool = False
    max_attempts_for_smart_callback: Annotated[int, Field(ge=1, le=100)] = 5
    gap_between_each_attempt_for_smart_callback: Gaps = Field(default_factory=list)
    phone_number_ids: PhoneNumberIds = Field(default_factory=list)
    settings: AgentSettings = AgentSettings()
    variables: dict[str, Any] = Field(default_factory=dict)

    @property
    def secret(self) -> str | None:
        """The ElevenLabs key in plain text, or None. It goes to the key service and nowhere else."""
        key: str | None = self.tts_model.eleven_labs_api_key
        return key


ANSWER_FIELDS = (
    "_id",
    "workspaceId",
    "userId",
    "name",
    "type",
    "ttsModel",
    "llmModel",
    "smartCallback",
    "maxAttemptsForSmartCallback",
    "gapBetweenEachAttemptForSmartCallback",
    "phoneNumberIds",
    "activeSessions",
    "settings",
    "status",
    "currentNode",
    "variables",
    "createdAt",
    "updatedAt",
)
"""The fields of the API page's answer, in the order in which they are answered."""


@cache
def wire_names(model: type[Wire]) -> frozenset[str]:
    """Return the names that a model's fields have on the wire."""
    return frozenset(to_camel(name) for name in model.model_fields)


SERVER_FIELDS = frozenset(ANSWER_FIELDS) - wire_names(CreateAgentRequest)
"""Answered but never taken from a request: they are ignored there, so an answer can be posted again as a clone."""


@dataclass(frozen=True)
class Agent:
    """An agent as it is answered and stored.

    Parameters
    ----------
    fields : dict
        `ANSWER_FIELDS` and their values.
    extra : dict
        Fields of the request that the page does not list. They stay apart, so that no client can set what the server
        trusts.
    """

    fields: dict[str, Json]
    extra: dict[str, Json]

    @property
    def id(self) -> str:
        """24 lower-case hexadecimal digits."""
        return str(self.fields["_id"])

    def answer(self) -> dict[str, Json]:
        """Return the body of the answer: the agent itself, unwrapped."""
        return {**self.fields, **self.extra}

    def with_sealed_key(self, ciphertext: str) -> "Agent":
        """Return the agent with the ElevenLabs key in its sealed form."""
        tts_model = {**self.fields["ttsModel"], "elevenLabsApiKey": ciphertext}
        return replace(self, fields={**self.fields, "ttsModel": tts_model})


def new_agent(request: CreateAgentRequest, *, agent_id: str, workspace_id: str, user_id: str, now: datetime) -> Agent:
    """Make the agent that a request asks for.

    Parameters
    ----------
    request : CreateAgentRequest
        A valid request.
    agent_id : str
        24 lower-case hexadecimal digits.
    workspace_id, user_id : str
        Of the API key, never of the request.
    now : datetime
        In UTC; both timestamps, to the millisecond.

    Returns
    -------
    Agent
        ``ready``, or ``pending`` when it brings a key of its own that is still to be tried.
    """
    timestamp = iso(now, "milliseconds")
    values = {
        **request.model_dump(by_alias=True),
        "_id": agent_id,
        "workspaceId": workspace_id,
        "userId": user_id,
        "activeSessions": [],
        "status": "pending" if request.secret else "ready",
        "currentNode": None,
        "createdAt": timestamp,
        "updatedAt": timestamp,
    }
    extra = {name: value for name, value in (request.model_extra or {}).items() if name not in SERVER_FIELDS}
    return Agent({name: values[name] for name in ANSWER_FIELDS}, extra)

"""The wire contract: what a request to create an agent may hold, and what its answer holds.

The rules are those of the API page "Create Call Agent"; the README's "The contract in short" has them, with what was
decided where the page is silent. What is written here is for callers too: ``python -m tests.openapi`` makes the OpenAPI
document of these models and of their docstrings.

This is the definition, and production does not import it: importing pydantic and building these models would take a
third of a cold start. ``python -m tests.request_schema`` writes what pydantic makes of the request into
`agents.request_schema`, and a test holds the two equal.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    WithJsonSchema,
    with_config,
)
from typing_extensions import TypedDict

from agents import rules
from agents.values import MIN_MAGNITUDE

# What a rule in code means in JSON Schema stands beside the rule: nothing can derive it.
_NAME = {"type": "string", "pattern": r"^\s*\S([\s\S]{0,254}\S)?\s*$"}
_LEVEL = {
    "type": "number",
    "minimum": 0,
    "maximum": rules.MAX_LEVEL,
    "not": {"exclusiveMinimum": 0, "exclusiveMaximum": 10.0**MIN_MAGNITUDE},
}
_LANGUAGE_TAG = {"pattern": f"^({rules.LANGUAGE_TAG.pattern})$"}
_VISIBLE_ASCII = {"pattern": f"^{rules.VISIBLE_ASCII.pattern}$"}
_EMPTY_LIST: dict[str, Any] = {"default": []}
_EMPTY_OBJECT: dict[str, Any] = {"default": {}}

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256), WithJsonSchema(_NAME)]
Level = Annotated[Any, BeforeValidator(rules.level), WithJsonSchema(_LEVEL)]
LanguageTag = Annotated[str, Field(max_length=128, json_schema_extra=_LANGUAGE_TAG), AfterValidator(rules.language_tag)]
VoiceId = Annotated[str, Field(min_length=1, max_length=256)]
ElevenLabsApiKey = Annotated[
    str, Field(min_length=1, max_length=512, json_schema_extra=_VISIBLE_ASCII), AfterValidator(rules.visible_ascii)
]
PhoneNumberId = Annotated[str, Field(min_length=1, max_length=128)]
_Short = BeforeValidator(rules.at_most_100)
PhoneNumberIds = Annotated[
    list[PhoneNumberId],
    Field(max_length=rules.MAX_ITEMS, json_schema_extra={"uniqueItems": True}),
    _Short,
    AfterValidator(rules.unique),
]

# Strict, for JSON tells its types apart; open, for clients send fields that the page does not list.
_WIRE = ConfigDict(strict=True, extra="allow", hide_input_in_errors=True, use_attribute_docstrings=True)


@with_config(_WIRE)
class TtsModel(TypedDict):
    """How the agent speaks, with any provider but `rime` and `11labs_byo`."""

    provider: str
    """Who makes the voice; the list is a parameter of the deployment."""

    voiceId: VoiceId
    """The provider's id of the voice."""

    language: Annotated[LanguageTag, Field(default="en")]
    """BCP 47 tag of the voice's language: `en`, `en-US`."""

    name: NotRequired[str]
    """Display name of the voice."""

    elevenLabsApiKey: NotRequired[Annotated[Any, BeforeValidator(rules.only_with_byo)]]


@with_config(_WIRE)
class RimeTtsModel(TtsModel):
    """How the agent speaks with Rime, which has a voice that is taken when none is named."""

    voiceId: Annotated[VoiceId, Field(default=rules.DEFAULT_RIME_VOICE)]
    """Rime's id of the voice."""


@with_config(_WIRE)
class ByoTtsModel(TtsModel):
    """How the agent speaks with a voice of ElevenLabs and the customer's own key."""

    elevenLabsApiKey: ElevenLabsApiKey  # type: ignore[misc]  # required here, forbidden there: no subtype, but it reads
    """The customer's key at ElevenLabs. It is stored and answered only encrypted."""


AnyTtsModel = Annotated[
    Annotated[RimeTtsModel, Tag(rules.RIME)]
    | Annotated[ByoTtsModel, Tag(rules.ELEVENLABS_BYO)]
    | Annotated[TtsModel, Tag(rules.OTHER)],
    Discriminator(rules.tts_variant),
]


@with_config(_WIRE)
class Gap(TypedDict):
    """The time between two attempts to call."""

    days: Annotated[int, Field(default=1, ge=0, le=30)]
    """Whole days."""

    hours: Annotated[int, Field(default=0, ge=0, le=23)]
    """Hours on top of them."""


Gaps = Annotated[list[Gap], Field(max_length=rules.MAX_ITEMS), _Short]


@with_config(_WIRE)
class AgentSettings(TypedDict):
    """Three levels that have a range; anything else is kept as it is."""

    speed: NotRequired[Level]
    """How fast the agent speaks."""

    volume: NotRequired[Level]
    """How loud it speaks."""

    temperature: NotRequired[Level]
    """How freely it chooses its words."""


@with_config(_WIRE)
class CreateAgentRequest(TypedDict):
    """The agent that is wanted.

    Fields that are not listed are kept and answered back; what only the server sets (`_id`, `status`, `createdAt` …) is
    ignored, so that an answer can be posted again to make a clone. A member named like the ElevenLabs key is refused
    anywhere but in its place, for it would be kept in plain text.
    """

    name: Name
    """Name of the agent: 1 to 256 characters, without the white space around them."""

    type: Annotated[Literal["voice"], Field(default="voice")]
    """Kind of agent."""

    ttsModel: AnyTtsModel
    """Text to speech: how the agent speaks."""

    llmModel: Annotated[str, Field(default=rules.DEFAULT_LLM_MODEL, min_length=1, max_length=256)]
    """Language model that makes the agent's responses; the list is a parameter of the deployment."""

    smartCallback: Annotated[bool, Field(default=False)]
    """Whether the agent calls back when nobody has taken its call."""

    maxAttemptsForSmartCallback: Annotated[int, Field(default=5, ge=1, le=100)]
    """How often it calls back at most."""

    gapBetweenEachAttemptForSmartCallback: Annotated[Gaps, Field(default_factory=list, json_schema_extra=_EMPTY_LIST)]
    """The time between the attempts, one after another."""

    phoneNumberIds: Annotated[PhoneNumberIds, Field(default_factory=list, json_schema_extra=_EMPTY_LIST)]
    """Ids of the phone numbers to associate with the agent."""

    settings: Annotated[AgentSettings, Field(default_factory=dict, json_schema_extra=_EMPTY_OBJECT)]
    """Additional settings of the agent."""

    variables: Annotated[dict[str, Any], Field(default_factory=dict, json_schema_extra=_EMPTY_OBJECT)]
    """Custom variables to store with the agent: any JSON."""


AgentId = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
Timestamp = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


@with_config(_WIRE)
class AgentTtsModel(TypedDict):
    """How the agent speaks."""

    provider: str
    """Who makes the voice."""

    voiceId: VoiceId
    """The provider's id of the voice."""

    language: LanguageTag
    """BCP 47 tag of the voice's language."""

    name: NotRequired[str]
    """Display name of the voice, when one was sent."""

    elevenLabsApiKey: NotRequired[str]
    """The customer's key at ElevenLabs, encrypted; with provider `11labs_byo` only."""


@with_config(_WIRE)
class Agent(TypedDict):
    """The agent as it was created, with the fields of the request that are not listed here."""

    _id: AgentId
    """Id of the agent."""

    workspaceId: str
    """Workspace that the agent belongs to."""

    userId: str
    """Owner of the API key that created it."""

    name: str
    """Name of the agent."""

    type: Literal["voice"]
    """Kind of agent."""

    ttsModel: AgentTtsModel
    """Text to speech: how the agent speaks."""

    llmModel: str
    """Language model that makes the agent's responses."""

    smartCallback: bool
    """Whether the agent calls back when nobody has taken its call."""

    maxAttemptsForSmartCallback: int
    """How often it calls back at most."""

    gapBetweenEachAttemptForSmartCallback: list[Gap]
    """The time between the attempts, one after another."""

    phoneNumberIds: list[PhoneNumberId]
    """Ids of the phone numbers associated with the agent."""

    activeSessions: list[Any]
    """Calls that the agent is in; none at creation."""

    settings: AgentSettings
    """Additional settings of the agent."""

    status: Literal["pending", "ready", "error"]
    """`ready` to be used; `pending` until an own ElevenLabs key has been tried; `error` when that trial has failed."""

    currentNode: str | None
    """Where in its flow the agent is; `null` at creation."""

    variables: dict[str, Any]
    """Custom variables stored with the agent."""

    createdAt: Timestamp
    """When the agent was created, in UTC."""

    updatedAt: Timestamp
    """When it was last changed, in UTC."""

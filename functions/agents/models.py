"""The wire contract: what a request to create an agent may hold.

The rules are those of the API page "Create Call Agent"; the README's "The contract in short" has them, with what was
decided where the page is silent.

This is the definition, and production does not import it: importing pydantic and building these models would take a
third of a cold start. ``python -m tests.request_schema`` writes what pydantic makes of them into
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
    with_config,
)
from typing_extensions import TypedDict

from agents import rules

Level = Annotated[Any, BeforeValidator(rules.level)]
LanguageTag = Annotated[str, Field(max_length=128), AfterValidator(rules.language_tag)]
VoiceId = Annotated[str, Field(min_length=1, max_length=256)]
ElevenLabsApiKey = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(rules.visible_ascii)]
PhoneNumberId = Annotated[str, Field(min_length=1, max_length=128)]
_Short = BeforeValidator(rules.at_most_100)
PhoneNumberIds = Annotated[list[PhoneNumberId], Field(max_length=rules.MAX_ITEMS), _Short, AfterValidator(rules.unique)]

# Strict, for JSON tells its types apart; open, for clients send fields that the page does not list.
_WIRE = ConfigDict(strict=True, extra="allow", hide_input_in_errors=True)


@with_config(_WIRE)
class TtsModel(TypedDict):
    """How the agent speaks, with any provider but the two below."""

    provider: str
    voiceId: VoiceId
    language: Annotated[LanguageTag, Field(default="en")]
    name: NotRequired[str]
    elevenLabsApiKey: NotRequired[Annotated[Any, BeforeValidator(rules.only_with_byo)]]


@with_config(_WIRE)
class RimeTtsModel(TtsModel):
    """Rime has a voice that is taken when none is named."""

    voiceId: Annotated[VoiceId, Field(default=rules.DEFAULT_RIME_VOICE)]


@with_config(_WIRE)
class ByoTtsModel(TtsModel):
    """ElevenLabs with the customer's own key."""

    elevenLabsApiKey: ElevenLabsApiKey  # type: ignore[misc]  # required here, forbidden there: no subtype, but it reads


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
    hours: Annotated[int, Field(default=0, ge=0, le=23)]


Gaps = Annotated[list[Gap], Field(max_length=rules.MAX_ITEMS), _Short]


@with_config(_WIRE)
class AgentSettings(TypedDict):
    """Three levels that have a range; anything else is kept as it is."""

    speed: NotRequired[Level]
    volume: NotRequired[Level]
    temperature: NotRequired[Level]


@with_config(_WIRE)
class CreateAgentRequest(TypedDict):
    """The body of ``POST /v1/api/agents``."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
    type: Annotated[Literal["voice"], Field(default="voice")]
    ttsModel: AnyTtsModel
    llmModel: Annotated[str, Field(default=rules.DEFAULT_LLM_MODEL, min_length=1, max_length=256)]
    smartCallback: Annotated[bool, Field(default=False)]
    maxAttemptsForSmartCallback: Annotated[int, Field(default=5, ge=1, le=100)]
    gapBetweenEachAttemptForSmartCallback: Annotated[Gaps, Field(default_factory=list)]
    phoneNumberIds: Annotated[PhoneNumberIds, Field(default_factory=list)]
    settings: Annotated[AgentSettings, Field(default_factory=dict)]
    variables: Annotated[dict[str, Any], Field(default_factory=dict)]

"""The wire contract as pydantic models: the request that creates an agent, and the agent in a response.

The rules are those of the API page "Create Call Agent", completed with decisions where the page is silent. The OpenAPI
document is made from these models, so descriptions are written for callers.

The models are TypedDicts: JSON stays a dict, a field that was not sent stays absent, and numbers stay exact.
"""

import re
from decimal import Decimal
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
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from call_agents.shared.json_values import Json
from call_agents.shared.secret_box import ENCRYPTED_PREFIX

RIME = "rime"
ELEVENLABS = "elevenlabs"
ELEVENLABS_BYO = "11labs_byo"
OTHER_PROVIDER = "any other provider"
TTS_TAGS = (RIME, ELEVENLABS_BYO, OTHER_PROVIDER)
"""Tags of the union of `ttsModel`, which pydantic puts into the paths of its errors."""

DEFAULT_RIME_VOICE = "mistv2_Wildflower"
DEFAULT_LLM_MODEL = "gpt-4o-mini"
MAX_NAME = MAX_VOICE_ID = 256
MAX_ITEMS = 100
MAX_LEVEL = 2
MIN_LEVEL_MAGNITUDE = -130
MAX_ELEVENLABS_KEY = 512

_VISIBLE_ASCII = re.compile("[!-~]+")
# Agents that were created before December 2026 have no prefix. Their form is long Base64 of random bytes, as no key is.
_ENCRYPTED = re.compile(
    f"{ENCRYPTED_PREFIX}.*|(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9+/]{{88,}}={{0,2}}", re.DOTALL
)
ELEVENLABS_VOICE_ID = re.compile("[A-Za-z0-9_-]{1,64}")

# RFC 5646 §2.1, without what its registry has no use for: grandfathered tags, and languages of four letters and more.
_LANGUAGE_TAG = re.compile(
    "[A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}"  # language, with its extensions
    "(-[A-Za-z]{4})?"  # script
    "(-([A-Za-z]{2}|[0-9]{3}))?"  # region
    "(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"  # variants
    "(-[A-WY-Za-wy-z0-9](-[A-Za-z0-9]{2,8})+)*"  # extensions
    "(-[Xx](-[A-Za-z0-9]{1,8})+)?"  # private use
    "|[Xx](-[A-Za-z0-9]{1,8})+"
)


def language_tag(value: str) -> str:
    """Require a BCP 47 language tag."""
    if not _LANGUAGE_TAG.fullmatch(value):
        raise PydanticCustomError("language_tag", "must be a BCP 47 language tag, such as en or en-US")
    return value


def visible_ascii(value: str) -> str:
    """Require text that can be sent in a header."""
    if not _VISIBLE_ASCII.fullmatch(value):
        raise PydanticCustomError("visible_ascii", "must consist of visible ASCII characters")
    return value


def not_encrypted(value: object) -> object:
    """Refuse the encrypted form of a key: it would be encrypted once more, and never work."""
    if isinstance(value, str) and _ENCRYPTED.fullmatch(value.strip()):
        raise PydanticCustomError(
            "encrypted_value", "is the encrypted form from a response; send the ElevenLabs key itself"
        )
    return value


def voice_id_of_elevenlabs(value: str) -> str:
    """Require what can be the id of a voice at ElevenLabs."""
    if not ELEVENLABS_VOICE_ID.fullmatch(value):
        raise PydanticCustomError("voice_id", "must be an ElevenLabs voice id: 1 to 64 letters, digits, _ or -")
    return value


def unique(values: list[str]) -> list[str]:
    """Require unique items."""
    if len(set(values)) != len(values):
        raise PydanticCustomError("repeated_item", "must not contain the same item twice")
    return values


def level(value: Json) -> Json:
    """Require a number from 0 to 2, and keep its exact digits."""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    # Only NaN is not equal to itself, and Decimal refuses to compare it with numbers.
    if not is_number or value != value or not 0 <= value <= MAX_LEVEL:  # noqa: PLR0124 - see above
        raise PydanticCustomError("level", "must be a number from 0 to 2")
    return value


def only_with_byo(_: object) -> None:
    """Refuse an ElevenLabs key with a provider that does not use it."""
    raise PydanticCustomError("unexpected", "must be left out, unless the provider is 11labs_byo")


def tts_variant(value: object) -> str:
    """Return the tag of the model that a `ttsModel` has to match, by its provider."""
    provider = value.get("provider") if isinstance(value, dict) else None
    return provider if provider in (RIME, ELEVENLABS_BYO) else OTHER_PROVIDER


# The JSON Schema of rules in code, for the OpenAPI document. Pydantic cannot derive it.
_TRIMMED_SCHEMA = {"type": "string", "pattern": r"^\s*\S([\s\S]{0,254}\S)?\s*$"}
_LEVEL_SCHEMA = {
    "type": "number",
    "minimum": 0,
    "maximum": MAX_LEVEL,
    "not": {"exclusiveMinimum": 0, "exclusiveMaximum": 10.0**MIN_LEVEL_MAGNITUDE},
}

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME), WithJsonSchema(_TRIMMED_SCHEMA)
]
Level = Annotated[Any, BeforeValidator(level), WithJsonSchema(_LEVEL_SCHEMA)]
LanguageTag = Annotated[
    str,
    Field(max_length=128, json_schema_extra={"pattern": f"^({_LANGUAGE_TAG.pattern})$"}),
    AfterValidator(language_tag),
]
VoiceId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_VOICE_ID),
    WithJsonSchema(_TRIMMED_SCHEMA),
]
ElevenLabsVoiceId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1),
    AfterValidator(voice_id_of_elevenlabs),
    WithJsonSchema({"type": "string", "pattern": rf"^\s*{ELEVENLABS_VOICE_ID.pattern}\s*$"}),
]
ElevenLabsApiKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_ELEVENLABS_KEY,
        json_schema_extra={"pattern": f"^(?!{ENCRYPTED_PREFIX}){_VISIBLE_ASCII.pattern}$"},
    ),
    AfterValidator(visible_ascii),
    BeforeValidator(not_encrypted),
]
PhoneNumberId = Annotated[str, Field(min_length=1, max_length=128)]
PhoneNumberIds = Annotated[
    list[PhoneNumberId],
    Field(max_length=MAX_ITEMS, json_schema_extra={"uniqueItems": True}),
    AfterValidator(unique),
]
AgentId = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
Timestamp = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]

# Strict, because JSON has types. Unknown fields are allowed, because clients send some that the page does not list.
_WIRE = ConfigDict(strict=True, extra="allow", hide_input_in_errors=True)


@with_config(_WIRE)
class TtsModel(TypedDict):
    """How the agent speaks, with any provider but `rime` and `11labs_byo`."""

    provider: Annotated[str, Field(description="Who makes the voice. The list is a parameter of the deployment.")]
    voiceId: Annotated[VoiceId, Field(description="The provider's id of the voice.")]
    language: Annotated[
        LanguageTag, Field(default="en", description="BCP 47 tag of the voice's language: `en`, `en-US`.")
    ]
    name: NotRequired[Annotated[str, Field(description="Display name of the voice.")]]
    elevenLabsApiKey: NotRequired[Annotated[Any, BeforeValidator(only_with_byo)]]


@with_config(_WIRE)
class RimeTtsModel(TtsModel):
    """How the agent speaks with Rime, which has a default voice."""

    voiceId: Annotated[VoiceId, Field(default=DEFAULT_RIME_VOICE, description="Rime's id of the voice.")]


@with_config(_WIRE)
class ByoTtsModel(TtsModel):
    """How the agent speaks with a voice of ElevenLabs and the customer's own key."""

    voiceId: Annotated[ElevenLabsVoiceId, Field(description="ElevenLabs' id of the voice.")]
    elevenLabsApiKey: Annotated[  # type: ignore[misc]  # required here and forbidden there, which is no subtype
        ElevenLabsApiKey,
        Field(description="The customer's ElevenLabs key. It is stored and returned only in encrypted form."),
    ]


AnyTtsModel = Annotated[
    Annotated[RimeTtsModel, Tag(RIME)]
    | Annotated[ByoTtsModel, Tag(ELEVENLABS_BYO)]
    | Annotated[TtsModel, Tag(OTHER_PROVIDER)],
    Discriminator(tts_variant),
]


@with_config(_WIRE)
class Gap(TypedDict):
    """The time between two attempts to call."""

    days: Annotated[int, Field(default=1, ge=0, le=30, description="Whole days.")]
    hours: Annotated[int, Field(default=0, ge=0, le=23, description="Hours in addition to the days.")]


Gaps = Annotated[list[Gap], Field(max_length=MAX_ITEMS)]


@with_config(_WIRE)
class AgentSettings(TypedDict):
    """Three levels that have a range. Any other setting is kept as it is."""

    speed: NotRequired[Annotated[Level, Field(description="How fast the agent speaks.")]]
    volume: NotRequired[Annotated[Level, Field(description="How loud it speaks.")]]
    temperature: NotRequired[Annotated[Level, Field(description="How freely it chooses its words.")]]


@with_config(_WIRE)
class CreateAgentRequest(TypedDict):
    """The agent to create.

    Unknown fields are kept and returned, but a misspelt name of a known one is refused. `null` for an optional field is
    the same as leaving it out. Fields that only the server sets (`_id`, `status`, `createdAt` …) are ignored, so that a
    response can be posted again as a clone. An ElevenLabs key anywhere but in `ttsModel.elevenLabsApiKey` is refused,
    because it would be stored in plain text; so is any API key, token or secret at the top and in `ttsModel`.
    """

    name: Annotated[
        Name, Field(description="Name of the agent: 1 to 256 characters, without the white space around them.")
    ]
    type: Annotated[Literal["voice"], Field(default="voice", description="Kind of agent.")]
    ttsModel: Annotated[AnyTtsModel, Field(description="Text to speech: how the agent speaks.")]
    llmModel: Annotated[
        str,
        Field(
            default=DEFAULT_LLM_MODEL,
            min_length=1,
            max_length=256,
            description="Language model that makes the agent's responses. The list is a parameter of the deployment.",
        ),
    ]
    smartCallback: Annotated[
        bool, Field(default=False, description="Whether the agent calls back when nobody has taken its call.")
    ]
    maxAttemptsForSmartCallback: Annotated[
        int, Field(default=5, ge=1, le=100, description="How often it calls back at most.")
    ]
    gapBetweenEachAttemptForSmartCallback: Annotated[
        Gaps,
        Field(
            default=[],
            description="The time between the attempts, one after another.",
        ),
    ]
    phoneNumberIds: Annotated[
        PhoneNumberIds,
        Field(
            default=[],
            description="Ids of the phone numbers to associate with the agent.",
        ),
    ]
    settings: Annotated[
        AgentSettings,
        Field(default={}, description="Additional settings of the agent."),
    ]
    variables: Annotated[
        dict[str, Any],
        Field(
            default={},
            description="Custom variables to store with the agent: any JSON.",
        ),
    ]


@with_config(_WIRE)
class TtsModelResponse(TypedDict):
    """How the agent speaks."""

    provider: Annotated[str, Field(description="Who makes the voice.")]
    voiceId: Annotated[str, Field(description="The provider's id of the voice.")]
    language: Annotated[LanguageTag, Field(description="BCP 47 tag of the voice's language.")]
    name: NotRequired[Annotated[str, Field(description="Display name of the voice, when one was sent.")]]
    elevenLabsApiKey: NotRequired[
        Annotated[str, Field(description="The customer's ElevenLabs key, encrypted; with provider `11labs_byo` only.")]
    ]


@with_config(_WIRE)
class AgentResponse(TypedDict):
    """The agent as it is now, with the unknown fields of the request that created it."""

    _id: Annotated[AgentId, Field(description="Id of the agent.")]
    workspaceId: Annotated[str, Field(description="Workspace that the agent belongs to.")]
    userId: Annotated[str, Field(description="Owner of the API key that created it.")]
    name: Annotated[str, Field(description="Name of the agent.")]
    type: Annotated[Literal["voice"], Field(description="Kind of agent.")]
    ttsModel: Annotated[TtsModelResponse, Field(description="Text to speech: how the agent speaks.")]
    llmModel: Annotated[str, Field(description="Language model that makes the agent's responses.")]
    smartCallback: Annotated[bool, Field(description="Whether the agent calls back when nobody has taken its call.")]
    maxAttemptsForSmartCallback: Annotated[int, Field(description="How often it calls back at most.")]
    gapBetweenEachAttemptForSmartCallback: Annotated[
        list[Gap], Field(description="The time between the attempts, one after another.")
    ]
    phoneNumberIds: Annotated[
        list[PhoneNumberId], Field(description="Ids of the phone numbers associated with the agent.")
    ]
    activeSessions: Annotated[list[Any], Field(description="Calls that the agent is in; none at creation.")]
    settings: Annotated[AgentSettings, Field(description="Additional settings of the agent.")]
    status: Annotated[
        Literal["pending", "ready", "error"],
        Field(
            description="`ready` to be used; `pending` until an own ElevenLabs key was tried; `error` when that failed."
        ),
    ]
    statusReason: NotRequired[
        Annotated[
            Literal["invalid_key", "voice_not_found", "missing_permission", "key_refused", "key_unreadable"],
            Field(
                description="Why `status` is `error`, and only then. ElevenLabs does not know the key (`invalid_key`) "
                "or the voice (`voice_not_found`), the key lacks a permission (`missing_permission`) or is refused for "
                "another reason, such as payment or quota (`key_refused`), or the stored key cannot be decrypted "
                "(`key_unreadable`)."
            ),
        ]
    ]
    currentNode: Annotated[str | None, Field(description="Where in its flow the agent is; `null` at creation.")]
    variables: Annotated[dict[str, Any], Field(description="Custom variables stored with the agent.")]
    createdAt: Annotated[Timestamp, Field(description="When the agent was created, in UTC.")]
    updatedAt: Annotated[Timestamp, Field(description="When it was last changed, in UTC.")]

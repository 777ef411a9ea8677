"""The document's schemas: pydantic's JSON Schema of the models, and the shape of errors."""

import re
from collections.abc import Mapping
from inspect import cleandoc, getdoc
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from call_agents.agents.models import ELEVENLABS_BYO, RIME, AgentResponse, CreateAgentRequest
from call_agents.agents.validation import MAX_DEPTH, MAX_DIGITS, MIN_MAGNITUDE
from call_agents.shared.errors import MAX_DETAILS, ApiError, RateLimitExceeded, ValidationFailed
from call_agents.shared.field_errors import FieldError
from call_agents.shared.json_values import MAX_MAGNITUDE
from tests.support.template import load_template

Schema = dict[str, Any]

_ANY_JSON = {"$ref": "#/components/schemas/AnyJson"}
_ANY_MEMBERS = {"propertyNames": {"minLength": 1}, "additionalProperties": _ANY_JSON}
_DETAILS: Schema = {
    "type": "array",
    "maxItems": MAX_DETAILS,
    "items": {"$ref": "#/components/schemas/FieldError"},
    "description": "The fields that are wrong, each with its first error.",
}
_MORE: dict[str, Schema] = {
    ValidationFailed.code: {"details": _DETAILS},
    RateLimitExceeded.code: {
        "reset_at": {"type": "string", "format": "date-time", "description": "When requests are allowed again."}
    },
}
"""Further members of an error, by its code."""

_ABOUT_JSON = f"""
Any JSON that the database can hold: numbers of at most {MAX_DIGITS} digits, no empty keys, nested at most {MAX_DEPTH}
levels deep. It is kept exactly.
"""

_TTS_MODELS = {RIME: "RimeTtsModel", ELEVENLABS_BYO: "ByoTtsModel"}


class _Generator(GenerateJsonSchema):
    """Makes no title for each field, which would repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the base class's arguments
        return False


BY_GATEWAY = {413, 429, 500, 503}
"""Statuses that the gateway uses itself, too, with nothing but a message."""


def schemas(by_status: Mapping[int, list[type[ApiError]]]) -> dict[str, Schema]:
    """Return all schemas by name; errors have one for each status."""
    made: dict[str, Schema] = {}
    for model in (CreateAgentRequest, AgentResponse):
        schema = TypeAdapter(model).json_schema(
            ref_template="#/components/schemas/{model}", schema_generator=_Generator
        )
        made |= {**schema.pop("$defs", {}), schema["title"]: schema}
    _add_parameters(made)
    for name in ("CreateAgentRequest", "TtsModel", *_TTS_MODELS.values(), "Gap", "AgentSettings"):
        _allow_nulls(made[name])
    for schema in made.values():
        _make_readable(schema)
    made |= {"AnyJson": _any_json(), "FieldError": _field_error()}
    return made | {f"Error{status}": _error(status, classes) for status, classes in by_status.items()}


def parameter(name: str) -> list[str]:
    """Return the default of a parameter of the deployment that is a list."""
    return str(load_template().content["Parameters"][name]["Default"]).split(",")


def _add_parameters(made: dict[str, Schema]) -> None:
    """Add the lists that are parameters of the deployment, and distinguish the kinds of `ttsModel` by them."""
    request = made["CreateAgentRequest"]["properties"]
    request["llmModel"]["enum"] = parameter("AllowedLlmModels")
    models = {provider: _TTS_MODELS.get(provider, "TtsModel") for provider in parameter("AllowedTtsProviders")}
    mapping = {provider: f"#/components/schemas/{name}" for provider, name in models.items()}
    request["ttsModel"]["discriminator"] = {"propertyName": "provider", "mapping": mapping}
    for name in (*_TTS_MODELS.values(), "TtsModel"):
        _distinguish(made[name], [provider for provider in models if models[provider] == name])


def _distinguish(schema: Schema, providers: list[str]) -> None:
    own = schema["properties"]
    own["provider"]["enum"] = providers
    if "elevenLabsApiKey" not in schema["required"]:
        del own["elevenLabsApiKey"]
        sent = {"required": ["elevenLabsApiKey"], "properties": {"elevenLabsApiKey": {"not": {"type": "null"}}}}
        schema["not"] = sent


def _allow_nulls(schema: Schema) -> None:
    """Allow null for optional fields, which is the same as leaving them out."""
    for name, part in schema["properties"].items():
        if name in schema.get("required", ()):
            continue
        if "$ref" in part:
            part["anyOf"] = [{"$ref": part.pop("$ref")}, {"type": "null"}]
        elif "type" in part:
            part["type"] = [part["type"], "null"]
        if part.get("default") == {}:
            del part["default"]  # generators of clients know no object as the default of something that can be null
        for closed in ("enum", "const"):
            if closed in part:
                part["enum"] = [*(part[closed] if closed == "enum" else [part.pop(closed)]), None]


def _make_readable(schema: Schema) -> None:
    """Write each paragraph of the description in one line, and refer to free JSON by its name."""
    schema["description"] = prose(schema["description"])
    for part in (schema, *schema["properties"].values()):
        if part.get("additionalProperties") is True:
            part.update(_ANY_MEMBERS)


def prose(text: str) -> str:
    """Return a docstring as Markdown, each paragraph in one line."""
    paragraphs = cleandoc(text).replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _any_json() -> Schema:
    """Describe any JSON. It has no type, because generators of clients cannot handle a recursive union."""
    smallest, largest = 10.0**MIN_MAGNITUDE, 10.0**MAX_MAGNITUDE
    too_close_to_zero = {"exclusiveMinimum": -smallest, "exclusiveMaximum": smallest, "not": {"const": 0}}
    return {
        "title": "AnyJson",
        "description": prose(_ABOUT_JSON),
        "exclusiveMinimum": -largest,
        "exclusiveMaximum": largest,
        "not": {"type": "number", **too_close_to_zero},
        "items": _ANY_JSON,
        **_ANY_MEMBERS,
    }


def _field_error() -> Schema:
    doc = getdoc(FieldError) or ""
    described = {name: prose(text) for name, text in re.findall(r"^(\w+) : str\n((?:    .*\n?)+)", doc, re.MULTILINE)}
    members = {name: {"type": "string", "description": described[name]} for name in FieldError.__dataclass_fields__}
    return _object(members, title="FieldError", description=first_line(FieldError))


def first_line(documented: object) -> str:
    """Return the first line of a docstring."""
    return prose(getdoc(documented) or "").partition("\n")[0]


def _error(status: int, classes: list[type[ApiError]]) -> Schema:
    codes = [error.code for error in classes]
    members: Schema = {
        "code": {"type": "string", "enum": codes, "description": "What went wrong, for programs."},
        "message": {"type": "string", "description": "What is wrong and what to do, for people."},
        "requestId": {"type": "string", "description": "The same as the header `X-Request-Id`."},
    }
    inner = _object(members)
    inner["properties"] |= {name: schema for code in codes for name, schema in _MORE.get(code, {}).items()}
    message = {"type": "string", "description": "The same as `error.message`."}
    whole = _object({"message": message, "error": inner}, title=f"Error{status}")
    if status in BY_GATEWAY:
        whole |= {"required": ["message"], "description": "Without `error` when the response is API Gateway's own."}
    return whole


def _object(members: Schema, **about: str) -> Schema:
    return {**about, "type": "object", "properties": members, "required": list(members)}

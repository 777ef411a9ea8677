"""The document's schemas: what pydantic makes of `agents.models`, and the shape of the errors."""

import re
from collections.abc import Mapping
from inspect import cleandoc, getdoc
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from agents import rules
from agents.errors import MAX_DETAILS, ApiError, Fault, PayloadTooLarge, RateLimitExceeded, ValidationFailed
from agents.models import Agent, CreateAgentRequest
from agents.values import MAX_DEPTH, MAX_DIGITS, MAX_MAGNITUDE, MIN_MAGNITUDE
from tests.support.template import load_template

Schema = dict[str, Any]

_ANY_JSON = {"$ref": "#/components/schemas/AnyJson"}
_ANY_MEMBERS = {"propertyNames": {"minLength": 1}, "additionalProperties": _ANY_JSON}
_DETAILS: Schema = {
    "type": "array",
    "maxItems": MAX_DETAILS,
    "items": {"$ref": "#/components/schemas/Fault"},
    "description": "The fields that are wrong, each with its first fault.",
}
_MORE: dict[str, Schema] = {
    ValidationFailed.code: {"details": _DETAILS},
    PayloadTooLarge.code: {"details": _DETAILS},
    RateLimitExceeded.code: {
        "reset_at": {"type": "string", "format": "date-time", "description": "When requests pass again."}
    },
}
"""What an error has besides, by its code."""

_ABOUT_JSON = f"""
Any JSON that the database can hold: numbers of at most {MAX_DIGITS} digits, members that have a name, no more than
{MAX_DEPTH} objects and arrays inside one another. Its meaning is kept exactly.
"""

_TTS_MODELS = {rules.RIME: "RimeTtsModel", rules.ELEVENLABS_BYO: "ByoTtsModel"}


class _Generator(GenerateJsonSchema):
    """Without a title for each field, which would be its name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the base class's arguments
        return False


BY_GATEWAY = {413, 429, 500, 503}
"""Statuses that the gateway answers by itself, too, and then with nothing but a message."""


def schemas(by_status: Mapping[int, list[type[ApiError]]]) -> dict[str, Schema]:
    """Return all schemas, by name; of errors, one for each status."""
    made: dict[str, Schema] = {}
    for model in (CreateAgentRequest, Agent):
        schema = TypeAdapter(model).json_schema(
            ref_template="#/components/schemas/{model}", schema_generator=_Generator
        )
        made |= {**schema.pop("$defs", {}), schema["title"]: schema}
    _name_what_is_deployed(made)
    for schema in made.values():
        _read(schema)
    made |= {"AnyJson": _any_json(), "Fault": _fault()}
    return made | {f"Error{status}": _error(status, classes) for status, classes in by_status.items()}


def parameter(name: str) -> list[str]:
    """Return the default of a parameter of the deployment that is a list."""
    return str(load_template().content["Parameters"][name]["Default"]).split(",")


def _name_what_is_deployed(made: dict[str, Schema]) -> None:
    """Put the lists in that are parameters of the deployment, and tell by them the kinds of `ttsModel` apart."""
    request = made["CreateAgentRequest"]["properties"]
    request["llmModel"]["enum"] = parameter("AllowedLlmModels")
    models = {provider: _TTS_MODELS.get(provider, "TtsModel") for provider in parameter("AllowedTtsProviders")}
    mapping = {provider: f"#/components/schemas/{name}" for provider, name in models.items()}
    request["ttsModel"]["discriminator"] = {"propertyName": "provider", "mapping": mapping}
    for name in (*_TTS_MODELS.values(), "TtsModel"):
        _tell_apart(made[name], made["TtsModel"], [provider for provider in models if models[provider] == name])


def _tell_apart(schema: Schema, base: Schema, providers: list[str]) -> None:
    own = schema["properties"]
    # pydantic reads the docstrings of a class's own fields only.
    own |= {name: {**inherited, **own[name]} for name, inherited in base["properties"].items()}
    own["provider"]["enum"] = providers
    if "elevenLabsApiKey" not in schema["required"]:
        del own["elevenLabsApiKey"]
        schema["not"] = {"required": ["elevenLabsApiKey"]}


def _read(schema: Schema) -> None:
    """Make a model's schema one to be read: paragraphs in one line each, and free JSON by its name."""
    for part in (schema, *schema["properties"].values()):
        if part.get("additionalProperties") is True:
            part.update(_ANY_MEMBERS)
        if "description" in part:
            part["description"] = prose(part["description"])


def prose(text: str) -> str:
    """Turn a docstring into Markdown, each paragraph in one line."""
    paragraphs = cleandoc(text).replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _any_json() -> Schema:
    """Describe any JSON; without a type of its own, for generators of clients cannot follow a union into itself."""
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


def _fault() -> Schema:
    doc = getdoc(Fault) or ""
    described = {name: prose(text) for name, text in re.findall(r"^(\w+) : str\n((?:    .*\n?)+)", doc, re.MULTILINE)}
    members = {name: {"type": "string", "description": described[name]} for name in Fault.__dataclass_fields__}
    return _object(members, title="Fault", description=first_line(Fault))


def first_line(documented: object) -> str:
    """Return the first line of a docstring."""
    return prose(getdoc(documented) or "").partition("\n")[0]


def _error(status: int, classes: list[type[ApiError]]) -> Schema:
    codes = [error.code for error in classes]
    members: Schema = {
        "code": {"type": "string", "enum": codes, "description": "What went wrong, for programs."},
        "message": {"type": "string", "description": "What was wrong and what to do next, for people."},
        "requestId": {"type": "string", "description": "The same as the header `X-Request-Id`."},
    }
    inner = _object(members)
    inner["properties"] |= {name: schema for code in codes for name, schema in _MORE.get(code, {}).items()}
    message = {"type": "string", "description": "The same as `error.message`."}
    whole = _object({"message": message, "error": inner}, title=f"Error{status}")
    if status in BY_GATEWAY:
        whole |= {"required": ["message"], "description": "Without `error` when API Gateway has answered by itself."}
    return whole


def _object(members: Schema, **about: str) -> Schema:
    return {**about, "type": "object", "properties": members, "required": list(members)}

"""The OpenAPI document: one operation, as the models, the error tree and the sample events have it."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agents import errors
from agents.errors import MAX_DETAILS, ApiError
from create_agent import PATH, REPLAYED, STRICT_APPLIED
from http_api import MAX_BODY_BYTES, answer
from tests.local.aws import WORKSPACE_ID
from tests.support.template import ROOT
from tests.contract.openapi import examples
from tests.contract.openapi.schemas import BY_GATEWAY, Schema, first_line, prose, schemas

_NOT_OF_THIS_OPERATION = {errors.Conflict, errors.NotFound, errors.MethodNotAllowed}

_DESCRIPTION = f"""
Creates voice-call agents. Every answer is JSON. Errors have one shape: `error.code` for programs, `error.message` (and
the same as `message`) for people, `error.details` with the fields that are wrong, up to {MAX_DETAILS}. No error repeats
a value that was sent. What API Gateway answers by itself has only `message`.

Retry what ends with 429, 5xx or no answer at all, with the same `Idempotency-Key`: it creates one agent, however often
it is sent. Do not retry any other 4xx.
"""

_OPERATION_DESCRIPTION = f"""
The caller is checked before the body is looked at. The body is one JSON object of at most {MAX_BODY_BYTES // 1024} KiB;
all of its faults are told at once. What is answered is what is stored. Numbers keep their exact value: `1.10` comes
back as `1.1`.
"""

_API_KEY = """
Opens one workspace. Keys look like `cca_live_…`, are shown once when they are issued, and can be rotated and revoked.
"""

_PARAMETERS: dict[str, tuple[str, Schema]] = {
    "x-workspace-id": ("Id of the workspace that the API key opens.", {"minLength": 1}),
    "Idempotency-Key": (
        "Requests with the same key create one agent, however often and at once they are sent. A UUID will do.",
        {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    ),
    "Prefer": ("`handling=strict`: refuse fields that are not listed, instead of keeping them (RFC 7240).", {}),
}

_HEADERS: dict[str, tuple[str, Schema]] = {
    "X-Request-Id": ("Id of the request; the logs have it too.", {}),
    "Cache-Control": ("No cache may keep the answer.", {"const": "no-store"}),
    "X-Content-Type-Options": ("Browsers must not guess another media type.", {"const": "nosniff"}),
    "Location": ("Path of the agent.", {"pattern": f"^{PATH}/[0-9a-f]{{24}}$"}),
    "Idempotent-Replayed": ("On every answer but the first to the same `Idempotency-Key`.", {"const": "true"}),
    "Preference-Applied": ("With `Prefer: handling=strict`.", {"const": "handling=strict"}),
    "RateLimit-Policy": ("How many requests (`q`) in how many seconds (`w`) this API key may send.", {}),
    "RateLimit": ("How many remain (`r`) for how many seconds (`t`).", {}),
    "Retry-After": ("Seconds to wait before the request is sent again.", {"pattern": "^[0-9]+$"}),
    "WWW-Authenticate": ("The authentication that is asked for: an API key.", {}),
    "Accept": ("Media type that the body is to have.", {"const": "application/json"}),
}
_ON_ANY_ANSWER_TO_A_KNOWN_CALLER = (*STRICT_APPLIED, "RateLimit-Policy", "RateLimit")


def document() -> dict[str, Any]:
    """Return the whole document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    by_status = _errors_by_status()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Create Call Agent",
            "version": project["version"],
            "description": prose(_DESCRIPTION),
            "license": {"name": project["license"], "identifier": project["license"]},
        },
        "paths": {PATH: {"post": _operation(by_status)}},
        "components": {
            "schemas": schemas(by_status),
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": prose(_API_KEY)}
            },
        },
        "security": [{"ApiKey": []}],
    }


def _errors_by_status() -> dict[int, list[type[ApiError]]]:
    found: dict[int, list[type[ApiError]]] = {}
    for error in _tree(ApiError):
        if "code" in vars(error) and error not in _NOT_OF_THIS_OPERATION:
            found.setdefault(error.status, []).append(error)
    return dict(sorted(found.items()))


def _tree(error: type[ApiError]) -> Iterator[type[ApiError]]:
    yield error
    for child in error.__subclasses__():
        yield from _tree(child)


def _operation(by_status: Mapping[int, list[type[ApiError]]]) -> dict[str, Any]:
    return {
        "operationId": "createAgent",
        "summary": "Create an agent",
        "description": prose(_OPERATION_DESCRIPTION),
        "tags": ["Agents"],
        "parameters": [_parameter(name) for name in _PARAMETERS],
        "requestBody": {
            "required": True,
            "content": _json("CreateAgentRequest", examples.requests()),
        },
        "responses": {
            "201": _created(),
            **{str(status): _refused(status, classes) for status, classes in by_status.items()},
        },
    }


def _parameter(name: str) -> dict[str, Any]:
    description, schema = _PARAMETERS[name]
    made = {"name": name, "in": "header", "description": description, "schema": {"type": "string", **schema}}
    # An example would be sent by who tries the API out: it is right for this one only.
    return {**made, "required": True, "example": WORKSPACE_ID} if name.startswith("x-") else made


def _created() -> dict[str, Any]:
    return {
        "description": "The agent is stored.",
        "headers": _headers([*_always(), "Location"], [*REPLAYED, *_ON_ANY_ANSWER_TO_A_KNOWN_CALLER]),
        "content": _json("Agent", examples.answers()),
    }


def _refused(status: int, classes: list[type[ApiError]]) -> dict[str, Any]:
    samples = [examples.error(error) for error in classes]
    ours = [*_always(), *samples[0].headers]
    others = () if issubclass(classes[0], errors.Unauthorized) else _ON_ANY_ANSWER_TO_A_KNOWN_CALLER
    told = [f"- `{error.code}`: {first_line(error)}" for error in classes]
    return {
        "description": "\n".join(told),
        "headers": _headers(() if status in BY_GATEWAY else ours, [*ours, *others]),
        "content": _json(f"Error{status}", {sample.code: examples.rendered(sample) for sample in samples}),
    }


def _always() -> list[str]:
    """Return the headers that every answer has, but for the one that OpenAPI tells in another place."""
    return [name for name in answer(200, None, "", {})["headers"] if name != "Content-Type"]


def _headers(always: Iterable[str], sometimes: Iterable[str]) -> dict[str, Any]:
    required = {name: {"required": True} for name in always}
    return {name: {**_header(name), **required.get(name, {})} for name in dict.fromkeys([*required, *sometimes])}


def _header(name: str) -> dict[str, Any]:
    description, schema = _HEADERS[name]
    return {"description": description, "schema": {"type": "string", **schema}}


def _json(schema: str, samples: Mapping[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"application/json": {"schema": reference, "examples": {n: {"value": v} for n, v in samples.items()}}}

"""The OpenAPI document: two operations, made from the models, the error tree and the sample events."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from call_agents.shared import errors
from call_agents.shared.errors import MAX_DETAILS, ApiError
from call_agents.shared.http import AGENTS_PATH, MAX_BODY_BYTES, gateway_response
from call_agents.shared.invocation import Response
from tests.contract.openapi import examples
from tests.contract.openapi.schemas import BY_GATEWAY, Schema, first_line, prose, schemas
from tests.local.aws import WORKSPACE_ID
from tests.support.template import ROOT

Errors = Mapping[int, list[type[ApiError]]]

_SERVERS = [
    {
        "url": "https://{apiId}.execute-api.{region}.amazonaws.com",
        "description": "A deployment; `sam deploy` prints its URL.",
        "variables": {"apiId": {"default": "abc123"}, "region": {"default": "us-east-1"}},
    },
    {
        "url": "http://127.0.0.1:{port}",
        "description": "The local run.",
        "variables": {"port": {"default": "3000"}},
    },
]

_UNDESCRIBED = {errors.Conflict, errors.NotFound, errors.MethodNotAllowed}
"""Errors of operators' commands, and of other paths and methods."""

_ONLY_READING: set[type[ApiError]] = {errors.AgentNotFound}
_ONLY_CREATING: set[type[ApiError]] = {
    errors.InvalidJson,
    errors.ValidationFailed,
    errors.InvalidHeader,
    errors.PayloadTooLarge,
    errors.UnsupportedMediaType,
    errors.IdempotencyKeyReused,
}

_DESCRIPTION = f"""
Creates voice-call agents and reads them back. Every response is JSON. Errors have one shape: `error.code` for programs,
`error.message` (and the same as `message`) for people, `error.details` with the fields that are wrong, up to
{MAX_DETAILS}. No error repeats a value that was sent. API Gateway's own responses have only `message`.

Retry 429, 5xx and lost responses with the same `Idempotency-Key`: it creates one agent, however often it is sent. Do
not retry any other 4xx.
"""

_CREATE_DESCRIPTION = f"""
The caller is authenticated before the body is read. The body is one JSON object of at most
{MAX_BODY_BYTES // 1024} KiB; all of its field errors are reported at once. The response is what is stored. Numbers keep
their value, not their spelling: `1.10` comes back as `1.1`.
"""

_GET_DESCRIPTION = """
Returns the agent as it is now. An agent with its own ElevenLabs key is `pending` until the key was tried, which takes
seconds. Read it until it is `ready` or in `error`; `statusReason` says why it is in error. Malformed ids, unknown ones
and those of another workspace get the same 404. HEAD gets the same response without its body.
"""

_API_KEY = """
Gives access to one workspace. Keys look like `cca_live_…`, are shown once when they are issued, and can be rotated and
revoked.
"""

_PARAMETERS: dict[str, tuple[str, Schema]] = {
    "x-workspace-id": ("Id of the workspace that the API key gives access to.", {"minLength": 1}),
    "Idempotency-Key": (
        "Requests with the same key create one agent, however often they are sent. Use a UUID.",
        {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    ),
    "Prefer": ("`handling=strict`: refuse unknown fields instead of keeping them (RFC 7240).", {}),
}

_HEADERS: dict[str, tuple[str, Schema]] = {
    "X-Request-Id": ("Id of the request; the logs have it too.", {}),
    "Cache-Control": ("No cache may store the response.", {"const": "no-store"}),
    "X-Content-Type-Options": ("Browsers must not guess another media type.", {"const": "nosniff"}),
    "Location": ("Path of the agent.", {"pattern": f"^{AGENTS_PATH}/[0-9a-f]{{24}}$"}),
    "Idempotent-Replayed": ("On every response but the first to the same `Idempotency-Key`.", {"const": "true"}),
    "Preference-Applied": ("With `Prefer: handling=strict`.", {"const": "handling=strict"}),
    "RateLimit-Policy": ("How many requests (`q`) in how many seconds (`w`) this API key may send.", {}),
    "RateLimit": ("How many remain (`r`) for how many seconds (`t`).", {}),
    "Retry-After": ("Seconds to wait before a retry.", {"pattern": "^[0-9]+$"}),
    "WWW-Authenticate": ("The required authentication: an API key.", {}),
    "Accept-Encoding": ("With a compressed body, which is refused.", {"const": "identity"}),
    "Accept": ("Media type that the body must have.", {"const": "application/json"}),
}
_RATE_LIMIT = ("RateLimit-Policy", "RateLimit")
_FOR_KNOWN_CALLERS = ("Preference-Applied", *_RATE_LIMIT)


def document() -> dict[str, Any]:
    """Return the whole document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    every, creating, reading = _errors(set()), _errors(_ONLY_READING), _errors(_ONLY_CREATING)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Create Call Agent",
            "version": project["version"],
            "description": prose(_DESCRIPTION),
            "license": {"name": project["license"], "identifier": project["license"]},
        },
        "servers": _SERVERS,
        "paths": {
            AGENTS_PATH: {"post": _create(creating)},
            f"{AGENTS_PATH}/{{agentId}}": {"get": _get(reading)},
        },
        "components": {
            "schemas": schemas(every),
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": prose(_API_KEY)}
            },
        },
        "security": [{"ApiKey": []}],
    }


def _errors(without: set[type[ApiError]]) -> Errors:
    found: dict[int, list[type[ApiError]]] = {}
    for error in _tree(ApiError):
        if "code" in vars(error) and error not in _UNDESCRIBED | without:
            found.setdefault(error.status, []).append(error)
    return dict(sorted(found.items()))


def _tree(error: type[ApiError]) -> Iterator[type[ApiError]]:
    yield error
    for child in error.__subclasses__():
        yield from _tree(child)


def _create(by_status: Errors) -> dict[str, Any]:
    return {
        "operationId": "createAgent",
        "summary": "Create an agent",
        "description": prose(_CREATE_DESCRIPTION),
        "tags": ["Agents"],
        "parameters": [_parameter(name) for name in _PARAMETERS],
        "requestBody": {
            "required": True,
            "content": _json("CreateAgentRequest", examples.requests()),
        },
        "responses": {
            "201": _created(),
            **{str(status): _refused(status, classes, _FOR_KNOWN_CALLERS) for status, classes in by_status.items()},
        },
    }


def _get(by_status: Errors) -> dict[str, Any]:
    agent_id = {
        "name": "agentId",
        "in": "path",
        "required": True,
        "description": "The agent's `_id`.",
        "schema": {"type": "string", "minLength": 1},
        "example": examples.AGENT_ID,
    }
    return {
        "operationId": "getAgent",
        "summary": "Read an agent back",
        "description": prose(_GET_DESCRIPTION),
        "tags": ["Agents"],
        "parameters": [agent_id, _parameter("x-workspace-id")],
        "responses": {
            "200": {
                "description": "The agent as it is now.",
                "headers": _headers(_always(), _RATE_LIMIT),
                "content": _json("AgentResponse", {**examples.responses(), "an agent in error": examples.in_error()}),
            },
            **{str(status): _refused(status, classes, _RATE_LIMIT) for status, classes in by_status.items()},
        },
    }


def _parameter(name: str) -> dict[str, Any]:
    description, schema = _PARAMETERS[name]
    made = {"name": name, "in": "header", "description": description, "schema": {"type": "string", **schema}}
    # The page fills an example in, which only this header should have.
    return {**made, "required": True, "example": WORKSPACE_ID} if name.startswith("x-") else made


def _created() -> dict[str, Any]:
    return {
        "description": "The agent is stored.",
        "headers": _headers([*_always(), "Location"], ["Idempotent-Replayed", *_FOR_KNOWN_CALLERS]),
        "content": _json("AgentResponse", examples.responses()),
    }


def _refused(status: int, classes: list[type[ApiError]], of_known_callers: Iterable[str]) -> dict[str, Any]:
    samples = [examples.error(error) for error in classes]
    ours = [*_always(), *samples[0].headers]
    others = [header for error in classes for child in error.__subclasses__() for header in child.headers]
    others += [] if issubclass(classes[0], errors.Unauthorized) else of_known_callers
    lines = [f"- `{error.code}`: {first_line(error)}" for error in classes]
    return {
        "description": "\n".join(lines),
        "headers": _headers(() if status in BY_GATEWAY else ours, [*ours, *others]),
        "content": _json(f"Error{status}", {sample.code: examples.rendered(sample) for sample in samples}),
    }


def _always() -> list[str]:
    """Return the headers of every response, without the one that OpenAPI describes elsewhere."""
    return [name for name in gateway_response(Response(200, None), "")["headers"] if name != "Content-Type"]


def _headers(always: Iterable[str], sometimes: Iterable[str]) -> dict[str, Any]:
    required = {name: {"required": True} for name in always}
    return {name: {**_header(name), **required.get(name, {})} for name in dict.fromkeys([*required, *sometimes])}


def _header(name: str) -> dict[str, Any]:
    description, schema = _HEADERS[name]
    return {"description": description, "schema": {"type": "string", **schema}}


def _json(schema: str, samples: Mapping[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"application/json": {"schema": reference, "examples": {n: {"value": v} for n, v in samples.items()}}}

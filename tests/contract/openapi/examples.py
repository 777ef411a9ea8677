"""The document's examples: the bodies of the sample events, and their real responses."""

import json
from datetime import UTC, datetime

from call_agents.agents.agent import ERROR, Agent, new_agent
from call_agents.agents.elevenlabs import INVALID_KEY
from call_agents.agents.validation import ValidRequest, validate
from call_agents.shared.config import AllowedValues
from call_agents.shared.errors import ApiError, RateLimitExceeded, ValidationFailed, render
from call_agents.shared.json_values import Json, parse_json
from call_agents.shared.secret_box import ENCRYPTED_PREFIX
from tests.contract.openapi.schemas import parameter
from tests.local.aws import USER_ID, WORKSPACE_ID
from tests.support.template import ROOT

_EVENTS = {
    "the API page's example": "create_agent",
    "only what is required": "create_agent_minimal",
    "your own ElevenLabs key": "create_agent_11labs_byo",
}
_INVALID = "create_agent_invalid"
_REQUEST_ID = "JKJaXmPLvHcESHA="
AGENT_ID = "e1ead0baa81d2a05cdac769e"
_NOW = datetime(2026, 1, 31, 12, 0, 37, 125000, UTC)
_ENCRYPTED = f"{ENCRYPTED_PREFIX}AQICAHhencryptedByTheKeyServiceForThisAgentOnly"


def requests() -> dict[str, Json]:
    """Return bodies that create an agent, by what they show."""
    return {name: _body(event) for name, event in _EVENTS.items()}


def responses() -> dict[str, Json]:
    """Return their responses."""
    return {name: new_agent_of(_body(event)).body() for name, event in _EVENTS.items()}


def in_error() -> Json:
    """Return an agent whose ElevenLabs key was refused."""
    agent = new_agent_of(_body(_EVENTS["your own ElevenLabs key"]))
    return Agent({**agent.fields, "status": ERROR, "statusReason": INVALID_KEY}, agent.extra).body()


def error(kind: type[ApiError]) -> ApiError:
    """Return an error as it is raised."""
    if kind is RateLimitExceeded:
        message = "This API key has sent too many requests. Wait 23 s, then send this one again."
        return RateLimitExceeded(message, 23, "2026-01-31T12:01:00Z", {})
    if kind is ValidationFailed:
        return _invalid()
    return kind()


def rendered(error: ApiError) -> Json:
    """Return the body of an error response."""
    return render(error, _REQUEST_ID)


def _invalid() -> ValidationFailed:
    try:
        _request(_body(_INVALID))
    except ValidationFailed as failure:
        return failure
    raise AssertionError("The event must have field errors.")


def new_agent_of(body: Json) -> Agent:
    """Return the agent that a request creates."""
    valid = _request(body)
    return new_agent(
        valid.fields,
        agent_id=AGENT_ID,
        workspace_id=WORKSPACE_ID,
        user_id=USER_ID,
        encrypted_key=_ENCRYPTED if valid.secret else None,
        now=_NOW,
    )


def _request(body: Json) -> ValidRequest:
    allowed = AllowedValues(*(tuple(parameter(name)) for name in ("AllowedLlmModels", "AllowedTtsProviders")))
    return validate(body, allowed, strict=True)


def _body(event: str) -> Json:
    return parse_json(json.loads((ROOT / "events" / f"{event}.json").read_text("utf-8"))["body"])

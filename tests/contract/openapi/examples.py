"""The document's examples: the bodies of the sample events, and what is really answered to them."""

import json
from datetime import UTC, datetime

from agents.agent import new_agent
from agents.errors import ApiError, RateLimitExceeded, ValidationFailed, render
from agents.validation import AgentRequest, AllowedValues, validate
from agents.values import Json, parse_json
from tests.local.aws import USER_ID, WORKSPACE_ID
from tests.support.template import ROOT
from tests.contract.openapi.schemas import parameter

_EVENTS = {
    "the API page's example": "create_agent",
    "only what is required": "create_agent_minimal",
    "your own ElevenLabs key": "create_agent_11labs_byo",
}
_INVALID = "create_agent_invalid"
_REQUEST_ID = "JKJaXmPLvHcESHA="
_AGENT_ID = "e1ead0baa81d2a05cdac769e"
_NOW = datetime(2026, 1, 31, 12, 0, 37, 125000, UTC)
_SEALED = "AQICAHhsealedByTheKeyServiceForThisAgentOnly"


def requests() -> dict[str, Json]:
    """Return bodies that create an agent, by what they show."""
    return {name: _body(event) for name, event in _EVENTS.items()}


def answers() -> dict[str, Json]:
    """Return the answers to them."""
    return {name: _created(_body(event)) for name, event in _EVENTS.items()}


def error(kind: type[ApiError]) -> ApiError:
    """Return an error as it is raised."""
    if kind is RateLimitExceeded:
        return RateLimitExceeded(23, _NOW.replace(minute=1, second=0), {})
    if kind is ValidationFailed:
        return _invalid()
    return kind()


def rendered(error: ApiError) -> Json:
    """Return the body of an error's answer."""
    return render(error, _REQUEST_ID)


def _invalid() -> ValidationFailed:
    try:
        _request(_body(_INVALID))
    except ValidationFailed as failure:
        return failure
    raise AssertionError("The event is to show faults.")


def _created(body: Json) -> Json:
    wanted = _request(body)
    agent = new_agent(
        wanted.fields,
        agent_id=_AGENT_ID,
        workspace_id=WORKSPACE_ID,
        user_id=USER_ID,
        is_ready=wanted.secret is None,
        now=_NOW,
    )
    return (agent.with_sealed_key(_SEALED) if wanted.secret else agent).answer()


def _request(body: Json) -> AgentRequest:
    allowed = AllowedValues(*(tuple(parameter(name)) for name in ("AllowedLlmModels", "AllowedTtsProviders")))
    return validate(body, allowed, strict=True)


def _body(event: str) -> Json:
    return parse_json(json.loads((ROOT / "events" / f"{event}.json").read_text("utf-8"))["body"])

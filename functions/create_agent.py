"""Lambda handler of ``POST /v1/api/agents``."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from secrets import token_hex
from typing import Any

from call_agents.agents.agent import new_agent
from call_agents.agents.idempotency import check_idempotency_key, derive_agent_id, digest
from call_agents.agents.names import drop_nulls
from call_agents.agents.store import AgentStore, Created
from call_agents.agents.validation import validate
from call_agents.api_keys.access import Access, build_access
from call_agents.api_keys.key import Caller
from call_agents.shared.config import AllowedValues, Settings
from call_agents.shared.errors import NotAllowed, NotFound, ServiceUnavailable
from call_agents.shared.http import AGENTS_PATH, Request, gateway_response, read_request
from call_agents.shared.invocation import Frame, Invocation, Response
from call_agents.shared.json_values import parse_json
from call_agents.shared.secret_box import SecretBox

SERVICE = "create_agent"

WRITE_TIME_MS = 7000
"""Remaining time that a write needs: three attempts of 1 s, and three reads of 1 s to verify it, over connections that
are open. What takes even longer ends with the deadline."""


@dataclass(frozen=True)
class Application:
    """What every request needs. It is built from the settings at the first request, or by a test."""

    access: Access
    agents: AgentStore
    secrets: SecretBox
    allowed: AllowedValues
    now: Callable[[], datetime]
    new_token: Callable[[], str]


@cache
def frame() -> Frame[dict[str, Any]]:
    """Return the frame, which is separate from the application so that a failure to build that is logged, too."""
    return Frame(SERVICE, Settings(os.environ), gateway_response)


@cache
def application() -> Application:
    """Build the application from the environment."""
    return build(Settings(os.environ))


def build(settings: Settings) -> Application:
    """Build the application from settings; raise ConfigError when one is missing or wrong."""
    dynamodb = settings.dynamodb()
    return Application(
        access=build_access(settings, dynamodb),
        agents=AgentStore(dynamodb, settings.text("AGENTS_TABLE")),
        secrets=SecretBox(cache(settings.kms), settings.text("SECRETS_KEY_ID")),
        allowed=settings.allowed_values,
        now=lambda: datetime.now(UTC),
        new_token=token_hex,
    )


def handler(event: object, context: object) -> dict[str, Any]:
    """Handle one event of the HTTP API (payload format 2.0).

    Parameters
    ----------
    event : object
        The gateway's event. Any other event gets 404.
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``statusCode``, ``headers`` and ``body``. It never raises: the gateway would respond in its own format.
    """
    return handle(event, context, application)


def handle(event: object, context: object, get_application: Callable[[], Application]) -> dict[str, Any]:
    """Handle one event with an application of your own; parameters and result otherwise as for `handler`."""
    request = read_request(event, context)
    return frame().run(event, context, lambda invocation: create(request, get_application(), invocation), request.id)


def create(request: Request, app: Application, invocation: Invocation) -> Response:
    """Create an agent. Nothing of the body is read before the caller is authenticated."""
    if request.path != AGENTS_PATH:
        raise NotFound
    request.check_method("POST")
    now = app.now()
    caller = app.access.check(request, now, invocation)
    given_key = request.headers.get("idempotency-key")
    idempotency_key = app.new_token() if given_key is None else check_idempotency_key(given_key)
    strict = request.prefers_strict()
    if strict:
        invocation.headers["Preference-Applied"] = "handling=strict"  # RFC 7240 §3

    invocation.timer.begin("validate")
    request.check_media_type()
    body = parse_json(request.text())
    drop_nulls(body)
    agent_id = derive_agent_id(caller.workspace_id, idempotency_key)
    try:
        valid = validate(body, app.allowed, strict=strict)
        invocation.log["agentId"] = agent_id
        encrypted_key = encrypt(valid.secret, caller, agent_id, app, invocation)
    except (NotAllowed, ServiceUnavailable):
        # The same request may have created its agent before a list was shortened or KMS failed.
        if given_key is None:
            raise
        invocation.timer.begin("store")
        found = app.agents.find_replay(caller.workspace_id, agent_id, digest(given_key, body))
        if found is None:
            raise
        created = Created(found, replayed=True)
    else:
        agent = new_agent(
            valid.fields,
            agent_id=agent_id,
            workspace_id=caller.workspace_id,
            user_id=caller.user_id,
            encrypted_key=encrypted_key,
            now=now,
        )
        # If too little time remains to write and verify, the outcome would be unknown to the caller.
        invocation.check_time(WRITE_TIME_MS)
        invocation.timer.begin("store")
        created = app.agents.create(agent, digest(idempotency_key, body), app.new_token())
    outcome = "replayed" if created.replayed else "created"
    invocation.log.update(agentId=agent_id, outcome=outcome, unknownOutcome=created.unknown_outcome)
    headers = {"Location": f"{AGENTS_PATH}/{agent_id}"}
    if created.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(201, created.agent.body(), headers)


def encrypt(secret: str | None, caller: Caller, agent_id: str, app: Application, invocation: Invocation) -> str | None:
    """Encrypt the agent's own ElevenLabs key, if it has one."""
    if secret is None:
        return None
    invocation.check_time(WRITE_TIME_MS)
    invocation.timer.begin("encrypt")
    return app.secrets.encrypt(secret, workspace_id=caller.workspace_id, agent_id=agent_id)

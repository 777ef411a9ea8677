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
from call_agents.agents.store import AgentStore, check_size
from call_agents.agents.validation import validate
from call_agents.api_keys.key import Caller, caller_of, check_key, ids_of, key_hash
from call_agents.api_keys.rate_limit import RateLimiter
from call_agents.api_keys.store import ApiKeyStore
from call_agents.shared.config import AllowedValues, Settings
from call_agents.shared.errors import InternalError, MissingHeader, ServiceUnavailable, WorkspaceForbidden
from call_agents.shared.http import Request, gateway_response, read_request
from call_agents.shared.invocation import Frame, Invocation, Response
from call_agents.shared.json_values import parse_json
from call_agents.shared.secret_box import SecretBox

PATH = "/v1/api/agents"
SERVICE = "create_agent"

WRITE_TIME_MS = 7000
"""Remaining time that a write needs in the worst case: three attempts of 1 s, and three reads of 1 s to verify it."""


@dataclass(frozen=True)
class Application:
    """What every request needs. It is built from the settings at the first request, or by a test."""

    keys: ApiKeyStore
    rate_limiter: RateLimiter | None
    agents: AgentStore
    secrets: SecretBox
    allowed: AllowedValues
    allow_test_keys: bool
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
    limit = settings.count("RATE_LIMIT_PER_MINUTE")
    dynamodb = settings.dynamodb()
    return Application(
        keys=ApiKeyStore(dynamodb, settings.text("API_KEYS_TABLE")),
        # One attempt: if the counter is unavailable the request proceeds, so it must not wait for retries.
        rate_limiter=RateLimiter(settings.dynamodb(max_attempts=1), settings.text("RATE_LIMITS_TABLE"), limit)
        if limit
        else None,
        agents=AgentStore(dynamodb, settings.text("AGENTS_TABLE")),
        secrets=SecretBox(cache(settings.kms), settings.text("SECRETS_KEY_ID")),
        allowed=settings.allowed_values,
        allow_test_keys=settings.allow_test_keys,
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
    request.check_route("POST", PATH)
    now = app.now()
    caller = authenticate(request, app, now, invocation)
    strict = request.prefers_strict()
    if strict:
        invocation.headers["Preference-Applied"] = "handling=strict"  # RFC 7240 §3
    limit_rate(caller, app, now, invocation)
    authorize(caller, request.headers.get("x-workspace-id"))
    given_key = request.headers.get("idempotency-key")
    idempotency_key = app.new_token() if given_key is None else check_idempotency_key(given_key)

    invocation.timer.begin("validate")
    request.check_media_type()
    text = request.text()
    body = parse_json(text)
    valid = validate(body, app.allowed, strict=strict)
    check_size(valid.fields, len(text))

    agent_id = derive_agent_id(caller.workspace_id, idempotency_key)
    invocation.log["agentId"] = agent_id
    encrypted_key = encrypt(valid.secret, caller, agent_id, app, invocation)
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
    invocation.log.update(outcome="replayed" if created.replayed else "created", unknownOutcome=created.unknown_outcome)
    headers = {"Location": f"{PATH}/{agent_id}"}
    if created.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(201, created.agent.body(), headers)


def authenticate(request: Request, app: Application, now: datetime, invocation: Invocation) -> Caller:
    """Identify the caller with one consistent read, so that a revoked key is refused from the next request on."""
    invocation.timer.begin("authenticate")
    key = check_key(request.headers.get("x-api-key"), allow_test_keys=app.allow_test_keys)
    record = app.keys.find_by_hash(key_hash(key))
    invocation.log.update(ids_of(record))
    return caller_of(record, now)


def limit_rate(caller: Caller, app: Application, now: datetime, invocation: Invocation) -> None:
    """Raise RateLimitExceeded when the key has sent too much. Fails open: without a counter, the request proceeds."""
    if app.rate_limiter is None:
        return
    invocation.timer.begin("rateLimit")
    try:
        invocation.headers.update(app.rate_limiter.count(caller.key_id, now))
    except (InternalError, ServiceUnavailable) as error:
        invocation.log["rateLimiterFailure"] = error.internal


def authorize(caller: Caller, workspace_id: str | None) -> None:
    """Raise MissingHeader or WorkspaceForbidden unless the caller's key gives access to this workspace."""
    if not workspace_id:
        raise MissingHeader
    if workspace_id != caller.workspace_id:
        raise WorkspaceForbidden


def encrypt(secret: str | None, caller: Caller, agent_id: str, app: Application, invocation: Invocation) -> str | None:
    """Encrypt the agent's own ElevenLabs key, if it has one."""
    if secret is None:
        return None
    invocation.check_time(WRITE_TIME_MS)
    invocation.timer.begin("encrypt")
    return app.secrets.encrypt(secret, workspace_id=caller.workspace_id, agent_id=agent_id)

"""Lambda handler of ``POST /v1/api/agents``: the whole flow of a request, on one screen."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from agents.agent import Agent, new_agent
from agents.api_keys import Caller, caller_of, check_key, ids_in, key_hash
from agents.errors import InternalError, MissingHeader, ServiceUnavailable, WorkspaceForbidden, as_api_error, render
from agents.idempotency import agent_id, check_idempotency_key, digest
from agents.key_store import KeyStore
from agents.rate_limit import RateLimiter
from agents.sealing import seal
from agents.store import AgentStore, Write, check_size
from agents.validation import AllowedValues, validate
from agents.values import Json, parse_json
from deadline import TimeIsUp, deadline, milliseconds_left
from deployment import Environment
from http_api import Request, answer, read_request
from telemetry import Reporter, Steps

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient

PATH = "/v1/api/agents"
SERVICE = "create_agent"

STRICT_APPLIED = {"Preference-Applied": "handling=strict"}
"""Header of every answer to a known caller who sent ``Prefer: handling=strict`` (RFC 7240 §3)."""

REPLAYED = {"Idempotent-Replayed": "true"}
"""Header of every answer but the first to the same idempotency key."""

WRITE_TIME_MS = 7000
"""What has to be left for a write that hangs and the read that settles it: six attempts of 1 s, as a rule."""


@dataclass(frozen=True)
class Application:
    """What every request needs and the deployment gives: made once, at the first request."""

    keys: KeyStore
    limiter: RateLimiter | None
    agents: AgentStore
    allowed: AllowedValues
    allow_test_keys: bool
    kms: Callable[[], "KMSClient"]
    kms_key_id: str
    now: Callable[[], datetime]
    new_token: Callable[[], str]


@dataclass
class Notes:
    """What is noted of a request on its way, whether it succeeds or fails.

    Parameters
    ----------
    log : dict
        Ids and outcomes for the log line.
    steps : Steps
        Of the flow, as they begin.
    headers : dict
        Of the answer, once the caller is known.
    """

    log: dict[str, str]
    steps: Steps = field(default_factory=Steps)
    headers: dict[str, str] = field(default_factory=dict)


@cache
def application() -> Application:
    """Compose the application from the environment; the KMS client is made when the first secret comes."""
    environment = Environment(os.environ)
    dynamodb = environment.dynamodb()
    return Application(
        keys=KeyStore(dynamodb, environment.text("API_KEYS_TABLE")),
        limiter=_limiter(environment),
        agents=AgentStore(dynamodb, environment.text("AGENTS_TABLE")),
        allowed=environment.allowed_values,
        allow_test_keys=environment.allow_test_keys,
        kms=cache(environment.kms),
        kms_key_id=environment.text("SECRETS_KEY_ID"),
        now=lambda: datetime.now(UTC),
        new_token=token_hex,
    )


def _limiter(environment: Environment) -> RateLimiter | None:
    limit = environment.count("RATE_LIMIT_PER_MINUTE")
    if limit == 0:
        return None
    # It is tried once: when it fails, requests pass, and they must not wait for it.
    return RateLimiter(environment.dynamodb(attempts=1), environment.text("RATE_LIMITS_TABLE"), limit)


@cache
def reporter() -> Reporter:
    """Make what logs apart from the application: it has to tell why that could not be made."""
    return Environment(os.environ).reporter(SERVICE)


def prepare() -> None:
    """Make before the first request what every request needs; what is wrong with it, the request will tell."""
    reporter()
    with suppress(Exception):
        application()


def handler(event: object, context: object) -> dict[str, Any]:
    """Answer one event of the HTTP API (payload 2.0); never raise, for the gateway would answer that in its own way.

    Parameters
    ----------
    event : object
        The event; any other than the gateway's is answered 404.
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``statusCode``, ``headers``, ``body``.
    """
    request = read_request(event, context)
    notes = Notes({"requestId": request.id})
    try:
        with deadline(context):
            agent, headers = create(request, context, application(), notes)
            result = answer(201, agent, request.id, {**notes.headers, **headers})
    except (Exception, TimeIsUp) as raised:  # noqa: BLE001 - the one place where everything ends
        error = ServiceUnavailable(internal="out of time") if isinstance(raised, TimeIsUp) else as_api_error(raised)
        notes.log.update(outcome=error.code, cause=error.internal)
        headers = {**notes.headers, **error.headers}
        result = answer(error.status, render(error, request.id), request.id, headers)
    reporter().report(result["statusCode"], notes.log, notes.steps.milliseconds())
    return result


def create(request: Request, context: object, app: Application, notes: Notes) -> tuple[Json, dict[str, str]]:
    """Create an agent and return it, with headers; nothing of the body is looked at before the caller is known."""
    request.check_route("POST", PATH)
    notes.steps.begin("authenticate")
    caller = authenticate(request, app, notes)
    strict = request.prefers_strict()
    notes.headers.update(STRICT_APPLIED if strict else {})
    limit_rate(caller, app, notes)
    authorize(caller, request.headers.get("x-workspace-id"))
    given_key = request.headers.get("idempotency-key")
    idempotency_key = app.new_token() if given_key is None else check_idempotency_key(given_key)
    notes.steps.begin("validate")
    request.check_media_type()
    text = request.text()
    body = parse_json(text)
    wanted = validate(body, app.allowed, strict=strict)
    agent = new_agent(
        wanted.fields,
        agent_id=agent_id(caller.workspace_id, idempotency_key),
        workspace_id=caller.workspace_id,
        user_id=caller.user_id,
        is_ready=wanted.secret is None,
        now=app.now(),
    )
    notes.log.update(agentId=agent.id)
    check_size(agent, len(text))
    check_time(context)
    if wanted.secret is not None:
        notes.steps.begin("seal")
        agent = sealed(agent, wanted.secret, app)
        check_time(context)
    notes.steps.begin("store")
    write = Write(agent, digest(idempotency_key, body), app.new_token())
    stored, replayed = app.agents.create(write, lambda cause: notes.log.update(unclearWrite=cause))
    notes.log.update(outcome="replayed" if replayed else "created")
    return stored.answer(), {"Location": f"{PATH}/{stored.id}", **(REPLAYED if replayed else {})}


def authenticate(request: Request, app: Application, notes: Notes) -> Caller:
    """Find out who calls, with one consistent read: a revoked key is refused from the next request on."""
    key = check_key(request.headers.get("x-api-key"), allow_test_keys=app.allow_test_keys)
    record = app.keys.read(key_hash(key))
    notes.log.update(ids_in(record))
    return caller_of(record, app.now())


def limit_rate(caller: Caller, app: Application, notes: Notes) -> None:
    """Raise RateLimitExceeded when the key has sent too much; a limiter that fails protects nobody and lets it pass."""
    if app.limiter is None:
        return
    notes.steps.begin("limit")
    try:
        notes.headers.update(app.limiter.count(caller.key_id, app.now()))
    except (InternalError, ServiceUnavailable) as error:
        notes.log.update(limiterFailure=error.internal)


def authorize(caller: Caller, workspace_id: str | None) -> None:
    """Raise MissingHeader or WorkspaceForbidden unless the caller's key opens this workspace."""
    if not workspace_id:
        raise MissingHeader
    if workspace_id != caller.workspace_id:
        raise WorkspaceForbidden


def check_time(context: object) -> None:
    """Raise ServiceUnavailable when the function would be ended before it could tell what became of a write."""
    if milliseconds_left(context) < WRITE_TIME_MS:
        raise ServiceUnavailable(internal="out of time")


def sealed(agent: Agent, secret: str, app: Application) -> Agent:
    """Return the agent with its ElevenLabs key sealed for it."""
    workspace_id = agent.fields["workspaceId"]
    ciphertext = seal(app.kms(), app.kms_key_id, secret, workspace_id=workspace_id, agent_id=agent.id)
    return agent.with_sealed_key(ciphertext)

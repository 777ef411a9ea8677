"""Lambda handler with which an operator issues, rotates, revokes and lists API keys.

It is started by people with IAM rights, never by the API::

    {"action": "issue",  "workspaceId": …, "userId": …, "name"?: …, "lifetimeDays"?: 1 to 3650}
    {"action": "rotate", "workspaceId": …, "keyId": …, "overlapDays"?: 0 to 90, "lifetimeDays"?: 1 to 3650}
    {"action": "revoke", "workspaceId": …, "keyId": …}
    {"action": "list",   "workspaceId": …}

The answer is ``{"statusCode", "body"}``. The key itself is in the body of ``issue`` and ``rotate``, this once.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal

from aws_lambda_powertools.utilities.parser import ValidationError, parse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from agents.api_keys import KEY_ID_LENGTH, RandomText, new_key
from agents.errors import Fault, ServiceUnavailable, ValidationFailed, as_api_error, render
from agents.key_store import KeyStore, NewKey, Record, public_view
from agents.near_misses import did_you_mean
from agents.rules import visible_ascii
from agents.validation import faults_of
from deployment import Environment, random_text
from telemetry import Reporter, Steps

SERVICE = "manage_api_keys"

_BUSY = (
    "AWS is busy. Before you repeat issue or rotate, list the workspace's keys: one may be there that nobody has seen."
)


def _no_api_key(value: str) -> str:
    if value.startswith("cca_"):
        raise PydanticCustomError("api_key", "must not be an API key")
    return value


# Logged or stored, so none may be a key that was pasted into the wrong place. A workspace is compared with a header's
# value, so it has to be one.
WorkspaceId = Annotated[str, Field(max_length=128), AfterValidator(visible_ascii), AfterValidator(_no_api_key)]
KeyId = Annotated[str, Field(min_length=1, max_length=KEY_ID_LENGTH), AfterValidator(_no_api_key)]
Text = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_no_api_key)]
LifetimeDays = Annotated[int, Field(ge=1, le=3650)]


class Command(BaseModel):
    """What every command has. A misspelt member is refused: an operator must not get a key that lives for ever."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True)

    workspace_id: WorkspaceId


class Issue(Command):
    """Make a key. Without a lifetime it lives until it is revoked."""

    action: Literal["issue"]
    user_id: Text
    name: Text | None = None
    lifetime_days: LifetimeDays | None = None


class Rotate(Command):
    """Make a successor of a key and let the key live on for a while, so that clients can change over.

    Without a lifetime the successor has its predecessor's.
    """

    action: Literal["rotate"]
    key_id: KeyId
    overlap_days: Annotated[int, Field(ge=0, le=90)] = 7
    lifetime_days: LifetimeDays | None = None


class Revoke(Command):
    """End a key at once."""

    action: Literal["revoke"]
    key_id: KeyId


class List(Command):
    """Show a workspace's keys, without secrets."""

    action: Literal["list"]


AnyCommand = Issue | Rotate | Revoke | List
COMMANDS: dict[str, type[AnyCommand]] = {"issue": Issue, "rotate": Rotate, "revoke": Revoke, "list": List}


@dataclass(frozen=True)
class Application:
    """What every command needs and the deployment gives."""

    keys: KeyStore
    now: Callable[[], datetime]
    random_text: RandomText


@cache
def application() -> Application:
    """Compose the application from the environment."""
    environment = Environment(os.environ)
    return Application(
        keys=KeyStore(environment.dynamodb(), environment.text("API_KEYS_TABLE")),
        now=lambda: datetime.now(UTC),
        random_text=random_text,
    )


@cache
def reporter() -> Reporter:
    """Make what logs apart from the application: it has to tell why that could not be made."""
    return Environment(os.environ).reporter(SERVICE)


def handler(event: object, context: object) -> dict[str, Any]:
    """Carry out one command; never raise, for Lambda would show the operator a stack.

    Parameters
    ----------
    event : object
        A command, as above.
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``statusCode`` and ``body``: 200 or 201, or an error in the one shape that the API has.
    """
    request_id = str(getattr(context, "aws_request_id", ""))
    log = {"requestId": request_id}
    steps = Steps()
    steps.begin("manage")
    try:
        status, body = manage(event, application(), log)
    except Exception as raised:  # noqa: BLE001 - the one place where everything ends
        error = as_api_error(raised)
        if isinstance(error, ServiceUnavailable):
            error = ServiceUnavailable(_BUSY, internal=error.internal)
        log.update(outcome=error.code, cause=error.internal)
        status, body = error.status, render(error, request_id)
    reporter().report(status, log, steps.milliseconds())
    return {"statusCode": status, "body": body}


def manage(event: object, app: Application, log: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Carry out one command: status and body of its answer."""
    command = read_command(event)
    log.update(action=command.action, workspaceId=command.workspace_id)
    match command:
        case Issue():
            return 201, issue(command, app, log)
        case Rotate():
            return 201, rotate(command, app, log)
        case Revoke():
            return 200, revoke(command, app, log)
    return 200, {"keys": [public_view(record, app.now()) for record in app.keys.records(command.workspace_id)]}


def read_command(event: Any) -> AnyCommand:  # noqa: ANN401 - any JSON
    """Read a command, or raise ValidationFailed with all its faults."""
    action = event.get("action") if isinstance(event, dict) else None
    if not isinstance(action, str) or action not in COMMANDS:
        hint = did_you_mean(action, COMMANDS) if isinstance(action, str) else ""
        raise ValidationFailed([Fault("action", "not_allowed", f"must be one of {', '.join(COMMANDS)}{hint}")])
    try:
        return parse(event=event, model=COMMANDS[action])
    except ValidationError as error:
        faults = faults_of(error)
    raise ValidationFailed(faults)


def issue(command: Issue, app: Application, log: dict[str, str]) -> dict[str, Any]:
    """Make a key; the answer is the only place where it is ever shown."""
    now = app.now()
    new = NewKey(
        key=new_key(app.random_text),
        workspace_id=command.workspace_id,
        user_id=command.user_id,
        name=command.name,
        created_at=now,
        expires_at=_end(now, command.lifetime_days),
    )
    return shown_once(new, app.keys.add(new), app, log)


def rotate(command: Rotate, app: Application, log: dict[str, str]) -> dict[str, Any]:
    """Make a successor with the same owner, and give the old key its end."""
    now = app.now()
    old = app.keys.find(command.workspace_id, command.key_id)
    new = NewKey(
        key=new_key(app.random_text),
        workspace_id=command.workspace_id,
        user_id=old["userId"],
        name=old.get("name"),
        created_at=now,
        expires_at=_end(now, command.lifetime_days) or _same_lifetime(now, old),
    )
    record = app.keys.replace(old, new, until=now + timedelta(days=command.overlap_days))
    return {**shown_once(new, record, app, log), "replaces": command.key_id}


def revoke(command: Revoke, app: Application, log: dict[str, str]) -> dict[str, Any]:
    """End a key: the very next request with it is refused."""
    log.update(keyId=command.key_id)
    record = app.keys.find(command.workspace_id, command.key_id)
    return public_view(app.keys.revoke(record, app.now()), app.now())


def shown_once(new: NewKey, record: Record, app: Application, log: dict[str, str]) -> dict[str, Any]:
    """Return a new key with what is known of it."""
    log.update(keyId=record["keyId"])
    return {"key": new.key, **public_view(record, app.now())}


def _same_lifetime(now: datetime, old: Record) -> datetime | None:
    """Let the successor of a key that ends live as long as that one was to."""
    if "expiresAt" not in old:
        return None
    issued = datetime.fromisoformat(old["createdAt"])
    return now + (datetime.fromtimestamp(old["expiresAt"], UTC) - issued)


def _end(now: datetime, lifetime_days: int | None) -> datetime | None:
    return None if lifetime_days is None else now + timedelta(days=lifetime_days)

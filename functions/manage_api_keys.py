"""Lambda handler with which an operator issues, rotates, revokes and lists API keys.

It is invoked by people with IAM rights, never by the API::

    {"action": "issue",  "workspaceId": …, "userId": …, "name"?: …, "lifetimeDays"?: 1 to 3650,
                         "requestsPerMinute"?: 1 to 99999, "kilobytesPerMinute"?: 1 to 99999}
    {"action": "rotate", "workspaceId": …, "keyId": …, "overlapDays"?: 0 to 90, "lifetimeDays"?: 1 to 3650}
    {"action": "limit",  "workspaceId": …, "keyId": …, "requestsPerMinute"?: …, "kilobytesPerMinute"?: …}
    {"action": "revoke", "workspaceId": …, "keyId": …}
    {"action": "list",   "workspaceId": …, "after"?: …}

A list has pages of 100 keys; with ``after`` in its body there may be more: send the command again with it.

The result is ``{"statusCode", "body"}``. The body of ``issue`` and ``rotate`` shows the new key, this once.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal

from aws_lambda_powertools.utilities.parser import parse
from pydantic import AfterValidator, Field, ValidationError

from call_agents.api_keys.key import KEY_ID_LENGTH, RandomText, Record, new_key, random_text
from call_agents.api_keys.store import LIMITS, ApiKeyStore, NewKey, public_view
from call_agents.shared.commands import Command, not_an_api_key
from call_agents.shared.config import Settings
from call_agents.shared.errors import ServiceUnavailable, ValidationFailed
from call_agents.shared.field_errors import FieldError, from_pydantic
from call_agents.shared.invocation import Frame, Invocation, Response, lambda_request_id, operator_result
from call_agents.shared.suggestions import did_you_mean

SERVICE = "manage_api_keys"

ACTIONS = ("issue", "rotate", "limit", "revoke", "list")

_KEY_MAY_EXIST = (
    "AWS is busy. The key may have been created. Before you retry, list the workspace's keys and revoke any that you "
    "do not know."
)

KeyId = Annotated[str, Field(min_length=1, max_length=KEY_ID_LENGTH), AfterValidator(not_an_api_key)]
Text = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(not_an_api_key)]
LifetimeDays = Annotated[int, Field(ge=1, le=3650)]
PerMinute = Annotated[int, Field(ge=1, le=99_999)]


class Limits(Command):
    """Limits of a key's own. One that is left out is the deployment's."""

    requests_per_minute: PerMinute | None = None
    kilobytes_per_minute: PerMinute | None = None

    def of_record(self) -> dict[str, int]:
        """Return those that were given, as a record has them."""
        return self.model_dump(
            by_alias=True, exclude_none=True, include={"requests_per_minute", "kilobytes_per_minute"}
        )


class Issue(Limits):
    """Make a key. Without a lifetime it has the deployment's, if there is one; otherwise it is valid until revoked."""

    action: Literal["issue"]
    user_id: Text
    name: Text | None = None
    lifetime_days: LifetimeDays | None = None


class Rotate(Command):
    """Make a successor of a key. The old key stays valid for a while, so that clients can switch.

    Without a lifetime the successor has the lifetime of the old key, or the deployment's.
    """

    action: Literal["rotate"]
    key_id: KeyId
    overlap_days: Annotated[int, Field(ge=0, le=90)] = 7
    lifetime_days: LifetimeDays | None = None


class Limit(Limits):
    """Replace a key's own limits."""

    action: Literal["limit"]
    key_id: KeyId


class Revoke(Command):
    """Revoke a key at once."""

    action: Literal["revoke"]
    key_id: KeyId


class List(Command):
    """List a workspace's keys, without secrets."""

    action: Literal["list"]
    after: KeyId | None = None


KeyCommand = Annotated[Issue | Rotate | Limit | Revoke | List, Field(discriminator="action")]


@dataclass(frozen=True)
class Application:
    """What every command needs. It is built from the settings, or by a test."""

    keys: ApiKeyStore
    lifetime_days: int
    """Of keys without a lifetime of their own; 0 for keys that are valid until they are revoked."""
    now: Callable[[], datetime]
    random_text: RandomText


@cache
def frame() -> Frame[dict[str, Any]]:
    """Return the frame."""
    return Frame(SERVICE, Settings(os.environ), operator_result)


@cache
def application() -> Application:
    """Build the application from the environment."""
    return build(Settings(os.environ))


def build(settings: Settings) -> Application:
    """Build the application from settings; raise ConfigError when one is missing or wrong."""
    return Application(
        keys=ApiKeyStore(settings.dynamodb(), settings.text("API_KEYS_TABLE")),
        lifetime_days=settings.count("KEY_LIFETIME_DAYS", default="0"),
        now=lambda: datetime.now(UTC),
        random_text=random_text,
    )


def handler(event: object, context: object) -> dict[str, Any]:
    """Execute one command; it never raises.

    Parameters
    ----------
    event : object
        A command, as above.
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``statusCode`` and ``body``: 200 or 201, or an error in the same shape as the API's.
    """
    return handle(event, context, application)


def handle(event: object, context: object, get_application: Callable[[], Application]) -> dict[str, Any]:
    """Execute one command with an application of your own; otherwise as `handler`."""
    return frame().run(
        event, context, lambda invocation: manage(event, get_application(), invocation), lambda_request_id(context)
    )


def manage(event: object, app: Application, invocation: Invocation) -> Response:
    """Execute one command."""
    invocation.timer.begin("manage")
    command = read_command(event)
    invocation.log.update(action=command.action, workspaceId=command.workspace_id)
    match command:
        case Issue() | Rotate():
            try:
                made = (
                    issue(command, app, invocation) if isinstance(command, Issue) else rotate(command, app, invocation)
                )
            except ServiceUnavailable as error:
                raise ServiceUnavailable(_KEY_MAY_EXIST, internal=error.internal) from None
            return Response(201, made)
        case Limit():
            return Response(200, limit(command, app, invocation))
        case Revoke():
            return Response(200, revoke(command, app, invocation))
        case _:  # list
            records, after = app.keys.list_page(command.workspace_id, command.after)
            keys = [public_view(record, app.now()) for record in records]
            return Response(200, {"keys": keys, **({"after": after} if after else {})})


def read_command(event: Any) -> Issue | Rotate | Limit | Revoke | List:  # noqa: ANN401 - any JSON
    """Parse a command; raise ValidationFailed with all its field errors."""
    try:
        command: Issue | Rotate | Limit | Revoke | List = parse(event=event, model=KeyCommand)  # type: ignore[call-overload]  # it takes unions
    except ValidationError as error:
        details = from_pydantic(error, ACTIONS)
    else:
        return command
    # Without a known action pydantic cannot tell which fields are expected.
    if any(not detail.path for detail in details):
        action = event.get("action") if isinstance(event, dict) else None
        suggestion = did_you_mean(action, ACTIONS) if isinstance(action, str) else ""
        details = [FieldError("action", "not_allowed", f"must be one of {', '.join(ACTIONS)}{suggestion}")]
    raise ValidationFailed(details)


def issue(command: Issue, app: Application, invocation: Invocation) -> dict[str, Any]:
    """Make a key. The response is the only place where it is ever shown."""
    now = app.now()
    new = NewKey(
        key=new_key(app.random_text),
        workspace_id=command.workspace_id,
        user_id=command.user_id,
        name=command.name,
        created_at=now,
        expires_at=_expiry(now, command.lifetime_days or app.lifetime_days),
        limits=command.of_record(),
    )
    return _shown_once(new, app.keys.add(new), now, invocation)


def rotate(command: Rotate, app: Application, invocation: Invocation) -> dict[str, Any]:
    """Make a successor with the same owner, and limit the lifetime of the old key."""
    now = app.now()
    old = app.keys.find(command.workspace_id, command.key_id)
    new = NewKey(
        key=new_key(app.random_text),
        workspace_id=command.workspace_id,
        user_id=old["userId"],
        name=old.get("name"),
        created_at=now,
        expires_at=_expiry(now, command.lifetime_days or 0)
        or _same_lifetime(now, old)
        or _expiry(now, app.lifetime_days),
        limits={name: old[name] for name in LIMITS if name in old},
    )
    record = app.keys.replace(old, new, until=now + timedelta(days=command.overlap_days))
    return {**_shown_once(new, record, now, invocation), "replaces": command.key_id}


def limit(command: Limit, app: Application, invocation: Invocation) -> dict[str, Any]:
    """Give a key limits of its own, or the deployment's again.

    They count from the next request on, or from the next minute if a request begins one at this very moment.
    """
    invocation.log["keyId"] = command.key_id
    record = app.keys.find(command.workspace_id, command.key_id)
    return public_view(app.keys.set_limits(record, command.of_record()), app.now())


def revoke(command: Revoke, app: Application, invocation: Invocation) -> dict[str, Any]:
    """Revoke a key: the very next request with it is refused."""
    invocation.log["keyId"] = command.key_id
    record = app.keys.find(command.workspace_id, command.key_id)
    now = app.now()
    return public_view(app.keys.revoke(record, now), now)


def _shown_once(new: NewKey, record: Record, now: datetime, invocation: Invocation) -> dict[str, Any]:
    """Return a new key and its record."""
    invocation.log["keyId"] = record["keyId"]
    return {"key": new.key, **public_view(record, now)}


def _same_lifetime(now: datetime, old: Record) -> datetime | None:
    """Return when a successor with the lifetime of the old key expires."""
    if "expiresAt" not in old:
        return None
    issued = datetime.fromisoformat(old["createdAt"])
    return now + (datetime.fromtimestamp(old["expiresAt"], UTC) - issued)


def _expiry(now: datetime, lifetime_days: int | None) -> datetime | None:
    return now + timedelta(days=lifetime_days) if lifetime_days else None

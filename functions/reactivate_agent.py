"""Lambda handler with which an operator sends an agent through activation again.

For when the customer has mended the key at ElevenLabs, or it could not be tried for too long. It is started by people
with IAM rights, never by the API::

    {"workspaceId": …, "agentId": …}

The answer is ``{"statusCode", "body"}``; the body is ``{"_id", "workspaceId", "status", "statusReason"?}``.
"""

import os
from functools import cache
from typing import Annotated, Any

from aws_lambda_powertools.utilities.parser import ValidationError, parse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from activate_agent import Application, compose, find_reason
from agents.agent import ERROR, READY
from agents.errors import Conflict, ValidationFailed, as_api_error, render
from agents.validation import faults_of
from deployment import Environment
from telemetry import Reporter, Steps

SERVICE = "reactivate_agent"


class Command(BaseModel):
    """Which agent."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True)

    workspace_id: Annotated[str, Field(min_length=1, max_length=128)]
    agent_id: Annotated[str, Field(pattern="^[0-9a-f]{24}$")]


@cache
def application() -> Application:
    """Compose the application from the environment: it is the one that tries new agents."""
    return compose(Environment(os.environ))


@cache
def reporter() -> Reporter:
    """Make what logs apart from the application: it has to tell why that could not be made."""
    return Environment(os.environ).reporter(SERVICE)


def handler(event: object, context: object) -> dict[str, Any]:
    """Try an agent's key again; never raise, for Lambda would show the operator a stack.

    Parameters
    ----------
    event : object
        A command, as above.
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``statusCode`` and ``body``: 200, or an error in the one shape that the API has.
    """
    request_id = str(getattr(context, "aws_request_id", ""))
    log = {"requestId": request_id}
    steps = Steps()
    try:
        status, body = 200, reactivate(event, application(), log, steps)
    except Exception as raised:  # noqa: BLE001 - the one place where everything ends
        error = as_api_error(raised)
        log.update(outcome=error.code, cause=error.internal)
        status, body = error.status, render(error, request_id)
    reporter().report(status, log, steps.milliseconds())
    return {"statusCode": status, "body": body}


def reactivate(event: object, app: Application, log: dict[str, str], steps: Steps) -> dict[str, str]:
    """Try an agent's key again: body of the answer."""
    command = read_command(event)
    log.update(workspaceId=command.workspace_id, agentId=command.agent_id)
    steps.begin("read")
    agent = app.candidates.read(command.workspace_id, command.agent_id)
    reason = find_reason(agent, app, steps)
    steps.begin("settle")
    if not app.candidates.settle(agent, reason, app.now()):
        raise Conflict("This agent has changed while its key was tried. Look at it, and try again.")
    log.update(outcome=ERROR if reason else READY, statusReason=reason or "")
    told = {"status": ERROR, "statusReason": reason} if reason else {"status": READY}
    return {"_id": command.agent_id, "workspaceId": command.workspace_id, **told}


def read_command(event: Any) -> Command:  # noqa: ANN401 - any JSON
    """Read a command, or raise ValidationFailed with all its faults."""
    try:
        return parse(event=event, model=Command)
    except ValidationError as error:
        faults = faults_of(error)
    raise ValidationFailed(faults)

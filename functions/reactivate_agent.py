"""Lambda handler with which an operator has an agent's ElevenLabs key tried again.

It is for agents whose customer has fixed the key at ElevenLabs, or whose key could not be tried for too long. It is
invoked by people with IAM rights, never by the API::

    {"workspaceId": …, "agentId": …}

The result is ``{"statusCode", "body"}`` with ``{"_id", "workspaceId", "status", "statusReason"?}`` as the body.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from call_agents.agents.activation import Activation, build_activation
from call_agents.agents.agent import ERROR, READY
from call_agents.shared.commands import Command, parse_command
from call_agents.shared.config import Settings
from call_agents.shared.errors import Conflict, NotFound
from call_agents.shared.invocation import Frame, Invocation, Response, lambda_request_id, operator_result

SERVICE = "reactivate_agent"


class Reactivate(Command):
    """Which agent."""

    agent_id: Annotated[str, Field(pattern="^[0-9a-f]{24}$")]


@cache
def frame() -> Frame[dict[str, Any]]:
    """Return the frame."""
    return Frame(SERVICE, Settings(os.environ), operator_result)


@cache
def application() -> Activation:
    """Build the application from the environment."""
    return build_activation(Settings(os.environ))


def handler(event: object, context: object) -> dict[str, Any]:
    """Try an agent's key again; it never raises.

    Parameters
    ----------
    event : object
        A command, as above.
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``statusCode`` and ``body``: 200, or an error in the same shape as the API's.
    """
    return handle(event, context, application)


def handle(event: object, context: object, get_application: Callable[[], Activation]) -> dict[str, Any]:
    """Handle a command with an application of your own; otherwise as `handler`."""
    request_id = lambda_request_id(context)
    return frame().run(event, context, lambda invocation: reactivate(event, get_application(), invocation), request_id)


def reactivate(event: object, app: Activation, invocation: Invocation) -> Response:
    """Try an agent's key again."""
    command = parse_command(event, Reactivate)
    invocation.log.update(workspaceId=command.workspace_id, agentId=command.agent_id)
    invocation.timer.begin("read")
    agent = app.agents.get(command.workspace_id, command.agent_id)
    if agent is None:
        raise NotFound("This workspace has no such agent.")
    if agent.status == READY:
        raise Conflict("This agent is ready: there is nothing to try.")
    if agent.encrypted_key is None:
        raise Conflict("This agent has no ElevenLabs key of its own to try.")
    reason = app.try_key(agent, invocation)
    if not app.record(agent, reason, invocation):
        raise Conflict("This agent was changed while its key was tried. Look at it, then retry.")
    status = ERROR if reason else READY
    invocation.log.update(outcome=status, statusReason=reason or "")
    body = {"_id": agent.id, "workspaceId": agent.workspace_id, "status": status}
    return Response(200, {**body, "statusReason": reason} if reason else body)

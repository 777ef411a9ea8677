"""Lambda handler with which an operator has the ElevenLabs keys of agents tried again.

It is for agents whose customer has fixed the key at ElevenLabs, or that stay pending. It is invoked by people with IAM
rights, never by the API::

    {"workspaceId": …, "agentId": …}    one agent
    {"workspaceId": …, "after"?: …}     all agents of the workspace that are pending or in error

It sets them pending, and the events of that have the keys tried. The body of the result is ``{"workspaceId",
"agentIds", "after"?}``; with ``after`` there are more: send the command again with it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from call_agents.agents.store import AgentStore
from call_agents.shared.commands import Command, parse_command
from call_agents.shared.config import Settings
from call_agents.shared.deadline import remaining_ms
from call_agents.shared.errors import NotFound
from call_agents.shared.invocation import Frame, Invocation, Response, lambda_request_id, operator_result

SERVICE = "retry_agents"

STEP_TIME_MS = 10_000
"""With less remaining time than this, neither a page is read nor an agent written any more."""

AgentId = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]


class Retry(Command):
    """Which agents."""

    agent_id: AgentId | None = None
    after: AgentId | None = None


@dataclass(frozen=True)
class Application:
    """What every command needs. It is built from the settings, or by a test."""

    agents: AgentStore
    now: Callable[[], datetime]


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
    agents = AgentStore(settings.dynamodb(), settings.text("AGENTS_TABLE"))
    return Application(agents, now=lambda: datetime.now(UTC))


def handler(event: object, context: object) -> dict[str, Any]:
    """Set agents pending; it never raises.

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


def handle(event: object, context: object, get_application: Callable[[], Application]) -> dict[str, Any]:
    """Handle a command with an application of your own; otherwise as `handler`."""
    request_id = lambda_request_id(context)
    return frame().run(event, context, lambda invocation: retry(event, get_application(), invocation), request_id)


def retry(event: object, app: Application, invocation: Invocation) -> Response:
    """Set one agent or all agents of a workspace pending."""
    command = parse_command(event, Retry)
    invocation.log["workspaceId"] = command.workspace_id
    if command.agent_id is not None:
        invocation.log["agentId"] = command.agent_id
        if not app.agents.set_pending(command.workspace_id, command.agent_id, app.now()):
            raise NotFound(
                "This workspace has no such agent with an ElevenLabs key of its own that is pending or in error."
            )
        return Response(200, {"workspaceId": command.workspace_id, "agentIds": [command.agent_id]})
    done, after = retry_all(command.workspace_id, command.after, app, invocation)
    return Response(200, {"workspaceId": command.workspace_id, "agentIds": done, **({"after": after} if after else {})})


def retry_all(
    workspace_id: str, after: str | None, app: Application, invocation: Invocation
) -> tuple[list[str], str | None]:
    """Set all agents pending for which there is time; return them, and the id to continue after, if any."""
    done: list[str] = []
    while True:
        found, next_page = app.agents.find_not_ready(workspace_id, after)
        for agent_id in found:
            if app.agents.set_pending(workspace_id, agent_id, app.now()):
                done.append(agent_id)
            after = agent_id
            if remaining_ms(invocation.context) < STEP_TIME_MS:
                return done, after
        if next_page is None:
            return done, None
        after = next_page
        if remaining_ms(invocation.context) < STEP_TIME_MS:
            return done, after

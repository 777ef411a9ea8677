"""Lambda handler of ``GET /v1/api/agents/{agentId}``: reads one agent back."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from call_agents.agents.store import AgentStore
from call_agents.api_keys.access import Access, build_access
from call_agents.shared.config import Settings
from call_agents.shared.errors import AgentNotFound, NotFound
from call_agents.shared.http import AGENTS_PATH, Request, gateway_response, read_request
from call_agents.shared.invocation import Frame, Invocation, Response

SERVICE = "get_agent"

_PATH = re.compile(f"{AGENTS_PATH}/([^/]+)")
_AGENT_ID = re.compile("[0-9a-f]{24}")


@dataclass(frozen=True)
class Application:
    """What every request needs. It is built from the settings at the first request, or by a test."""

    access: Access
    agents: AgentStore
    now: Callable[[], datetime]


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
        now=lambda: datetime.now(UTC),
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
    result = frame().run(event, context, lambda invocation: read(request, get_application(), invocation), request.id)
    return {**result, "body": ""} if request.method == "HEAD" else result


def read(request: Request, app: Application, invocation: Invocation) -> Response:
    """Read an agent of the caller's workspace. A malformed id gets the same response as an unknown one."""
    path = _PATH.fullmatch(request.path)
    if path is None:
        raise NotFound
    request.check_method("GET", "HEAD")
    caller = app.access.check(request, app.now(), invocation)
    agent_id = path[1]
    if not _AGENT_ID.fullmatch(agent_id):
        raise AgentNotFound
    invocation.log["agentId"] = agent_id
    invocation.timer.begin("read")
    agent = app.agents.get(caller.workspace_id, agent_id)
    if agent is None:
        raise AgentNotFound
    return Response(200, agent.body())

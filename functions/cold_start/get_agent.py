"""Entry point of `get_agent`."""

from collections.abc import Iterable

import get_agent
from call_agents.agents.store import agent_from_item
from call_agents.api_keys.access import Access
from cold_start import Call, warm_up


def prepare() -> tuple[Access, Iterable[Call]]:
    """Build the application; return its access, and what a request does besides."""
    get_agent.frame()
    app = get_agent.application()
    return app.access, (lambda: app.agents.get("warm-up", "warm-up"), lambda: agent_from_item({}))


warm_up(prepare)
handler = get_agent.handler

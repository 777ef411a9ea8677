"""Entry point of `create_agent`."""

from collections.abc import Iterable

import create_agent
from call_agents.agents.validation import validate
from call_agents.api_keys.access import Access
from cold_start import Call, warm_up


def prepare() -> tuple[Access, Iterable[Call]]:
    """Build the application; return its access, and what a request does besides."""
    create_agent.frame()
    app = create_agent.application()
    item = {"workspaceId": {"S": "warm-up"}}
    return app.access, (
        lambda: validate({}, app.allowed, strict=False),
        lambda: app.agents.client.put_item(TableName=app.agents.table, Item=item),
    )


warm_up(prepare)
handler = create_agent.handler

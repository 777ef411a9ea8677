"""An agent: what the server sets, and what it refuses to read from a malformed item."""

from datetime import UTC, datetime
from typing import Any

import pytest

from call_agents.agents.agent import RESPONSE_FIELDS, Agent, new_agent
from call_agents.shared.errors import InternalError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OWN: dict[str, Any] = {
    "_id": "0123456789abcdef01234567",
    "workspaceId": "workspace-a",
    "userId": "user-a",
    "activeSessions": [],
    "currentNode": None,
    "createdAt": "2026-01-01T12:00:00.000Z",
    "updatedAt": "2026-01-01T12:00:00.000Z",
}
REQUEST: dict[str, Any] = {
    **{name: name for name in RESPONSE_FIELDS if name not in (*OWN, "statusReason")},
    "ttsModel": {"provider": "rime", "voiceId": "v"},
}


def build(request: dict[str, Any], encrypted_key: str | None = None) -> Agent:
    return new_agent(
        request,
        agent_id=OWN["_id"],
        workspace_id="workspace-a",
        user_id="user-a",
        encrypted_key=encrypted_key,
        now=NOON,
    )


def test_the_server_sets_its_own_fields_whatever_is_sent() -> None:
    forged = {**dict.fromkeys(OWN, "forged"), **REQUEST, "status": "forged", "statusReason": "forged"}
    agent = build({**forged, "extra": 1})

    assert agent.fields == {**REQUEST, **OWN, "status": "ready"}
    assert tuple(agent.fields) == tuple(name for name in RESPONSE_FIELDS if name != "statusReason")
    assert agent.extra == {"extra": 1}
    assert agent.body() == {**agent.fields, "extra": 1}
    assert agent.encrypted_key is None


def test_an_agent_with_its_own_key_is_pending() -> None:
    agent = build(REQUEST, "encrypted")

    assert agent.fields["ttsModel"] == {**REQUEST["ttsModel"], "elevenLabsApiKey": "encrypted"}
    assert (agent.encrypted_key, agent.status) == ("encrypted", "pending")
    assert "elevenLabsApiKey" not in REQUEST["ttsModel"]
    assert (agent.id, agent.workspace_id, agent.voice_id) == (OWN["_id"], "workspace-a", "v")
    assert agent.updated_at == OWN["updatedAt"]


@pytest.mark.parametrize(
    ("attribute", "path", "fields"),
    [
        ("id", "_id", {}),
        ("workspace_id", "workspaceId", {"workspaceId": ""}),
        ("status", "status", {"status": 5}),
        ("updated_at", "updatedAt", {"updatedAt": None}),
        ("voice_id", "ttsModel.voiceId", {"ttsModel": None}),
        ("voice_id", "ttsModel.voiceId", {"ttsModel": {}}),
        ("encrypted_key", "ttsModel.elevenLabsApiKey", {"ttsModel": {"elevenLabsApiKey": 5}}),
    ],
)
def test_a_malformed_agent_is_an_internal_error_that_names_the_field(
    attribute: str, path: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(InternalError) as caught:
        getattr(Agent(fields, {}), attribute)

    assert caught.value.internal == f"malformed agent: {path}"
    assert Agent({"ttsModel": None}, {}).encrypted_key is None

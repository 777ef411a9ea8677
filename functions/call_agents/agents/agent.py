"""An agent, as it is stored and returned."""

from dataclasses import dataclass
from datetime import datetime

from call_agents.agents.models import AgentResponse
from call_agents.shared.errors import InternalError
from call_agents.shared.json_values import Json, iso

PENDING, READY, ERROR = "pending", "ready", "error"
"""Values of ``status``."""

RESPONSE_FIELDS = tuple(AgentResponse.__annotations__)
"""The fields of a response, in its order."""


@dataclass(frozen=True)
class Agent:
    """An agent, as it is stored and returned.

    Parameters
    ----------
    fields : dict
        Values of `RESPONSE_FIELDS`; ``statusReason`` only with the status `ERROR`.
    extra : dict
        Unknown fields of the request. They are kept apart, so that no client can set what the server trusts.
    """

    fields: dict[str, Json]
    extra: dict[str, Json]

    @property
    def id(self) -> str:
        """24 lower-case hexadecimal digits."""
        return self._text("_id")

    @property
    def workspace_id(self) -> str:
        """The workspace that the agent belongs to."""
        return self._text("workspaceId")

    @property
    def status(self) -> str:
        """`PENDING`, `READY` or `ERROR`."""
        return self._text("status")

    @property
    def updated_at(self) -> str:
        """Time of the last change."""
        return self._text("updatedAt")

    @property
    def status_reason(self) -> str | None:
        """Why the status is `ERROR`; None when it is not."""
        return self.fields.get("statusReason")

    @property
    def user_id(self) -> str:
        """Owner of the API key that created the agent."""
        return self._text("userId")

    @property
    def created_at(self) -> str:
        """Time of creation."""
        return self._text("createdAt")

    @property
    def provider(self) -> str:
        """Who makes the voice."""
        return self._text("ttsModel", "provider")

    @property
    def voice_id(self) -> str:
        """The provider's id of the voice."""
        return self._text("ttsModel", "voiceId")

    @property
    def encrypted_key(self) -> str | None:
        """The agent's own ElevenLabs key in encrypted form; None when it has none."""
        if "elevenLabsApiKey" not in (self.fields["ttsModel"] or ()):
            return None
        return self._text("ttsModel", "elevenLabsApiKey")

    def body(self) -> dict[str, Json]:
        """Return the body of a response."""
        return {**self.fields, **self.extra}

    def _text(self, *path: str) -> str:
        """Return a string that every agent has; raise InternalError naming the field when the stored item lacks it."""
        value: Json = self.fields
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if not isinstance(value, str) or not value:
            raise InternalError(internal=f"malformed agent: {'.'.join(path)}")
        return value


def new_agent(
    request: dict[str, Json],
    *,
    agent_id: str,
    workspace_id: str,
    user_id: str,
    encrypted_key: str | None,
    now: datetime,
) -> Agent:
    """Build the agent that a request asks for.

    Parameters
    ----------
    request : dict
        A valid request's fields without the ElevenLabs key, unknown ones included.
    agent_id : str
        24 lower-case hexadecimal digits.
    workspace_id, user_id : str
        Those of the API key, never of the request.
    encrypted_key : str or None
        The agent's own ElevenLabs key in encrypted form. With it the agent is ``pending`` until the key was tried.
    now : datetime
        Both timestamps, to the millisecond.

    Returns
    -------
    Agent
        Fields that only the server sets have the server's values, whatever the request holds.
    """
    timestamp = iso(now, "milliseconds")
    tts_model = request["ttsModel"]
    if encrypted_key is not None:
        tts_model = {**tts_model, "elevenLabsApiKey": encrypted_key}
    values = {
        **request,
        "_id": agent_id,
        "workspaceId": workspace_id,
        "userId": user_id,
        "ttsModel": tts_model,
        "activeSessions": [],
        "status": READY if encrypted_key is None else PENDING,
        "currentNode": None,
        "createdAt": timestamp,
        "updatedAt": timestamp,
    }
    values.pop("statusReason", None)
    fields = {name: values.pop(name) for name in RESPONSE_FIELDS if name in values}
    return Agent(fields, extra=values)

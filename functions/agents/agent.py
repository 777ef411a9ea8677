"""An agent, as it is answered and stored."""

from dataclasses import dataclass, replace
from datetime import datetime

from agents.times import iso
from agents.values import Json

PENDING, READY, ERROR = "pending", "ready", "error"
"""Values of ``status``."""

ANSWER_FIELDS = (
    "_id",
    "workspaceId",
    "userId",
    "name",
    "type",
    "ttsModel",
    "llmModel",
    "smartCallback",
    "maxAttemptsForSmartCallback",
    "gapBetweenEachAttemptForSmartCallback",
    "phoneNumberIds",
    "activeSessions",
    "settings",
    "status",
    "currentNode",
    "variables",
    "createdAt",
    "updatedAt",
)
"""The fields of the API page's answer, in the order in which they are answered."""


@dataclass(frozen=True)
class Agent:
    """An agent as it is answered and stored.

    Parameters
    ----------
    fields : dict
        `ANSWER_FIELDS` and their values.
    extra : dict
        Fields of the request that the page does not list. They stay apart, so that no client can set what the server
        trusts.
    """

    fields: dict[str, Json]
    extra: dict[str, Json]

    @property
    def id(self) -> str:
        """24 lower-case hexadecimal digits."""
        return str(self.fields["_id"])

    def answer(self) -> dict[str, Json]:
        """Return the body of the answer: the agent itself, unwrapped."""
        return {**self.fields, **self.extra}

    def with_sealed_key(self, ciphertext: str) -> "Agent":
        """Return the agent with the ElevenLabs key in its sealed form."""
        tts_model = {**self.fields["ttsModel"], "elevenLabsApiKey": ciphertext}
        return replace(self, fields={**self.fields, "ttsModel": tts_model})


def new_agent(
    wanted: dict[str, Json], *, agent_id: str, workspace_id: str, user_id: str, is_ready: bool, now: datetime
) -> Agent:
    """Make the agent that a request asks for.

    Parameters
    ----------
    wanted : dict
        A valid request's fields, listed on the page or not.
    agent_id : str
        24 lower-case hexadecimal digits.
    workspace_id, user_id : str
        Of the API key, never of the request.
    is_ready : bool
        Whether its status is ``ready``; it is ``pending`` while a key of its own is still to be tried.
    now : datetime
        In UTC; both timestamps, to the millisecond.

    Returns
    -------
    Agent
        What the server sets stands in it as the server set it, whatever the request holds.
    """
    timestamp = iso(now, "milliseconds")
    values = {
        **wanted,
        "_id": agent_id,
        "workspaceId": workspace_id,
        "userId": user_id,
        "activeSessions": [],
        "status": READY if is_ready else PENDING,
        "currentNode": None,
        "createdAt": timestamp,
        "updatedAt": timestamp,
    }
    fields = {name: values.pop(name) for name in ANSWER_FIELDS}
    return Agent(fields, extra=values)

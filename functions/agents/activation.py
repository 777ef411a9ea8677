"""`status` of an agent that brings its own ElevenLabs key: `pending` becomes `ready`, or `error` with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agents.agent import ERROR, READY
from agents.aws_errors import translated
from agents.errors import Conflict, InternalError, NotFound
from agents.store import get_request
from agents.times import iso

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import UpdateItemInputTypeDef


@dataclass(frozen=True)
class Candidate:
    """An agent whose key is to be tried, as it was when it was read.

    Parameters
    ----------
    workspace_id, agent_id : str
        Its keys in the table.
    voice_id : str
        What the key has to open.
    ciphertext : str
        The sealed key, in Base64.
    status, updated_at : str
        What they still have to be when it is settled.
    """

    workspace_id: str
    agent_id: str
    voice_id: str
    ciphertext: str
    status: str
    updated_at: str


def candidate(item: Mapping[str, Any]) -> Candidate:
    """Read a candidate from an item of the agents table, or from the stream's image of one.

    Raises
    ------
    InternalError
        When something is missing. It names what, never a value.
    """
    tts_model = item.get("ttsModel", {}).get("M", {})
    return Candidate(
        workspace_id=_text(item, "workspaceId"),
        agent_id=_text(item, "_id"),
        voice_id=_text(tts_model, "voiceId"),
        ciphertext=_text(tts_model, "elevenLabsApiKey"),
        status=_text(item, "status"),
        updated_at=_text(item, "updatedAt"),
    )


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name, {}).get("S")
    if not isinstance(value, str) or not value:
        raise InternalError(internal=f"malformed agent: {name}")
    return value


def settle_request(table: str, agent: Candidate, reason: str | None, now: datetime) -> "UpdateItemInputTypeDef":
    """Build the write: it fails when the agent is not as it was read, or no longer there."""
    changes = "SET #status = :status, updatedAt = :now"
    values = {
        ":status": {"S": ERROR if reason else READY},
        ":now": {"S": iso(now, "milliseconds")},
        ":was": {"S": agent.status},
        ":then": {"S": agent.updated_at},
    }
    if reason:
        values[":reason"] = {"S": reason}
    return {
        "TableName": table,
        "Key": {"workspaceId": {"S": agent.workspace_id}, "_id": {"S": agent.agent_id}},
        "UpdateExpression": changes + (", statusReason = :reason" if reason else " REMOVE statusReason"),
        "ConditionExpression": "#status = :was AND updatedAt = :then",
        "ExpressionAttributeNames": {"#status": "status"},  # a reserved word
        "ExpressionAttributeValues": values,
    }


class Candidates:
    """The agents table, as far as activation goes.

    Parameters
    ----------
    client : DynamoDBClient
        Boto3's low-level client.
    table : str
        Name of the table.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def read(self, workspace_id: str, agent_id: str) -> Candidate:
        """Read an agent, consistently.

        Raises
        ------
        NotFound
            When there is none.
        Conflict
            When it is ready, or brings no key that could be tried.
        ServiceUnavailable, InternalError
            When DynamoDB failed.
        """
        key = {"workspaceId": {"S": workspace_id}, "_id": {"S": agent_id}}
        with translated("GetItem"):
            item = self._client.get_item(**get_request(self._table, key)).get("Item")
        if item is None:
            raise NotFound("This workspace has no such agent.")
        if item.get("status") == {"S": READY}:
            raise Conflict("This agent is ready: there is nothing to try.")
        if "elevenLabsApiKey" not in item.get("ttsModel", {}).get("M", {}):
            raise Conflict("This agent brings no ElevenLabs key that could be tried.")
        return candidate(item)

    def settle(self, agent: Candidate, reason: str | None, now: datetime) -> bool:
        """Write what was found out about an agent, unless it has changed.

        Parameters
        ----------
        agent : Candidate
            As it was read.
        reason : str or None
            Why it is in error; None when it is ready.
        now : datetime
            In UTC.

        Returns
        -------
        bool
            False when the agent has changed or is gone: then what was found out is of no use.

        Raises
        ------
        ServiceUnavailable, InternalError
            When DynamoDB failed; it may have been written all the same.
        """
        try:
            with translated("UpdateItem"):
                self._client.update_item(**settle_request(self._table, agent, reason, now))
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

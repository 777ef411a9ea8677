"""The table of agents."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from call_agents.agents.agent import ERROR, READY, RESPONSE_FIELDS, Agent
from call_agents.shared.aws import translate_errors
from call_agents.shared.dynamodb import MAX_ITEM_BYTES, Item, from_item, size_in_bytes, to_item
from call_agents.shared.errors import (
    IdempotencyKeyReused,
    InternalError,
    PayloadTooLarge,
    ServiceUnavailable,
    UnknownOutcome,
)
from call_agents.shared.field_errors import FieldError, child_path
from call_agents.shared.json_values import Json, iso

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import GetItemInputTypeDef, PutItemInputTypeDef, UpdateItemInputTypeDef

MAX_GROWTH = 5
"""Bytes in an item for one character of JSON, at most: ``1e37,`` takes 22."""


@dataclass(frozen=True)
class Created:
    """The result of `AgentStore.create`.

    Parameters
    ----------
    agent : Agent
        The agent as it is stored.
    replayed : bool
        Whether an earlier request stored it.
    unknown_outcome : str
        Why the write's own response did not tell its outcome, for the log; empty when it did.
    """

    agent: Agent
    replayed: bool
    unknown_outcome: str = ""


def agent_item(agent: Agent, digest: str, token: str) -> Item:
    """Return the item of an agent. Unknown fields are in one map, apart from what the server trusts."""
    own = {"extraFields": agent.extra, "requestDigest": digest, "writeToken": token}
    return to_item({**agent.fields, **own})


def agent_from_item(item: Item) -> Agent:
    """Return the agent of an item; raise InternalError naming the attribute that it lacks."""
    values = from_item(item)
    for name in (*RESPONSE_FIELDS, "extraFields"):
        if name not in values:
            raise InternalError(internal=f"malformed agent: {name}")
    return Agent({name: values[name] for name in RESPONSE_FIELDS}, values["extraFields"])


def check_size(request: dict[str, Json], text_length: int) -> None:
    """Raise PayloadTooLarge, naming the largest field, when DynamoDB would refuse the item of a request.

    Parameters
    ----------
    request : dict
        The valid request.
    text_length : int
        Length of its JSON text. Most are so short that nothing has to be counted.
    """
    if text_length * MAX_GROWTH < MAX_ITEM_BYTES or size_in_bytes(request) <= MAX_ITEM_BYTES:
        return
    largest = max(request, key=lambda name: size_in_bytes(request[name]))
    message = f"must be smaller: an agent can have at most {MAX_ITEM_BYTES} bytes, and each key and element counts"
    detail = FieldError(child_path("", largest), "item_too_large", message)
    raise PayloadTooLarge(f"{detail.path}: {message}", details=[detail])


def put_request(table: str, item: Item) -> "PutItemInputTypeDef":
    """Build the write. It succeeds only if the agent does not exist; otherwise the existing item is returned."""
    return {
        "TableName": table,
        "Item": item,
        "ConditionExpression": "attribute_not_exists(workspaceId)",  # the partition key, which every item has
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def get_request(table: str, workspace_id: str, agent_id: str) -> "GetItemInputTypeDef":
    """Build a consistent read."""
    return {
        "TableName": table,
        "Key": {"workspaceId": {"S": workspace_id}, "_id": {"S": agent_id}},
        "ConsistentRead": True,
    }


def result_request(table: str, agent: Agent, reason: str | None, now: datetime) -> "UpdateItemInputTypeDef":
    """Build the write of a trial's result. It fails if the agent was modified or deleted since it was read."""
    changes = "SET #status = :status, updatedAt = :now"
    values = {
        ":status": {"S": ERROR if reason else READY},
        ":now": {"S": iso(now, "milliseconds")},
        ":oldStatus": {"S": agent.status},
        ":oldUpdatedAt": {"S": agent.updated_at},
    }
    if reason:
        values[":reason"] = {"S": reason}
    return {
        "TableName": table,
        "Key": {"workspaceId": {"S": agent.workspace_id}, "_id": {"S": agent.id}},
        "UpdateExpression": changes + (", statusReason = :reason" if reason else " REMOVE statusReason"),
        "ConditionExpression": "#status = :oldStatus AND updatedAt = :oldUpdatedAt",
        "ExpressionAttributeNames": {"#status": "status"},  # a reserved word
        "ExpressionAttributeValues": values,
    }


@dataclass(frozen=True)
class AgentStore:
    """The table of agents.

    Parameters
    ----------
    client : DynamoDBClient
        boto3's client.
    table : str
        Name of the table.
    """

    client: "DynamoDBClient"
    table: str

    def create(self, agent: Agent, digest: str, token: str) -> Created:
        """Store an agent exactly once.

        Parameters
        ----------
        agent : Agent
            With the id that its workspace and idempotency key give.
        digest : str
            Digest of the request. An existing agent with the same digest is the response to the same request.
        token : str
            Random, of this request only. An existing item with the same token was written by this request: the response
            to its write was lost, and botocore's retry found the item.

        Raises
        ------
        IdempotencyKeyReused
            When a different request stored an agent under this id.
        UnknownOutcome
            When the write failed or its outcome is unknown; a retry with the same idempotency key finds out.
        InternalError
            When DynamoDB rejects the item as malformed.
        """
        unknown_outcome = ""
        try:
            existing = self._put(agent_item(agent, digest, token))
        except ServiceUnavailable as error:
            unknown_outcome = error.internal
            existing = self._verify(agent, error)
        if existing is None:
            return Created(agent, replayed=False)
        if existing["requestDigest"] != {"S": digest}:
            raise IdempotencyKeyReused
        is_ours = existing["writeToken"] == {"S": token}
        if is_ours and not unknown_outcome:
            unknown_outcome = "PutItem: the response was lost"
        return Created(agent_from_item(existing), replayed=not is_ours, unknown_outcome=unknown_outcome)

    def _put(self, item: Item) -> Item | None:
        """Write the item; return the one that exists instead, if any."""
        try:
            with translate_errors("PutItem"):
                self.client.put_item(**put_request(self.table, item))
        except self.client.exceptions.ConditionalCheckFailedException as error:
            existing = cast("dict[str, Any]", error.response).get("Item")
        else:
            return None
        if existing is None:
            raise ServiceUnavailable(internal="PutItem: condition failed but the response has no item")
        return cast("Item", existing)

    def _verify(self, agent: Agent, failure: ServiceUnavailable) -> Item:
        """Read the item of a write that may have succeeded; raise UnknownOutcome when that fails or finds nothing."""
        try:
            existing = self._get(agent.workspace_id, agent.id)
        except ServiceUnavailable as error:
            raise UnknownOutcome(internal=error.internal, write=failure.internal) from None
        if existing is None:
            raise UnknownOutcome(internal=failure.internal, write=failure.internal)
        return existing

    def get(self, workspace_id: str, agent_id: str) -> Agent | None:
        """Read an agent consistently; None when there is none.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out.
        InternalError
            When the stored item is malformed.
        """
        item = self._get(workspace_id, agent_id)
        return None if item is None else agent_from_item(item)

    def _get(self, workspace_id: str, agent_id: str) -> Item | None:
        with translate_errors("GetItem"):
            return self.client.get_item(**get_request(self.table, workspace_id, agent_id)).get("Item")

    def record_result(self, agent: Agent, reason: str | None, now: datetime) -> bool:
        """Record the result of the trial of an agent's ElevenLabs key.

        Parameters
        ----------
        agent : Agent
            As it was read.
        reason : str or None
            Why it is in error; None when it is ready.
        now : datetime
            Time of the change.

        Returns
        -------
        bool
            False if the agent was modified or deleted meanwhile; the result is discarded.

        Raises
        ------
        ServiceUnavailable, InternalError
            When DynamoDB failed. The outcome of the write is unknown.
        """
        try:
            with translate_errors("UpdateItem"):
                self.client.update_item(**result_request(self.table, agent, reason, now))
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

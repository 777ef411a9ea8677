"""The table of agents."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools.utilities.parser import parse
from pydantic import ValidationError

from call_agents.agents.agent import ERROR, PENDING, READY, RESPONSE_FIELDS, Agent
from call_agents.agents.models import ELEVENLABS_BYO, AgentResponse
from call_agents.shared.aws import translate_errors
from call_agents.shared.dynamodb import Item, NotJsonError, from_attribute, to_item
from call_agents.shared.errors import IdempotencyKeyReused, InternalError, ServiceUnavailable, UnknownOutcome
from call_agents.shared.field_errors import from_pydantic
from call_agents.shared.json_values import Json, iso

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import (
        GetItemInputTypeDef,
        PutItemInputTypeDef,
        QueryInputTypeDef,
        UpdateItemInputTypeDef,
    )


_NOT_READY = "ttsModel.provider = :byo AND #status IN (:pending, :error)"
_NOT_READY_VALUES: dict[str, Any] = {":byo": {"S": ELEVENLABS_BYO}, ":pending": {"S": PENDING}, ":error": {"S": ERROR}}


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
    """Return the agent of an item; raise InternalError naming the attribute that something else has damaged."""
    fields = {name: _value(item, name) for name in RESPONSE_FIELDS if name in item}
    if fields.get("status") != ERROR:
        fields.pop("statusReason", None)
    elif "statusReason" not in fields:
        raise _damaged("statusReason")
    try:
        parse(event=fields, model=AgentResponse)
    except ValidationError as error:
        damaged = from_pydantic(error)[0].path
    else:
        extra = _value(item, "extraFields")
        if not isinstance(extra, dict):
            raise _damaged("extraFields")
        return Agent(fields, {name: extra[name] for name in extra if name not in RESPONSE_FIELDS})
    raise _damaged(damaged)  # outside the except block, because ValidationError holds the item


def _value(item: Item, name: str) -> Json:
    try:
        return from_attribute(item[name])
    except (KeyError, NotJsonError):
        raise _damaged(name) from None


def _damaged(name: str) -> InternalError:
    return InternalError(internal=f"malformed agent: {name}")


def _replay(existing: Item, digest: str) -> Agent:
    """Return the agent of an existing item; raise IdempotencyKeyReused when another request created it."""
    stored = _value(existing, "requestDigest")
    if not isinstance(stored, str):
        raise _damaged("requestDigest")
    if stored != digest:
        raise IdempotencyKeyReused
    return agent_from_item(existing)


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
        ":voiceId": {"S": agent.voice_id},
    }
    if reason:
        values[":reason"] = {"S": reason}
    return {
        "TableName": table,
        "Key": {"workspaceId": {"S": agent.workspace_id}, "_id": {"S": agent.id}},
        "UpdateExpression": changes + (", statusReason = :reason" if reason else " REMOVE statusReason"),
        "ConditionExpression": "#status = :oldStatus AND updatedAt = :oldUpdatedAt AND ttsModel.voiceId = :voiceId",
        "ExpressionAttributeNames": {"#status": "status"},  # a reserved word
        "ExpressionAttributeValues": values,
    }


def pending_request(table: str, workspace_id: str, agent_id: str, now: datetime) -> "UpdateItemInputTypeDef":
    """Build the write that sets an agent pending. It fails unless it has a key to try and is not ready."""
    return {
        "TableName": table,
        "Key": {"workspaceId": {"S": workspace_id}, "_id": {"S": agent_id}},
        "UpdateExpression": "SET #status = :pending, updatedAt = :now REMOVE statusReason",
        "ConditionExpression": _NOT_READY,
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {**_NOT_READY_VALUES, ":now": {"S": iso(now, "milliseconds")}},
    }


def not_ready_request(table: str, workspace_id: str, after: str | None) -> "QueryInputTypeDef":
    """Build the search for agents of a workspace that can be set pending: their ids only."""
    request: QueryInputTypeDef = {
        "TableName": table,
        "KeyConditionExpression": "workspaceId = :workspaceId",
        "FilterExpression": _NOT_READY,
        "ProjectionExpression": "#id",
        "Select": "SPECIFIC_ATTRIBUTES",
        "ExpressionAttributeNames": {"#status": "status", "#id": "_id"},
        "ExpressionAttributeValues": {**_NOT_READY_VALUES, ":workspaceId": {"S": workspace_id}},
    }
    if after is not None:
        request["ExclusiveStartKey"] = {"workspaceId": {"S": workspace_id}, "_id": {"S": after}}
    return request


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
            When DynamoDB rejects the item as malformed, or the existing one is damaged.
        """
        unknown_outcome = ""
        try:
            existing = self._put(agent_item(agent, digest, token))
        except ServiceUnavailable as error:
            unknown_outcome = error.internal
            existing = self._verify(agent, error)
        if existing is None:
            return Created(agent, replayed=False)
        found = _replay(existing, digest)
        is_ours = existing.get("writeToken") == {"S": token}
        if is_ours and not unknown_outcome:
            unknown_outcome = "PutItem: the response was lost"
        return Created(found, replayed=not is_ours, unknown_outcome=unknown_outcome)

    def find_replay(self, workspace_id: str, agent_id: str, digest: str) -> Agent | None:
        """Return the agent that the same request created before, or None when there is no agent with this id.

        Raises
        ------
        IdempotencyKeyReused
            When a different request stored an agent under this id.
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out.
        InternalError
            When the stored item is damaged.
        """
        existing = self._get(workspace_id, agent_id)
        return None if existing is None else _replay(existing, digest)

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
            When the stored item is damaged.
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
        return self._update(result_request(self.table, agent, reason, now))

    def _update(self, request: "UpdateItemInputTypeDef") -> bool:
        """Write a change; False when its condition failed."""
        try:
            with translate_errors("UpdateItem"):
                self.client.update_item(**request)
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def set_pending(self, workspace_id: str, agent_id: str, now: datetime) -> bool:
        """Set an agent pending, so that its ElevenLabs key is tried again.

        Returns
        -------
        bool
            False if there is no such agent, it is ready, or it has no key of its own.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out. The agent may be pending.
        """
        return self._update(pending_request(self.table, workspace_id, agent_id, now))

    def find_not_ready(self, workspace_id: str, after: str | None) -> tuple[list[str], str | None]:
        """Find agents that `set_pending` is for.

        Parameters
        ----------
        workspace_id : str
            Their workspace.
        after : str or None
            Id of the last agent of the page before; None for the first page.

        Returns
        -------
        list of str, str or None
            Their ids, and the id to continue after; None at the end. A page can be empty.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out.
        """
        with translate_errors("Query"):
            response = self.client.query(**not_ready_request(self.table, workspace_id, after))
            found = [item["_id"]["S"] for item in response["Items"]]
            last = response.get("LastEvaluatedKey")
        return found, last["_id"]["S"] if last else None

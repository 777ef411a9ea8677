"""Agents in DynamoDB: an agent to an item and back, and the one conditional write that creates it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from agents.agent import ANSWER_FIELDS, Agent
from agents.aws_errors import translated
from agents.errors import Fault, IdempotencyKeyReused, PayloadTooLarge, ServiceUnavailable
from agents.values import MAX_ITEM_BYTES, child_path, from_attribute, size_in_bytes, to_attribute

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import AttributeValueTypeDef, GetItemInputTypeDef, PutItemInputTypeDef

MAX_GROWTH = 5
"""Bytes in an item for one character of JSON, at most: ``1e37,`` takes 22. The rest is for what the server adds."""

Item = dict[str, Any]
"""Attribute values by name, as the low-level client takes and gives them."""


@dataclass(frozen=True)
class Write:
    """One request's write.

    Parameters
    ----------
    agent : Agent
        What to store.
    digest : str
        Of the request's meaning: an item with the same one answers the same request.
    token : str
        Random, of this very request: an item with the same one was written by it.
    """

    agent: Agent
    digest: str
    token: str


def to_item(write: Write) -> Item:
    """Turn a write into its item; kept unknown fields live in one map, apart from what the server trusts."""
    item = {
        **write.agent.fields,
        "extraFields": write.agent.extra,
        "requestDigest": write.digest,
        "writeToken": write.token,
    }
    return {name: to_attribute(value) for name, value in item.items()}


def from_item(item: Item) -> Agent:
    """Turn an item back into the agent that `to_item` was given."""
    values = {name: from_attribute(attribute) for name, attribute in item.items()}
    return Agent({name: values[name] for name in ANSWER_FIELDS}, values["extraFields"])


def check_size(agent: Agent, sent: int) -> None:
    """Refuse an agent that DynamoDB would refuse, before anything is sealed or written.

    Parameters
    ----------
    agent : Agent
        What is to be stored.
    sent : int
        Length of the JSON text that it comes from. Most are so short that nothing has to be counted.

    Raises
    ------
    PayloadTooLarge
        Naming the largest field.
    """
    if sent * MAX_GROWTH < MAX_ITEM_BYTES:
        return
    answer = agent.answer()
    if size_in_bytes(answer) > MAX_ITEM_BYTES:
        largest = max(answer, key=lambda name: size_in_bytes(answer[name]))
        message = f"must be smaller: an agent holds at most {MAX_ITEM_BYTES} bytes, each member and element counted"
        fault = Fault(child_path("", largest), "item_too_large", message)
        raise PayloadTooLarge(f"{fault.path}: {message}", faults=[fault])


def put_request(table: str, item: Item) -> "PutItemInputTypeDef":
    """Build the write: it succeeds only when there is no such agent yet, and else brings the one that there is."""
    return {
        "TableName": table,
        "Item": item,
        "ConditionExpression": "attribute_not_exists(workspaceId)",  # every item has it: it is the partition key
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def get_request(table: str, item: Item) -> "GetItemInputTypeDef":
    """Build the read of the item that stands where this one, or one with its keys, was to be written."""
    key: dict[str, AttributeValueTypeDef] = {name: item[name] for name in ("workspaceId", "_id")}
    return {"TableName": table, "Key": key, "ConsistentRead": True}


class AgentStore:
    """The agents table.

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

    def create(self, write: Write, unclear: Callable[[str], None] = lambda _: None) -> tuple[Agent, bool]:
        """Store an agent exactly once.

        Parameters
        ----------
        write : Write
            The agent, with the id that its workspace and idempotency key give.
        unclear : Callable
            Told why, when the write's own answer did not tell its outcome.

        Returns
        -------
        tuple of Agent and bool
            The agent as it is stored, and whether an earlier request stored it.

        Raises
        ------
        IdempotencyKeyReused
            When another request stored an agent under this id.
        ServiceUnavailable
            When it is not known to be stored; sent again with the same key, the request finds out.
        InternalError
            When DynamoDB calls the item malformed.
        """
        item = to_item(write)
        there = self._put(item, unclear)
        if there is None:
            return write.agent, False
        if there["requestDigest"] != item["requestDigest"]:
            raise IdempotencyKeyReused
        # Our own token: the write succeeded, its answer was lost, and the client's retry met it.
        return from_item(there), there["writeToken"] != item["writeToken"]

    def _put(self, item: Item, unclear: Callable[[str], None]) -> Item | None:
        """Write the item; return the one that stands in its place, if any."""
        try:
            with translated("PutItem"):
                self._client.put_item(**put_request(self._table, item))
        except self._client.exceptions.ConditionalCheckFailedException as error:
            there = cast("dict[str, Any]", error.response).get("Item")
            if there is not None:
                if there["writeToken"] == item["writeToken"]:
                    unclear("PutItem: an answer was lost")
                return cast("Item", there)
            failure = ServiceUnavailable(internal="PutItem: what was there has gone")
        except ServiceUnavailable as error:
            failure = error
        else:
            return None
        # The write may have been done all the same, so look.
        unclear(failure.internal)
        there = self._get(item)
        if there is None:
            raise failure
        return there

    def _get(self, item: Item) -> Item | None:
        with translated("GetItem"):
            return self._client.get_item(**get_request(self._table, item)).get("Item")

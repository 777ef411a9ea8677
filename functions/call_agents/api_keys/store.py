"""The table of API keys.

The partition key of a record is the hash of its API key. An index finds the keys of a workspace, in the order of their
ids. DynamoDB updates it a moment after the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from call_agents.api_keys.key import ACTIVE, REVOKED, Record, key_hash, key_id, key_prefix
from call_agents.api_keys.rate_limit import COUNTERS, WINDOW_SECONDS
from call_agents.shared.aws import translate_errors
from call_agents.shared.dynamodb import from_item, to_item
from call_agents.shared.errors import Conflict, NotFound, ServiceUnavailable
from call_agents.shared.json_values import iso

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import (
        QueryInputTypeDef,
        TransactWriteItemTypeDef,
        UpdateItemInputTypeDef,
        UpdateTypeDef,
    )

LIMITS = ("requestsPerMinute", "kilobytesPerMinute")
"""Attributes of a record with limits of the key's own."""

INDEX = "byWorkspace"

_NO_SUCH_KEY = "There is no key with this keyId in this workspace. If it was issued a second ago, try again."

MAX_PAGE = 100
"""Keys in a page of a list. Source: DynamoDB API Reference, "BatchGetItem"."""


@dataclass(frozen=True)
class NewKey:
    """A key to be stored.

    Parameters
    ----------
    key : str
        The key itself; only its hash, id and prefix are stored.
    workspace_id, user_id : str
        The workspace that it gives access to, and its owner.
    name : str or None
        A name for people.
    created_at : datetime
        In UTC.
    expires_at : datetime or None
        In UTC; None for a key that is valid until it is revoked.
    limits : mapping
        Limits of its own: ``requestsPerMinute``, ``kilobytesPerMinute``.
    """

    key: str
    workspace_id: str
    user_id: str
    name: str | None
    created_at: datetime
    expires_at: datetime | None
    limits: Mapping[str, int] = field(default_factory=dict)

    def record(self) -> Record:
        """Return the key's record."""
        record: Record = {
            "keyHash": key_hash(self.key),
            "keyId": key_id(self.key),
            "prefix": key_prefix(self.key),
            "workspaceId": self.workspace_id,
            "userId": self.user_id,
            "status": ACTIVE,
            "createdAt": iso(self.created_at),
        }
        if self.name is not None:
            record["name"] = self.name
        if self.expires_at is not None:
            record["expiresAt"] = int(self.expires_at.timestamp())
        return {**record, **self.limits}


def public_view(record: Record, now: datetime) -> dict[str, Any]:
    """Return what operators see of a record: its state and times, never the hash."""
    view = {name: value for name, value in record.items() if name not in {"keyHash", *COUNTERS}}
    minute = record.get("countedMinute")
    if isinstance(minute, int):
        view["lastUsed"] = datetime.fromtimestamp(minute * WINDOW_SECONDS, UTC).date().isoformat()
    expires_at = record.get("expiresAt")
    if expires_at is not None:
        view["expiresAt"] = iso(datetime.fromtimestamp(expires_at, UTC))
        if record["status"] == ACTIVE and expires_at <= now.timestamp():
            view["status"] = "expired"
    return view


@dataclass(frozen=True)
class ApiKeyStore:
    """The table of API keys.

    Parameters
    ----------
    client : DynamoDBClient
        boto3's client.
    table : str
        Name of the table.
    """

    client: "DynamoDBClient"
    table: str

    def find_by_hash(self, key_hash: str) -> Record | None:
        """Read the record of a key consistently; None when there is none.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out.
        """
        with translate_errors("GetItem"):
            response = self.client.get_item(TableName=self.table, Key={"keyHash": {"S": key_hash}}, ConsistentRead=True)
        item = response.get("Item")
        return None if item is None else from_item(item)

    def list_page(self, workspace_id: str, after: str | None = None) -> tuple[list[Record], str | None]:
        """Read the records of a workspace's keys, a page at a time.

        Parameters
        ----------
        workspace_id : str
            Their workspace.
        after : str or None
            Id of the last key of the page before; None for the first page.

        Returns
        -------
        list of Record, str or None
            At most `MAX_PAGE` records, sorted by age, and the id to continue after; None at the end.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out.
        """
        first = "0"  # no character comes before 0, and every id is longer, so every id is greater
        with translate_errors("Query"):
            page = self.client.query(**index_request(self.table, workspace_id, "keyId > :keyId", after or first))
            found = page["Items"]
        records = self._read_all([item["keyHash"]["S"] for item in found]) if found else []
        records.sort(key=lambda record: (str(record.get("createdAt")), str(record.get("keyId"))))
        return records, found[-1]["keyId"]["S"] if "LastEvaluatedKey" in page else None

    def _read_all(self, hashes: list[str]) -> list[Record]:
        keys = [{"keyHash": {"S": key_hash}} for key_hash in hashes]
        with translate_errors("BatchGetItem"):
            response = self.client.batch_get_item(RequestItems={self.table: {"Keys": keys, "ConsistentRead": True}})
            items = response["Responses"][self.table]
        if response.get("UnprocessedKeys"):
            raise ServiceUnavailable(internal="BatchGetItem: unprocessed keys")
        return [from_item(item) for item in items]

    def find(self, workspace_id: str, key_id: str) -> Record:
        """Read the record of one key by its id.

        Raises
        ------
        NotFound
            When the workspace has no such key.
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out.
        """
        with translate_errors("Query"):
            found = self.client.query(**index_request(self.table, workspace_id, "keyId = :keyId", key_id))["Items"]
        record = self.find_by_hash(found[0]["keyHash"]["S"]) if found else None
        if record is None:
            raise NotFound(_NO_SUCH_KEY)
        return record

    def add(self, new: NewKey) -> Record:
        """Store a new key and return its record.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out. The key may have been stored.
        """
        record = new.record()
        self._write([self._new_record(record)])
        return record

    def replace(self, old: Record, new: NewKey, *, until: datetime) -> Record:
        """Store a new key and limit the lifetime of the one that it replaces, in one transaction.

        Parameters
        ----------
        old : Record
            Record of the key that is replaced.
        new : NewKey
            The new key.
        until : datetime
            When the old key expires, unless it expires earlier.

        Returns
        -------
        Record
            The new key's record.

        Raises
        ------
        Conflict
            When the old key is revoked, expired or already replaced.
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out. The new key may have been stored.
        """
        record = new.record()
        self._write([self._new_record(record), {"Update": self._rotated(old, record, until)}])
        return record

    def _write(self, writes: "list[TransactWriteItemTypeDef]") -> None:
        """Write in a transaction, also a single item: a retry of a lost response then succeeds again."""
        try:
            with translate_errors("TransactWriteItems"):
                self.client.transact_write_items(TransactItems=writes)
        except self.client.exceptions.TransactionCanceledException as error:
            reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
        else:
            return
        if "ConditionalCheckFailed" in reasons:
            raise Conflict("This key is already revoked, expired or rotated. List the workspace's keys.")
        # Another transaction is changing the same items, or they are throttled.
        raise ServiceUnavailable(internal=f"TransactWriteItems: {', '.join(sorted(filter(None, reasons)))}")

    def revoke(self, record: Record, now: datetime) -> Record:
        """Revoke a key and return its record. Revoking it again changes nothing.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out; revoke it again.
        """
        if record["status"] == REVOKED:
            return record
        request = self._change(record, "SET #status = :revoked, revokedAt = :now")
        request["ExpressionAttributeNames"] = {"#status": "status"}
        request["ExpressionAttributeValues"] = {":revoked": {"S": REVOKED}, ":now": {"S": iso(now)}}
        return self._update(request)

    def set_limits(self, record: Record, limits: Mapping[str, int]) -> Record:
        """Replace a key's own limits and return its record. Without a limit, the deployment's is its limit.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out; set them again.
        """
        sets = ", ".join(f"{name} = :{name}" for name in limits)
        # Without its counters, the next request begins a minute with the new limits.
        removes = [*(name for name in LIMITS if name not in limits), *COUNTERS]
        request = self._change(record, f"REMOVE {', '.join(removes)}" + (f" SET {sets}" if sets else ""))
        if limits:
            request["ExpressionAttributeValues"] = {f":{name}": {"N": str(value)} for name, value in limits.items()}
        return self._update(request)

    def _change(self, record: Record, expression: str) -> "UpdateItemInputTypeDef":
        """Build a write that changes a record. It fails when the record was deleted meanwhile."""
        return {
            "TableName": self.table,
            "Key": {"keyHash": {"S": record["keyHash"]}},
            "UpdateExpression": expression,
            "ConditionExpression": "attribute_exists(keyHash)",
            "ReturnValues": "ALL_NEW",
        }

    def _update(self, request: "UpdateItemInputTypeDef") -> Record:
        try:
            with translate_errors("UpdateItem"):
                return from_item(self.client.update_item(**request)["Attributes"])
        except self.client.exceptions.ConditionalCheckFailedException:
            raise NotFound(_NO_SUCH_KEY) from None

    def _new_record(self, record: Record) -> "TransactWriteItemTypeDef":
        condition = "attribute_not_exists(keyHash)"
        return {"Put": {"TableName": self.table, "Item": to_item(record), "ConditionExpression": condition}}

    def _rotated(self, old: Record, new: Record, until: datetime) -> "UpdateTypeDef":
        now = int(datetime.fromisoformat(new["createdAt"]).timestamp())
        end = min(int(until.timestamp()), old.get("expiresAt", float("inf")))
        return {
            "TableName": self.table,
            "Key": {"keyHash": {"S": old["keyHash"]}},
            "UpdateExpression": "SET rotatedTo = :successor, expiresAt = :end",
            "ConditionExpression": "#status = :active AND attribute_not_exists(rotatedTo)"
            " AND (attribute_not_exists(expiresAt) OR expiresAt > :now)",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {
                ":successor": {"S": new["keyId"]},
                ":now": {"N": str(now)},
                ":end": {"N": str(end)},
                ":active": {"S": ACTIVE},
            },
        }


def index_request(table: str, workspace_id: str, condition: str, key_id: str) -> "QueryInputTypeDef":
    """Build the read of a page of the index; the condition is about ``:keyId``."""
    return {
        "TableName": table,
        "IndexName": INDEX,
        "KeyConditionExpression": f"workspaceId = :workspaceId AND {condition}",
        "ExpressionAttributeValues": {":workspaceId": {"S": workspace_id}, ":keyId": {"S": key_id}},
        "Limit": MAX_PAGE,
    }

"""The table of API keys.

The partition key of a record is the hash of its API key. Each workspace has one more item, its directory, with the ids
and hashes of its keys, so that keys are listed and found with reads of single items: no index, no scan. A directory has
room for some 4,000 keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from call_agents.api_keys.key import ACTIVE, REVOKED, Record, key_hash, key_id, key_prefix
from call_agents.shared.aws import translate_errors
from call_agents.shared.dynamodb import from_item, to_item
from call_agents.shared.errors import Conflict, NotFound, ServiceUnavailable
from call_agents.shared.json_values import iso

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateItemInputTypeDef, UpdateTypeDef

LIMITS = ("requestsPerMinute", "kilobytesPerMinute")
"""Attributes of a record with limits of the key's own."""


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
    view = {name: value for name, value in record.items() if name != "keyHash"}
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

    def find_all(self, workspace_id: str) -> list[Record]:
        """Read the records of a workspace's keys, oldest first; raises as `find_by_hash` does."""
        records = filter(None, map(self.find_by_hash, self._hashes(workspace_id).values()))
        return sorted(records, key=lambda record: (str(record.get("createdAt")), str(record.get("keyId"))))

    def find(self, workspace_id: str, key_id: str) -> Record:
        """Read the record of one key by its id.

        Raises
        ------
        NotFound
            When the workspace has no such key.
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out.
        """
        key_hash = self._hashes(workspace_id).get(key_id)
        record = self.find_by_hash(key_hash) if key_hash else None
        if record is None:
            raise NotFound("There is no key with this keyId in this workspace.")
        return record

    def _hashes(self, workspace_id: str) -> dict[str, str]:
        """Return the hashes of a workspace's keys by key id, from its directory."""
        directory = self.find_by_hash(_directory(workspace_id)) or {"keys": {"SS": []}}
        return dict(entry.split(":") for entry in directory["keys"]["SS"])

    def add(self, new: NewKey) -> Record:
        """Store a new key and return its record.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out. The key may have been stored.
        """
        record = new.record()
        self._write(self._add_writes(record))
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
        self._write([*self._add_writes(record), {"Update": self._rotated(old, record, until)}])
        return record

    def _write(self, writes: "list[TransactWriteItemTypeDef]") -> None:
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
        with translate_errors("UpdateItem"):
            response = self.client.update_item(
                TableName=self.table,
                Key={"keyHash": {"S": record["keyHash"]}},
                UpdateExpression="SET #status = :revoked, revokedAt = :now",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":revoked": {"S": REVOKED}, ":now": {"S": iso(now)}},
                ReturnValues="ALL_NEW",
            )
        return from_item(response["Attributes"])

    def set_limits(self, record: Record, limits: Mapping[str, int]) -> Record:
        """Replace a key's own limits and return its record. Without a limit, the deployment's is its limit.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out; set them again.
        """
        sets = [f"{name} = :{name}" for name in limits]
        removes = [name for name in LIMITS if name not in limits]
        parts = [f"SET {', '.join(sets)}" if sets else "", f"REMOVE {', '.join(removes)}" if removes else ""]
        request: UpdateItemInputTypeDef = {
            "TableName": self.table,
            "Key": {"keyHash": {"S": record["keyHash"]}},
            "UpdateExpression": " ".join(filter(None, parts)),
            "ReturnValues": "ALL_NEW",
        }
        if limits:
            request["ExpressionAttributeValues"] = {f":{name}": {"N": str(value)} for name, value in limits.items()}
        with translate_errors("UpdateItem"):
            return from_item(self.client.update_item(**request)["Attributes"])

    def _add_writes(self, record: Record) -> "list[TransactWriteItemTypeDef]":
        return [
            {
                "Put": {
                    "TableName": self.table,
                    "Item": to_item(record),
                    "ConditionExpression": "attribute_not_exists(keyHash)",
                }
            },
            {
                "Update": {
                    "TableName": self.table,
                    "Key": {"keyHash": {"S": _directory(record["workspaceId"])}},
                    "UpdateExpression": "ADD #keys :new",
                    "ExpressionAttributeNames": {"#keys": "keys"},
                    "ExpressionAttributeValues": {":new": {"SS": [f"{record['keyId']}:{record['keyHash']}"]}},
                }
            },
        ]

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


def _directory(workspace_id: str) -> str:
    """Return the partition key of a workspace's directory; no hash looks like it."""
    return f"workspace#{workspace_id}"

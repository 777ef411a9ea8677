"""The records of API keys in DynamoDB.

A record stands under the hash of its key. One more item for each workspace, its directory, holds the ids and hashes of
the workspace's keys, so that they can be listed and found with reads of single items only: no index, no scan. It has
room for some 4,000 keys.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agents.api_keys import ACTIVE, REVOKED, key_hash, key_id, key_prefix
from agents.aws_errors import translated
from agents.errors import Conflict, NotFound, ServiceUnavailable
from agents.times import iso
from agents.values import from_attribute, to_attribute

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateTypeDef

Record = dict[str, Any]
"""Attributes of a record by name: ``keyHash``, ``keyId``, ``prefix``, ``workspaceId``, ``userId``, ``status``,
``createdAt`` and, when there are any, ``name``, ``expiresAt`` (epoch seconds), ``rotatedTo``, ``revokedAt``."""


@dataclass(frozen=True)
class NewKey:
    """A key to be stored.

    Parameters
    ----------
    key : str
        The key itself; only its hash, id and prefix are stored.
    workspace_id, user_id : str
        What it opens, and whose it is.
    name : str or None
        For people.
    created_at : datetime
        In UTC.
    expires_at : datetime or None
        In UTC; None for a key that lives until it is revoked.
    """

    key: str
    workspace_id: str
    user_id: str
    name: str | None
    created_at: datetime
    expires_at: datetime | None

    def record(self) -> Record:
        """Return the record that stands for the key."""
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
        return record


def public_view(record: Record, now: datetime) -> dict[str, Any]:
    """Return what an operator may see of a record: its state and its times, never the hash."""
    view = {name: value for name, value in record.items() if name != "keyHash"}
    expires_at = record.get("expiresAt")
    if expires_at is not None:
        view["expiresAt"] = iso(datetime.fromtimestamp(expires_at, UTC))
        if record["status"] == ACTIVE and expires_at <= now.timestamp():
            view["status"] = "expired"
    return view


class KeyStore:
    """The table of API keys.

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

    def read(self, partition_key: str) -> dict[str, Any] | None:
        """Read one item, consistently.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out.
        """
        with translated("GetItem"):
            answer = self._client.get_item(
                TableName=self._table, Key={"keyHash": {"S": partition_key}}, ConsistentRead=True
            )
        return answer.get("Item")

    def records(self, workspace_id: str) -> list[Record]:
        """Read the records of a workspace's keys, oldest first; raises as `read` does."""
        items = [self.read(partition_key) for partition_key in self._hashes(workspace_id).values()]
        records = [{name: from_attribute(value) for name, value in item.items()} for item in items if item]
        return sorted(records, key=lambda record: (str(record.get("createdAt")), str(record.get("keyId"))))

    def find(self, workspace_id: str, wanted: str) -> Record:
        """Read the record of one key by its id.

        Raises
        ------
        NotFound
            When the workspace has no such key.
        ServiceUnavailable
            As `read`.
        """
        partition_key = self._hashes(workspace_id).get(wanted)
        item = self.read(partition_key) if partition_key else None
        if item is None:
            raise NotFound("There is no key with this keyId in this workspace.")
        return {name: from_attribute(value) for name, value in item.items()}

    def _hashes(self, workspace_id: str) -> dict[str, str]:
        """Return the hashes of a workspace's keys, by key id."""
        directory = self.read(_directory(workspace_id)) or {"keys": {"SS": []}}
        return dict(entry.split(":") for entry in directory["keys"]["SS"])

    def add(self, new: NewKey) -> Record:
        """Store a new key.

        Parameters
        ----------
        new : NewKey
            The key.

        Returns
        -------
        Record
            Its record.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out; the key may be stored all the same.
        """
        record = new.record()
        self._write(self._add_writes(record))
        return record

    def replace(self, old: Record, new: NewKey, *, until: datetime) -> Record:
        """Store a new key and give the one that it replaces its end, in one transaction.

        Parameters
        ----------
        old : Record
            Of the key that is replaced.
        new : NewKey
            The key.
        until : datetime
            How long the old key lives on; never longer than it would have.

        Returns
        -------
        Record
            The new key's record.

        Raises
        ------
        Conflict
            When the old key is revoked or expired, or was replaced before.
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out; the new key may be stored all the same.
        """
        record = new.record()
        self._write([*self._add_writes(record), {"Update": self._rotated(old, record, until)}])
        return record

    def _write(self, writes: "list[TransactWriteItemTypeDef]") -> None:
        try:
            with translated("TransactWriteItems"):
                self._client.transact_write_items(TransactItems=writes)
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
        else:
            return
        if "ConditionalCheckFailed" in reasons:
            raise Conflict("This key is revoked, expired or rotated already: list the workspace's keys.")
        # Another transaction was at the same items, or they are throttled.
        raise ServiceUnavailable(internal=f"TransactWriteItems: {', '.join(sorted(filter(None, reasons)))}")

    def revoke(self, record: Record, now: datetime) -> Record:
        """End a key at once. Revoking it again changes nothing.

        Returns
        -------
        Record
            The record as it is now.

        Raises
        ------
        ServiceUnavailable
            When DynamoDB throttled, failed or timed out; revoke it again.
        """
        if record["status"] == REVOKED:
            return record
        with translated("UpdateItem"):
            answer = self._client.update_item(
                TableName=self._table,
                Key={"keyHash": {"S": record["keyHash"]}},
                UpdateExpression="SET #status = :revoked, revokedAt = :now",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":revoked": {"S": REVOKED}, ":now": {"S": iso(now)}},
                ReturnValues="ALL_NEW",
            )
        return {name: from_attribute(value) for name, value in answer["Attributes"].items()}

    def _add_writes(self, record: Record) -> "list[TransactWriteItemTypeDef]":
        return [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": {name: to_attribute(value) for name, value in record.items()},
                    "ConditionExpression": "attribute_not_exists(keyHash)",
                }
            },
            {
                "Update": {
                    "TableName": self._table,
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
            "TableName": self._table,
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
    """Return the partition key of a workspace's directory; it looks like no hash."""
    return f"workspace#{workspace_id}"

"""The records of API keys in DynamoDB.

A record stands under the hash of its key. One more item for each workspace, its directory, holds the hashes of the
workspace's keys, so that they can be listed and found by id with reads of single items only: no index, no scan.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agents.api_keys import ACTIVE, REVOKED, key_hash, key_id, key_prefix
from agents.aws_errors import translated
from agents.errors import Conflict, NotFound
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


def iso(moment: datetime) -> str:
    """Write a time as ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


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
        """Read the records of a workspace's keys, oldest first."""
        directory = self.read(_directory(workspace_id)) or {"keys": {"SS": []}}
        items = [self.read(partition_key) for partition_key in directory["keys"]["SS"]]
        records = [{name: from_attribute(value) for name, value in item.items()} for item in items if item]
        return sorted(records, key=lambda record: (record["createdAt"], record["keyId"]))

    def find(self, workspace_id: str, wanted: str) -> Record:
        """Read the record of one key by its id.

        Raises
        ------
        NotFound
            When the workspace has no such key.
        """
        for record in self.records(workspace_id):
            if record["keyId"] == wanted:
                return record
        raise NotFound("There is no key with this keyId in this workspace.")

    def add(self, new: NewKey, *, instead_of: Record | None = None, until: datetime | None = None) -> Record:
        """Store a new key, and let the one that it replaces end, in one transaction.

        Parameters
        ----------
        new : NewKey
            The key.
        instead_of : Record, optional
            The record of the key that it replaces.
        until : datetime, optional
            How long that one lives on; it never lives longer than it would have.

        Returns
        -------
        Record
            The new key's record.

        Raises
        ------
        Conflict
            When the replaced key is not active, or was replaced before.
        """
        record = new.record()
        writes = self._add_writes(record)
        if instead_of is not None and until is not None:
            writes.append({"Update": self._rotated(instead_of, record["keyId"], until)})
        try:
            with translated("TransactWriteItems"):
                self._client.transact_write_items(TransactItems=writes)
        except self._client.exceptions.TransactionCanceledException:
            raise Conflict("This key is not active, or was rotated before.") from None
        return record

    def revoke(self, record: Record, now: datetime) -> Record:
        """End a key at once. Revoking it again changes nothing.

        Returns
        -------
        Record
            The record as it is now.
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
                    "ExpressionAttributeValues": {":new": {"SS": [record["keyHash"]]}},
                }
            },
        ]

    def _rotated(self, old: Record, successor: str, until: datetime) -> "UpdateTypeDef":
        end = min(int(until.timestamp()), old.get("expiresAt", float("inf")))
        return {
            "TableName": self._table,
            "Key": {"keyHash": {"S": old["keyHash"]}},
            "UpdateExpression": "SET rotatedTo = :successor, expiresAt = :end",
            "ConditionExpression": "#status = :active AND attribute_not_exists(rotatedTo)",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {
                ":successor": {"S": successor},
                ":end": {"N": str(end)},
                ":active": {"S": ACTIVE},
            },
        }


def _directory(workspace_id: str) -> str:
    """Return the partition key of a workspace's directory; it looks like no hash."""
    return f"workspace#{workspace_id}"

"""The rate limit of an API key: a fixed window of a minute, counted with one conditional write to DynamoDB.

A counter's partition key is the key's id and the minute, so nothing has to be reset: the next minute has another item,
and DynamoDB deletes old ones. While the table works, no more than the limit passes in a minute of one clock; but the
clocks of environments differ, and around the turn of a minute twice the limit can pass within seconds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from call_agents.shared.aws import translate_errors
from call_agents.shared.errors import RateLimitExceeded
from call_agents.shared.json_values import iso

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import UpdateItemInputTypeDef

WINDOW_SECONDS = 60

_KEPT_SECONDS = 600
"""How long a counter is kept after its minute: longer than the clocks of environments differ."""


@dataclass(frozen=True)
class RateLimiter:
    """The table of counters.

    Parameters
    ----------
    client : DynamoDBClient
        boto3's client, not shared with the stores: its failures would use up their retry quota.
    table : str
        Name of the table; its partition key is ``keyIdAndMinute``.
    limit : int
        Requests that a key may send in a minute, 1 or more.
    """

    client: "DynamoDBClient"
    table: str
    limit: int

    def count(self, key_id: str, now: datetime) -> dict[str, str]:
        """Count a request.

        Parameters
        ----------
        key_id : str
            The API key's id.
        now : datetime
            Time of the request.

        Returns
        -------
        dict
            The RateLimit headers of the response.

        Raises
        ------
        RateLimitExceeded
            When the key has sent its requests of this minute.
        ServiceUnavailable, InternalError
            When DynamoDB failed. The request may have been counted.
        """
        start = int(now.timestamp()) // WINDOW_SECONDS * WINDOW_SECONDS
        end = start + WINDOW_SECONDS
        seconds = ceil(end - now.timestamp())
        try:
            with translate_errors("UpdateItem"):
                response = self.client.update_item(**count_request(self.table, key_id, start, self.limit))
                used = int(response["Attributes"]["requests"]["N"])
        except self.client.exceptions.ConditionalCheckFailedException:
            headers = rate_limit_headers(self.limit, 0, seconds)
            raise RateLimitExceeded(seconds, iso(datetime.fromtimestamp(end, UTC)), headers) from None
        return rate_limit_headers(self.limit, self.limit - used, seconds)


def count_request(table: str, key_id: str, start: int, limit: int) -> "UpdateItemInputTypeDef":
    """Build the write. It counts one request, and fails when the limit is reached."""
    return {
        "TableName": table,
        "Key": {"keyIdAndMinute": {"S": f"{key_id}#{start}"}},
        "UpdateExpression": "ADD #requests :one SET #expiresAt = :end",
        "ConditionExpression": "attribute_not_exists(#requests) OR #requests < :limit",
        "ExpressionAttributeNames": {"#requests": "requests", "#expiresAt": "expiresAt"},
        "ExpressionAttributeValues": {
            ":one": {"N": "1"},
            ":limit": {"N": str(limit)},
            ":end": {"N": str(start + WINDOW_SECONDS + _KEPT_SECONDS)},
        },
        "ReturnValues": "UPDATED_NEW",
    }


def rate_limit_headers(limit: int, remaining: int, seconds: int) -> dict[str, str]:
    """Return the headers of IETF draft "RateLimit header fields for HTTP", revision 10."""
    return {
        "RateLimit-Policy": f'"default";q={limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"default";r={remaining};t={seconds}',
    }

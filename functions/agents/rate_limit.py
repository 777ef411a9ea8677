"""How many requests an API key may send in a minute: a fixed window, counted with one write to DynamoDB.

A key's count stands under its id and the minute, so that nothing has to be reset: the next minute has another item, and
DynamoDB deletes the old ones. While the table answers, no more than the limit passes within one minute of one clock;
but clocks of functions differ, and at the turn of a minute twice the limit can pass within seconds.
"""

from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from agents.aws_errors import translated
from agents.errors import RateLimitExceeded

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import UpdateItemInputTypeDef

WINDOW_SECONDS = 60

_KEPT_SECONDS = 600
"""How long a count stays after its minute: longer than clocks of functions differ."""


class RateLimiter:
    """The table of counts.

    Parameters
    ----------
    client : DynamoDBClient
        Boto3's low-level client, and none that others use: its failures would use up the attempts that they share.
    table : str
        Name of the table; its partition key is ``keyIdAndMinute``.
    limit : int
        Requests that a key may send in a minute; 1 at least.
    """

    def __init__(self, client: "DynamoDBClient", table: str, limit: int) -> None:
        self._client = client
        self._table = table
        self._limit = limit

    def count(self, key_id: str, now: datetime) -> dict[str, str]:
        """Count a request.

        Parameters
        ----------
        key_id : str
            Of the API key.
        now : datetime
            In UTC.

        Returns
        -------
        dict
            The RateLimit fields for the answer.

        Raises
        ------
        RateLimitExceeded
            When the key has used up its minute.
        ServiceUnavailable, InternalError
            When DynamoDB failed; the request may have been counted all the same.
        """
        start = int(now.timestamp()) // WINDOW_SECONDS * WINDOW_SECONDS
        end = start + WINDOW_SECONDS
        seconds = ceil(end - now.timestamp())
        try:
            with translated("UpdateItem"):
                answer = self._client.update_item(**count_request(self._table, key_id, start, self._limit))
                used = int(answer["Attributes"]["requests"]["N"])
        except self._client.exceptions.ConditionalCheckFailedException:
            headers = rate_limit_fields(self._limit, 0, seconds)
            raise RateLimitExceeded(seconds, datetime.fromtimestamp(end, UTC), headers) from None
        return rate_limit_fields(self._limit, self._limit - used, seconds)


def count_request(table: str, key_id: str, start: int, limit: int) -> "UpdateItemInputTypeDef":
    """Build the write: it counts one more, and fails when the limit is reached."""
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


def rate_limit_fields(limit: int, remaining: int, seconds: int) -> dict[str, str]:
    """Write quota and rest as header fields (IETF draft "RateLimit header fields for HTTP", revision 10)."""
    return {
        "RateLimit-Policy": f'"default";q={limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"default";r={remaining};t={seconds}',
    }

"""The budget of an API key: requests and kilobytes in a minute, counted with one conditional write to DynamoDB.

A counter's partition key is the key's id and the minute, so nothing has to be reset: the next minute has another item,
and DynamoDB deletes old ones. While the table works, no more than the budget passes in a minute of one clock; but the
clocks of environments differ, and around the turn of a minute twice the budget can pass within seconds.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any, cast

from call_agents.api_keys.key import Caller
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
class Budget:
    """What an API key may send in a minute.

    Parameters
    ----------
    requests : int
        1 or more.
    kilobytes : int
        0 means any number.
    """

    requests: int
    kilobytes: int


@dataclass(frozen=True)
class RateLimiter:
    """The table of counters.

    Parameters
    ----------
    client : DynamoDBClient
        boto3's client, not shared with the stores: its failures would use up their retry quota.
    table : str
        Name of the table; its partition key is ``keyIdAndMinute``.
    budget : Budget
        Of each key that has none of its own.
    """

    client: "DynamoDBClient"
    table: str
    budget: Budget

    def count(self, caller: Caller, kilobytes: int, now: datetime) -> dict[str, str]:
        """Count a request.

        Parameters
        ----------
        caller : Caller
            Has the API key's id, and perhaps a budget of its own.
        kilobytes : int
            Size of the request, 1 or more.
        now : datetime
            Time of the request.

        Returns
        -------
        dict
            The RateLimit headers of the response.

        Raises
        ------
        RateLimitExceeded
            When the key's budget of this minute is used up.
        ServiceUnavailable, InternalError
            When DynamoDB failed; Throttled when it throttled. The request may have been counted.
        """
        budget = Budget(
            self.budget.requests if caller.requests_per_minute is None else caller.requests_per_minute,
            self.budget.kilobytes if caller.kilobytes_per_minute is None else caller.kilobytes_per_minute,
        )
        start = int(now.timestamp()) // WINDOW_SECONDS * WINDOW_SECONDS
        end = start + WINDOW_SECONDS
        seconds = ceil(end - now.timestamp())
        reset_at = iso(datetime.fromtimestamp(end, UTC))
        if budget.kilobytes and kilobytes > budget.kilobytes:
            raise _too_many_kilobytes(budget, seconds, reset_at)
        try:
            with translate_errors("UpdateItem"):
                response = self.client.update_item(**count_request(self.table, caller.key_id, start, budget, kilobytes))
                used = int(response["Attributes"]["requests"]["N"])
        except self.client.exceptions.ConditionalCheckFailedException as error:
            counted = cast("dict[str, Any]", error.response).get("Item", {})
        else:
            return rate_limit_headers(budget.requests, budget.requests - used, seconds)
        if int(counted.get("requests", {"N": budget.requests})["N"]) >= budget.requests:
            headers = rate_limit_headers(budget.requests, 0, seconds)
            raise RateLimitExceeded(seconds, reset_at, headers)
        raise _too_many_kilobytes(budget, seconds, reset_at)


def count_request(table: str, key_id: str, start: int, budget: Budget, kilobytes: int) -> "UpdateItemInputTypeDef":
    """Build the write. It counts one request, and fails when the budget is used up."""
    conditions = ["(attribute_not_exists(#requests) OR #requests < :requests)"]
    values = {
        ":one": {"N": "1"},
        ":requests": {"N": str(budget.requests)},
        ":size": {"N": str(kilobytes)},
        ":end": {"N": str(start + WINDOW_SECONDS + _KEPT_SECONDS)},
    }
    if budget.kilobytes:
        conditions.append("(attribute_not_exists(#kilobytes) OR #kilobytes <= :room)")
        values[":room"] = {"N": str(budget.kilobytes - kilobytes)}
    return {
        "TableName": table,
        "Key": {"keyIdAndMinute": {"S": f"{key_id}#{start}"}},
        "UpdateExpression": "ADD #requests :one, #kilobytes :size SET #expiresAt = :end",
        "ExpressionAttributeNames": {"#requests": "requests", "#kilobytes": "kilobytes", "#expiresAt": "expiresAt"},
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeValues": values,
        "ReturnValues": "UPDATED_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _too_many_kilobytes(budget: Budget, seconds: int, reset_at: str) -> RateLimitExceeded:
    headers = rate_limit_headers(budget.kilobytes, 0, seconds, policy="kilobytes")
    return RateLimitExceeded(seconds, reset_at, headers, what="kilobytes")


def rate_limit_headers(limit: int, remaining: int, seconds: int, policy: str = "default") -> dict[str, str]:
    """Return the headers of IETF draft "RateLimit header fields for HTTP", revision 10."""
    return {
        "RateLimit-Policy": f'"{policy}";q={limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"{policy}";r={remaining};t={seconds}',
    }

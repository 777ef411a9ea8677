"""The budget of an API key: requests and kilobytes in a minute, counted with one conditional write to DynamoDB.

The key's own record says what is left of the budget, and in which minute. So one write counts a request and returns the
record, which tells who the caller is. While the table can be written, no more than the budget passes in a minute of the
clock that is furthest ahead; around the turn of a minute, twice the budget can pass within seconds.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any, cast

from call_agents.api_keys.key import Caller, Record, caller_of
from call_agents.shared.aws import translate_errors
from call_agents.shared.dynamodb import from_item
from call_agents.shared.errors import RateLimitExceeded, ServiceUnavailable
from call_agents.shared.json_values import iso

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import UpdateItemInputTypeDef

WINDOW_SECONDS = 60

COUNTERS = ("countedMinute", "requestsLeft", "kilobytesLeft")
"""Attributes of a record: a minute, counted since 1970, and what is left of the key's budget in it."""

UNLIMITED = 999_999_999
"""A budget that nobody can use up in a minute."""

_CLOCKS_DIFFER = 5
"""Minutes by which a clock may be ahead of another. A clock that is behind does not begin an earlier minute again."""

_MAX_WRITES = 3
"""A request finds another minute than expected, begins a new one, and meets another request that has just done so."""

_MAX_REMEMBERED = 1000


@dataclass(frozen=True)
class Budget:
    """What an API key may send in a minute.

    Parameters
    ----------
    requests, kilobytes : int
        1 or more.
    """

    requests: int
    kilobytes: int

    def of(self, caller: Caller) -> "Budget":
        """Return the budget of a caller's key, which may have limits of its own."""
        return Budget(
            self.requests if caller.requests_per_minute is None else caller.requests_per_minute,
            self.kilobytes if caller.kilobytes_per_minute is None else caller.kilobytes_per_minute,
        )


@dataclass(frozen=True)
class Counted:
    """The result of counting a request.

    Parameters
    ----------
    record : Record
        The key's record.
    is_within_budget : bool
        False when the request was not counted, because too little of the budget is left.
    """

    record: Record
    is_within_budget: bool


@dataclass(frozen=True)
class RateLimiter:
    """Counts requests in the table of API keys.

    Parameters
    ----------
    client : DynamoDBClient
        boto3's client, not shared with the stores: its failures would use up their retry quota.
    table : str
        Name of the table.
    budget : Budget
        Of each key that has no limits of its own.
    minutes : dict
        The minute in which this environment last counted a request of a key, by the key's hash.
    """

    client: "DynamoDBClient"
    table: str
    budget: Budget
    minutes: dict[str, int] = field(default_factory=dict)

    def has_counted(self, key_hash: str, now: datetime) -> bool:
        """Return True when this environment has counted a request of the key in this minute."""
        return self.minutes.get(key_hash) == _minute(now)

    def count(self, key_hash: str, record: Record | None, kilobytes: int, now: datetime) -> Counted:
        """Count a request.

        Parameters
        ----------
        key_hash : str
            Hash of the API key.
        record : Record or None
            The key's record as it was read; None when `has_counted` is True, so that no read is needed.
        kilobytes : int
            Size of the request, 1 or more.
        now : datetime
            Time of the request.

        Raises
        ------
        ServiceUnavailable, InternalError
            When DynamoDB failed; Throttled when it throttled. The request may have been counted.
        InvalidApiKey
            When the key is found to be invalid. Otherwise the record is not checked.
        """
        minute = _minute(now)
        for _ in range(_MAX_WRITES):
            continues = True
            if record is None or _counts(record, minute):
                request = continue_request(self.table, key_hash, minute, kilobytes)
            else:
                continues = False
                budget = self.budget.of(caller_of(record, now))
                if kilobytes > budget.kilobytes:
                    return Counted(record, is_within_budget=False)
                request = begin_request(self.table, key_hash, minute, budget, kilobytes)
            record, succeeded = self._write(request, key_hash)
            if succeeded:
                self._remember(key_hash, minute)
                return Counted(record, is_within_budget=True)
            if continues and _counts(record, minute):
                return Counted(record, is_within_budget=False)
        raise ServiceUnavailable(internal="UpdateItem: the minute keeps changing")

    def _write(self, request: "UpdateItemInputTypeDef", key_hash: str) -> tuple[Record, bool]:
        """Write; return the record and whether the condition was met."""
        try:
            with translate_errors("UpdateItem"):
                return from_item(self.client.update_item(**request)["Attributes"]), True
        except self.client.exceptions.ConditionalCheckFailedException as error:
            item = cast("dict[str, Any]", error.response).get("Item")
        if item is None:  # the key was deleted, or the response is incomplete: a read will tell
            self.minutes.pop(key_hash, None)
            raise ServiceUnavailable(internal="UpdateItem: condition failed but the response has no item")
        return from_item(item), False

    def _remember(self, key_hash: str, minute: int) -> None:
        if len(self.minutes) >= _MAX_REMEMBERED:
            self.minutes.clear()
        self.minutes[key_hash] = minute

    def check_budget(self, caller: Caller, counted: Counted, kilobytes: int, now: datetime) -> dict[str, str]:
        """Return the RateLimit headers, or refuse the request.

        Parameters
        ----------
        caller : Caller
            Who sent it.
        counted : Counted
            What `count` returned.
        kilobytes : int
            Size of the request.
        now : datetime
            Time of the request.

        Raises
        ------
        RateLimitExceeded
            When the request is not within the budget.
        """
        budget, minute = self.budget.of(caller), _minute(now)
        counters = counted.record if _counts(counted.record, minute) else {"countedMinute": minute}
        end = (counters["countedMinute"] + 1) * WINDOW_SECONDS
        seconds = ceil(end - now.timestamp())
        requests_left = counters.get("requestsLeft", budget.requests)
        headers = rate_limit_headers("default", budget.requests, requests_left, seconds)
        if counted.is_within_budget:
            return headers
        wait = f"Wait {seconds} s, then send this one again."
        message = f"This API key has sent too many requests. {wait}"
        if requests_left:
            message = f"This API key has sent too many kilobytes. {wait}"
            left = counters.get("kilobytesLeft", budget.kilobytes)
            headers = rate_limit_headers("kilobytes", budget.kilobytes, left, seconds)
        if kilobytes > budget.kilobytes:
            message = (
                f"This request is larger than what this API key may send in a minute: {budget.kilobytes} KB. Send a "
                "smaller one, or ask the person who issued the key for a higher limit."
            )
        raise RateLimitExceeded(message, seconds, iso(datetime.fromtimestamp(end, UTC)), headers)


def continue_request(table: str, key_hash: str, minute: int, kilobytes: int) -> "UpdateItemInputTypeDef":
    """Build the write that counts one more request. It fails when another minute is counted, or too little is left."""
    return {
        **_update(table, key_hash),
        "UpdateExpression": "SET requestsLeft = requestsLeft - :one, kilobytesLeft = kilobytesLeft - :size",
        "ConditionExpression": "countedMinute BETWEEN :minute AND :latest"
        " AND requestsLeft >= :one AND kilobytesLeft >= :size",
        "ExpressionAttributeValues": _numbers(minute=minute, latest=minute + _CLOCKS_DIFFER, one=1, size=kilobytes),
    }


def begin_request(table: str, key_hash: str, minute: int, budget: Budget, kilobytes: int) -> "UpdateItemInputTypeDef":
    """Build the write that counts the first request of a minute. It fails when another request has begun the minute."""
    return {
        **_update(table, key_hash),
        "UpdateExpression": "SET countedMinute = :minute, requestsLeft = :requests, kilobytesLeft = :kilobytes",
        "ConditionExpression": "attribute_exists(keyHash) AND"
        " (attribute_not_exists(countedMinute) OR countedMinute < :minute OR countedMinute > :latest)",
        "ExpressionAttributeValues": _numbers(
            minute=minute,
            latest=minute + _CLOCKS_DIFFER,
            requests=budget.requests - 1,
            kilobytes=budget.kilobytes - kilobytes,
        ),
    }


def rate_limit_headers(policy: str, limit: int, remaining: int, seconds: int) -> dict[str, str]:
    """Return the headers of IETF draft "RateLimit header fields for HTTP", revision 10."""
    return {
        "RateLimit-Policy": f'"{policy}";q={limit};w={WINDOW_SECONDS}',
        "RateLimit": f'"{policy}";r={remaining};t={seconds}',
    }


def _update(table: str, key_hash: str) -> "UpdateItemInputTypeDef":
    return {
        "TableName": table,
        "Key": {"keyHash": {"S": key_hash}},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _numbers(**values: int) -> dict[str, Any]:
    return {f":{name}": {"N": str(value)} for name, value in values.items()}


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // WINDOW_SECONDS


def _counts(record: Record, minute: int) -> bool:
    """Return True when a record counts this minute, or a later one of a clock that is ahead."""
    counted = record.get("countedMinute")
    return isinstance(counted, int) and minute <= counted <= minute + _CLOCKS_DIFFER

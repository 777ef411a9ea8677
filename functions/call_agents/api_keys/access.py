"""Who may make a request: the same checks, in the same order, for every endpoint."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from call_agents.api_keys.key import Caller, Record, caller_of, check_key, ids_of, key_hash
from call_agents.api_keys.rate_limit import UNLIMITED, Budget, RateLimiter
from call_agents.api_keys.store import ApiKeyStore
from call_agents.shared.config import Settings
from call_agents.shared.deadline import run_in_time
from call_agents.shared.errors import (
    InternalError,
    MissingHeader,
    RateLimitExceeded,
    ServiceUnavailable,
    Throttled,
    WorkspaceForbidden,
)
from call_agents.shared.http import Request
from call_agents.shared.invocation import Invocation
from call_agents.shared.json_values import iso

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


_TOO_MANY = "There are too many requests right now. Wait 1 s, then send this one again."


@dataclass(frozen=True)
class Access:
    """Checks who makes a request.

    Parameters
    ----------
    keys : ApiKeyStore
        The table of API keys.
    rate_limiter : RateLimiter or None
        None when nothing is counted: neither requests nor kilobytes.
    allow_test_keys : bool
        Whether this is a local run, where the sample events' key works.
    count_seconds : float
        Time limit of counting a request. Counting that takes longer must not use up the request's own time.
    """

    keys: ApiKeyStore
    rate_limiter: RateLimiter | None
    allow_test_keys: bool
    count_seconds: float = 2

    def check(self, request: Request, now: datetime, invocation: Invocation) -> Caller:
        """Return the caller of a request.

        Parameters
        ----------
        request : Request
            Has the headers ``x-api-key`` and ``x-workspace-id``.
        now : datetime
            Time of the request.
        invocation : Invocation
            Gets the caller's ids for the log, and the RateLimit headers.

        Raises
        ------
        MissingApiKey, InvalidApiKey
            When the caller is unknown.
        RateLimitExceeded
            When the request does not fit into what is left of the key's budget for this minute, or when DynamoDB
            throttles the counting.
        MissingHeader, WorkspaceForbidden
            When ``x-workspace-id`` is missing, or is not the key's workspace.
        ServiceUnavailable
            When the table of keys throttled, failed or timed out.
        """
        invocation.timer.begin("authenticate")
        invocation.log["kilobytes"] = request.kilobytes
        key = check_key(request.headers.get("x-api-key"), allow_test_keys=self.allow_test_keys)
        hash_of_key = key_hash(key)
        if self.rate_limiter is None:
            caller = _identify(self.keys.find_by_hash(hash_of_key), now, invocation)
        else:
            caller = self._count(self.rate_limiter, hash_of_key, request.kilobytes, now, invocation)
        _authorize(caller, request.headers.get("x-workspace-id"))
        return caller

    def _count(
        self, limiter: RateLimiter, hash_of_key: str, kilobytes: int, now: datetime, invocation: Invocation
    ) -> Caller:
        """Identify the caller and count the request. If counting fails, the request proceeds uncounted.

        Counting returns the key's record. It is read before only for the first request of a minute in this environment,
        because an unknown key must cost no write.
        """
        record = None
        if not limiter.has_counted(hash_of_key, now):
            record = self.keys.find_by_hash(hash_of_key)
            _identify(record, now, invocation)
        try:
            counted = run_in_time(lambda: limiter.count(hash_of_key, record, kilobytes, now), self.count_seconds)
        except (InternalError, ServiceUnavailable) as error:
            invocation.log["rateLimiterFailure"] = error.internal
            caller = _identify(record or self.keys.find_by_hash(hash_of_key), now, invocation)
            if isinstance(error, Throttled):  # there are too many requests to count them
                raise RateLimitExceeded(_TOO_MANY, 1, iso(now + timedelta(seconds=1)), {}) from None
            return caller
        caller = _identify(counted.record, now, invocation)
        invocation.headers.update(limiter.check_budget(caller, counted, kilobytes, now))
        return caller


def _identify(record: Record | None, now: datetime, invocation: Invocation) -> Caller:
    """Return the caller. Records are read consistently, so a revoked key is refused from the next request on."""
    invocation.log.update(ids_of(record))
    return caller_of(record, now)


def _authorize(caller: Caller, workspace_id: str | None) -> None:
    if not workspace_id:
        raise MissingHeader
    if workspace_id != caller.workspace_id:
        raise WorkspaceForbidden


def build_access(settings: Settings, dynamodb: "DynamoDBClient") -> Access:
    """Build it from settings and a client; raise ConfigError when a setting is missing or wrong."""
    table = settings.text("API_KEYS_TABLE")
    requests = settings.count("RATE_LIMIT_PER_MINUTE")
    budget = Budget(requests, settings.count("KILOBYTES_PER_MINUTE", default="0") or UNLIMITED)
    return Access(
        keys=ApiKeyStore(dynamodb, table),
        # One attempt: if counting fails the request proceeds, so it must not wait for retries.
        rate_limiter=RateLimiter(settings.dynamodb(max_attempts=1), table, budget) if requests else None,
        allow_test_keys=settings.allow_test_keys,
    )

"""Who may make a request: the same checks, in the same order, for every endpoint."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from call_agents.api_keys.key import Caller, caller_of, check_key, ids_of, key_hash
from call_agents.api_keys.rate_limit import Budget, RateLimiter
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


@dataclass(frozen=True)
class Access:
    """Checks who makes a request.

    Parameters
    ----------
    keys : ApiKeyStore
        The table of API keys.
    rate_limiter : RateLimiter or None
        None when nothing is counted.
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
            When the key has sent too much in this minute, or DynamoDB throttles the counting.
        MissingHeader, WorkspaceForbidden
            When the workspace is not the key's.
        ServiceUnavailable
            When the table of keys throttled, failed or timed out.
        """
        caller = self._authenticate(request, now, invocation)
        self._limit_rate(caller, request, now, invocation)
        _authorize(caller, request.headers.get("x-workspace-id"))
        return caller

    def _authenticate(self, request: Request, now: datetime, invocation: Invocation) -> Caller:
        """Identify the caller with one consistent read, so that a revoked key is refused from the next request on."""
        invocation.timer.begin("authenticate")
        key = check_key(request.headers.get("x-api-key"), allow_test_keys=self.allow_test_keys)
        record = self.keys.find_by_hash(key_hash(key))
        invocation.log.update(ids_of(record))
        return caller_of(record, now)

    def _limit_rate(self, caller: Caller, request: Request, now: datetime, invocation: Invocation) -> None:
        """Count the request. Fails open: without a counter it proceeds, unless there are too many to count."""
        limiter = self.rate_limiter
        if limiter is None:
            return
        invocation.timer.begin("rateLimit")
        try:
            counted = run_in_time(lambda: limiter.count(caller, request.kilobytes, now), self.count_seconds)
            invocation.headers.update(counted)
        except Throttled as error:
            invocation.log["rateLimiterFailure"] = error.internal
            raise RateLimitExceeded(1, iso(now + timedelta(seconds=1)), {}) from None
        except (InternalError, ServiceUnavailable) as error:
            invocation.log["rateLimiterFailure"] = error.internal


def _authorize(caller: Caller, workspace_id: str | None) -> None:
    if not workspace_id:
        raise MissingHeader
    if workspace_id != caller.workspace_id:
        raise WorkspaceForbidden


def build_access(settings: Settings, dynamodb: "DynamoDBClient") -> Access:
    """Build it from settings and a client; raise ConfigError when a setting is missing or wrong."""
    requests = settings.count("RATE_LIMIT_PER_MINUTE")
    budget = Budget(requests, settings.count("KILOBYTES_PER_MINUTE", default="0"))
    return Access(
        keys=ApiKeyStore(dynamodb, settings.text("API_KEYS_TABLE")),
        # One attempt: if the counter is unavailable the request proceeds, so it must not wait for retries.
        rate_limiter=RateLimiter(settings.dynamodb(max_attempts=1), settings.text("RATE_LIMITS_TABLE"), budget)
        if requests
        else None,
        allow_test_keys=settings.allow_test_keys,
    )

"""A key's requests are counted by the minute, with one write each."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.errors import InternalError, RateLimitExceeded, ServiceUnavailable
from agents.rate_limit import RateLimiter
from deployment import Environment
from tests.conftest import Stage
from tests.support.faults import lose_requests, refuse

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def dynamodb(stage: Stage) -> Any:  # noqa: ARG001 - a boto3 client; the table has to be there
    return Environment({}).dynamodb(attempts=1)


@pytest.fixture
def limiter(dynamodb: Any) -> RateLimiter:
    return RateLimiter(dynamodb, "RateLimitsTable", 2)


def test_each_request_is_told_what_is_left_and_for_how_long(limiter: RateLimiter) -> None:
    policy = {"RateLimit-Policy": '"default";q=2;w=60'}

    assert limiter.count("key-a", NOON) == {**policy, "RateLimit": '"default";r=1;t=60'}
    assert limiter.count("key-a", NOON + timedelta(seconds=10.5)) == {**policy, "RateLimit": '"default";r=0;t=50'}


@pytest.mark.parametrize(("seconds", "left"), [(0, 60), (0.5, 60), (59, 1), (59.999, 1)])
def test_one_more_than_the_limit_is_refused_until_the_minute_ends(
    limiter: RateLimiter, seconds: float, left: int
) -> None:
    limiter.count("key-a", NOON)
    limiter.count("key-a", NOON)

    with pytest.raises(RateLimitExceeded) as caught:
        limiter.count("key-a", NOON + timedelta(seconds=seconds))
    assert caught.value.headers == {
        "RateLimit-Policy": '"default";q=2;w=60',
        "RateLimit": f'"default";r=0;t={left}',
        "Retry-After": str(left),
    }
    assert caught.value.members == {"reset_at": "2026-01-01T12:01:00Z"}
    limiter.count("key-a", NOON + timedelta(seconds=seconds) + timedelta(seconds=left))


def test_keys_are_counted_apart(limiter: RateLimiter) -> None:
    limiter.count("key-a", NOON)
    limiter.count("key-a", NOON)

    assert limiter.count("key-b", NOON)["RateLimit"] == '"default";r=1;t=60'


def test_a_count_ends_by_itself_some_time_after_its_minute(limiter: RateLimiter, stage: Stage) -> None:
    limiter.count("key-a", NOON)
    (item,) = stage.clients.dynamodb.scan(TableName="RateLimitsTable")["Items"]

    assert item["keyIdAndMinute"] == {"S": f"key-a#{int(NOON.timestamp())}"}
    assert int(item["expiresAt"]["N"]) == int(NOON.timestamp()) + 660


def test_a_failing_table_is_told_apart_from_a_limit(limiter: RateLimiter, dynamodb: Any) -> None:
    attempts = lose_requests(dynamodb, "UpdateItem")

    with pytest.raises(ServiceUnavailable):
        limiter.count("key-a", NOON)
    assert len(attempts) == 1


def test_a_malformed_write_is_our_fault(limiter: RateLimiter, dynamodb: Any) -> None:
    refuse(dynamodb, "UpdateItem", "ValidationException")

    with pytest.raises(InternalError):
        limiter.count("key-a", NOON)


@pytest.mark.parametrize("attributes", [{}, {"requests": {"N": "1.5"}}, {"requests": {"S": "1"}}])
def test_an_answer_without_a_count_is_a_failure(
    dynamodb: Any, attributes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb, "update_item", lambda **_: {"Attributes": attributes})

    with pytest.raises(ServiceUnavailable):
        RateLimiter(dynamodb, "RateLimitsTable", 2).count("key-a", NOON)

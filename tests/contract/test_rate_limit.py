"""No API key sends more requests or kilobytes in a minute than its limits allow."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from threading import Event
from zlib import crc32

import pytest

from call_agents.api_keys.key import key_hash, new_key, random_text
from call_agents.api_keys.rate_limit import COUNTERS
from tests.conftest import Manage, NewApplication
from tests.support.client import Client, Stage
from tests.support.faults import lose_requests, refuse, respond_instead
from tests.support.http import HttpResponse
from tests.support.logs import recorded_output
from tests.support.samples import EXAMPLE, MINIMUM

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIMIT = 3

At = Callable[[float], Client]


@pytest.fixture
def at(client: Client, new_application: NewApplication) -> At:
    """Return a client whose requests are made so many seconds after noon; the limit is `LIMIT`."""
    app = new_application(RATE_LIMIT_PER_MINUTE=str(LIMIT))
    return lambda seconds: replace(client, app=replace(app, now=lambda: NOON + timedelta(seconds=seconds)))


@pytest.fixture
def limited(at: At) -> Client:
    return at(0)


def calls_of(client: Client) -> list[str]:
    """Return a list in which each call to AWS of a client's application is noted."""
    calls: list[str] = []
    access = client.app.access
    assert access.rate_limiter
    for dynamodb in (access.keys.client, access.rate_limiter.client):
        dynamodb.meta.events.register("before-send", lambda event_name, **_: calls.append(event_name.split(".")[-1]))
    return calls


def rate_limit_headers(response: HttpResponse) -> list[str]:
    return [name for name in response.headers if name.startswith("RateLimit")]


def test_more_requests_than_the_limit_are_429(at: At, stage: Stage) -> None:
    *accepted, refused = [at(20).post() for _ in range(LIMIT + 1)]

    assert [response.headers["RateLimit"] for response in accepted] == [
        f'"default";r={remaining};t=40' for remaining in reversed(range(LIMIT))
    ]
    assert {response.headers["RateLimit-Policy"] for response in accepted} == {f'"default";q={LIMIT};w=60'}
    assert (refused.status, refused.code) == (429, "rate_limit_exceeded")
    assert refused.headers["Retry-After"] == "40"
    assert refused.headers["RateLimit"] == '"default";r=0;t=40'
    assert refused.headers["RateLimit-Policy"] == f'"default";q={LIMIT};w=60'
    assert refused.body["error"]["reset_at"] == "2026-01-01T12:01:00Z"
    assert refused.body["message"] == "This API key has sent too many requests. Wait 40 s, then send this one again."
    assert at(60).post().status == 201
    assert len(stage.items) == LIMIT + 1


def test_remaining_seconds_are_rounded_up(at: At) -> None:
    headers = [at(seconds).post().headers for seconds in (0, 0.5, 59, 59.999)]

    assert [header["RateLimit"].rpartition("=")[2] for header in headers if "Retry-After" not in header] == [
        "60",
        "60",
        "1",
    ]
    assert headers[-1]["Retry-After"] == "1"


def test_refused_requests_count_but_are_not_read(limited: Client) -> None:
    elsewhere: dict[str, str | None] = {"x-workspace-id": "workspace-b"}
    statuses = [limited.post("no JSON").status, limited.post(headers=elsewhere).status, limited.post({}).status]

    assert [*statuses, limited.post("no JSON").status] == [400, 403, 400, 429]


def test_a_429_does_not_use_up_the_idempotency_key(at: At, stage: Stage) -> None:
    key: dict[str, str | None] = {"idempotency-key": "key-1"}
    for _ in range(LIMIT):
        at(0).post({})

    assert at(0).post(EXAMPLE, key).status == 429
    assert stage.items == []
    assert "Idempotent-Replayed" not in at(60).post(EXAMPLE, key).headers


def test_unknown_callers_cost_no_write(limited: Client) -> None:
    calls = calls_of(limited)
    responses = [limited.post(headers={"x-api-key": new_key(random_text)}) for _ in range(LIMIT + 1)]

    assert {response.status for response in responses} == {401}
    assert not any(rate_limit_headers(response) for response in responses)
    assert calls == ["GetItem"] * (LIMIT + 1)


def test_the_first_request_of_a_minute_reads_the_key_and_others_do_not(at: At) -> None:
    calls = calls_of(at(0))
    statuses = [at(seconds).post().status for seconds in (0, 1, 2, 60, 61)]

    assert statuses == [201] * 5
    first, other = ["GetItem", "UpdateItem", "PutItem"], ["UpdateItem", "PutItem"]
    assert calls == [*first, *other, *other, *first, *other]


def test_a_revoked_key_is_refused_from_the_next_request(at: At, client: Client, manage: Manage) -> None:
    assert at(0).post().status == 201
    manage(action="revoke", workspaceId="workspace-a", keyId=client.key.split("_")[2])
    with recorded_output() as output:
        response = at(1).post()

    assert (response.status, rate_limit_headers(response)) == (401, [])
    assert output.lines[0]["cause"] == "key is not active"
    assert output.lines[0]["keyId"] == client.key.split("_")[2]


def test_a_deleted_key_is_unknown_from_the_next_request(at: At, client: Client, stage: Stage) -> None:
    assert at(0).post().status == 201
    stage.clients.dynamodb.delete_item(TableName="ApiKeysTable", Key={"keyHash": {"S": key_hash(client.key)}})

    assert at(1).post().status == 401


def test_environments_share_the_budget(at: At, new_application: NewApplication, client: Client) -> None:
    other = new_application(RATE_LIMIT_PER_MINUTE=str(LIMIT))
    elsewhere = replace(client, app=replace(other, now=lambda: NOON))
    statuses = [caller.post().status for caller in (at(0), elsewhere, at(0), elsewhere, at(0), elsewhere)]

    assert statuses == [201] * LIMIT + [429] * LIMIT


def test_a_minute_that_another_request_has_just_begun_goes_on(at: At) -> None:
    limiter, remaining = at(0).app.access.rate_limiter, []
    assert limiter

    def begin_first(**_: object) -> None:
        limiter.client.meta.events.unregister("before-call", begin_first)
        remaining.append(at(0).post().headers["RateLimit"])

    limiter.client.meta.events.register("before-call", begin_first)
    remaining.append(at(0).post().headers["RateLimit"])

    assert remaining == ['"default";r=2;t=60', '"default";r=1;t=60']


@pytest.mark.parametrize("behind", [0.5, 299])
def test_a_clock_that_is_behind_begins_no_minute_anew(at: At, behind: float) -> None:
    responses = [at(seconds).post() for seconds in (300, 300 - behind, 300, 300 - behind)]

    assert [response.status for response in responses] == [201] * LIMIT + [429]
    assert responses[-1].headers["RateLimit"] == f'"default";r=0;t={ceil(60 + behind)}'


def test_a_minute_that_an_operator_ended_and_another_request_began(at: At, client: Client, manage: Manage) -> None:
    at(0).post()
    key_id = client.key.split("_")[2]
    seen: list[int] = []
    limiter = at(0).app.access.rate_limiter
    assert limiter

    def interfere(**_: object) -> None:
        seen.append(len(seen))
        if len(seen) == 1:  # before the request continues its minute
            manage(action="limit", workspaceId="workspace-a", keyId=key_id, requestsPerMinute=9)
        if len(seen) == 2:  # before it begins one
            replace(client, app=replace(client.app, now=lambda: NOON)).post()

    limiter.client.meta.events.register("before-call.dynamodb.UpdateItem", interfere)
    assert at(0).post().headers["RateLimit"] == '"default";r=7;t=60'


def test_a_minute_far_in_the_future_ends_with_the_next_request(at: At) -> None:
    assert at(360).post().status == 201
    assert at(0).post().headers["RateLimit"] == '"default";r=2;t=60'


def test_the_memory_of_counted_keys_is_bounded(limited: Client) -> None:
    limiter = limited.app.access.rate_limiter
    assert limiter
    limiter.minutes.update(dict.fromkeys(map(str, range(1000)), 0))

    assert limited.post().status == 201
    assert len(limiter.minutes) == 1


def body_of(kilobytes: float) -> dict[str, object]:
    """Return a body of so many kilobytes, less than another one."""
    return {**MINIMUM, "prompt": "x" * (round(kilobytes * 1024) - 100)}


def test_more_kilobytes_than_the_budget_are_429(client: Client, new_application: NewApplication, stage: Stage) -> None:
    app = new_application(KILOBYTES_PER_MINUTE="100")
    at_noon = replace(client, app=replace(app, now=lambda: NOON + timedelta(seconds=20)))
    statuses = [at_noon.post(body_of(size)).status for size in (59.5, 38.5, 1.5, 0.5, 0.5)]
    refused = at_noon.post(MINIMUM)

    assert statuses == [201, 201, 429, 201, 429]  # 60 + 39, then room for one; what is refused costs nothing
    assert (refused.code, refused.headers["Retry-After"]) == ("rate_limit_exceeded", "40")
    assert refused.headers["RateLimit-Policy"] == '"kilobytes";q=100;w=60'
    assert refused.headers["RateLimit"] == '"kilobytes";r=0;t=40'
    assert refused.body["message"] == "This API key has sent too many kilobytes. Wait 40 s, then send this one again."
    assert len(stage.items) == 3


def test_no_limit_of_kilobytes_leaves_that_of_requests(client: Client, new_application: NewApplication) -> None:
    app = new_application(KILOBYTES_PER_MINUTE="0", RATE_LIMIT_PER_MINUTE=str(LIMIT))
    unlimited = replace(client, app=app)

    assert [unlimited.post(body_of(250)).status for _ in range(LIMIT + 1)] == [201] * LIMIT + [429]


def test_a_body_larger_than_the_budget_is_not_counted(client: Client, new_application: NewApplication) -> None:
    app = new_application(KILOBYTES_PER_MINUTE="10")
    at_noon = replace(client, app=replace(app, now=lambda: NOON + timedelta(seconds=20)))
    responses = [at_noon.post(body_of(size)) for size in (11, 8.5, 11)]

    assert [response.status for response in responses] == [429, 201, 429]
    assert [response.headers["RateLimit"] for response in responses] == [
        '"kilobytes";r=10;t=40',
        '"default";r=59;t=40',
        '"kilobytes";r=1;t=40',
    ]
    assert responses[0].body["message"] == responses[2].body["message"]
    assert responses[0].body["message"] == (
        "This request is larger than what this API key may send in a minute: 10 KB. Send a smaller one, or ask the "
        "person who issued the key for a higher limit."
    )


def test_what_is_too_large_to_be_read_costs_no_more_than_what_is_read(client: Client) -> None:
    assert [client.post("x" * 1_000_000).status for _ in range(3)] == [413, 413, 429]


def test_a_key_may_have_a_budget_of_its_own(limited: Client, manage: Manage) -> None:
    _, issued = manage(
        action="issue", workspaceId="workspace-a", userId="u", requestsPerMinute=1, kilobytesPerMinute=20
    )
    ids = {"workspaceId": "workspace-a", "keyId": issued["keyId"]}
    own = replace(limited, key=issued["key"])
    statuses = [own.post().status, own.post().status]
    _, changed = manage(action="limit", **ids, requestsPerMinute=LIMIT + 2)

    assert (issued["requestsPerMinute"], issued["kilobytesPerMinute"], statuses) == (1, 20, [201, 429])
    assert (changed["requestsPerMinute"], "kilobytesPerMinute" in changed) == (LIMIT + 2, False)
    assert [own.post().status for _ in range(LIMIT + 3)] == [201] * (LIMIT + 2) + [429]
    _, rotated = manage(action="rotate", **ids)
    assert rotated["requestsPerMinute"] == LIMIT + 2
    _, back = manage(action="limit", **ids)
    assert {"requestsPerMinute", "kilobytesPerMinute"}.isdisjoint(back)
    assert [own.post().status for _ in range(LIMIT + 1)] == [201] * LIMIT + [429]


def test_api_keys_are_counted_apart(limited: Client, manage: Manage) -> None:
    _, issued = manage(action="issue", workspaceId="workspace-a", userId="user-b")
    for _ in range(LIMIT):
        limited.post()

    assert limited.post().status == 429
    assert replace(limited, key=issued["key"]).post().status == 201


def test_a_list_shows_the_day_of_the_last_use_and_no_counters(at: At, client: Client, manage: Manage) -> None:
    at(20).post()
    _, listed = manage(action="list", workspaceId="workspace-a")

    assert [key["lastUsed"] for key in listed["keys"]] == ["2026-01-01"]
    assert not set(COUNTERS) & listed["keys"][0].keys()
    assert client.key.startswith(listed["keys"][0]["prefix"])


@pytest.mark.parametrize("first", [True, False], ids=["first of the minute", "later"])
@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_a_throttled_limiter_is_429_and_logged(limited: Client, stage: Stage, code: str, *, first: bool) -> None:
    assert limited.app.access.rate_limiter
    if not first:
        limited.post({})
    refuse(limited.app.access.rate_limiter.client, "UpdateItem", code)
    with recorded_output() as output:
        response = limited.post()

    assert (response.status, response.code, response.headers["Retry-After"]) == (429, "rate_limit_exceeded", "1")
    assert response.body["error"]["reset_at"] == "2026-01-01T12:00:01Z"
    assert output.lines[0]["rateLimiterFailure"] == f"UpdateItem: {code}"
    assert output.lines[0]["workspaceId"] == "workspace-a"
    assert stage.items == []


def test_a_throttled_limiter_shows_a_revoked_key_nothing_but_401(at: At, client: Client, manage: Manage) -> None:
    limiter = at(0).app.access.rate_limiter
    assert (at(0).post().status, limiter is None) == (201, False)
    manage(action="revoke", workspaceId="workspace-a", keyId=client.key.split("_")[2])
    refuse(limiter.client, "UpdateItem", "ThrottlingException")  # type: ignore[union-attr]  # it is there

    assert at(1).post().status == 401


def test_a_limiter_that_responds_too_slowly_fails_open(limited: Client) -> None:
    assert limited.app.access.rate_limiter
    assert limited.app.access.count_seconds == 2
    impatient = replace(limited, app=replace(limited.app, access=replace(limited.app.access, count_seconds=0.05)))
    events = limited.app.access.rate_limiter.client.meta.events

    ended = Event()

    def wait(**_: object) -> None:
        ended.wait(5)

    events.register_first("before-send", wait)
    with recorded_output() as output:
        assert impatient.post().status == 201
    ended.set()

    assert output.lines[0]["rateLimiterFailure"] == "out of time"


@pytest.mark.parametrize("first", [True, False], ids=["first of the minute", "later"])
@pytest.mark.parametrize("code", ["", "ResourceNotFoundException", "ValidationException"])
def test_a_failing_limiter_fails_open_and_is_logged(limited: Client, stage: Stage, code: str, *, first: bool) -> None:
    assert limited.app.access.rate_limiter
    if not first:
        limited.post({})
    dynamodb = limited.app.access.rate_limiter.client
    attempts = refuse(dynamodb, "UpdateItem", code) if code else lose_requests(dynamodb, "UpdateItem")
    with recorded_output() as output:
        responses = [limited.post() for _ in range(LIMIT + 1)]

    assert [response.status for response in responses] == [201] * (LIMIT + 1)
    assert not any(rate_limit_headers(response) for response in responses)
    assert len(attempts) == LIMIT + 1  # no retries
    assert len(stage.items) == LIMIT + 1
    assert {(line["level"], line["rateLimiterFailure"]) for line in output.lines} == {
        ("WARNING", f"UpdateItem: {code or 'ConnectionClosedError'}")
    }
    assert [metrics["RateLimiterFailed"] for metrics in output.metrics] == [1] * (LIMIT + 1)


def test_a_response_without_a_record_is_a_failure(limited: Client) -> None:
    assert limited.app.access.rate_limiter
    respond_instead(limited.app.access.rate_limiter.client, b"{}", {"x-amz-crc32": str(crc32(b"{}"))})
    with recorded_output() as output:
        assert limited.post().status == 201

    assert output.lines[0]["rateLimiterFailure"] == "UpdateItem: KeyError"


@pytest.mark.parametrize(
    ("has_item", "cause"),
    [
        (False, "UpdateItem: condition failed but the response has no item"),
        (True, "UpdateItem: the minute keeps changing"),
    ],
)
def test_an_odd_refusal_of_the_write_is_a_failure(limited: Client, stage: Stage, cause: str, *, has_item: bool) -> None:
    assert limited.app.access.rate_limiter
    (item,) = stage.clients.dynamodb.scan(TableName="ApiKeysTable")["Items"]
    members = {"Item": item} if has_item else {}
    refuse(limited.app.access.rate_limiter.client, "UpdateItem", "ConditionalCheckFailedException", **members)
    with recorded_output() as output:
        assert limited.post().status == 201

    assert output.lines[0]["rateLimiterFailure"] == cause


def test_a_limit_of_0_means_none_and_costs_no_call(
    client: Client, stage: Stage, new_application: NewApplication
) -> None:
    unlimited = replace(client, app=new_application(RATE_LIMIT_PER_MINUTE="0"))
    before = stage.clients.dynamodb.scan(TableName="ApiKeysTable")["Items"]

    response = unlimited.post()
    assert (response.status, rate_limit_headers(response)) == (201, [])
    assert stage.clients.dynamodb.scan(TableName="ApiKeysTable")["Items"] == before

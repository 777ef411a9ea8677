"""Operators issue, rotate, revoke and list keys, and each key is shown once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import manage_api_keys
from call_agents.shared.config import Settings
from create_agent import Application
from tests.conftest import Manage
from tests.support.client import Client, Stage
from tests.support.events import LambdaContext
from tests.support.faults import lose_requests, refuse
from tests.support.logs import recorded_output

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ISSUE = {"action": "issue", "workspaceId": "workspace-a", "userId": "user-a"}
LIST = {"action": "list", "workspaceId": "workspace-a"}

At = Callable[..., Manage]
Works = Callable[..., bool]


def command(action: str, key: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"action": action, "workspaceId": "workspace-a", "keyId": key["keyId"], **more}


@pytest.fixture
def at(stage: Stage, session_manager: manage_api_keys.Application) -> At:  # noqa: ARG001 - it is emptied afterwards
    """Return a function that executes commands at a time after noon."""

    def after(**time: float) -> Manage:
        app = replace(session_manager, now=lambda: NOON + timedelta(**time))

        def run(**event: object) -> tuple[int, Any]:
            result = manage_api_keys.handle(event, LambdaContext(), lambda: app)
            assert set(result) == {"statusCode", "body"}
            return result["statusCode"], result["body"]

        return run

    return after


@pytest.fixture
def works(session_application: Application) -> Works:
    """Return a function that says whether an issued key works at a time after noon."""

    def sent(issued: dict[str, Any], **time: float) -> bool:
        app = replace(session_application, now=lambda: NOON + timedelta(**time))
        return Client(app, issued["key"], "workspace-a").post().status == 201

    return sent


@pytest.fixture
def faulty(stage: Stage, variables: dict[str, str]) -> manage_api_keys.Application:  # noqa: ARG001 - the tables have to exist
    """An application of this test only, so that its faults end with it."""
    return manage_api_keys.build(Settings(variables))


def test_an_issued_key_works_for_its_workspace_and_user(at: At, stage: Stage, session_application: Application) -> None:
    status, issued = at()(**ISSUE, name="billing")
    agent = Client(session_application, issued["key"], "workspace-a").post().body

    assert (status, issued["key"]) == (201, f"{issued['prefix']}_{issued['key'].rpartition('_')[2]}")
    assert issued == {
        "key": issued["key"],
        "keyId": issued["prefix"].removeprefix("cca_live_"),
        "prefix": issued["prefix"],
        "workspaceId": "workspace-a",
        "userId": "user-a",
        "name": "billing",
        "status": "active",
        "createdAt": "2030-01-01T12:00:00Z",
    }
    assert (agent["workspaceId"], agent["userId"]) == ("workspace-a", "user-a")
    assert len(stage.items) == 1


def test_a_key_is_shown_once_and_never_stored_or_logged(at: At, stage: Stage) -> None:
    with recorded_output() as output:
        _, issued = at()(**ISSUE)
        _, rotated = at()(**command("rotate", issued))
        listed = at()(**LIST)

    seen = f"{stage.dump()}{listed}{output.text}"
    assert [key["key"].rpartition("_")[2] in seen for key in (issued, rotated)] == [False, False]
    assert issued["keyId"] in seen


def test_a_key_expires_at_the_end_of_its_lifetime(at: At, works: Works) -> None:
    _, issued = at()(**ISSUE, lifetimeDays=1)

    assert issued["expiresAt"] == "2030-01-02T12:00:00Z"
    assert works(issued, hours=23, minutes=59)
    assert not works(issued, days=1)
    assert at(hours=23)(**LIST)[1]["keys"][0]["status"] == "active"
    assert at(days=1)(**LIST)[1]["keys"][0]["status"] == "expired"


def test_a_rotated_key_works_for_seven_more_days(at: At, works: Works) -> None:
    _, old = at()(**ISSUE, name="billing")
    status, new = at()(**command("rotate", old))

    assert (status, new["replaces"], new["name"], new["userId"]) == (201, old["keyId"], "billing", "user-a")
    assert "expiresAt" not in new
    assert works(old, days=6.9)
    assert not works(old, days=7)
    assert works(new, days=7)


def test_an_overlap_of_zero_ends_the_old_key_at_once(at: At, works: Works) -> None:
    _, old = at()(**ISSUE)
    _, new = at()(**command("rotate", old, overlapDays=0, lifetimeDays=2))

    assert (works(old), works(new)) == (False, True)
    assert new["expiresAt"] == "2030-01-03T12:00:00Z"


def test_a_rotation_extends_no_lifetime(at: At) -> None:
    _, old = at()(**ISSUE, lifetimeDays=1)
    at()(**command("rotate", old, overlapDays=30))

    expiries = {key["keyId"]: key["expiresAt"] for key in at()(**LIST)[1]["keys"]}
    assert expiries[old["keyId"]] == old["expiresAt"]


def test_a_successor_has_the_lifetime_of_the_old_key(at: At) -> None:
    _, old = at()(**ISSUE, lifetimeDays=30)
    _, new = at(days=20)(**command("rotate", old))

    assert (new["createdAt"], new["expiresAt"]) == ("2030-01-21T12:00:00Z", "2030-02-20T12:00:00Z")


@pytest.mark.parametrize("ending", ["expire", "rotate", "revoke"])
def test_a_key_that_has_ended_cannot_be_rotated(at: At, ending: str) -> None:
    _, old = at()(**ISSUE, lifetimeDays=1)
    if ending != "expire":
        at()(**command(ending, old))
    before = at()(**LIST)
    days = 1 if ending == "expire" else 0
    status, body = at(days=days)(**command("rotate", old))

    assert (status, body["error"]["code"]) == (409, "conflict")
    assert at()(**LIST) == before


def test_a_revoked_key_is_refused_from_the_next_request(at: At, works: Works) -> None:
    _, issued = at()(**ISSUE)
    status, revoked = at()(**command("revoke", issued))

    assert (status, revoked["status"], revoked["revokedAt"]) == (200, "revoked", "2030-01-01T12:00:00Z")
    assert not works(issued)
    assert at(days=1)(**command("revoke", issued)) == (200, revoked)


def test_a_list_has_the_keys_of_one_workspace_without_hashes(at: At) -> None:
    issued = [at(hours=hour)(**ISSUE, name=f"key {hour}")[1] for hour in (1, 0)]
    at()(action="issue", workspaceId="workspace-b", userId="user-b")
    status, listed = at()(**LIST)

    for key in issued:
        del key["key"]
    assert (status, listed) == (200, {"keys": [issued[1], issued[0]]})  # oldest first
    assert at()(action="list", workspaceId="nobody's") == (200, {"keys": []})


def test_a_long_list_goes_on_after_its_last_key(at: At) -> None:
    issued = {at()(**ISSUE)[1]["keyId"] for _ in range(101)}
    _, first = at()(**LIST)
    _, second = at()(**LIST, after=first["after"])

    assert (len(first["keys"]), len(second["keys"]), "after" in second) == (100, 1, False)
    assert {key["keyId"] for key in (*first["keys"], *second["keys"])} == issued


def test_keys_may_have_a_lifetime_by_default(stage: Stage, variables: dict[str, str]) -> None:  # noqa: ARG001 - the table has to exist
    app = replace(manage_api_keys.build(Settings({**variables, "KEY_LIFETIME_DAYS": "30"})), now=lambda: NOON)
    endless = manage_api_keys.handle(ISSUE, LambdaContext(), lambda: replace(app, lifetime_days=0))["body"]

    def expiry(**event: object) -> str:
        return str(manage_api_keys.handle(event, LambdaContext(), lambda: app)["body"]["expiresAt"])

    assert "expiresAt" not in endless
    assert expiry(**ISSUE) == expiry(**command("rotate", endless)) == "2030-01-31T12:00:00Z"
    assert expiry(**ISSUE, lifetimeDays=1) == "2030-01-02T12:00:00Z"


@pytest.mark.parametrize("action", ["rotate", "revoke"])
@pytest.mark.parametrize("workspace_id", ["workspace-a", "workspace-b"])
def test_a_key_is_found_in_its_own_workspace_only(at: At, works: Works, action: str, workspace_id: str) -> None:
    _, issued = at()(**ISSUE)
    key_id = "unknown" if workspace_id == "workspace-a" else issued["keyId"]
    status, body = at()(action=action, workspaceId=workspace_id, keyId=key_id)

    assert (status, body["error"]["code"]) == (404, "not_found")
    assert works(issued)


@pytest.mark.parametrize("event", [None, {}, {**ISSUE, "workspaceId": "cca_live_secret", "lifetime": "secret"}])
def test_a_bad_command_has_the_error_shape_of_the_api(
    stage: Stage, session_manager: manage_api_keys.Application, event: object
) -> None:
    before = stage.dump()
    with recorded_output() as output:
        result = manage_api_keys.handle(event, LambdaContext(), lambda: session_manager)

    error = result["body"]["error"]
    assert (result["statusCode"], error["code"]) == (400, "validation_error")
    assert result["body"]["message"] == error["message"]
    assert all(set(detail) == {"path", "code", "message"} for detail in error["details"])
    assert "secret" not in f"{result}{output.text}"
    assert stage.dump() == before


def test_a_failed_write_says_that_the_key_may_exist(faulty: manage_api_keys.Application) -> None:
    lose_requests(faulty.keys.client, "TransactWriteItems")
    with recorded_output() as output:
        result = manage_api_keys.handle(ISSUE, LambdaContext(), lambda: faulty)

    assert (result["statusCode"], result["body"]["error"]["code"]) == (503, "service_unavailable")
    assert result["body"]["message"] == (
        "AWS is busy. The key may have been created. Before you retry, list the workspace's keys and revoke any that "
        "you do not know."
    )
    assert [line["cause"] for line in output.lines] == ["TransactWriteItems: ConnectionClosedError"]


@pytest.mark.parametrize(("reason", "status"), [("TransactionConflict", 503), ("ConditionalCheckFailed", 409)])
def test_only_a_failed_condition_is_a_conflict(
    faulty: manage_api_keys.Application, reason: str, status: int, at: At
) -> None:
    reasons = {"CancellationReasons": [{"Code": "None"}, {"Code": reason}, {}]}
    refuse(faulty.keys.client, "TransactWriteItems", "TransactionCanceledException", **reasons)

    assert manage_api_keys.handle(ISSUE, LambdaContext(), lambda: faulty)["statusCode"] == status
    assert at()(**LIST) == (200, {"keys": []})


@pytest.mark.parametrize(("table", "status"), [("ApiKeysTable", 201), ("", 500)])
def test_the_handler_uses_the_environment_of_the_function(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, table: str, status: int
) -> None:
    monkeypatch.setenv("API_KEYS_TABLE", table)
    manage_api_keys.application.cache_clear()
    begun = datetime.now(UTC).replace(microsecond=0)
    with recorded_output() as output:
        result = manage_api_keys.handler(ISSUE, LambdaContext())
    manage_api_keys.application.cache_clear()

    assert result["statusCode"] == status
    if table:
        assert datetime.fromisoformat(result["body"]["createdAt"]) >= begun
        assert result["body"]["keyId"] in stage.dump()
    else:
        assert "API_KEYS_TABLE" not in str(result)
        assert [line["cause"] for line in output.lines] == ["the environment variable API_KEYS_TABLE is not set"]

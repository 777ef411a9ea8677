"""Operators issue, rotate, revoke and list keys, and see each of them once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import create_agent
import manage_api_keys
from tests.conftest import EXAMPLE, Client, Stage
from tests.support.faults import lose_requests, refuse

Manage = Callable[..., tuple[int, Any]]
ISSUE = {"action": "issue", "workspaceId": "workspace-a", "userId": "user-a"}


def works(key: str) -> bool:
    return Client(key, "workspace-a").post(EXAMPLE).status == 201


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch, new_application: Callable[[], None]) -> Callable[..., None]:
    """Set the clock of both functions forward."""
    new_application()

    def go(**distance: float) -> None:
        for function in (create_agent, manage_api_keys):
            there = replace(function.application(), now=lambda: datetime.now(UTC) + timedelta(**distance))
            monkeypatch.setattr(function, "application", lambda there=there: there)

    return go


def test_an_issued_key_opens_its_workspace_for_its_user(manage: Manage) -> None:
    status, issued = manage(**ISSUE, name="billing")
    agent = Client(issued["key"], "workspace-a").post().body

    assert status == 201
    assert (agent["workspaceId"], agent["userId"]) == ("workspace-a", "user-a")
    assert issued["key"].startswith(issued["prefix"])
    assert issued["keyId"] in issued["prefix"]
    assert (issued["name"], issued["status"]) == ("billing", "active")
    assert "expiresAt" not in issued
    assert "keyHash" not in issued


def test_the_key_is_shown_once_and_stored_nowhere(manage: Manage, stage: Stage, capsys: Any) -> None:
    _, issued = manage(**ISSUE)
    secret = issued["key"].rpartition("_")[2]
    _, listed = manage(action="list", workspaceId="workspace-a")

    assert secret not in stage.dump() + repr(listed) + "".join(capsys.readouterr())


def test_a_lifetime_ends(manage: Manage, travel: Callable[..., None]) -> None:
    _, issued = manage(**ISSUE, lifetimeDays=1)
    assert works(issued["key"])
    travel(days=1, seconds=1)

    assert not works(issued["key"])
    assert manage(action="list", workspaceId="workspace-a")[1]["keys"][0]["status"] == "expired"


def test_a_rotated_key_lives_on_for_the_overlap_only(manage: Manage, travel: Callable[..., None]) -> None:
    _, old = manage(**ISSUE, name="billing")
    status, new = manage(action="rotate", workspaceId="workspace-a", keyId=old["keyId"])

    assert (status, new["replaces"], new["name"], new["userId"]) == (201, old["keyId"], "billing", "user-a")
    assert works(old["key"])
    assert works(new["key"])
    travel(days=7, seconds=1)
    assert not works(old["key"])
    assert works(new["key"])


def test_an_overlap_of_none_ends_the_old_key_at_once(manage: Manage) -> None:
    _, old = manage(**ISSUE)
    _, new = manage(action="rotate", workspaceId="workspace-a", keyId=old["keyId"], overlapDays=0, lifetimeDays=1)

    assert not works(old["key"])
    assert works(new["key"])
    assert "expiresAt" in new


def test_a_rotation_lets_no_key_live_longer_than_it_would_have(manage: Manage) -> None:
    _, old = manage(**ISSUE, lifetimeDays=1)
    manage(action="rotate", workspaceId="workspace-a", keyId=old["keyId"], overlapDays=30)
    _, listed = manage(action="list", workspaceId="workspace-a")

    (after,) = [key for key in listed["keys"] if key["keyId"] == old["keyId"]]
    assert after["expiresAt"] == old["expiresAt"]


def test_a_successor_lives_as_long_as_its_predecessor_was_to(manage: Manage, travel: Callable[..., None]) -> None:
    _, old = manage(**ISSUE, lifetimeDays=30)
    travel(days=20)
    _, new = manage(action="rotate", workspaceId="workspace-a", keyId=old["keyId"])

    born, end = (datetime.fromisoformat(new[name]) for name in ("createdAt", "expiresAt"))
    assert end - born == timedelta(days=30)


def test_an_expired_key_cannot_be_rotated(manage: Manage, travel: Callable[..., None]) -> None:
    _, old = manage(**ISSUE, lifetimeDays=1)
    travel(days=1, seconds=1)

    assert manage(action="rotate", workspaceId="workspace-a", keyId=old["keyId"])[0] == 409
    assert len(manage(action="list", workspaceId="workspace-a")[1]["keys"]) == 1


@pytest.mark.parametrize("first", ["rotate", "revoke"])
def test_a_key_that_is_replaced_or_revoked_cannot_be_rotated(manage: Manage, first: str) -> None:
    _, old = manage(**ISSUE)
    manage(action=first, workspaceId="workspace-a", keyId=old["keyId"])
    before = manage(action="list", workspaceId="workspace-a")
    status, body = manage(action="rotate", workspaceId="workspace-a", keyId=old["keyId"])

    assert (status, body["error"]["code"]) == (409, "conflict")
    assert manage(action="list", workspaceId="workspace-a") == before


def test_a_revoked_key_is_refused_from_the_next_request_on_and_stays_revoked(manage: Manage) -> None:
    _, issued = manage(**ISSUE)
    status, revoked = manage(action="revoke", workspaceId="workspace-a", keyId=issued["keyId"])

    assert (status, revoked["status"]) == (200, "revoked")
    assert not works(issued["key"])
    assert manage(action="revoke", workspaceId="workspace-a", keyId=issued["keyId"]) == (200, revoked)


def test_the_list_shows_prefixes_states_and_times_and_no_hash(manage: Manage) -> None:
    issued = [manage(**ISSUE, name=name)[1] for name in ("one", "two")]
    manage(action="issue", workspaceId="workspace-b", userId="user-b")
    status, listed = manage(action="list", workspaceId="workspace-a")

    assert status == 200
    assert {key["keyId"] for key in listed["keys"]} == {key["keyId"] for key in issued}
    for key in listed["keys"]:
        assert set(key) == {"keyId", "prefix", "workspaceId", "userId", "name", "status", "createdAt"}


def test_a_workspace_without_keys_has_an_empty_list(manage: Manage) -> None:
    assert manage(action="list", workspaceId="nobody's") == (200, {"keys": []})


@pytest.mark.parametrize("action", ["rotate", "revoke"])
@pytest.mark.parametrize("workspace_id", ["workspace-a", "workspace-b"])
def test_a_key_is_found_in_its_own_workspace_only(manage: Manage, action: str, workspace_id: str) -> None:
    _, issued = manage(**ISSUE)
    key_id = "unknown" if workspace_id == "workspace-a" else issued["keyId"]
    status, body = manage(action=action, workspaceId=workspace_id, keyId=key_id)

    assert (status, body["error"]["code"]) == (404, "not_found")
    assert works(issued["key"])


@pytest.mark.parametrize(
    ("event", "faults"),
    [
        (None, {"action": "not_allowed"}),
        ([], {"action": "not_allowed"}),
        ({}, {"action": "not_allowed"}),
        ({"action": ["issue"]}, {"action": "not_allowed"}),
        ({"action": "sk_secret"}, {"action": "not_allowed"}),
        ({"action": "issue"}, {"workspaceId": "missing", "userId": "missing"}),
        ({**ISSUE, "workspaceId": "sk secret"}, {"workspaceId": "visible_ascii"}),
        ({**ISSUE, "userId": ""}, {"userId": "string_too_short"}),
        ({**ISSUE, "lifetimeDays": 0}, {"lifetimeDays": "greater_than_equal"}),
        ({**ISSUE, "lifetimeDays": "30"}, {"lifetimeDays": "integer_type"}),
        ({**ISSUE, "lifetime": 30}, {"lifetime": "unknown_field"}),
        ({**ISSUE, "action": "rotate", "keyId": "k", "overlapDays": 91}, {"userId": "unknown_field"}),
        ({"action": "revoke", "workspaceId": "w"}, {"keyId": "missing"}),
        ({"action": "list", "workspaceId": 5}, {"workspaceId": "string_type"}),
        ({"action": "list", "workspaceId": "w", "\ud800": 1}, {"": "not_unicode"}),
        ({**ISSUE, "userId": "\ud800"}, {"userId": "not_unicode"}),
        ({"action": "revoke", "workspaceId": "w", "keyId": "cca_live_secret"}, {"keyId": "string_too_long"}),
        ({"action": "rotate", "workspaceId": "w", "keyId": "cca_secret"}, {"keyId": "api_key"}),
        ({**ISSUE, "workspaceId": "cca_live_secret"}, {"workspaceId": "api_key"}),
        ({**ISSUE, "userId": "cca_live_secret", "name": "cca_test_secret"}, {"userId": "api_key", "name": "api_key"}),
    ],
)
def test_a_bad_command_has_the_same_error_shape_as_the_api(
    stage: Stage, event: object, faults: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = stage.dump()
    result = manage_api_keys.handler(event, None)

    error = result["body"]["error"]
    assert (result["statusCode"], error["code"]) == (400, "validation_error")
    assert faults.items() <= {fault["path"]: fault["code"] for fault in error["details"]}.items()
    assert result["body"]["message"] == error["message"]
    assert "secret" not in repr(result) + "".join(capsys.readouterr())
    assert stage.dump() == before


def test_a_table_out_of_reach_is_503(manage: Manage, new_application: Callable[[], None]) -> None:
    new_application()
    lose_requests(manage_api_keys.application().keys._client, "TransactWriteItems")  # noqa: SLF001 - the client in use

    status, body = manage(**ISSUE)
    assert (status, body["error"]["code"]) == (503, "service_unavailable")
    assert "list the workspace's keys" in body["message"]


def test_a_missing_variable_is_a_bare_500(
    manage: Manage, monkeypatch: pytest.MonkeyPatch, new_application: Callable[[], None]
) -> None:
    monkeypatch.delenv("API_KEYS_TABLE")
    new_application()

    status, body = manage(**ISSUE)
    assert (status, body["error"]["code"]) == (500, "internal_error")
    assert "API_KEYS_TABLE" not in repr(body)


@pytest.mark.parametrize(("reason", "status"), [("TransactionConflict", 503), ("ConditionalCheckFailed", 409)])
def test_a_cancelled_transaction_is_a_conflict_only_when_a_condition_failed(
    manage: Manage, stage: Stage, new_application: Callable[[], None], reason: str, status: int
) -> None:
    new_application()
    reasons = {"CancellationReasons": [{"Code": "None"}, {"Code": reason}, {}]}
    client = manage_api_keys.application().keys._client  # noqa: SLF001 - the client in use
    refuse(client, "TransactWriteItems", "TransactionCanceledException", **reasons)

    assert manage(**ISSUE)[0] == status
    assert manage(action="list", workspaceId="workspace-a") == (200, {"keys": []})
    assert stage.items == []

"""Commands of operators: what each action takes, and all its field errors at once."""

from typing import Any

import pytest

from call_agents.shared.commands import parse_command
from call_agents.shared.errors import ValidationFailed
from manage_api_keys import Issue, List, Revoke, Rotate, read_command
from retry_agents import Retry

ISSUE: dict[str, Any] = {"action": "issue", "workspaceId": "workspace-a", "userId": "user-a"}
ROTATE: dict[str, Any] = {"action": "rotate", "workspaceId": "workspace-a", "keyId": "k" * 12}
REVOKE: dict[str, Any] = {"action": "revoke", "workspaceId": "workspace-a", "keyId": "k"}
LIST: dict[str, Any] = {"action": "list", "workspaceId": "workspace-a"}
RETRY: dict[str, Any] = {"workspaceId": "workspace-a", "agentId": "0123456789abcdef01234567"}


def errors_of(event: object) -> dict[str, str]:
    with pytest.raises(ValidationFailed) as caught:
        read_command(event)
    assert "secret" not in repr(caught.value.details)
    return {detail.path: detail.code for detail in caught.value.details}


def test_each_action_is_a_command_of_its_own() -> None:
    issue, rotate = read_command(ISSUE), read_command(ROTATE)

    assert issue == Issue(action="issue", workspaceId="workspace-a", userId="user-a")  # type: ignore[call-arg]  # aliases
    assert isinstance(issue, Issue)
    assert (issue.name, issue.lifetime_days) == (None, None)
    assert isinstance(rotate, Rotate)
    assert (rotate.overlap_days, rotate.lifetime_days) == (7, None)
    assert isinstance(read_command(REVOKE), Revoke)
    assert isinstance(read_command(LIST), List)


@pytest.mark.parametrize(
    "event",
    [
        {**ISSUE, "workspaceId": "w" * 128, "userId": "u" * 256, "name": "n" * 256, "lifetimeDays": 1},
        {**ISSUE, "workspaceId": "!~", "name": "é", "lifetimeDays": 3650},
        {**ROTATE, "overlapDays": 0, "lifetimeDays": 1},
        {**ROTATE, "overlapDays": 90, "lifetimeDays": 3650},
    ],
)
def test_values_at_the_limits_are_accepted(event: dict[str, Any]) -> None:
    assert read_command(event).model_dump(by_alias=True, exclude_unset=True) == event


@pytest.mark.parametrize(
    ("event", "errors"),
    [
        ({"action": "issue"}, {"workspaceId": "missing", "userId": "missing"}),
        ({"action": "rotate"}, {"workspaceId": "missing", "keyId": "missing"}),
        ({"action": "revoke"}, {"workspaceId": "missing", "keyId": "missing"}),
        ({"action": "list"}, {"workspaceId": "missing"}),
        ({**LIST, "workspaceId": 5}, {"workspaceId": "string_type"}),
        ({**LIST, "workspaceId": ""}, {"workspaceId": "string_pattern_mismatch"}),
        ({**LIST, "workspaceId": "sk secret"}, {"workspaceId": "string_pattern_mismatch"}),
        ({**LIST, "workspaceId": "w\n"}, {"workspaceId": "string_pattern_mismatch"}),
        ({**LIST, "workspaceId": "w" * 129}, {"workspaceId": "string_too_long"}),
        ({**LIST, "workspaceId": "cca_live_secret"}, {"workspaceId": "api_key"}),
        ({**LIST, "keyId": "k"}, {"keyId": "unknown_field"}),
        ({**ISSUE, "userId": "", "name": ""}, {"userId": "string_too_short", "name": "string_too_short"}),
        ({**ISSUE, "userId": "u" * 257, "name": "n" * 257}, {"userId": "string_too_long", "name": "string_too_long"}),
        (
            {**ISSUE, "userId": " cca_live_secret", "name": "key: cca_test_secret"},
            {"userId": "api_key", "name": "api_key"},
        ),
        ({**ISSUE, "userId": "\ud800"}, {"userId": "not_unicode"}),
        ({**ISSUE, "lifetimeDays": 0}, {"lifetimeDays": "greater_than_equal"}),
        ({**ISSUE, "lifetimeDays": 3651}, {"lifetimeDays": "less_than_equal"}),
        ({**ISSUE, "lifetimeDays": "30"}, {"lifetimeDays": "integer_type"}),
        ({**ISSUE, "lifetimeDays": True}, {"lifetimeDays": "integer_type"}),
        ({**ISSUE, "lifetime": 30}, {"lifetime": "unknown_field"}),
        ({**ROTATE, "keyId": "k" * 13}, {"keyId": "string_too_long"}),
        ({**ROTATE, "keyId": ""}, {"keyId": "string_too_short"}),
        ({**ROTATE, "keyId": "cca_secret"}, {"keyId": "api_key"}),
        ({**ROTATE, "overlapDays": -1}, {"overlapDays": "greater_than_equal"}),
        ({**ROTATE, "overlapDays": 91, "userId": "u"}, {"overlapDays": "less_than_equal", "userId": "unknown_field"}),
        ({**ROTATE, "lifetimeDays": 0}, {"lifetimeDays": "greater_than_equal"}),
        ({**ROTATE, "lifetimeDays": 3651}, {"lifetimeDays": "less_than_equal"}),
    ],
)
def test_all_field_errors_of_a_command_are_reported(event: dict[str, Any], errors: dict[str, str]) -> None:
    assert errors_of(event) == errors


@pytest.mark.parametrize(
    ("event", "suggestion"),
    [
        (None, ""),
        ([], ""),
        ({}, ""),
        ({"action": ["issue"]}, ""),
        ({"action": "sk_secret"}, ""),
        ({"action": "Issue"}, "; did you mean issue?"),
        ({**LIST, "action": "rotat"}, "; did you mean rotate?"),
    ],
)
def test_an_unknown_action_lists_the_known_ones(event: object, suggestion: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        read_command(event)

    assert caught.value.public == f"action: must be one of issue, rotate, limit, revoke, list{suggestion}"
    assert [(detail.path, detail.code) for detail in caught.value.details] == [("action", "not_allowed")]


def test_an_api_key_in_the_wrong_field_is_called_that() -> None:
    with pytest.raises(ValidationFailed) as caught:
        read_command({**LIST, "workspaceId": "cca_live_secret"})

    assert caught.value.public == "workspaceId: must not be an API key"


@pytest.mark.parametrize(
    ("event", "errors"),
    [
        (None, {"": "object_type"}),
        ({}, {"workspaceId": "missing"}),
        ({**RETRY, "after": "x"}, {"after": "string_pattern_mismatch"}),
        ({**RETRY, "agentId": "0123456789ABCDEF01234567"}, {"agentId": "string_pattern_mismatch"}),
        ({**RETRY, "agentId": "0" * 25, "x": 1}, {"agentId": "string_pattern_mismatch", "x": "unknown_field"}),
    ],
)
def test_all_field_errors_of_a_retry_are_reported(event: object, errors: dict[str, str]) -> None:
    assert parse_command(RETRY, Retry).agent_id == RETRY["agentId"]
    with pytest.raises(ValidationFailed) as caught:
        parse_command(event, Retry)
    assert {detail.path: detail.code for detail in caught.value.details} == errors

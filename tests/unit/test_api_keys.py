"""An API key can be checked by its looks, and opens only what its record says."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from agents import api_keys
from agents.errors import InvalidApiKey, MissingApiKey
from deployment import random_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECORD: dict[str, Any] = {
    "keyHash": {"S": "h"},
    "keyId": {"S": "id"},
    "workspaceId": {"S": "workspace-a"},
    "userId": {"S": "user-a"},
    "status": {"S": "active"},
}


def test_a_key_has_a_prefix_a_public_id_256_random_bits_and_a_checksum() -> None:
    lengths: list[int] = []

    def zeros(length: int) -> str:
        lengths.append(length)
        return "0" * length

    key = api_keys.new_key(zeros)

    assert re.fullmatch(r"cca_live_0{12}_0{43}[0-9A-Za-z]{6}", key)
    assert 62 ** lengths[1] >= 2**256
    assert (api_keys.key_prefix(key), api_keys.key_id(key)) == ("cca_live_000000000000", "000000000000")
    assert key not in api_keys.key_hash(key)
    assert re.fullmatch("[0-9a-f]{64}", api_keys.key_hash(key))


def test_no_two_keys_are_the_same() -> None:
    keys = [api_keys.new_key(random_text) for _ in range(100)]

    assert len(set(keys)) == 100
    assert all(api_keys.check_key(key, allow_test_keys=False) == key for key in keys)


@pytest.mark.parametrize("key", [None, ""])
def test_no_key_is_told_apart_from_a_wrong_one(key: str | None) -> None:
    with pytest.raises(MissingApiKey):
        api_keys.check_key(key, allow_test_keys=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key + "x",
        lambda key: key[:-1],
        lambda key: key + "\n",
        lambda key: key.upper(),
        lambda key: f"{key},{key}",
        lambda key: key.replace("cca_live", "cca_test"),
        lambda key: key[:30] + ("1" if key[30] == "0" else "0") + key[31:],
        lambda key: key.replace("live", "prod"),
        lambda _: '{"$ne":null}',
        lambda _: "k" * 9000,
        lambda _: "\ud800",
        lambda _: "cca_live_" + "٣" * 12 + "_" + "0" * 49,
    ],
)
def test_a_key_that_was_not_made_here_is_refused_by_its_looks(change: Any) -> None:
    with pytest.raises(InvalidApiKey) as caught:
        api_keys.check_key(change(api_keys.new_key(random_text)), allow_test_keys=True)

    assert caught.value.internal == "malformed key"


def test_a_test_key_is_accepted_in_local_runs_only() -> None:
    key = api_keys.new_key(random_text, kind="test")

    assert api_keys.check_key(key, allow_test_keys=True) == key
    with pytest.raises(InvalidApiKey):
        api_keys.check_key(key, allow_test_keys=False)


def test_an_active_key_opens_the_workspace_of_its_record() -> None:
    assert api_keys.caller_of(RECORD, NOW) == api_keys.Caller("id", "workspace-a", "user-a")


@pytest.mark.parametrize(
    ("expires_at", "is_open"),
    [("1767225601", True), ("1767225600", False), ("1767225599", False), ("1767225600.5", False), ("1e40", False)],
)
def test_a_key_ends_at_its_expiry(expires_at: str, is_open: bool) -> None:  # noqa: FBT001 - a case's outcome
    record = {**RECORD, "expiresAt": {"N": expires_at}}
    try:
        api_keys.caller_of(record, NOW)
    except InvalidApiKey:
        assert not is_open
    else:
        assert is_open


@pytest.mark.parametrize(
    "change",
    [
        {"status": {"S": "revoked"}},
        {"status": {"S": "Active"}},
        {"status": {"BOOL": True}},
        {"status": None},
        {"userId": None},
        {"userId": {"S": ""}},
        {"userId": {"N": "1"}},
        {"workspaceId": None},
        {"workspaceId": {"SS": ["workspace-a"]}},
        {"keyId": {"NULL": True}},
        {"expiresAt": {"S": "2999-01-01"}},
        {"expiresAt": {"BOOL": True}},
        {"expiresAt": {"NULL": True}},
    ],
)
def test_anything_odd_in_a_record_closes_the_door(change: dict[str, Any]) -> None:
    record = {name: value for name, value in {**RECORD, **change}.items() if value is not None}

    with pytest.raises(InvalidApiKey):
        api_keys.caller_of(record, NOW)


def test_a_key_without_a_record_is_refused() -> None:
    with pytest.raises(InvalidApiKey):
        api_keys.caller_of(None, NOW)

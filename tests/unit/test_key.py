"""An API key can be checked without a read, and gives access only to what its record says."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from call_agents.api_keys.key import (
    Caller,
    caller_of,
    check_key,
    ids_of,
    key_hash,
    key_id,
    key_prefix,
    new_key,
    random_text,
)
from call_agents.shared.errors import InvalidApiKey, MissingApiKey
from tests.local.aws import TEST_API_KEY

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = 1_767_225_600
RECORD: dict[str, Any] = {
    "keyHash": "h",
    "keyId": "id",
    "workspaceId": "workspace-a",
    "userId": "user-a",
    "status": "active",
}


def test_key_has_prefix_id_256_random_bits_and_checksum() -> None:
    lengths: list[int] = []

    def zeros(length: int) -> str:
        lengths.append(length)
        return "0" * length

    key = new_key(zeros)

    assert re.fullmatch(r"cca_live_0{12}_0{43}[0-9A-Za-z]{6}", key)
    assert 62 ** lengths[1] >= 2**256
    assert (key_prefix(key), key_id(key)) == ("cca_live_000000000000", "000000000000")
    assert key_hash("key") == "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"


def test_keys_are_random_and_well_formed() -> None:
    keys = {new_key(random_text) for _ in range(100)}

    assert len(keys) == 100
    assert all(check_key(key, allow_test_keys=False) == key for key in keys)
    assert set("".join(keys)) == set("_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize("key", [None, ""])
def test_missing_key(key: str | None) -> None:
    with pytest.raises(MissingApiKey):
        check_key(key, allow_test_keys=False)


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
        lambda key: key[:-1] + ("1" if key[-1] == "0" else "0"),
        lambda key: key.replace("live", "prod"),
        lambda _: '{"$ne":null}',
        lambda _: "k" * 9000,
        lambda _: "\ud800",
        lambda _: "cca_live_" + "٣" * 12 + "_" + "0" * 49,
    ],
)
def test_malformed_key_is_refused_without_a_read(change: Any) -> None:
    with pytest.raises(InvalidApiKey) as caught:
        check_key(change(new_key(random_text)), allow_test_keys=True)

    assert caught.value.internal == "malformed key"


def test_test_keys_are_accepted_in_local_runs_only() -> None:
    key = new_key(random_text, kind="test")

    assert check_key(key, allow_test_keys=True) == key
    with pytest.raises(InvalidApiKey) as caught:
        check_key(key, allow_test_keys=False)
    assert caught.value.internal == "test key"


def test_the_key_of_the_sample_events_stays_valid() -> None:
    assert check_key(TEST_API_KEY, allow_test_keys=True) == TEST_API_KEY


def test_active_key_gives_access_to_its_workspace() -> None:
    assert caller_of(RECORD, NOW) == Caller("id", "workspace-a", "user-a")
    assert caller_of({**RECORD, "expiresAt": EPOCH + 1}, NOW).key_id == "id"


@pytest.mark.parametrize(
    "expires_at", [EPOCH, EPOCH - 1, Decimal("1767225601.5"), True, None, "2999-01-01", 10**9 * 1.0 * 10**31]
)
def test_expired_key_and_malformed_expiry_are_refused(expires_at: object) -> None:
    with pytest.raises(InvalidApiKey) as caught:
        caller_of({**RECORD, "expiresAt": expires_at}, NOW)

    assert caught.value.internal == "key is expired"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"status": "revoked"}, "key is not active"),
        ({"status": "Active"}, "key is not active"),
        ({"status": True}, "key is not active"),
        ({"status": None}, "key is not active"),
        ({"userId": None}, "malformed key record: userId"),
        ({"userId": ""}, "malformed key record: userId"),
        ({"userId": 1}, "malformed key record: userId"),
        ({"workspaceId": ["workspace-a"]}, "malformed key record: workspaceId"),
        ({"keyId": None}, "malformed key record: keyId"),
    ],
)
def test_malformed_record_is_an_invalid_key(change: dict[str, Any], cause: str) -> None:
    for record in ({**RECORD, **change}, {name: value for name, value in RECORD.items() if name not in change}):
        with pytest.raises(InvalidApiKey) as caught:
            caller_of(record, NOW)
        assert caught.value.internal == cause


@pytest.mark.parametrize("limit", ["60", 0, -1, True, [60]])
@pytest.mark.parametrize("name", ["requestsPerMinute", "kilobytesPerMinute"])
def test_a_malformed_limit_makes_the_key_invalid_and_not_unlimited(name: str, limit: object) -> None:
    with pytest.raises(InvalidApiKey) as caught:
        caller_of({**RECORD, name: limit}, NOW)
    assert caught.value.internal == f"malformed key record: {name}"


def test_unknown_key_is_refused() -> None:
    with pytest.raises(InvalidApiKey) as caught:
        caller_of(None, NOW)

    assert caught.value.internal == "unknown key"


def test_ids_for_the_log_are_text_only() -> None:
    assert ids_of({**RECORD, "status": "revoked"}) == {"keyId": "id", "workspaceId": "workspace-a"}
    assert ids_of({**RECORD, "keyId": 5}) == {"workspaceId": "workspace-a"}
    assert ids_of(None) == {}

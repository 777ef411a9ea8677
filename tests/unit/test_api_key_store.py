"""The table of API keys: what is stored, in which order keys are listed, and which keys can be rotated."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from call_agents.api_keys.key import key_hash, new_key, random_text
from call_agents.api_keys.store import ApiKeyStore, NewKey, public_view
from call_agents.shared.config import Settings
from call_agents.shared.errors import Conflict, NotFound, ServiceUnavailable
from tests.support.client import Stage
from tests.support.faults import lose_requests, refuse

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EPOCH = int(NOON.timestamp())


@pytest.fixture
def store(stage: Stage) -> ApiKeyStore:  # noqa: ARG001 - the table has to exist
    return ApiKeyStore(Settings({}).dynamodb(), "ApiKeysTable")


def made(created_at: datetime = NOON, expires_at: datetime | None = None) -> NewKey:
    return NewKey(new_key(random_text), "workspace-a", "user-a", "billing", created_at, expires_at)


def after(**distance: float) -> datetime:
    return NOON + timedelta(**distance)


def test_a_record_has_everything_but_the_key(store: ApiKeyStore, stage: Stage) -> None:
    new = made(expires_at=after(seconds=1))
    record = store.add(new)

    assert record == {
        "keyHash": key_hash(new.key),
        "keyId": new.key.split("_")[2],
        "prefix": new.key[:21],
        "workspaceId": "workspace-a",
        "userId": "user-a",
        "status": "active",
        "createdAt": "2026-01-01T12:00:00Z",
        "name": "billing",
        "expiresAt": EPOCH + 1,
    }
    assert store.find_by_hash(record["keyHash"]) == store.find("workspace-a", record["keyId"]) == record
    assert new.key.rpartition("_")[2] not in stage.dump()
    assert {"name", "expiresAt"}.isdisjoint(replace(made(), name=None).record())


def test_a_key_cannot_be_stored_twice(store: ApiKeyStore) -> None:
    new = made()
    store.add(new)

    with pytest.raises(Conflict):
        store.add(new)
    assert len(store.find_all("workspace-a")) == 1


def test_keys_are_listed_oldest_first(store: ApiKeyStore) -> None:
    records = [store.add(made(after(seconds=second))) for second in (2, 0, 1, 1)]
    expected = sorted(records, key=lambda record: (record["createdAt"], record["keyId"]))

    assert store.find_all("workspace-a") == expected
    assert store.find_all("workspace-b") == []


def test_a_key_is_found_in_its_own_workspace_only(store: ApiKeyStore, stage: Stage) -> None:
    record = store.add(made())

    for workspace_id, key_id in (("workspace-b", record["keyId"]), ("workspace-a", "unknown")):
        with pytest.raises(NotFound) as caught:
            store.find(workspace_id, key_id)
        assert caught.value.public == "There is no key with this keyId in this workspace."
    # The directory still has a key whose record was deleted.
    stage.clients.dynamodb.delete_item(TableName="ApiKeysTable", Key={"keyHash": {"S": record["keyHash"]}})
    with pytest.raises(NotFound):
        store.find("workspace-a", record["keyId"])
    assert store.find_all("workspace-a") == []


@pytest.mark.parametrize(("until", "expires_at"), [(5, EPOCH + 5), (20, EPOCH + 10)])
def test_a_replaced_key_expires_after_the_overlap_or_earlier(store: ApiKeyStore, until: float, expires_at: int) -> None:
    old = store.add(made(expires_at=after(seconds=10)))
    new = store.replace(old, made(), until=after(seconds=until))

    assert store.find_by_hash(old["keyHash"]) == {**old, "rotatedTo": new["keyId"], "expiresAt": expires_at}
    assert store.find_by_hash(new["keyHash"]) == new


@pytest.mark.parametrize("state", ["revoked", "replaced", "expired"])
def test_only_an_active_key_can_be_replaced(store: ApiKeyStore, state: str) -> None:
    old = store.add(made(expires_at=after(seconds=10)))
    if state == "revoked":
        store.revoke(old, NOON)
    elif state == "replaced":
        store.replace(old, made(), until=after(seconds=5))
    before = store.find_all("workspace-a")

    with pytest.raises(Conflict) as caught:
        store.replace(old, made(after(seconds=10 if state == "expired" else 0)), until=after(seconds=20))
    assert caught.value.public == "This key is already revoked, expired or rotated. List the workspace's keys."
    assert store.find_all("workspace-a") == before


def test_a_key_can_be_replaced_until_it_expires(store: ApiKeyStore) -> None:
    old = store.add(made(expires_at=after(seconds=10)))
    store.replace(old, made(after(seconds=9)), until=after(seconds=20))

    assert store.find("workspace-a", old["keyId"])["expiresAt"] == EPOCH + 10


def test_a_key_without_expiry_gets_one_when_it_is_replaced(store: ApiKeyStore) -> None:
    old = store.add(made())
    store.replace(old, made(), until=after(seconds=20))

    assert store.find("workspace-a", old["keyId"])["expiresAt"] == EPOCH + 20


def test_revoking_a_key_again_changes_nothing(store: ApiKeyStore) -> None:
    record = store.add(made())
    revoked = store.revoke(record, NOON)

    assert revoked == {**record, "status": "revoked", "revokedAt": "2026-01-01T12:00:00Z"}
    assert store.revoke(revoked, after(days=1)) == store.find("workspace-a", record["keyId"]) == revoked


@pytest.mark.parametrize(
    ("reason", "kind"), [("TransactionConflict", ServiceUnavailable), ("ConditionalCheckFailed", Conflict)]
)
def test_a_cancelled_transaction_is_a_conflict_or_unavailable(
    store: ApiKeyStore, reason: str, kind: type[Conflict | ServiceUnavailable]
) -> None:
    reasons = [{"Code": "None"}, {"Code": reason}, {}]
    refuse(store.client, "TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)

    with pytest.raises(kind) as caught:
        store.add(made())
    assert caught.value.internal == ("" if kind is Conflict else "TransactWriteItems: None, TransactionConflict")


def test_a_table_out_of_reach_is_unavailable(store: ApiKeyStore) -> None:
    record = store.add(made())
    for operation in ("GetItem", "UpdateItem", "TransactWriteItems"):
        lose_requests(store.client, operation)

    for call in (lambda: store.find_all("w"), lambda: store.revoke(record, NOON), lambda: store.add(made())):
        with pytest.raises(ServiceUnavailable):
            call()


@pytest.mark.parametrize(
    ("now", "status", "shown"),
    [(9, "active", "active"), (10, "active", "expired"), (11, "active", "expired"), (11, "revoked", "revoked")],
)
def test_operators_see_an_expired_key_as_expired(now: float, status: str, shown: str) -> None:
    record = {**made(expires_at=after(seconds=10)).record(), "status": status}
    view = public_view(record, after(seconds=now))

    assert view == {
        **{name: value for name, value in record.items() if name != "keyHash"},
        "status": shown,
        "expiresAt": "2026-01-01T12:00:10Z",
    }

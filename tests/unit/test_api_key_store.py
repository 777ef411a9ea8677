"""The table of API keys, beyond what `integration/test_manage_api_keys.py` shows with commands."""

from datetime import UTC, datetime, timedelta

import pytest

from call_agents.api_keys.key import new_key, random_text
from call_agents.api_keys.store import ApiKeyStore, NewKey
from call_agents.shared.config import Settings
from call_agents.shared.errors import Conflict, NotFound, ServiceUnavailable
from tests.support.client import Stage
from tests.support.faults import lose_requests, respond_with

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EPOCH = int(NOON.timestamp())


@pytest.fixture
def store(stage: Stage) -> ApiKeyStore:  # noqa: ARG001 - the table has to exist
    return ApiKeyStore(Settings({}).dynamodb(), "ApiKeysTable")


def made(created_at: datetime = NOON, expires_at: datetime | None = None) -> NewKey:
    return NewKey(new_key(random_text), "workspace-a", "user-a", "billing", created_at, expires_at)


def after(**distance: float) -> datetime:
    return NOON + timedelta(**distance)


def test_a_key_cannot_be_stored_twice(store: ApiKeyStore) -> None:
    new = made()
    store.add(new)

    with pytest.raises(Conflict):
        store.add(new)
    assert len(store.list_page("workspace-a")[0]) == 1


def test_keys_are_listed_oldest_first(store: ApiKeyStore) -> None:
    records = [store.add(made(after(seconds=second))) for second in (2, 0, 1, 1)]
    expected = sorted(records, key=lambda record: (record["createdAt"], record["keyId"]))

    assert store.list_page("workspace-a") == (expected, None)
    assert store.list_page("workspace-b") == ([], None)


def test_a_list_has_pages_of_a_hundred(store: ApiKeyStore) -> None:
    made_keys = sorted(store.add(made())["keyId"] for _ in range(203))
    first, after = store.list_page("workspace-a")
    second, then = store.list_page("workspace-a", after)
    third, end = store.list_page("workspace-a", then)

    assert [len(page) for page in (first, second, third)] == [100, 100, 3]
    assert sorted(record["keyId"] for record in (*first, *second, *third)) == made_keys
    assert end is None


def test_a_key_is_found_in_its_own_workspace_only(store: ApiKeyStore) -> None:
    record = store.add(made())

    for workspace_id, key_id in (("workspace-b", record["keyId"]), ("workspace-a", "unknown")):
        with pytest.raises(NotFound) as caught:
            store.find(workspace_id, key_id)
        assert caught.value.public == (
            "There is no key with this keyId in this workspace. If it was issued a second ago, try again."
        )


def test_a_key_that_the_index_still_has_is_not_found(store: ApiKeyStore) -> None:
    record = store.add(made())
    found = {"Items": [{"keyHash": {"S": "0" * 64}, "keyId": {"S": record["keyId"]}}]}
    respond_with(store.client, "Query", found)

    with pytest.raises(NotFound):
        store.find("workspace-a", record["keyId"])
    assert store.list_page("workspace-a") == ([], None)


def test_a_key_that_was_deleted_meanwhile_is_not_made_again(store: ApiKeyStore, stage: Stage) -> None:
    record = store.add(made())
    stage.clients.dynamodb.delete_item(TableName="ApiKeysTable", Key={"keyHash": {"S": record["keyHash"]}})

    with pytest.raises(NotFound):
        store.revoke(record, NOON)
    with pytest.raises(NotFound):
        store.set_limits(record, {})
    assert store.find_by_hash(record["keyHash"]) is None


def test_a_page_that_is_read_in_part_is_unavailable(store: ApiKeyStore) -> None:
    store.add(made())
    part = {"Responses": {"ApiKeysTable": []}, "UnprocessedKeys": {"ApiKeysTable": {"Keys": []}}}
    respond_with(store.client, "BatchGetItem", part)

    with pytest.raises(ServiceUnavailable):
        store.list_page("workspace-a")


def test_a_key_can_be_replaced_until_it_expires(store: ApiKeyStore) -> None:
    old = store.add(made(expires_at=after(seconds=10)))
    store.replace(old, made(after(seconds=9)), until=after(seconds=20))

    assert store.find("workspace-a", old["keyId"])["expiresAt"] == EPOCH + 10


def test_a_table_out_of_reach_is_unavailable(store: ApiKeyStore) -> None:
    record = store.add(made())
    for operation in ("Query", "UpdateItem", "TransactWriteItems"):
        lose_requests(store.client, operation)

    for call in (
        lambda: store.list_page("w"),
        lambda: store.find("w", "k"),
        lambda: store.revoke(record, NOON),
        lambda: store.add(made()),
    ):
        with pytest.raises(ServiceUnavailable):
            call()

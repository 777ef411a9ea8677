"""One key in one workspace is one agent, and equal bodies have one digest."""

import re

import pytest

from call_agents.agents.idempotency import check_idempotency_key, derive_agent_id, digest
from call_agents.shared.errors import InvalidHeader
from call_agents.shared.json_values import parse_json


def test_each_pair_of_workspace_and_key_has_its_own_id() -> None:
    similar = [("a:b", "c"), ("a", "b:c"), ("a:b", ""), ("a", ":b"), ("1:a", "b"), ("", "a:b")]
    pairs = [("a", "b"), ("a", "c"), ("b", "b"), *similar]
    ids = {derive_agent_id(*pair) for pair in pairs}

    assert len(ids) == len(pairs)
    assert all(re.fullmatch("[0-9a-f]{24}", agent_id) for agent_id in ids)
    # Ids are stored, so they must never change.
    assert derive_agent_id("a", "b") == "5a4c05f2245e456741e5fe29"


def test_digest_ignores_key_order_white_space_and_notation() -> None:
    one, other = parse_json('{"a":1,"b":{"c":2.50}}'), parse_json('{ "b": {"c": 2.5},\r\n "a": 1.0 }')

    assert digest("key", one) == digest("key", other)
    assert digest("key", {"a": 1}) == "88a67f24bbcdaed0e6c997404bb79a743baf44c6bab2f4c27328e3009d22e342"


@pytest.mark.parametrize(
    "other", ['{"a":"1"}', '{"a":true}', '{"a":[1]}', '{"a":{"x":1}}', '{"b":1}', '{"a":1,"b":null}', "{}"]
)
def test_another_body_has_another_digest(other: str) -> None:
    assert digest("key", parse_json('{"a":1}')) != digest("key", parse_json(other))


def test_a_guess_cannot_be_tested_without_the_key() -> None:
    assert digest("key", {"a": 1}) != digest("another", {"a": 1})


@pytest.mark.parametrize("key", ["a", "!", "~" * 255, '"8e03978e-40d5-43e8-bc93-6894a57f9324"', "a,b"])
def test_visible_ascii_is_a_valid_key(key: str) -> None:
    assert check_idempotency_key(key) == key


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "a\n", "é", "\x7f", "\ud800"])
def test_any_other_key_is_invalid(key: str) -> None:
    with pytest.raises(InvalidHeader):
        check_idempotency_key(key)

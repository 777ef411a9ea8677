"""One key in one workspace is one agent, and one meaning is one digest."""

import re

import pytest

from agents.errors import InvalidHeader
from agents.idempotency import agent_id, check_idempotency_key, digest
from agents.values import parse_json


def test_an_id_is_24_lower_case_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{24}", agent_id("workspace-a", "key"))


def test_the_same_workspace_and_key_give_the_same_id_and_no_other_pair_does() -> None:
    alike = [("a:b", "c"), ("a", "b:c"), ("a:b", ""), ("a", ":b"), ("1:a", "b"), ("", "a:b")]
    pairs = [("a", "b"), ("a", "c"), ("b", "b"), *alike]

    assert agent_id("a", "b") == agent_id("a", "b")
    assert len({agent_id(*pair) for pair in pairs}) == len(pairs)


def test_order_of_members_white_space_and_notation_of_numbers_do_not_change_a_meaning() -> None:
    one, other = parse_json('{"a":1,"b":{"c":2.50}}'), parse_json('{ "b": {"c": 2.5},\r\n "a": 1.0 }')

    assert digest("key", one) == digest("key", other)


@pytest.mark.parametrize("other", ['{"a":"1"}', '{"a":true}', '{"a":[1]}', '{"b":1}', '{"a":1,"b":null}', "{}"])
def test_another_meaning_is_another_digest(other: str) -> None:
    assert digest("key", parse_json('{"a":1}')) != digest("key", parse_json(other))


def test_who_does_not_know_the_key_cannot_test_a_guess() -> None:
    assert digest("key", {"a": 1}) != digest("another", {"a": 1})


@pytest.mark.parametrize("key", ["a", "~" * 255, '"8e03978e-40d5-43e8-bc93-6894a57f9324"', "a,b"])
def test_visible_ascii_is_a_key(key: str) -> None:
    assert check_idempotency_key(key) == key


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "a\n", "é", "\x7f", "\ud800"])
def test_anything_else_is_not(key: str) -> None:
    with pytest.raises(InvalidHeader):
        check_idempotency_key(key)

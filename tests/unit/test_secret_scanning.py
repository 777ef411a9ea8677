"""The rule in `.gitleaks.toml` finds API keys of this project."""

import re
import tomllib

import pytest

from call_agents.api_keys.key import key_prefix, new_key, random_text
from tests.local.aws import TEST_API_KEY
from tests.support.template import ROOT

SETTINGS = tomllib.loads((ROOT / ".gitleaks.toml").read_text("utf-8"))
(RULE,) = SETTINGS["rules"]
(ALLOWED,) = SETTINGS["allowlists"]
KEY = new_key(random_text)


@pytest.mark.parametrize("line", ["{}", "x-api-key: {}", '{{"key":"{}"}}', "https://example.com/?key={}&x=1"])
def test_a_new_key_is_found_in_text(line: str) -> None:
    found = re.search(RULE["regex"], line.format(KEY))

    assert found is not None
    assert found[0] == KEY
    assert any(word in KEY for word in RULE["keywords"])


def test_what_cannot_be_an_issued_key_is_not_found() -> None:
    damaged = [KEY[:-1], KEY + "0", KEY[:-1] + "-", "x" + KEY, KEY.replace("_live_", "_LIVE_"), key_prefix(KEY)]

    assert not [text for text in (TEST_API_KEY, *damaged) if re.search(RULE["regex"], text)]


def test_only_keys_of_sample_events_are_allowed() -> None:
    (allowed,) = ALLOWED["regexes"]

    assert re.search(allowed, TEST_API_KEY)
    assert not re.search(allowed, KEY)

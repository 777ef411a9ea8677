"""The OpenAPI document is clean for a linter, and does not break callers of the last release."""

import json
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.callers.breaking_changes import breaking_changes
from tests.support.template import ROOT

LINTER = "@redocly/cli@2.77.0"

_PATH = "tests/contract/openapi/openapi.json"
DOCUMENT: Any = json.loads((ROOT / _PATH).read_text("utf-8"))
CREATE = "/v1/api/agents"
Change = Callable[[Any], object]


def test_the_linter_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", LINTER], cwd=tmp_path, check=True)
    command = ["npx", "redocly", "lint", "--format", "json", str(ROOT / _PATH)]
    linted = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert json.loads(linted.stdout)["problems"] == [], linted.stderr


def git(*arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout


def test_callers_of_the_last_tag_are_not_broken() -> None:
    tag = git("describe", "--tags", "--abbrev=0").strip()
    if not tag:
        pytest.skip("There is no tag to compare with.")
    released = json.loads(git("show", f"{tag}:{_PATH}"))

    assert breaking_changes(released, DOCUMENT) == []


def request(document: Any) -> Any:
    return document["components"]["schemas"]["CreateAgentRequest"]


def response(document: Any) -> Any:
    return document["components"]["schemas"]["AgentResponse"]


def create(document: Any) -> Any:
    return document["paths"][CREATE]["post"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda it: it["paths"].pop(CREATE + "/{agentId}"), "gone: get /v1/api/agents/{agentId}"),
        (lambda it: it["paths"][CREATE].pop("post"), "gone: post /v1/api/agents"),
        (lambda it: create(it)["responses"].pop("422"), "gone: post /v1/api/agents 422"),
        (lambda it: response(it)["properties"].pop("status"), "gone: post /v1/api/agents 201.status"),
        (lambda it: response(it)["required"].remove("status"), "gone: post /v1/api/agents 201.status, always"),
        (lambda it: request(it)["required"].append("variables"), "required: post /v1/api/agents body.variables"),
        (
            lambda it: create(it)["parameters"].append({"name": "X-New", "required": True}),
            "required: post /v1/api/agents.X-New",
        ),
        (
            lambda it: request(it)["properties"]["llmModel"]["enum"].remove("gpt-4o"),
            "gone: post /v1/api/agents body.llmModel = gpt-4o",
        ),
        (
            lambda it: request(it)["properties"]["name"].update(enum=["Sophie"]),
            "gone: post /v1/api/agents body.name = any value",
        ),
        (
            lambda it: it["components"]["schemas"]["ByoTtsModel"]["required"].append("language"),
            "required: post /v1/api/agents body.ttsModel|#/components/schemas/ByoTtsModel.language",
        ),
    ],
)
def test_a_breaking_change_is_found(change: Change, found: str) -> None:
    changed = deepcopy(DOCUMENT)
    change(changed)

    assert found in breaking_changes(DOCUMENT, changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it["paths"].update({"/v2": it["paths"][CREATE]}),
        lambda it: request(it)["properties"].update(more={"properties": {"new": {}}, "required": ["new"]}),
        lambda it: request(it)["properties"]["llmModel"]["enum"].append("gpt-6"),
        lambda it: request(it)["required"].remove("name"),
        lambda it: response(it)["properties"].update(more={}),
    ],
)
def test_an_addition_breaks_nobody(change: Change) -> None:
    changed = deepcopy(DOCUMENT)
    change(changed)

    assert breaking_changes(DOCUMENT, changed) == []

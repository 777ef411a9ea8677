"""What the workflows run is pinned, and on the Python versions that the project names."""

import re
import tomllib
from itertools import chain

import yaml

from tests.support.template import ROOT

WORKFLOWS = {path.name: path.read_text("utf-8") for path in (ROOT / ".github/workflows").glob("*.yml")}


def test_every_action_is_pinned_by_digest_with_its_version() -> None:
    used = list(chain.from_iterable(re.findall(r"uses: (?!\./)(.*)", text) for text in WORKFLOWS.values()))

    assert used
    for action in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_python_versions_are_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    versions = [name.rpartition(" ")[2] for name in project["classifiers"]]
    (check,) = re.findall(r"^for version in (.*); do$", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)
    installed = re.findall(r"^ +(3\.\d+)$", WORKFLOWS["check.yml"], re.MULTILINE)

    assert project["requires-python"] == f">={versions[0]}"
    assert yaml.safe_load(WORKFLOWS["test.yml"])["jobs"]["fast"]["strategy"]["matrix"]["python"] == versions
    assert check.split() == versions
    assert set(installed) == set(versions)

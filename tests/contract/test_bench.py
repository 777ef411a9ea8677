"""The README shows the figures of the last run of the bench, and they are within their bounds."""

import json

import pytest

from tests.bench import report
from tests.bench.packages import FASTAPI, OURS
from tests.support.template import ROOT

DATA = json.loads((ROOT / "tests/bench/result.json").read_text("utf-8"))
RESULTS = DATA["results"]
README = (ROOT / "README.md").read_text("utf-8")


def test_readme_and_chart_show_the_last_result() -> None:
    assert report.markdown(RESULTS) in README
    assert report.readme(README, DATA) == README
    assert (ROOT / "tests/bench/chart.svg").read_text("utf-8") == report.chart(DATA)


@pytest.mark.parametrize(("what", "other", "ratio", "most"), report.ratios(RESULTS))
def test_ratios_are_within_their_bounds(what: str, other: str, ratio: float, most: float) -> None:
    assert ratio <= most
    assert f"{what} {ratio:.3f} of {other}" in README


def test_package_and_memory_are_small() -> None:
    assert RESULTS[OURS.name]["package_mb"] < 20
    assert RESULTS[OURS.name]["memory_mb"] < 0.74 * RESULTS[FASTAPI.name]["memory_mb"]

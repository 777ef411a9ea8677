"""The figures that the README shows are those that the bench wrote down, and they keep what is promised."""

import json
import re

import pytest

from tests.bench import cost, report
from tests.bench.packages import OURS, REQUIREMENTS, VARIANTS
from tests.support.template import ROOT, load_template

DATA = json.loads((ROOT / "tests/bench/result.json").read_text("utf-8"))
RESULTS = DATA["results"]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_readme_and_the_chart_show_the_last_result() -> None:
    assert report.markdown(RESULTS) in README
    assert report.readme(README, DATA) == README
    assert (ROOT / "tests/bench/chart.svg").read_text("utf-8") == report.chart(DATA)


def test_every_program_was_measured_in_every_way_that_it_can_be() -> None:
    everything = {key for _, key in report.COLUMNS} | {"first_ms"}
    only_cold = everything - {"instructions_warm_m", "warm_ms", "warm_p99_ms", "warm_cpu_ms", "memory_mb"}

    for variant in VARIANTS:
        assert set(RESULTS[variant.name]) == (everything if variant.bytecode else only_cold)
    assert DATA["requests"] >= 500


@pytest.mark.parametrize(("what", "peer", "ratio", "most"), report.ratios(RESULTS))
def test_a_promised_ratio_is_kept(what: str, peer: str, ratio: float, most: float) -> None:
    assert ratio <= most
    assert f"{what}, against {peer}: {ratio:.3f}" in README


def test_the_package_is_smaller_than_promised() -> None:
    assert RESULTS[OURS.name]["package_mb"] < 22


def test_the_peers_use_the_versions_that_this_project_uses() -> None:
    pinned = (ROOT / "functions/requirements.txt").read_text("utf-8")

    for requirement in {package for needed in REQUIREMENTS.values() for package in needed}:
        if not re.match("fastapi|mangum|boto3", requirement):
            assert f"{requirement} \\" in pinned


def test_the_memory_of_the_template_is_the_cheapest_that_is_quick_enough() -> None:
    memory = load_template().content["Parameters"]["MemorySize"]["Default"]

    assert memory == cost.recommended(RESULTS[OURS.name])
    assert str(memory) in cost.table(RESULTS[OURS.name]).splitlines()[-2]


def test_a_million_creates_cost_what_the_readme_says() -> None:
    figures = RESULTS[OURS.name]
    shares = cost.shares(figures, cost.recommended(figures), "arm64")

    assert f"a million creates cost ${sum(shares.values()):.2f}, ${shares['Lambda compute']:.2f} of it" in README
    assert cost.PRICES["date"] in README


def test_more_memory_is_quicker_and_costs_more_where_waiting_is_all() -> None:
    figures = {"warm_cpu_ms": 0.0, "init_ms": 0.0, "first_ms": 0.0}
    compute = [cost.shares(figures, memory, "arm64")["Lambda compute"] for memory in cost.MEMORY_SIZES]

    assert compute == sorted(compute)
    busy = {**figures, "warm_cpu_ms": 5.0}
    assert cost.warm_ms(busy, 128) > cost.warm_ms(busy, 1769) == cost.warm_ms(busy, 3538)

"""Side by side with peers that do the same job: cold start, warm requests, instructions, memory, package."""

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import packages, report, tools
from tests.bench.aws import cloud
from tests.bench.measure import Bench, progress
from tests.support import emulator
from tests.support.template import ROOT

HERE = Path(__file__).parent
RESULT = HERE / "result.json"
CHART = HERE / "chart.svg"
README = ROOT / "README.md"

TOLERANCE = 0.02
"""How much a ratio may exceed its bound on another machine or Python. The README's figures may not."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 1 when a ratio exceeds its bound."""
    options = _parser().parse_args(arguments)
    missing = [tool for tool in ("uv", "valgrind", "openssl") if not shutil.which(tool)]
    if missing or sys.platform != "linux":
        print(f"The bench needs Linux with {', '.join(missing) or 'its tools'}.", file=sys.stderr)
        return 2
    data = run(options)
    if options.save:
        RESULT.write_text(json.dumps(data, indent=2) + "\n", "utf-8")
        CHART.write_text(report.chart(data), "utf-8")
        README.write_text(report.readme(README.read_text("utf-8"), data), "utf-8")
    return show(data)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="cold starts of each (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=500, help="warm requests of each (default: %(default)s)")
    parser.add_argument("--instructions", action="store_true", help="count instructions only, which hardly vary")
    parser.add_argument("--save", action="store_true", help="write result.json, chart.svg and the README's figures")
    return parser


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything."""
    tools.install()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cloud(folder) as there:
            # Counting alone needs only the programs whose ratios have bounds.
            variants = report.COMPARED if options.instructions else packages.VARIANTS
            packed = {variant: packages.pack(variant, folder, there.authority) for variant in variants}
            bench = Bench(there, packed, folder)
            bench.check()
            bench.count()
            if not options.instructions:
                bench.start_cold(options.rounds)
                bench.keep_warm(options.requests)
            return {**about(options), "results": bench.results()}


def about(options: argparse.Namespace) -> dict[str, Any]:
    """Return when, where and with which versions it was measured."""
    programs = sorted({package for needed in packages.REQUIREMENTS.values() for package in needed})
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": [*programs, tools.RUNTIME_CLIENT, tools.SAM_CLI, emulator.REQUIREMENT],
        "rounds": options.rounds,
        "requests": options.requests,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def show(data: dict[str, Any]) -> int:
    """Print the table and the ratios; return the exit status."""
    print(f"{data['date']}, Python {data['python']}, {data['machine']}\n")
    print(report.markdown(data["results"]))
    print()
    kept = True
    for what, other, ratio, most in report.ratios(data["results"]):
        is_kept = ratio <= most * (1 + TOLERANCE)
        kept &= is_kept
        print(f"{what}, against {other}: {ratio:.3f}, at most {most}: {'ok' if is_kept else 'EXCEEDED'}")
    progress("")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

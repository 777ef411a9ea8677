"""Instructions that a program executes, counted by cachegrind: the same number in every run, on any machine's load."""

import re
import subprocess
from pathlib import Path
from uuid import uuid4

from tests.bench.packages import Variant
from tests.support.template import ROOT

EVENTS = ROOT / "events"
DRIVER = Path(__file__).with_name("driver.py")
WARM = 100
"""Requests over which the warm figure is taken."""


def count(python: Path, package: Path, variant: Variant, times: int, variables: dict[str, str]) -> int:
    """Count the instructions of importing a handler and handling events, the interpreter's start included.

    Raises
    ------
    RuntimeError
        When the program failed.
    """
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    program = [str(python), "-s", "-P", str(DRIVER), str(package), variant.module, str(EVENTS / variant.event)]
    options = [str(variant.status), str(times), uuid4().hex]
    # The order in which sets are walked is part of the figure.
    environment = {**variables, "PYTHONHASHSEED": "0"}
    run = subprocess.run([*tool, *program, *options], env=environment, capture_output=True, text=True, check=False)
    counted = re.search(r"I\s+refs:\s+([\d,]+)", run.stderr)
    if run.returncode or not counted:
        raise RuntimeError(f"{variant.name}: {run.stderr[-2000:]}")
    return int(counted[1].replace(",", ""))

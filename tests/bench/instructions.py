"""Instructions that a program executes, counted by cachegrind: the same number in every run, on any machine's load."""

import re
import subprocess
from pathlib import Path
from uuid import uuid4

DRIVER = Path(__file__).with_name("driver.py")
WARM = 100
"""Creates over which the warm figure is taken."""


def count(python: Path, package: Path, module: str, event: Path, times: int, variables: dict[str, str]) -> int:
    """Count the instructions of importing a handler and handling events, the interpreter's start included.

    Raises
    ------
    RuntimeError
        When the program failed.
    """
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    program = [str(python), "-s", "-P", str(DRIVER), str(package), module, str(event), str(times), uuid4().hex]
    # The order in which sets are walked is part of the figure.
    environment = {**variables, "PYTHONHASHSEED": "0"}
    run = subprocess.run([*tool, *program], env=environment, capture_output=True, text=True, check=False)
    counted = re.search(r"I\s+refs:\s+([\d,]+)", run.stderr)
    if run.returncode or not counted:
        raise RuntimeError(f"{module}: {run.stderr[-2000:]}")
    return int(counted[1].replace(",", ""))

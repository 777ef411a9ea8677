"""The README's first command works as it is printed, and its response has what is shown."""

import json
import re
import shlex
import subprocess
import sys
from typing import Any

from tests.support.template import ROOT

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def has(value: Any, shown: Any) -> bool:
    """Return True when a value has all members that are shown, with values of the same types."""
    if isinstance(shown, dict):
        return isinstance(value, dict) and all(name in value and has(value[name], shown[name]) for name in shown)
    return type(value) is type(shown)


def test_the_first_command_responds_as_shown() -> None:
    command = next(text for kind, text in BLOCKS if kind == "sh")
    shown = next(text for kind, text in BLOCKS if kind == "json")
    # Without its set-up, which `.ci/run` runs, too.
    python, *arguments = shlex.split(command.rpartition(" && ")[2])
    run = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)

    assert python == ".venv/bin/python"
    assert has(json.loads(run.stdout), json.loads(shown))
    assert not has(json.loads(run.stdout), {"body": {"_id": 1}})

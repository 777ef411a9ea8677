"""The README's first command works as it is printed, and its response looks as it is shown."""

import json
import re
import shlex
import subprocess
import sys
from typing import Any

from tests.support.template import ROOT

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def shape(value: Any) -> Any:
    """Return a value with its texts and numbers replaced by their types."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return [shape(element) for element in value] if isinstance(value, list) else type(value)


def test_the_first_command_responds_as_shown() -> None:
    command = next(text for kind, text in BLOCKS if kind == "sh")
    shown = next(text for kind, text in BLOCKS if kind == "json")
    # Without its set-up, which `.ci/run` runs, too.
    python, *arguments = shlex.split(command.rpartition(" && ")[2])
    run = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)

    assert python == ".venv/bin/python"
    assert shape(json.loads(run.stdout)) == shape(json.loads(shown))
    assert run.stdout.count("\n") == shown.count("\n")

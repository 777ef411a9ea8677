"""Writes what pydantic makes of `agents.models` into `functions/agents/request_schema.py`.

    python -m tests.request_schema

One constant for each model, in the terms of pydantic-core, which is the half of pydantic that validates.
"""

import re
import subprocess
import sys
from typing import Any

from pydantic import TypeAdapter

from agents.models import CreateAgentRequest
from tests.local.template import ROOT

TARGET = ROOT / "functions" / "agents" / "request_schema.py"

# Of use to pydantic's Python half and to serialization only.
_LEFT_OUT = {"cls", "computed_fields", "metadata", "ref"}

_HEAD = '''"""What pydantic-core validates a request with, made from `agents.models` by `tests.request_schema`."""

from typing import Any

from agents import rules
'''


def generate() -> str:
    """Return the module's text."""
    schema: Any = TypeAdapter(CreateAgentRequest).core_schema
    definitions = {part["ref"]: part for part in schema.get("definitions", ())}
    constants: dict[str, str] = {}
    _write(schema["schema"] if definitions else schema, definitions, constants)
    text = _HEAD + "".join(f"\n{name}: Any = {value}\n" for name, value in constants.items())
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def _write(value: Any, definitions: dict[str, Any], constants: dict[str, str]) -> str:
    """Write a part of a schema as Python; a model becomes a constant of its own, written before what refers to it."""
    if isinstance(value, dict):
        return _write_schema(value, definitions, constants)
    if isinstance(value, list):
        return f"[{', '.join(_write(element, definitions, constants) for element in value)}]"
    if isinstance(value, type):
        return value.__name__
    return f"rules.{value.__name__}" if callable(value) else repr(value)


def _write_schema(value: dict[str, Any], definitions: dict[str, Any], constants: dict[str, str]) -> str:
    if value.get("type") == "definition-ref":
        value = definitions[value["schema_ref"]]
    members = {name: member for name, member in value.items() if name not in _LEFT_OUT}
    text = ", ".join(f"{name!r}: {_write(member, definitions, constants)}" for name, member in members.items())
    if value.get("type") != "typed-dict":
        return f"{{{text}}}"
    name = re.sub("(?<!^)(?=[A-Z])", "_", value["cls"].__name__).upper()
    constants[name] = f"{{{text}}}"
    return name


if __name__ == "__main__":
    TARGET.write_text(generate(), "utf-8")

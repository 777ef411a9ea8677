"""From `template.yaml` to what CloudFormation takes, as `sam package` and SAM's own translator do it."""

import json
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.cloud import REGION, check
from tests.local.template import ROOT

REQUIREMENT = "aws-sam-translator==1.115.0"

_VENV = ROOT / ".venv-translator"
_PYTHON = _VENV / "bin" / "python"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: ``!Sub X`` becomes ``{"Fn::Sub": X}``."""


def _short_form(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # the one kind of node that is left
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _short_form)


def install() -> None:
    """Make the translator's environment, unless it is there."""
    marker = _VENV / REQUIREMENT
    if marker.exists():
        return
    print(f"Installing {REQUIREMENT} into {_VENV.name}, this once.", file=sys.stderr)
    venv.create(_VENV, clear=True, with_pip=True)
    subprocess.run([_PYTHON, "-m", "pip", "install", "-q", REQUIREMENT], check=True)
    marker.touch()


def read(path: Path) -> dict[str, Any]:
    """Read a template, its short forms written out."""
    content: dict[str, Any] = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader
    return content


def functions(template: Mapping[str, Any]) -> list[str]:
    """Return the logical ids of the functions."""
    return [name for name, of in template["Resources"].items() if of["Type"] == "AWS::Serverless::Function"]


def translate(template: Mapping[str, Any], code: Mapping[str, str], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Translate a template for CloudFormation.

    Parameters
    ----------
    template : Mapping
        As `read` returns it.
    code : Mapping
        Where each function's package was uploaded to, by its logical id.
    parameters : Mapping
        Values of the template's parameters.

    Returns
    -------
    dict
        The template without its transform.
    """
    packaged = json.loads(json.dumps(template, default=str))
    for name, url in code.items():
        packaged["Resources"][name]["Properties"]["CodeUri"] = url
    given = json.dumps({"template": packaged, "parameters": dict(parameters), "region": REGION})
    command = [_PYTHON, Path(__file__).with_name("translator.py")]
    result = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    check(result.returncode == 0, f"SAM's translator takes the template, but {result.stderr}")
    translated: dict[str, Any] = json.loads(result.stdout)
    return translated

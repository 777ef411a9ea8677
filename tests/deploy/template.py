"""From `template.yaml` to what CloudFormation takes, as `sam package` and SAM's own translator do it."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.deploy.cloud import REGION, check
from tests.support import venvs
from tests.support.template import ROOT

REQUIREMENT = "aws-sam-translator==1.115.0"

_VENV = ROOT / ".venv-translator"
_PYTHON = _VENV / "bin" / "python"


def install() -> None:
    """Make the translator's environment, unless it is there."""
    venvs.install(_VENV, REQUIREMENT)


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

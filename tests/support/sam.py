"""The template's two transforms, by the SAM CLI's own code: from a SAM template to what CloudFormation takes."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support import venvs
from tests.support.template import ROOT

REQUIREMENT = "aws-sam-cli==1.170.0"
REGION = "us-east-1"

_VENV = ROOT / ".venv-translator"
_PYTHON = _VENV / "bin" / "python"


class TranslationError(Exception):
    """The translator refuses a template."""


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
        As `tests.support.template.read` returns it.
    code : Mapping
        URL of each function's package, by the function's logical id.
    parameters : Mapping
        Values of the template's parameters.

    Returns
    -------
    dict
        The template without its transforms.

    Raises
    ------
    TranslationError
        When the translator refuses the template.
    """
    packaged = json.loads(json.dumps(template, default=str))
    for name, url in code.items():
        packaged["Resources"][name]["Properties"]["CodeUri"] = url
    given = json.dumps({"template": packaged, "parameters": dict(parameters), "region": REGION})
    # -P: this folder is not on its path, because http.py here would hide Python's own.
    command: list[str | Path] = [_PYTHON, "-P", Path(__file__).with_name("sam_translator.py")]
    result = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if result.returncode:
        raise TranslationError(f"SAM's translator refuses the template: {result.stderr}")
    translated: dict[str, Any] = json.loads(result.stdout)
    return translated

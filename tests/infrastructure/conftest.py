"""The template as CloudFormation gets it: transformed by the SAM CLI's own code, with its conditions decided."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from tests.support import sam
from tests.support.template import ROOT, read

_NOTHING: dict[str, str] = {"Ref": "AWS::NoValue"}


class Deployed:
    """What would be deployed with these values of the parameters.

    References stay as they are, also those to parameters; conditions are decided and `AWS::NoValue` removed.
    """

    def __init__(self, translated: dict[str, Any], parameters: Mapping[str, str]) -> None:
        self._template = translated
        self._values = {name: str(of.get("Default")) for name, of in translated["Parameters"].items()} | dict(
            parameters
        )
        self.resources: dict[str, Any] = {
            name: self._decide(of)
            for name, of in translated["Resources"].items()
            if "Condition" not in of or self._holds({"Condition": of["Condition"]})
        }

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of a type, by logical id."""
        return {name: of.get("Properties", {}) for name, of in self.resources.items() if of["Type"] == kind}

    def _decide(self, value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {"Fn::If"}:
                condition, yes, no = value["Fn::If"]
                return self._decide(yes if self._holds({"Condition": condition}) else no)
            decided = {name: self._decide(member) for name, member in value.items()}
            return {name: member for name, member in decided.items() if member != _NOTHING}
        if isinstance(value, list):
            return [element for element in map(self._decide, value) if element != _NOTHING]
        return value

    def _holds(self, condition: Any) -> bool:
        ((name, value),) = condition.items()
        match name:
            case "Condition":
                return self._holds(self._template["Conditions"][value])
            case "Fn::Not":
                return not self._holds(value[0])
            case "Fn::Or":
                return any(map(self._holds, value))
            case "Fn::Equals":
                left, right = (str(self._values[side["Ref"]] if isinstance(side, dict) else side) for side in value)
                return left == right
        raise ValueError(name)


@cache
def _translated(parameters: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    content = read(ROOT / "template.yaml")
    code = dict.fromkeys(sam.functions(content), "s3://bucket/package.zip")
    return sam.translate(content, code, dict(parameters))


@pytest.fixture(scope="session")
def deployed() -> Callable[..., Deployed]:
    """Translate the template with these values of its parameters."""
    sam.install()
    return lambda **parameters: Deployed(_translated(tuple(sorted(parameters.items()))), parameters)


def substituted(text: dict[str, str]) -> str:
    """Return the text of an `Fn::Sub` with the names of what it refers to."""
    return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", lambda match: match[1], text["Fn::Sub"])

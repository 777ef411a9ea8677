"""The one reader of `template.yaml`."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
STACK_NAME = "local"

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9:]+)\}")


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: ``!Sub X`` becomes ``{"Fn::Sub": "X"}``."""


def _short_form(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]  # the template has no short form on a map
    if name == "GetAtt":
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _short_form)


@dataclass(frozen=True)
class Template:
    """The parsed template.

    Parameters
    ----------
    content : dict
        As YAML gives it.
    parameters : dict
        Values of the parameters, by name; those left out have their defaults.
    """

    content: dict[str, Any]
    parameters: dict[str, str]

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of all resources of a type, by logical id."""
        resources = self.content["Resources"].items()
        return {name: resource["Properties"] for name, resource in resources if resource["Type"] == kind}

    def environment(self, function: str) -> dict[str, str]:
        """Return a function's variables, resolved as `sam local` does: a reference to a resource is its logical id."""
        of_all = self.content["Globals"]["Function"]["Environment"]["Variables"]
        variables = self.resources("AWS::Serverless::Function")[function].get("Environment", {}).get("Variables", {})
        return {name: self.resolve(value) for name, value in {**of_all, **variables}.items()}

    @property
    def timeout(self) -> float:
        """Seconds that a function may take."""
        return float(self.content["Globals"]["Function"]["Timeout"])

    @property
    def routes(self) -> dict[str, str]:
        """The function of each path of the API, by logical id. It gets all methods."""
        functions = self.resources("AWS::Serverless::Function")
        events = [(name, event) for name in functions for event in functions[name].get("Events", {}).values()]
        return {event["Properties"]["Path"]: name for name, event in events if event["Type"] == "HttpApi"}

    def resolve(self, value: str | dict[str, str]) -> str:
        """Resolve a literal, ``!Ref`` or ``!Sub``. `sam local` leaves AWS::LanguageExtensions' functions empty."""
        if isinstance(value, str):
            return value
        if "Fn::ToJsonString" in value:
            return ""
        if "Fn::Sub" in value:
            return _REFERENCE.sub(lambda match: self._reference(match[1]), value["Fn::Sub"])
        return self._reference(value["Ref"])

    def _reference(self, name: str) -> str:
        if name == "AWS::StackName":
            return STACK_NAME
        if name in self.content["Parameters"]:
            return str(self.parameters.get(name, self.content["Parameters"][name]["Default"]))
        return name


def load_template(**parameters: str) -> Template:
    """Read the project's template, with these values of its parameters."""
    return Template(read(ROOT / "template.yaml"), parameters)


@cache
def read(path: Path) -> dict[str, Any]:
    """Read a template, its short forms written out."""
    content: dict[str, Any] = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader
    return content

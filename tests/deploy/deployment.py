"""The project's stack and what it is made of."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy import adaptations, package
from tests.deploy.cloud import Cloud
from tests.deploy.stack import Stack
from tests.local import elevenlabs
from tests.support import sam
from tests.support.venvs import PROCESSOR

STACK = "create-call-agent"


@dataclass
class Deployment:
    """The stack, its packages and its parameters.

    Parameters
    ----------
    cloud : Cloud
        Where it is deployed.
    folder : Path
        Where packages are made.
    source : dict
        The template.
    """

    cloud: Cloud
    folder: Path
    source: dict[str, Any]
    packages: dict[str, Path] = field(init=False)
    parameters: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Set what an emulator on this machine needs; all other values are those of a deployment."""
        self.parameters = {"ElevenLabsUrl": elevenlabs.start(), "Architecture": PROCESSOR}
        self.parameters["AlarmEmail"] = "on-call@example.com"  # it brings more resources
        self.source = copy.deepcopy(self.source)
        self.source["Globals"]["Function"]["Environment"]["Variables"]["ENDPOINT_URL"] = self.cloud.url
        del self.source["Parameters"]["ElevenLabsUrl"]["AllowedPattern"]  # here it has no TLS

    @property
    def stack(self) -> Stack:
        """The stack in CloudFormation."""
        return Stack(self.cloud, STACK)

    @property
    def functions(self) -> dict[str, str]:
        """The functions' names, by logical id."""
        return self.stack.physical_ids("AWS::Lambda::Function")

    def build(self, say: Callable[[str], None]) -> None:
        """Make the packages, and the bucket that they go to."""
        self.packages = package.build(sam.functions(self.source), self.folder, say)
        self.cloud.client("s3").create_bucket(Bucket=package.BUCKET)

    def deploy(self, operation: str, changed: Mapping[str, str]) -> list[str]:
        """Create or update the stack from the packages as they are now; return what was adapted."""
        self.parameters |= changed
        code = package.upload(self.cloud, self.packages)
        translated = sam.translate(self.source, code, self.parameters)
        lines = adaptations.adapt(translated)
        self.stack.deploy(operation, translated, self.parameters)
        return lines

    def configuration(self, function: str) -> dict[str, Any]:
        """Return the configuration of a function, by its logical id."""
        found: dict[str, Any] = self.cloud.client("lambda").get_function_configuration(
            FunctionName=self.functions[function]
        )
        return found

    @property
    def log_group(self) -> str:
        """Name of the functions' log group."""
        return self.stack.physical_ids("AWS::Logs::LogGroup")["Logs"]

"""A CloudFormation stack: made, updated, deleted and looked into."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import WaiterError

from tests.deploy.cloud import Cloud, NotHeldError, check
from tests.deploy.package import BUCKET

_CAPABILITIES = ["CAPABILITY_IAM"]
_POLLING = {"Delay": 0.3, "MaxAttempts": 400}


@dataclass(frozen=True)
class Stack:
    """A stack.

    Parameters
    ----------
    cloud : Cloud
        Where it is.
    name : str
        Its name.
    """

    cloud: Cloud
    name: str

    def deploy(self, operation: str, template: dict[str, Any], parameters: Mapping[str, str]) -> None:
        """Create or update it, and wait until that is complete.

        Raises
        ------
        NotHeldError
            When it fails, with CloudFormation's reasons.
        """
        key = f"{self.name}.template"
        self.cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(template))
        getattr(self._cloudformation, f"{operation}_stack")(
            StackName=self.name,
            TemplateURL=f"{self.cloud.url}/{BUCKET}/{key}",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Capabilities=_CAPABILITIES,
        )
        self._wait_for(operation)

    def delete(self) -> None:
        """Delete it and wait."""
        self._cloudformation.delete_stack(StackName=self.name)
        self._wait_for("delete")

    def physical_ids(self, kind: str) -> dict[str, str]:
        """Return the names that its resources of a type have in AWS, by logical id."""
        found = [each for each in self.resources() if each["ResourceType"] == kind]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    def resources(self) -> list[dict[str, str]]:
        """Return its resources, as CloudFormation lists them."""
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return [each for page in pages for each in page["StackResourceSummaries"]]

    def output(self, name: str) -> str:
        """Return an output."""
        (stack,) = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        outputs: dict[str, str] = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
        check(name in outputs, f"the stack has an output {name}")
        return outputs[name]

    @property
    def _cloudformation(self) -> Any:
        return self.cloud.client("cloudformation")

    def _wait_for(self, operation: str) -> None:
        waiter = self._cloudformation.get_waiter(f"stack_{operation}_complete")
        try:
            waiter.wait(StackName=self.name, WaiterConfig=_POLLING)
        except WaiterError:
            raise NotHeldError(f"the stack cannot be {operation}d: {self._reasons()}") from None

    def _reasons(self) -> str:
        events = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        failed = [each for each in reversed(events) if each["ResourceStatus"].endswith("_FAILED")]
        return "; ".join(f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '?')}" for each in failed)

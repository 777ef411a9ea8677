"""The operator: a user who may invoke the operators' functions, and nothing else."""

import json
from dataclasses import dataclass
from typing import Any

from tests.deploy.cloud import Cloud, Principal

NAME = "operator"


@dataclass(frozen=True)
class Operator:
    """An operator.

    Parameters
    ----------
    cloud : Cloud
        Where they work.
    principal : Principal
        The operator's credentials.
    keys, agents : str
        Names of the functions that manage API keys and that have agents tried again.
    """

    cloud: Cloud
    principal: Principal
    keys: str
    agents: str

    def command(self, **command: str) -> dict[str, Any]:
        """Execute a command about API keys; return the result."""
        return self._invoke(self.keys, command)

    def retry(self, **command: str) -> dict[str, Any]:
        """Have agents' ElevenLabs keys tried again; return the result."""
        return self._invoke(self.agents, command)

    def _invoke(self, function: str, command: dict[str, Any]) -> dict[str, Any]:
        result = self.cloud.client("lambda", self.principal).invoke(FunctionName=function, Payload=json.dumps(command))
        content: dict[str, Any] = json.loads(result["Payload"].read())
        return content


def create_operator(cloud: Cloud, keys: str, agents: str) -> Operator:
    """Create a user who may invoke these functions, given by their ARNs."""
    iam = cloud.client("iam")
    iam.create_user(UserName=NAME)
    may = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": [keys, agents]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_user_policy(UserName=NAME, PolicyName="operate", PolicyDocument=policy)
    made = iam.create_access_key(UserName=NAME)["AccessKey"]
    return Operator(cloud, Principal(NAME, made["AccessKeyId"], made["SecretAccessKey"]), keys, agents)

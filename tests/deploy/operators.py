"""The operator: a person who may start the two functions that are for people, and nothing else."""

import json
from dataclasses import dataclass
from typing import Any

from tests.deploy.cloud import Cloud, Principal

NAME = "operator"


@dataclass(frozen=True)
class Operator:
    """The operator at work.

    Parameters
    ----------
    cloud : Cloud
        Where.
    principal : Principal
        With the operator's credentials.
    keys, agents : str
        Names of the functions that manage API keys, and that send agents through activation again.
    """

    cloud: Cloud
    principal: Principal
    keys: str
    agents: str

    def command(self, **command: str) -> dict[str, Any]:
        """Give a command about API keys; return the answer."""
        return self._start(self.keys, command)

    def reactivate(self, agent: dict[str, Any]) -> dict[str, Any]:
        """Send an agent through activation again; return the answer."""
        return self._start(self.agents, {"workspaceId": agent["workspaceId"], "agentId": agent["_id"]})

    def _start(self, function: str, command: dict[str, Any]) -> dict[str, Any]:
        answer = self.cloud.client("lambda", self.principal).invoke(FunctionName=function, Payload=json.dumps(command))
        content: dict[str, Any] = json.loads(answer["Payload"].read())
        return content


def hire(cloud: Cloud, keys: str, agents: str) -> Operator:
    """Make a user who may start these functions, which are given by their ARNs."""
    iam = cloud.client("iam")
    iam.create_user(UserName=NAME)
    may = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": [keys, agents]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_user_policy(UserName=NAME, PolicyName="operate", PolicyDocument=policy)
    made = iam.create_access_key(UserName=NAME)["AccessKey"]
    return Operator(cloud, Principal(NAME, made["AccessKeyId"], made["SecretAccessKey"]), keys, agents)

"""The operator: a person who may start the function that manages API keys, and nothing else."""

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
    function : str
        Name of the function.
    """

    cloud: Cloud
    principal: Principal
    function: str

    def command(self, **command: str) -> dict[str, Any]:
        """Give a command; return the answer."""
        answer = self.cloud.client("lambda", self.principal).invoke(
            FunctionName=self.function, Payload=json.dumps(command)
        )
        content: dict[str, Any] = json.loads(answer["Payload"].read())
        return content


def hire(cloud: Cloud, function: str, arn: str) -> Operator:
    """Make a user who may start this function."""
    iam = cloud.client("iam")
    iam.create_user(UserName=NAME)
    may = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_user_policy(UserName=NAME, PolicyName="manage-api-keys", PolicyDocument=policy)
    made = iam.create_access_key(UserName=NAME)["AccessKey"]
    return Operator(cloud, Principal(NAME, made["AccessKeyId"], made["SecretAccessKey"]), function)

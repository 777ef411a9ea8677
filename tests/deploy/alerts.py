"""The rule that tells when somebody changes who can read secrets, tried with events as CloudTrail sends them."""

import json
from collections.abc import Iterator

from tests.deploy.cloud import check
from tests.deploy.deployment import Deployment
from tests.deploy.usage import Say

Event = tuple[str, str, dict[str, str]]
"""Service, name of the call, and its parameters."""

ENVELOPE = {
    "detail-type": "AWS API Call via CloudTrail",
    "id": "1",
    "account": "000000000000",
    "region": "us-east-1",
    "time": "2026-01-01T00:00:00Z",
    "resources": [],
}


def try_rule(deployment: Deployment, say: Say) -> None:
    """Ask EventBridge which calls the deployed rule matches."""
    events = deployment.cloud.client("events")
    rule = deployment.stack.physical_ids("AWS::Events::Rule")["SecretsAccessRule"]
    pattern = events.describe_rule(Name=rule)["EventPattern"]
    for about, wanted in (("ActivateAgent", True), ("CreateAgent", False)):
        for service, name, parameters in changes(deployment, about):
            event = {
                **ENVELOPE,
                "source": f"aws.{service}",
                "detail": {
                    "eventSource": f"{service}.amazonaws.com",
                    "eventName": name,
                    "requestParameters": parameters,
                },
            }
            result = events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]
            check(result == wanted, f"the rule {'tells' if wanted else 'does not tell'} of {name} with {parameters}")
    say("a rule tells of changes of the function, the role and the key that decrypt, and of no other ones")


def changes(deployment: Deployment, about: str) -> Iterator[Event]:
    """Yield changes of a function, its role and a key: of those that decrypt, or of others."""
    arn = deployment.configuration(f"{about}Function")["FunctionArn"]
    role = deployment.configuration(f"{about}Function")["Role"]
    key = deployment.stack.physical_ids("AWS::KMS::Key")["SecretsKey" if about == "ActivateAgent" else "DataKey"]
    for name in (arn, arn.rpartition(":")[2]):
        yield "lambda", "UpdateFunctionCode20150331v2", {"functionName": name}
        yield "lambda", "UpdateFunctionConfiguration20150331v2", {"functionName": name}
    yield "lambda", "CreateFunction20150331", {"functionName": "new", "role": role}
    for call in ("PutKeyPolicy", "CreateGrant"):
        yield "kms", call, {"keyId": key}
        yield "kms", call, {"keyId": f"arn:aws:kms:us-east-1:000000000000:key/{key}"}
    for call in ("UpdateAssumeRolePolicy", "PutRolePolicy", "AttachRolePolicy"):
        yield "iam", call, {"roleName": role.rpartition("/")[2]}

"""The stack is created, updated in place and deleted; data has to survive."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.deploy.cloud import Cloud, check
from tests.deploy.deployment import Deployment
from tests.deploy.usage import API, Made, Say, check_replay, expect, item, stored

ALIAS = "live"
NEW_LIMIT = "77"

SURVIVES = frozenset({"AgentsTable", "ApiKeysTable", "DataKey", "SecretsKey"})
"""What survives the deletion of the stack."""

_LOOKS: dict[str, Callable[[Cloud, str], Any]] = {
    "AWS::DynamoDB::Table": lambda cloud, name: cloud.client("dynamodb").describe_table(TableName=name),
    "AWS::KMS::Key": lambda cloud, key: cloud.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Enabled"],
    "AWS::Lambda::Function": lambda cloud, name: cloud.client("lambda").get_function(FunctionName=name),
    "AWS::IAM::Role": lambda cloud, name: cloud.client("iam").get_role(RoleName=name),
    "AWS::ApiGatewayV2::Api": lambda cloud, api: cloud.client("apigatewayv2").get_api(ApiId=api),
    "AWS::Events::EventBus": lambda cloud, name: cloud.client("events").describe_event_bus(Name=name),
    "AWS::SQS::Queue": lambda cloud, url: cloud.client("sqs").get_queue_attributes(QueueUrl=url),
    "AWS::Lambda::EventSourceMapping": lambda cloud, uuid: cloud.client("lambda").get_event_source_mapping(UUID=uuid),
    "AWS::Logs::LogGroup": lambda cloud, name: cloud.client("logs").describe_log_streams(logGroupName=name),
}
"""How to find a resource, by its type; it raises when there is none."""


def make(deployment: Deployment, say: Say) -> None:
    """Build and create the stack."""
    say("packing the functions")
    deployment.build(say)
    say("creating the stack")
    for line in deployment.deploy("create", {}):
        say(f"adapted: {line}")
    say(f"created the stack, {len(deployment.stack.resources())} resources; {deployment.stack.output('ApiUrl')}")


def change_parameters(deployment: Deployment, made: Made, say: Say) -> None:
    """Deploy the same packages with other values of two parameters; the next request obeys them."""
    before, code = version(deployment), deployment.configuration(API)["CodeSha256"]
    model = made.example["llmModel"]
    deployment.deploy("update", {"RateLimitPerMinute": NEW_LIMIT, "AllowedLlmModels": f"{model},new-model"})
    check(deployment.configuration(API)["CodeSha256"] == code, "the code is the same")
    policy = expect(made.api.post({**made.example, "llmModel": "new-model"}), 201).header("ratelimit-policy")
    check(f"q={NEW_LIMIT};" in policy, f"the new limit is in effect, but the response has {policy!r}")
    say(f"changed a limit and a list, and no code; {ALIAS} named version {before}, now {version(deployment)}")
    say(f"the next request: 201 with a model that is new in the list, and the new limit of {NEW_LIMIT}")


def update(deployment: Deployment, made: Made, say: Say) -> None:
    """Update the code in place."""
    say("updating the code")
    before, places = version(deployment), places_of(deployment)
    with (deployment.packages[API] / "create_agent.py").open("a", encoding="utf-8") as module:
        module.write("#\n")
    deployment.deploy("update", {})
    check(version(deployment) != before, "the alias names a new version")
    check(places_of(deployment) == places, "nothing is replaced")
    say(f"updated the code in place; {ALIAS} named version {before}, now {version(deployment)}")
    check(stored(deployment, made.agent), "the agent is still in the table")
    check_replay(made)
    say("the old agent, API key and Idempotency-Key still work: 201")


def version(deployment: Deployment) -> str:
    """Return the version that the gateway calls."""
    alias = deployment.cloud.client("lambda").get_alias(FunctionName=deployment.functions[API], Name=ALIAS)
    number: str = alias["FunctionVersion"]
    return number


def places_of(deployment: Deployment) -> dict[str, dict[str, str]]:
    """Return the stack's resources that can be found: their names in AWS by logical id, by type."""
    return {kind: deployment.stack.physical_ids(kind) for kind in _LOOKS}


def delete(deployment: Deployment, made: Made, say: Say) -> None:
    """Delete the stack, and check what survives."""
    say("deleting the stack")
    places = places_of(deployment)
    deployment.stack.delete()
    found = {name for kind in places for name, place in places[kind].items() if exists(deployment.cloud, kind, place)}
    check(found == SURVIVES, f"what survives is {sorted(SURVIVES)}, but there are {sorted(found)}")
    agents = places["AWS::DynamoDB::Table"]["AgentsTable"]
    check(item(deployment.cloud, agents, made.agent), "the agent survives the stack")
    gone = sorted(name for of in places.values() for name in of if name not in found)
    say(f"deleted the stack; kept, with the agent: {', '.join(sorted(found))}; gone: {', '.join(gone)}")


def exists(cloud: Cloud, kind: str, place: str) -> bool:
    """Return True when a resource exists."""
    try:
        return bool(_LOOKS[kind](cloud, place))
    except ClientError:
        return False

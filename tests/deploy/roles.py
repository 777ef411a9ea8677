"""What each principal of the stack may do, and how to act as one."""

from collections.abc import Callable, Mapping

from tests.deploy import access, operators
from tests.deploy.access import Call, Targets
from tests.deploy.cloud import Cloud, Principal, check
from tests.deploy.deployment import STACK, Deployment

LOG = frozenset({"logs:create_log_stream Logs", "logs:put_log_events Logs"})

EXPECTED: Mapping[str, frozenset[str]] = {
    "CreateAgentFunction": frozenset(
        {
            "dynamodb:get_item ApiKeysTable",
            "dynamodb:update_item ApiKeysTable",
            "dynamodb:put_item AgentsTable",
            "dynamodb:get_item AgentsTable",
            "kms:encrypt SecretsKey",
            *LOG,
        }
    ),
    "GetAgentFunction": frozenset(
        {
            "dynamodb:get_item ApiKeysTable",
            "dynamodb:update_item ApiKeysTable",
            "dynamodb:get_item AgentsTable",
            *LOG,
        }
    ),
    "PublishAgentEventsFunction": frozenset(
        {
            "dynamodbstreams:describe_stream AgentsTable's stream",
            "dynamodbstreams:get_shard_iterator AgentsTable's stream",
            "events:put_events EventBus",
            *LOG,
        }
    ),
    "ManageApiKeysFunction": frozenset(
        {
            "dynamodb:get_item ApiKeysTable",
            "dynamodb:put_item ApiKeysTable",
            "dynamodb:update_item ApiKeysTable",
            "dynamodb:batch_get_item ApiKeysTable",
            "dynamodb:query ApiKeysTable's index",
            *LOG,
        }
    ),
    "ActivateAgentFunction": frozenset(
        {
            "sqs:receive_message ActivationQueue",
            "dynamodb:get_item AgentsTable",
            "dynamodb:update_item AgentsTable",
            "kms:decrypt SecretsKey",
            *LOG,
        }
    ),
    "RetryAgentsFunction": frozenset(
        {
            "dynamodb:query AgentsTable",
            "dynamodb:update_item AgentsTable",
            *LOG,
        }
    ),
    operators.NAME: frozenset({"lambda:invoke ManageApiKeysFunction", "lambda:invoke RetryAgentsFunction"}),
}
"""All that is allowed: the roles by the function that has them."""


def try_all(
    deployment: Deployment, operator: Principal, say: Callable[[str], None]
) -> tuple[list[Call], dict[str, frozenset[str]]]:
    """Make every call as every principal, which takes some seconds each.

    Returns
    -------
    list of Call, dict
        The calls, and the names of those that each principal may make.
    """
    calls = access.all_calls(targets(deployment))
    principals = {**function_roles(deployment), operators.NAME: operator}
    allowed = {}
    for name, principal in principals.items():
        say(f"making {len(calls)} calls as {name}")
        allowed[name] = access.try_calls(deployment.cloud, principal, calls)
    return calls, allowed


def function_roles(deployment: Deployment) -> dict[str, Principal]:
    """Act as each role that Lambda may assume, by the function that has it."""
    holders = {deployment.configuration(name)["Role"]: name for name in deployment.functions}
    lambdas = {arn for arn in _role_arns(deployment).values() if _trusts_lambda(deployment.cloud, arn)}
    unknown = lambdas - {arn for arn, name in holders.items() if name in EXPECTED}
    check(not unknown, f"every role has expectations, but these have none: {', '.join(sorted(unknown))}")
    return {name: _act_as(deployment.cloud, name, arn) for arn, name in sorted(holders.items())}


def targets(deployment: Deployment) -> Targets:
    """Return what calls can be about."""
    keys = deployment.stack.physical_ids("AWS::KMS::Key")
    tables = deployment.stack.physical_ids("AWS::DynamoDB::Table")
    return Targets(
        tables=tables,
        streams=_streams(deployment.cloud, tables),
        keys=keys,
        functions=deployment.functions,
        buses=deployment.stack.physical_ids("AWS::Events::EventBus"),
        queues=deployment.stack.physical_ids("AWS::SQS::Queue"),
        roles=_role_arns(deployment),
        log_groups=deployment.stack.physical_ids("AWS::Logs::LogGroup"),
        stack=STACK,
        ciphertexts={name: _encrypted(deployment.cloud, key) for name, key in keys.items()},
    )


def _streams(cloud: Cloud, tables: Mapping[str, str]) -> dict[str, str]:
    described = {name: cloud.client("dynamodb").describe_table(TableName=table) for name, table in tables.items()}
    arns = {name: of["Table"].get("LatestStreamArn") for name, of in described.items()}
    return {name: arn for name, arn in arns.items() if arn}


def _encrypted(cloud: Cloud, key: str) -> bytes:
    kms = cloud.client("kms")
    ciphertext: bytes = kms.encrypt(KeyId=key, Plaintext=b"-", EncryptionContext=access.CONTEXT)["CiphertextBlob"]
    return ciphertext


def _role_arns(deployment: Deployment) -> dict[str, str]:
    iam = deployment.cloud.client("iam")
    roles = deployment.stack.physical_ids("AWS::IAM::Role").items()
    return {name: iam.get_role(RoleName=role)["Role"]["Arn"] for name, role in roles}


def _trusts_lambda(cloud: Cloud, arn: str) -> bool:
    role = cloud.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
    return "lambda.amazonaws.com" in str(role["AssumeRolePolicyDocument"])


def _act_as(cloud: Cloud, name: str, arn: str) -> Principal:
    """Assume a role. It trusts only Lambda; MiniStack lets the account's root user pass for a service."""
    given = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="probe")["Credentials"]
    return Principal(name, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

"""Who may do what: each role its few calls, each key its few uses."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.infrastructure.conftest import Deployed

Deploy = Callable[..., Deployed]

SEALED = {
    "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["workspaceId", "agentId"]},
    "Null": {"kms:EncryptionContext:workspaceId": "false", "kms:EncryptionContext:agentId": "false"},
}
THROUGH_DYNAMODB = {"StringEquals": {"kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.amazonaws.com"}}}
WITH_THE_KEY = ({"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"}, "DataKey", THROUGH_DYNAMODB)
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}

SETTLED = {
    "ForAllValues:StringEquals": {"dynamodb:Attributes": ["workspaceId", "_id", "status", "statusReason", "updatedAt"]},
    "StringEqualsIfExists": {"dynamodb:ReturnValues": "NONE"},
}

ROLES: dict[str, list[tuple[set[str], str, Any]]] = {
    "CreateAgentRole": [
        ({"dynamodb:GetItem"}, "ApiKeysTable", None),
        ({"dynamodb:UpdateItem"}, "RateLimitsTable", None),
        ({"dynamodb:PutItem", "dynamodb:GetItem"}, "AgentsTable", None),
        ({"kms:Encrypt"}, "SecretsKey", SEALED),
        (LOG, "CreateAgentLogs", None),
    ],
    "ManageApiKeysRole": [
        ({"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:GetItem"}, "ApiKeysTable", None),
        (LOG, "ManageApiKeysLogs", None),
    ],
    "ActivateAgentRole": [
        (
            {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"},
            "AgentsTable.StreamArn",
            None,
        ),
        ({"dynamodb:ListStreams"}, "*", None),
        ({"dynamodb:UpdateItem"}, "AgentsTable", SETTLED),
        ({"sqs:SendMessage"}, "ActivationFailuresQueue", None),
        (LOG, "ActivateAgentLogs", None),
    ],
    "ReactivateAgentRole": [
        ({"dynamodb:GetItem"}, "AgentsTable", None),
        ({"dynamodb:UpdateItem"}, "AgentsTable", SETTLED),
        (LOG, "ReactivateAgentLogs", None),
    ],
}
"""Per role: what it may do, to which resource, on which condition. With a customer's key, `WITH_THE_KEY` as well."""

ADMINISTRATION = re.compile(
    "kms:(CancelKeyDeletion|(Create|Delete|Update)Alias|(Describe|DisableKey|EnableKey|Get|List|Put)\\*|RevokeGrant"
    "|RotateKeyOnDemand|ScheduleKeyDeletion|(Un)?[tT]agResource|UpdateKeyDescription)"
)
"""Of a key. None of it encrypts or decrypts anything."""


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def granted(role: dict[str, Any]) -> list[tuple[set[str], str, Any]]:
    """Read a role's one policy in the form of `ROLES`."""
    (policy,) = role["Policies"]
    found = []
    for said in policy["PolicyDocument"]["Statement"]:
        assert said.keys() - {"Condition"} == {"Sid", "Effect", "Action", "Resource"}
        assert said["Effect"] == "Allow"
        found.append((set(listed(said["Action"])), named(said["Resource"]), said.get("Condition")))
    return found


def named(resource: Any) -> str:
    """Name a statement's resource as `ROLES` does."""
    if resource == "*":
        return "*"
    name, attribute = resource["Fn::GetAtt"]
    return str(name if attribute == "Arn" else f"{name}.{attribute}")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("customer_key", ["true", "false"])
def test_a_role_may_do_exactly_what_its_function_does(deployed: Deploy, role: str, customer_key: str) -> None:
    roles = deployed(CustomerKey=customer_key).of("AWS::IAM::Role")

    assert granted(roles[role]) == ROLES[role] + ([WITH_THE_KEY] if customer_key == "true" else [])
    assert "ManagedPolicyArns" not in roles[role]


def test_there_is_a_role_for_each_function_which_lambda_alone_takes(deployed: Deploy) -> None:
    stack = deployed()
    used = [function["Role"]["Fn::GetAtt"][0] for function in stack.of("AWS::Lambda::Function").values()]

    assert sorted(used) == sorted(ROLES)
    for role in ROLES:
        (trust,) = stack.of("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]["Statement"]
        assert trust == {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }


def test_the_one_other_role_is_codedeploys_as_aws_defines_it(deployed: Deploy) -> None:
    roles = deployed().of("AWS::IAM::Role")
    (other,) = set(roles) - set(ROLES)

    assert roles[other]["ManagedPolicyArns"] == ["arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda"]
    assert "Policies" not in roles[other]


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every statement of every policy in a resource."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for member in value.values():
            yield from statements(member)
    elif isinstance(value, list):
        for element in value:
            yield from statements(element)


def test_nothing_is_allowed_to_everybody_and_no_wildcard_stands_but_where_a_key_means_itself(deployed: Deploy) -> None:
    for name, resource in deployed().resources.items():
        for said in statements(resource):
            assert "*" not in json.dumps(said.get("Principal", "")), name
            if resource["Type"] == "AWS::KMS::Key":
                assert said["Resource"] == "*"  # in a key's policy, that is this key
                assert "kms:*" not in listed(said["Action"])
            elif said.get("Sid") == "FindTheStream":
                assert said["Action"] == "dynamodb:ListStreams"  # names, and AWS gives them for all or none
            else:
                assert "*" not in json.dumps([said["Action"], said.get("Resource")]), name


def test_whoever_administers_a_key_cannot_use_it(deployed: Deploy) -> None:
    for key in deployed().of("AWS::KMS::Key").values():
        administration, *uses = key["KeyPolicy"]["Statement"]
        assert administration["Sid"] == "AdministerTheKey"
        assert [action for action in administration["Action"] if not ADMINISTRATION.fullmatch(action)] == []
        assert all("Condition" in said for said in uses)


def test_a_secret_may_be_sealed_for_an_agent_and_opened_for_it_by_two_roles_only(deployed: Deploy) -> None:
    _, seal, unseal = deployed().of("AWS::KMS::Key")["SecretsKey"]["KeyPolicy"]["Statement"]

    assert (seal["Action"], seal["Condition"]) == ("kms:Encrypt", SEALED)
    assert (unseal["Action"], unseal["Condition"]) == ("kms:Decrypt", SEALED)
    assert unseal["Principal"] == {
        "AWS": [{"Fn::GetAtt": [role, "Arn"]} for role in ("ActivateAgentRole", "ReactivateAgentRole")]
    }


def test_the_key_of_the_data_is_used_by_dynamodb_and_the_logs_only(deployed: Deploy) -> None:
    stack = deployed()
    _, tables, logs = stack.of("AWS::KMS::Key")["DataKey"]["KeyPolicy"]["Statement"]

    assert tables["Condition"] == THROUGH_DYNAMODB
    assert logs["Principal"] == {"Service": {"Fn::Sub": "logs.${AWS::Region}.amazonaws.com"}}
    (arns,) = logs["Condition"]["ArnLike"].values()
    patterns = [arn["Fn::Sub"].rpartition("log-group:")[2].removesuffix("*") for arn in arns]
    names = [group["LogGroupName"]["Fn::Sub"] for group in stack.of("AWS::Logs::LogGroup").values()]
    assert all(any(name.startswith(pattern) for pattern in patterns) for name in names)


@pytest.mark.parametrize("key", ["SecretsKey", "DataKey"])
def test_keys_rotate_and_are_not_lost_by_mistake(deployed: Deploy, key: str) -> None:
    resource = deployed().resources[key]

    assert resource["Properties"].items() >= {"EnableKeyRotation": True, "PendingWindowInDays": 30}.items()
    # But for a create that failed: it would leave a key for each try.
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_gateway_may_start_the_alias_for_the_one_path_only(deployed: Deploy) -> None:
    permissions = deployed().of("AWS::Lambda::Permission").values()

    assert {permission["SourceArn"]["Fn::Sub"][0].split(":")[-1] for permission in permissions} == {
        f"${{__ApiId__}}/${{__Stage__}}/{method}/v1/api/agents" for method in ("POST", "*")
    }
    for permission in permissions:
        assert permission["FunctionName"] == {"Ref": "CreateAgentFunctionAliaslive"}
        assert permission["Principal"] == "apigateway.amazonaws.com"

"""Access: narrow rights for each role, and KMS keys that only their users can use. `tests.deploy` tries them out."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from call_agents.shared.secret_box import encryption_context
from tests.infrastructure.conftest import Deployed

Deploy = Callable[..., Deployed]

ADMINISTRATION = re.compile(
    "kms:(CancelKeyDeletion|(Create|Delete|Update)Alias|(Describe|DisableKey|EnableKey|Get|List|Put)\\*|RevokeGrant"
    "|RotateKeyOnDemand|ScheduleKeyDeletion|(Un)?[tT]agResource|UpdateKeyDescription)"
)
"""Actions on a KMS key that neither encrypt nor decrypt."""


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


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


def for_one_agent() -> dict[str, Any]:
    """Return the condition that allows a use of a key only with the encryption context that the code gives."""
    names = list(encryption_context("workspace", "agent"))
    return {
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": names},
        "Null": {f"kms:EncryptionContext:{name}": "false" for name in names},
    }


def test_each_function_has_a_role_that_only_lambda_assumes(deployed: Deploy) -> None:
    stack = deployed()
    used = [function["Role"]["Fn::GetAtt"][0] for function in stack.of("AWS::Lambda::Function").values()]

    assert len(used) == len(set(used))
    for role in used:
        properties = stack.of("AWS::IAM::Role")[role]
        (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert "ManagedPolicyArns" not in properties


@pytest.mark.parametrize("boundary", ["", "arn:aws:iam::000000000000:policy/boundary"])
def test_every_role_has_the_boundary_that_is_given(deployed: Deploy, boundary: str) -> None:
    roles = deployed(PermissionsBoundary=boundary).of("AWS::IAM::Role")
    wanted = {"Ref": "PermissionsBoundary"} if boundary else None

    assert {name for name, role in roles.items() if role.get("PermissionsBoundary") != wanted} == set()


def test_nothing_is_allowed_to_everybody_or_on_everything(deployed: Deploy) -> None:
    for name, resource in deployed().resources.items():
        for statement in statements(resource):
            assert "*" not in json.dumps(statement.get("Principal", "")), name
            if resource["Type"] == "AWS::KMS::Key":
                assert statement["Resource"] == "*"  # in a key's policy this means the key itself
                assert "kms:*" not in listed(statement["Action"])
            elif statement.get("Sid") == "ListStreams":
                assert statement["Action"] == "dynamodb:ListStreams"  # AWS allows it for all tables or none
            else:
                assert "*" not in json.dumps([statement["Action"], statement.get("Resource")]), name


def test_whoever_administers_a_key_cannot_use_it(deployed: Deploy) -> None:
    for key in deployed().of("AWS::KMS::Key").values():
        administration, *uses = key["KeyPolicy"]["Statement"]
        assert [action for action in administration["Action"] if not ADMINISTRATION.fullmatch(action)] == []
        assert all("Condition" in statement for statement in uses)


@pytest.mark.parametrize(("given", "property_of_the_key"), [("false", None), ("true", True)])
def test_the_secrets_key_is_for_many_regions_on_request(
    deployed: Deploy, given: str, property_of_the_key: object
) -> None:
    key = deployed(MultiRegionSecretsKey=given).of("AWS::KMS::Key")["SecretsKey"]

    # Not even "false" otherwise: a key that is there already refuses any change of this property.
    assert key.get("MultiRegion") == property_of_the_key


def test_secrets_are_encrypted_and_decrypted_for_one_agent(deployed: Deploy) -> None:
    stack = deployed()
    _, encrypt, decrypt = stack.of("AWS::KMS::Key")["SecretsKey"]["KeyPolicy"]["Statement"]
    (role,) = (
        statement
        for statement in statements(stack.of("AWS::IAM::Role")["CreateAgentRole"])
        if statement["Action"] == "kms:Encrypt"
    )

    assert (encrypt["Action"], decrypt["Action"]) == ("kms:Encrypt", "kms:Decrypt")
    assert role["Condition"] == encrypt["Condition"] == decrypt["Condition"] == for_one_agent()


def test_only_the_trials_of_keys_can_decrypt_secrets(deployed: Deploy) -> None:
    stack = deployed()
    *_, decrypt = stack.of("AWS::KMS::Key")["SecretsKey"]["KeyPolicy"]["Statement"]
    by_roles = [
        statement
        for role in stack.of("AWS::IAM::Role").values()
        for statement in statements(role)
        if "kms:Decrypt" in listed(statement["Action"]) and "SecretsKey" in json.dumps(statement["Resource"])
    ]

    assert decrypt["Principal"] == {"AWS": {"Fn::GetAtt": ["ActivateAgentRole", "Arn"]}}
    assert by_roles == []


def test_the_data_key_is_used_only_through_dynamodb_and_logs(deployed: Deploy) -> None:
    stack = deployed()
    _, tables, logs = stack.of("AWS::KMS::Key")["DataKey"]["KeyPolicy"]["Statement"]
    (arns,) = logs["Condition"]["ArnLike"].values()
    patterns = [arn["Fn::Sub"].rpartition("log-group:")[2] for arn in arns]
    through_dynamodb = {"StringEquals": {"kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"}}}

    assert tables["Condition"] == through_dynamodb
    for role in stack.of("AWS::IAM::Role").values():
        for statement in statements(role):
            if "DataKey" in json.dumps(statement.get("Resource")):
                assert statement["Condition"] == through_dynamodb
    for group in stack.of("AWS::Logs::LogGroup").values():
        name = group["LogGroupName"]["Fn::Sub"]
        assert any(name == pattern or name.startswith(pattern.removesuffix("*")) for pattern in patterns)


def test_the_gateway_may_invoke_each_alias_for_its_path_only(deployed: Deploy) -> None:
    permissions = deployed().of("AWS::Lambda::Permission").values()

    assert {
        (permission["SourceArn"]["Fn::Sub"][0].partition("*")[2], permission["FunctionName"]["Ref"])
        for permission in permissions
    } == {
        ("/v1/api/agents", "CreateAgentFunctionAliaslive"),
        ("/v1/api/agents/*", "GetAgentFunctionAliaslive"),
    }
    assert {permission["Principal"] for permission in permissions} == {"apigateway.amazonaws.com"}

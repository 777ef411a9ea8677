"""The template gives the functions what they need, and not a right more."""

from importlib import import_module
from typing import Any

import pytest

from tests.local.template import ROOT, load_template

TEMPLATE = load_template()
FUNCTIONS = TEMPLATE.resources("AWS::Serverless::Function")


def rights(function: str) -> dict[str, tuple[list[str], Any]]:
    """Return actions and resource of each statement."""
    (policy,) = FUNCTIONS[function]["Policies"]
    statements = {}
    for statement in policy["Statement"]:
        actions = statement["Action"]
        statements[statement["Sid"]] = ([actions] if isinstance(actions, str) else actions, statement["Resource"])
    return statements


def test_create_agent_may_read_keys_store_agents_and_seal_secrets() -> None:
    assert rights("CreateAgentFunction") == {
        "AuthenticateTheCaller": (["dynamodb:GetItem"], {"GetAtt": "ApiKeysTable.Arn"}),
        "StoreTheAgent": (["dynamodb:PutItem", "dynamodb:GetItem"], {"GetAtt": "AgentsTable.Arn"}),
        "SealTheSecret": (["kms:Encrypt"], {"GetAtt": "SecretsKey.Arn"}),
    }


def test_sealing_needs_exactly_the_context_that_the_code_gives() -> None:
    (policy,) = FUNCTIONS["CreateAgentFunction"]["Policies"]

    assert policy["Statement"][-1]["Condition"] == {
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["workspaceId", "agentId"]},
        "Null": {
            "kms:EncryptionContext:workspaceId": "false",
            "kms:EncryptionContext:agentId": "false",
        },
    }


def test_manage_api_keys_may_keep_keys_and_nothing_else() -> None:
    assert rights("ManageApiKeysFunction") == {
        "KeepTheKeys": (["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:GetItem"], {"GetAtt": "ApiKeysTable.Arn"})
    }


def test_there_is_one_route_and_only_one_function_has_it() -> None:
    assert TEMPLATE.route("CreateAgentFunction") == ("POST", "/v1/api/agents")
    assert "Events" not in FUNCTIONS["ManageApiKeysFunction"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_handler_exists(function: str) -> None:
    module, name = FUNCTIONS[function]["Handler"].split(".")

    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_handlers_variables_are_those_that_it_reads(function: str) -> None:
    sources = (FUNCTIONS[function]["Handler"].replace(".handler", ".py"), "deployment.py")
    code = "".join((ROOT / "functions" / name).read_text(encoding="utf-8") for name in sources)

    assert [name for name in TEMPLATE.environment(function) if f'"{name}"' not in code] == []


def test_a_deployment_has_the_pages_lists_and_no_other_endpoint() -> None:
    environment = TEMPLATE.environment("CreateAgentFunction")

    assert environment["ENDPOINT_URL"] == ""
    assert TEMPLATE.content["Parameters"]["Architecture"]["Default"] == "arm64"
    assert TEMPLATE.content["Globals"]["Function"]["Runtime"] == "python3.14"


def test_what_holds_data_outlives_the_stack() -> None:
    kinds = ("AWS::DynamoDB::Table", "AWS::KMS::Key")
    kept = [resource for resource in TEMPLATE.content["Resources"].values() if resource["Type"] in kinds]

    assert len(kept) == 3
    assert all(one["DeletionPolicy"] == one["UpdateReplacePolicy"] == "Retain" for one in kept)

"""The template gives the functions what they need, and not a right more."""

import ast
import re
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import activate_agent
import create_agent
import manage_api_keys
import reactivate_agent
from agents.rate_limit import count_request
from agents.sealing import encryption_context
from deployment import Environment
from tests.support.template import ROOT, load_template

TEMPLATE = load_template()
FUNCTIONS = TEMPLATE.resources("AWS::Serverless::Function")

BUILD = ROOT / "functions" / "build"
PACKAGE: dict[str, Any] = {
    ast.unparse(node.targets[0]): ast.literal_eval(node.value)
    for node in ast.parse((BUILD / "package.py").read_text("utf-8")).body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"MODULES", "PLATFORMS", "PYTHON"}
}
"""What the program says that makes packages; read and not run, for it is no part of production."""
MAKE_RULES = (BUILD / "functions.mk").read_text("utf-8")

OF_THE_C_LIBRARY = {"RES_OPTIONS": "timeout:1 attempts:1"}
OF_SAM = {"CONFIGURATION"}  # changed by hand, so that a changed parameter is published
OF_LAMBDA = {"AWS_REGION", "AWS_CA_BUNDLE"}  # it gives the one, and the other is for an operator to set


def test_secrets_may_be_sealed_with_the_context_that_the_code_gives_and_no_other() -> None:
    context = encryption_context("workspace-a", "agent-1")
    (policy,) = TEMPLATE.resources("AWS::IAM::Role")["CreateAgentRole"]["Policies"]
    (role,) = (said for said in policy["PolicyDocument"]["Statement"] if said.get("Sid") == "SealTheSecret")
    (key,) = (
        said
        for said in TEMPLATE.resources("AWS::KMS::Key")["SecretsKey"]["KeyPolicy"]["Statement"]
        if said["Sid"] == "SealForAnAgent"
    )

    assert (
        role["Condition"]
        == key["Condition"]
        == {
            "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": list(context)},
            "Null": {f"kms:EncryptionContext:{name}": "false" for name in context},
        }
    )


@pytest.mark.parametrize(("event", "method"), [("CreateAgent", "POST"), ("OtherMethods", "ANY")])
def test_one_path_is_routed_as_payload_2_and_to_one_function_only(event: str, method: str) -> None:
    assert FUNCTIONS["CreateAgentFunction"]["Events"].keys() == {"CreateAgent", "OtherMethods"}
    assert FUNCTIONS["CreateAgentFunction"]["Events"][event] == {
        "Type": "HttpApi",
        "Properties": {
            "ApiId": {"Ref": "HttpApi"},
            "Method": method,
            "Path": create_agent.PATH,
            "PayloadFormatVersion": "2.0",
            "TimeoutInMillis": 29000,
        },
    }
    started_by_people = {name for name, function in FUNCTIONS.items() if "Events" not in function}
    assert started_by_people == {"ManageApiKeysFunction", "ReactivateAgentFunction"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_handler_exists(function: str) -> None:
    module, name = FUNCTIONS[function]["Handler"].split(".")

    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize(
    ("function", "module"),
    [
        ("CreateAgentFunction", create_agent),
        ("ManageApiKeysFunction", manage_api_keys),
        ("ActivateAgentFunction", activate_agent),
        ("ReactivateAgentFunction", reactivate_agent),
    ],
)
def test_each_function_is_given_the_variables_that_it_reads_and_no_other(
    function: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch, new_application: Callable[[], None]
) -> None:
    new_application()
    read: set[str] = set()

    class Recorded(dict[str, str]):
        def __contains__(self, name: object) -> bool:
            read.add(str(name))
            return super().__contains__(name)

        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    given = Recorded(TEMPLATE.environment(function))
    monkeypatch.setattr(module, "Environment", lambda _: Environment(given))
    module.application()
    module.reporter.cache_clear()
    module.reporter()
    module.reporter.cache_clear()

    assert read - OF_LAMBDA | OF_THE_C_LIBRARY.keys() == set(given) - OF_SAM


def test_a_function_has_more_time_than_its_calls_and_less_than_the_gateway() -> None:
    for event in FUNCTIONS["CreateAgentFunction"]["Events"].values():
        limit = event["Properties"]["TimeoutInMillis"]
        assert create_agent.WRITE_TIME_MS < TEMPLATE.timeout * 1000 < limit <= 30_000


def test_a_deployment_runs_on_lambdas_python_and_knows_no_other_aws() -> None:
    assert TEMPLATE.content["Globals"]["Function"]["Runtime"] == "python3.14"
    assert TEMPLATE.content["Parameters"]["Architecture"]["Default"] == "arm64"
    assert [TEMPLATE.environment(function)["ENDPOINT_URL"] for function in FUNCTIONS] == [""] * len(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_is_built_by_make_in_its_processors_folder(function: str) -> None:
    assert TEMPLATE.content["Resources"][function]["Metadata"] == {
        "BuildMethod": "makefile",
        "ContextPath": {"Fn::Sub": "functions/build/${Architecture}"},
    }


@pytest.mark.parametrize("architecture", TEMPLATE.content["Parameters"]["Architecture"]["AllowedValues"])
def test_each_processor_has_a_folder_whose_makefile_names_it(architecture: str) -> None:
    makefile = (BUILD / architecture / "Makefile").read_text("utf-8")

    assert re.findall("^(?:ARCHITECTURE :=|include) (.*)$", makefile, re.MULTILINE) == [
        architecture,
        (BUILD / "functions.mk").relative_to(ROOT / "functions").as_posix(),
    ]


def test_make_has_a_target_for_each_function_and_runs_the_program_that_knows_it() -> None:
    targets, program = re.findall("^(build-[^:]+): build-%:\n\t@python3 (\\S+) ", MAKE_RULES, re.MULTILINE)[0]

    assert set(targets.split()) == {f"build-{function}" for function in FUNCTIONS}
    assert ROOT / "functions" / program == BUILD / "package.py"
    assert set(PACKAGE["MODULES"]) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_package_holds_the_module_of_its_handler(function: str) -> None:
    assert f"{FUNCTIONS[function]['Handler'].split('.')[0]}.py" in PACKAGE["MODULES"][function]


def test_packages_are_built_for_the_templates_python_and_processors() -> None:
    assert f"python{PACKAGE['PYTHON']}" == TEMPLATE.content["Globals"]["Function"]["Runtime"]
    assert set(PACKAGE["PLATFORMS"]) == set(TEMPLATE.content["Parameters"]["Architecture"]["AllowedValues"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_names_are_looked_up_in_time(function: str) -> None:
    assert TEMPLATE.environment(function).items() >= OF_THE_C_LIBRARY.items()


def test_the_stream_brings_new_agents_whole() -> None:
    assert TEMPLATE.resources("AWS::DynamoDB::Table")["AgentsTable"]["StreamSpecification"] == {
        "StreamViewType": "NEW_IMAGE"
    }


def test_what_holds_data_outlives_the_stack() -> None:
    kinds = ("AWS::DynamoDB::Table", "AWS::KMS::Key")
    resources = TEMPLATE.content["Resources"]
    holding = {name for name, resource in resources.items() if resource["Type"] in kinds} - {"RateLimitsTable"}

    assert holding == {"ApiKeysTable", "AgentsTable", "SecretsKey", "DataKey"}
    for name in holding:
        assert resources[name]["DeletionPolicy"] in {"Retain", "RetainExceptOnCreate"}
        assert resources[name]["UpdateReplacePolicy"] == "Retain"


def test_only_counts_of_requests_are_deleted_in_time_by_the_attribute_that_is_written() -> None:
    tables = TEMPLATE.resources("AWS::DynamoDB::Table")
    request = count_request("", "", 0, 1)
    attribute = tables["RateLimitsTable"]["TimeToLiveSpecification"]["AttributeName"]

    assert {name for name, table in tables.items() if "TimeToLiveSpecification" in table} == {"RateLimitsTable"}
    assert attribute in request["ExpressionAttributeNames"].values()
    assert tables["RateLimitsTable"]["KeySchema"] == [{"AttributeName": next(iter(request["Key"])), "KeyType": "HASH"}]


def test_a_key_may_send_what_the_vendor_publishes_unless_the_deployment_says_otherwise() -> None:
    assert TEMPLATE.environment("CreateAgentFunction")["RATE_LIMIT_PER_MINUTE"] == "60"
    other = load_template(RateLimitPerMinute="0")
    assert other.environment("CreateAgentFunction")["RATE_LIMIT_PER_MINUTE"] == "0"


def test_the_outputs_name_the_url_the_tables_the_functions_and_where_to_look() -> None:
    path = create_agent.PATH

    assert {name: output["Value"] for name, output in TEMPLATE.content["Outputs"].items()} == {
        "ApiUrl": {
            "Fn::If": [
                "HasDomain",
                {"Fn::Sub": f"https://${{DomainName}}{path}"},
                {"Fn::Sub": f"${{HttpApi.ApiEndpoint}}{path}"},
            ]
        },
        "ApiDomainTarget": {"Fn::GetAtt": ["ApiDomain", "RegionalDomainName"]},
        "DashboardUrl": {
            "Fn::Sub": "https://console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}#dashboards/dashboard/${Dashboard}"
        },
        "CreateAgentFunctionName": {"Ref": "CreateAgentFunction"},
        "ManageApiKeysFunctionName": {"Ref": "ManageApiKeysFunction"},
        "ReactivateAgentFunctionName": {"Ref": "ReactivateAgentFunction"},
        "ActivationFailuresQueueUrl": {"Ref": "ActivationFailuresQueue"},
        "ApiKeysTableName": {"Ref": "ApiKeysTable"},
        "AgentsTableName": {"Ref": "AgentsTable"},
        "CreateAgentLogGroup": {"Ref": "CreateAgentLogs"},
        "AccessLogGroup": {"Ref": "AccessLogs"},
    }

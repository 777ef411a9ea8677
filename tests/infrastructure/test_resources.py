"""What is deployed keeps its data, its limits and its time."""

import ast
import json
import os
import re
import tomllib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import yaml
from botocore import xform_name

import create_agent
import get_agent
import manage_api_keys
import publish_agent_events
import retry_agents
from call_agents.agents import elevenlabs
from call_agents.agents.activation import build_activation
from call_agents.agents.agent import PENDING
from call_agents.agents.events import SOURCE
from call_agents.api_keys.rate_limit import COUNTERS, Budget, begin_request, continue_request
from call_agents.api_keys.store import INDEX
from call_agents.shared.aws import CLIENT_CONFIG, MAX_ATTEMPTS, dynamodb_client
from call_agents.shared.config import Settings
from call_agents.shared.http import AGENTS_PATH
from call_agents.shared.invocation import Frame, operator_result
from tests.infrastructure.conftest import Deployed
from tests.support.template import ROOT, load_template

Deploy = Callable[..., Deployed]

TEMPLATE = load_template()
CONTENT = TEMPLATE.content
FUNCTIONS = TEMPLATE.resources("AWS::Serverless::Function")

READ_BY_OTHERS = {"RES_OPTIONS", "PARAMETERS", "PYDANTIC_DISABLE_PLUGINS"}
"""Variables of the C library, of SAM and of pydantic."""


def environments() -> dict[str, dict[str, str]]:
    """Return the parameters of each deployment in `samconfig.toml`."""
    configuration = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
    return {
        name: dict(pair.split("=") for pair in section["deploy"]["parameters"].get("parameter_overrides", "").split())
        for name, section in configuration.items()
        if isinstance(section, dict) and "deploy" in section
    }


@pytest.mark.parametrize("name", environments())
def test_each_environment_changes_parameters_to_allowed_values(name: str) -> None:
    for parameter, value in environments()[name].items():
        definition = CONTENT["Parameters"][parameter]
        assert value in [str(allowed) for allowed in definition.get("AllowedValues", [value])]
        assert str(definition["Default"]) != value


def call_seconds() -> float:
    """Return how long all attempts of one call to AWS may take, without the pauses between them."""
    config: Any = dynamodb_client(CLIENT_CONFIG, "http://127.0.0.1:9", None).meta.config
    assert config.retries["total_max_attempts"] == MAX_ATTEMPTS
    seconds: float = MAX_ATTEMPTS * (config.connect_timeout + config.read_timeout)
    return seconds


def test_timeouts_are_ordered(deployed: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    stack = deployed()
    function = stack.of("AWS::Lambda::Function")["CreateAgentFunction"]
    paths = stack.of("AWS::ApiGatewayV2::Api")["HttpApi"]["Body"]["paths"].values()

    for operation in (operation for path in paths for operation in path.values()):
        gateway = operation["x-amazon-apigateway-integration"]["timeoutInMillis"]
        assert call_seconds() * 1000 < create_agent.WRITE_TIME_MS < function["Timeout"] * 1000 < gateway <= 30_000


def test_a_trial_has_time_for_its_calls(deployed: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    function = deployed().of("AWS::Lambda::Function")["ActivateAgentFunction"]
    one_attempt = call_seconds() / MAX_ATTEMPTS
    # The read and the write have one attempt, KMS has all.
    longest = 2 * one_attempt + call_seconds() + elevenlabs.TOTAL_SECONDS

    assert longest + 5 < function["Timeout"]  # with botocore's pauses between attempts


def test_a_batch_of_trials_runs_at_once(deployed: Deploy) -> None:
    mapping = deployed().of("AWS::Lambda::EventSourceMapping")["ActivateAgentFunctionPendingAgents"]

    # Python's own limit of asyncio.to_thread, with one processor: 1 + 4 threads.
    assert 1 < mapping["BatchSize"] <= 5
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_each_path_of_the_api_leads_to_an_alias(deployed: Deploy) -> None:
    api = deployed().of("AWS::ApiGatewayV2::Api")["HttpApi"]
    operations = {path: list(methods.values()) for path, methods in api["Body"]["paths"].items()}
    integrations = {path: of["x-amazon-apigateway-integration"] for path, (of,) in operations.items()}

    assert {path: of["uri"]["Fn::Sub"].partition("/functions/")[2] for path, of in integrations.items()} == {
        AGENTS_PATH: "${CreateAgentFunctionAliaslive}/invocations",
        f"{AGENTS_PATH}/{{agentId}}": "${GetAgentFunctionAliaslive}/invocations",
    }
    assert {of["payloadFormatVersion"] for of in integrations.values()} == {"2.0"}
    assert "CorsConfiguration" not in api
    # SAM describes the endpoint in a way that the import warns of, so this would fail every deployment.
    assert "FailOnWarnings" not in api


def test_a_trial_that_fails_comes_back_for_an_hour(deployed: Deploy) -> None:
    stack = deployed()
    queue = stack.of("AWS::SQS::Queue")["ActivationQueue"]
    timeout = stack.of("AWS::Lambda::Function")["ActivateAgentFunction"]["Timeout"]

    assert queue["VisibilityTimeout"] == 6 * timeout  # as AWS advises
    assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] == 60 * 60
    assert queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"] == ["ActivationDeadLetterQueue", "Arn"]


def test_every_event_about_a_pending_agent_goes_to_the_queue(deployed: Deploy) -> None:
    stack = deployed()
    rule = stack.of("AWS::Events::Rule")["PendingAgentsRule"]
    (target,) = rule["Targets"]

    assert rule["EventPattern"] == {"source": [SOURCE], "detail": {"status": [PENDING]}}
    assert rule["EventBusName"] == {"Ref": "EventBus"}
    assert target["Arn"] == {"Fn::GetAtt": ["ActivationQueue", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["ActivationDeadLetterQueue", "Arn"]}}


def access_log(stack: Deployed) -> dict[str, Any]:
    """Return a line of the access log in which every variable is a number."""
    (stage,) = stack.of("AWS::ApiGatewayV2::Stage").values()
    line: dict[str, Any] = json.loads(re.sub(r"\$context\.[\w.]+", "1", stage["AccessLogSettings"]["Format"]))
    return line


def test_the_access_log_is_json_without_headers_paths_and_bodies(deployed: Deploy) -> None:
    stack = deployed()
    (stage,) = stack.of("AWS::ApiGatewayV2::Stage").values()

    assert access_log(stack)["requestId"] == "1"
    assert not re.search(r"header|body|authorizer|\.path", stage["AccessLogSettings"]["Format"], re.IGNORECASE)


def test_logs_are_encrypted_and_deleted_in_time(deployed: Deploy) -> None:
    stack = deployed()

    for group in stack.of("AWS::Logs::LogGroup").values():
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["DataKey", "Arn"]}
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    for function in stack.of("AWS::Lambda::Function").values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in stack.of("AWS::Logs::LogGroup")


def test_tables_have_a_cap_and_are_encrypted(deployed: Deploy) -> None:
    for table in deployed().of("AWS::DynamoDB::Table").values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert set(table["OnDemandThroughput"]) == {"MaxReadRequestUnits", "MaxWriteRequestUnits"}
        assert table["SSESpecification"]["KMSMasterKeyId"] == {"Fn::GetAtt": ["DataKey", "Arn"]}


def test_keys_and_agents_outlive_the_stack_and_can_be_restored() -> None:
    for resource in CONTENT["Resources"].values():
        if resource["Type"] not in {"AWS::DynamoDB::Table", "AWS::KMS::Key"}:
            continue
        assert resource["DeletionPolicy"] in {"Retain", "RetainExceptOnCreate"}
        assert resource["UpdateReplacePolicy"] == "Retain"
        if resource["Type"] == "AWS::DynamoDB::Table":
            assert resource["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
            assert resource["Properties"]["DeletionProtectionEnabled"] is True
        else:
            assert resource["Properties"]["EnableKeyRotation"] is True
            assert resource["Properties"]["PendingWindowInDays"] == 30


@pytest.mark.parametrize("role", ["CreateAgentRole", "GetAgentRole"])
def test_counting_may_change_nothing_but_the_counters(role: str) -> None:
    policy = TEMPLATE.resources("AWS::IAM::Role")[role]["Policies"][0]["PolicyDocument"]
    (count,) = (statement for statement in policy["Statement"] if statement["Sid"] == "CountRequests")

    assert count["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:Attributes": ["keyHash", *COUNTERS]}}


def test_counting_names_only_what_its_roles_may_use() -> None:
    requests = (continue_request("", "", 0, 1), begin_request("", "", 0, Budget(1, 1), 1))
    expressions = [request[part] for request in requests for part in ("UpdateExpression", "ConditionExpression")]
    named = set(re.findall(r"(?<![:\w])[a-z]+[A-Z]\w*", " ".join(expressions)))

    assert named == {"keyHash", *COUNTERS}
    assert all("ExpressionAttributeNames" not in request for request in requests)


def test_counting_does_not_write_to_the_index_of_keys() -> None:
    (index,) = TEMPLATE.resources("AWS::DynamoDB::Table")["ApiKeysTable"]["GlobalSecondaryIndexes"]

    assert index["IndexName"] == INDEX
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert not {part["AttributeName"] for part in index["KeySchema"]} & set(COUNTERS)


@pytest.mark.parametrize(("given", "reserved"), [("0", None), ("100", {"Ref": "ReservedConcurrency"})])
def test_concurrency_is_reserved_on_request(deployed: Deploy, given: str, reserved: object) -> None:
    function = deployed(ReservedConcurrency=given).of("AWS::Lambda::Function")["CreateAgentFunction"]

    assert function.get("ReservedConcurrentExecutions") == reserved


def published_parameters() -> set[tuple[str, str]]:
    """Return the functions that are published in versions, each with the parameters that a version depends on."""
    found = set()
    for function, properties in FUNCTIONS.items():
        if "AutoPublishAlias" in properties:
            variables = {**properties["Environment"]["Variables"], "PARAMETERS": None}
            no_part_of_it = {"ReservedConcurrentExecutions": None, "DeploymentPreference": None}
            version = {**properties, "Environment": variables, **no_part_of_it}
            names = re.findall(r"(?:'Ref': '|\$\{)(\w+)", f"{CONTENT['Globals']}{version}")
            found |= {(function, name) for name in names if name in CONTENT["Parameters"]}
    return found


def versions(stack: Deployed) -> dict[str, str]:
    """Return the logical ids of the published versions, by function."""
    return {of["FunctionName"]["Ref"]: version for version, of in stack.of("AWS::Lambda::Version").items()}


@pytest.mark.parametrize(("function", "parameter"), sorted(published_parameters()))
def test_a_changed_parameter_publishes_a_version(deployed: Deploy, function: str, parameter: str) -> None:
    definition = CONTENT["Parameters"][parameter]
    default = str(definition["Default"])
    changed = next(value for value in definition.get("AllowedValues", [f"{default}1"]) if value != default)

    assert versions(deployed(**{parameter: changed}))[function] != versions(deployed())[function]


def test_unchanged_parameters_publish_no_version(deployed: Deploy) -> None:
    defaults = {name: str(of["Default"]) for name, of in CONTENT["Parameters"].items()}

    assert versions(deployed(**defaults)) == versions(deployed())


def test_the_template_has_no_yaml_that_cloudformation_lacks() -> None:
    text = (ROOT / "template.yaml").read_text("utf-8")

    assert [event for event in yaml.parse(text) if isinstance(event, yaml.AliasEvent)] == []


class Recorded(dict[str, str]):
    """Variables that note which of them are read."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__(variables)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


BUILDERS: dict[str, Callable[[Settings], object]] = {
    "CreateAgentFunction": create_agent.build,
    "GetAgentFunction": get_agent.build,
    "PublishAgentEventsFunction": publish_agent_events.build,
    "ManageApiKeysFunction": manage_api_keys.build,
    "ActivateAgentFunction": build_activation,
    "RetryAgentsFunction": retry_agents.build,
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_gets_the_variables_that_it_reads(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    given = Recorded(TEMPLATE.environment(function))
    settings = Settings(given)
    BUILDERS[function](settings)
    Frame(function, settings, operator_result)

    read_here = given.names - {"AWS_REGION", "AWS_CA_BUNDLE"}  # Lambda's, and an operator's
    assert set(given) - READ_BY_OTHERS == read_here


def test_a_deployment_never_admits_test_keys() -> None:
    for function in FUNCTIONS:
        assert not Settings(TEMPLATE.environment(function)).allow_test_keys


def build_program() -> dict[str, Any]:
    """Return what the build says about functions and Python; read, because it is not part of the project's package."""
    tree = ast.parse((ROOT / "functions" / "build" / "package.py").read_text("utf-8"))
    wanted = {"HANDLERS", "OPERATIONS", "PLATFORMS", "PYTHON"}
    return {
        ast.unparse(node.targets[0]): ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in wanted
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_handler_exists_and_is_packed(function: str) -> None:
    module, _, name = FUNCTIONS[function]["Handler"].rpartition(".")
    rules = (ROOT / "functions" / "build" / "functions.mk").read_text("utf-8")

    assert f"{module.replace('.', '/')}.py" in build_program()["HANDLERS"][function]
    assert f"build-{function}" in rules
    # An entry point has the handler's name, and would change this process.
    assert callable(getattr(import_module(module.removeprefix("cold_start.")), name))


def test_the_build_keeps_the_operations_that_are_called() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "functions").rglob("*.py")]
    calls = {call for source in sources for call in re.findall(r"\bclient(?:\(\))?\.([a-z_]+)\(", source)}

    assert calls == {xform_name(name) for kept in build_program()["OPERATIONS"].values() for name in kept}


def test_packages_are_for_the_templates_python_and_processors() -> None:
    assert f"python{build_program()['PYTHON']}" == CONTENT["Globals"]["Function"]["Runtime"]
    architectures = CONTENT["Parameters"]["Architecture"]["AllowedValues"]
    assert set(build_program()["PLATFORMS"]) == set(architectures)
    for architecture in architectures:
        makefile = ROOT / "functions" / "build" / architecture / "Makefile"
        assert f"ARCHITECTURE := {architecture}{os.linesep}" in makefile.read_text("utf-8")

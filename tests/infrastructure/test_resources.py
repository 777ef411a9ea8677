"""What is deployed keeps its data, its limits and its promises about time."""

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

import activate_agent
import create_agent
import deployment
from agents import elevenlabs
from tests.deploy import template as sam
from tests.support.template import ROOT, read
from tests.infrastructure.conftest import Deployed

Deploy = Callable[..., Deployed]

TEXT = (ROOT / "template.yaml").read_text("utf-8")
CONTENT = read(ROOT / "template.yaml")

DEFAULTS = {
    "Architecture": "arm64",
    "RateLimitPerMinute": "60",
    "ElevenLabsUrl": "https://api.elevenlabs.io",
    "MemorySize": 512,
    "SnapStart": "None",
    "LogLevel": "INFO",
    "LogRetentionDays": 90,
    "ThrottleRate": 100,
    "ThrottleBurst": 200,
    "ReservedConcurrency": 0,
    "MaxTableUnits": 1000,
    "DeploymentPreference": "Canary10Percent5Minutes",
    "CustomerKey": "true",
    "DeletionProtection": "true",
    "AlarmTopicArn": "",
    "DomainName": "",
    "CertificateArn": "",
    "HostedZoneId": "",
    "EndpointUrl": "",
}
"""Safe in production, and accepted by a new account; the two lists are in the contract's tests."""

SAID_IN_THE_ACCESS_LOG = {
    "requestId",
    "requestTime",
    "httpMethod",
    "path",
    "status",
    "error.message",
    "integrationErrorMessage",
    "responseLatency",
    "integrationLatency",
    "responseLength",
    "identity.sourceIp",
    "stage",
}
"""Of the gateway's variables: none of them can hold a header or a body."""


def test_the_parameters_have_these_defaults_and_say_what_they_are_for() -> None:
    parameters = CONTENT["Parameters"]

    lists = {"AllowedLlmModels", "AllowedTtsProviders"}
    assert {name: of["Default"] for name, of in parameters.items() if name not in lists} == DEFAULTS
    assert [name for name, of in parameters.items() if not of["Description"].endswith(".")] == []


@pytest.mark.parametrize("name", CONTENT["Resources"])
def test_a_sentence_stands_above_each_resource(name: str) -> None:
    assert re.search(rf"^  # .*[.?]\n  {name}:$", TEXT, re.MULTILINE)


def environments() -> dict[str, dict[str, str]]:
    """Return the parameters of each deployment that `samconfig.toml` describes."""
    configuration = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
    deployments = {
        name: of["deploy"]["parameters"]
        for name, of in configuration.items()
        if isinstance(of, dict) and "deploy" in of
    }
    return {
        name: dict(pair.split("=") for pair in of.get("parameter_overrides", "").split())
        for name, of in deployments.items()
    }


@pytest.mark.parametrize("name", environments())
def test_each_environment_gives_parameters_values_that_they_may_have(name: str) -> None:
    for parameter, value in environments()[name].items():
        of = CONTENT["Parameters"][parameter]
        assert value in [str(allowed) for allowed in of.get("AllowedValues", [value])]
        assert str(of["Default"]) != value


def test_there_are_environments_for_development_and_production() -> None:
    assert set(environments()) == {"default", "dev", "prod"}
    assert environments()["default"] == {}
    assert environments()["prod"].keys() <= {"ReservedConcurrency", "LogRetentionDays"}


def test_what_waits_waits_longer_than_what_it_waits_for(deployed: Deploy) -> None:
    stack = deployed()
    function = stack.of("AWS::Lambda::Function")["CreateAgentFunction"]
    (path,) = stack.of("AWS::ApiGatewayV2::Api")["HttpApi"]["Body"]["paths"].values()
    config: Any = deployment._CLIENT_CONFIG  # noqa: SLF001 - no variable can change it
    call = deployment.MAX_ATTEMPTS * (config.connect_timeout + config.read_timeout)

    for operation in path.values():
        gateway = operation["x-amazon-apigateway-integration"]["timeoutInMillis"]
        assert call * 1000 < create_agent.WRITE_TIME_MS < function["Timeout"] * 1000 < gateway <= 30_000


def test_the_api_has_one_path_no_cors_and_leads_to_the_alias(deployed: Deploy) -> None:
    api = deployed().of("AWS::ApiGatewayV2::Api")["HttpApi"]
    ((path, methods),) = api["Body"]["paths"].items()

    assert (path, set(methods)) == (create_agent.PATH, {"post", "x-amazon-apigateway-any-method"})
    for operation in methods.values():
        integration = operation["x-amazon-apigateway-integration"]
        assert integration["payloadFormatVersion"] == "2.0"
        assert integration["uri"]["Fn::Sub"].endswith("/functions/${CreateAgentFunctionAliaslive}/invocations")
    assert "x-amazon-apigateway-cors" not in api["Body"]
    assert "CorsConfiguration" not in api
    # SAM describes the endpoint in a way that the import warns of, so this would fail every deployment.
    assert "FailOnWarnings" not in api


def test_the_stream_starts_activation_for_new_pending_agents_only(deployed: Deploy) -> None:
    (mapping,) = deployed().of("AWS::Lambda::EventSourceMapping").values()
    (criteria,) = mapping["FilterCriteria"]["Filters"]

    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["AgentsTable", "StreamArn"]}
    assert mapping["FunctionName"] == {"Ref": "ActivateAgentFunction"}
    assert json.loads(criteria["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"NewImage": {"status": {"S": ["pending"]}}},
    }
    assert mapping["StartingPosition"] == "TRIM_HORIZON"


def test_what_cannot_be_tried_is_given_up_after_some_minutes_and_named_in_a_queue(deployed: Deploy) -> None:
    stack = deployed()
    (mapping,) = stack.of("AWS::Lambda::EventSourceMapping").values()
    event = {"Records": [{"dynamodb": {"ApproximateCreationDateTime": 0}}]}
    paused = 0.0
    for _ in range(mapping["MaximumRetryAttempts"]):
        paused += activate_agent.pause(event, paused)

    assert mapping["BatchSize"] == 1  # so that nothing is tried again with another record
    assert 6 * 60 < paused < mapping["MaximumRecordAgeInSeconds"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    queue = stack.of("AWS::SQS::Queue")["ActivationFailuresQueue"]
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {
        "Fn::GetAtt": ["ActivationFailuresQueue", "Arn"]
    }
    assert queue == {"MessageRetentionPeriod": 14 * 24 * 3600, "SqsManagedSseEnabled": True}


def test_a_record_that_is_begun_can_be_ended_in_time(deployed: Deploy) -> None:
    function = deployed().of("AWS::Lambda::Function")["ActivateAgentFunction"]
    config: Any = deployment._CLIENT_CONFIG  # noqa: SLF001 - no variable can change it
    call = deployment.MAX_ATTEMPTS * (config.connect_timeout + config.read_timeout)
    longest = call + call / deployment.MAX_ATTEMPTS + elevenlabs.ANSWER_SECONDS + elevenlabs.READ_SECONDS
    begun = activate_agent.RECORD_TIME_MS / 1000

    assert longest + 5 < begun  # what botocore waits between its attempts
    assert begun + activate_agent.MAX_PAUSE_SECONDS + 2 < function["Timeout"]


def test_the_gateway_limits_all_callers_together_and_measures_each_route(deployed: Deploy) -> None:
    (stage,) = deployed().of("AWS::ApiGatewayV2::Stage").values()

    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "ThrottleRate"},
        "ThrottlingBurstLimit": {"Ref": "ThrottleBurst"},
        "DetailedMetricsEnabled": True,
    }


def access_log(stack: Deployed) -> dict[str, Any]:
    """Read a line of the access log, as it is when every variable is a number."""
    (stage,) = stack.of("AWS::ApiGatewayV2::Stage").values()
    line: dict[str, Any] = json.loads(re.sub(r"\$context\.[\w.]+", "1", stage["AccessLogSettings"]["Format"]))
    return line


def test_the_access_log_is_json_and_holds_no_secret(deployed: Deploy) -> None:
    stack = deployed()
    (stage,) = stack.of("AWS::ApiGatewayV2::Stage").values()
    settings = stage["AccessLogSettings"]

    assert settings["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}
    assert set(re.findall(r"\$context\.([\w.]+)", settings["Format"])) == SAID_IN_THE_ACCESS_LOG
    assert len(access_log(stack)) == len(SAID_IN_THE_ACCESS_LOG)


@pytest.mark.parametrize("customer_key", ["true", "false"])
def test_logs_are_kept_as_long_as_is_said_and_encrypted(deployed: Deploy, customer_key: str) -> None:
    stack = deployed(CustomerKey=customer_key)
    groups = stack.of("AWS::Logs::LogGroup")
    own = {"KmsKeyId": {"Fn::GetAtt": ["DataKey", "Arn"]}} if customer_key == "true" else {}

    for group in groups.values():
        assert group == {"LogGroupName": group["LogGroupName"], "RetentionInDays": {"Ref": "LogRetentionDays"}, **own}
    used = [of["LoggingConfig"]["LogGroup"]["Ref"] for of in stack.of("AWS::Lambda::Function").values()]
    assert {*used, "AccessLogs"} == set(groups)
    assert len(set(used)) == len(used)


@pytest.mark.parametrize("customer_key", ["true", "false"])
def test_tables_cost_no_more_than_their_caps_and_are_encrypted_with_the_chosen_key(
    deployed: Deploy, customer_key: str
) -> None:
    stack = deployed(CustomerKey=customer_key)
    key = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Fn::GetAtt": ["DataKey", "Arn"]}}

    for table in stack.of("AWS::DynamoDB::Table").values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["OnDemandThroughput"] == {
            "MaxReadRequestUnits": {"Ref": "MaxTableUnits"},
            "MaxWriteRequestUnits": {"Ref": "MaxTableUnits"},
        }
        assert table.get("SSESpecification") == (key if customer_key == "true" else None)
    assert ("DataKey" in stack.resources) == (customer_key == "true")


@pytest.mark.parametrize("name", ["ApiKeysTable", "AgentsTable"])
def test_keys_and_agents_can_be_restored_and_are_not_deleted_by_mistake(deployed: Deploy, name: str) -> None:
    resource = deployed().resources[name]

    assert resource["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert resource["Properties"]["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize(("given", "reserved"), [("0", None), ("100", {"Ref": "ReservedConcurrency"})])
def test_concurrency_is_reserved_when_it_is_asked_for(deployed: Deploy, given: str, reserved: object) -> None:
    function = deployed(ReservedConcurrency=given).of("AWS::Lambda::Function")["CreateAgentFunction"]

    assert function.get("ReservedConcurrentExecutions") == reserved


@pytest.mark.parametrize("preference", CONTENT["Parameters"]["DeploymentPreference"]["AllowedValues"])
def test_requests_move_to_a_new_version_as_is_asked_for(deployed: Deploy, preference: str) -> None:
    stack = deployed(DeploymentPreference=preference)
    (group,) = stack.of("AWS::CodeDeploy::DeploymentGroup").values()

    assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": preference}
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert stack.resources["CreateAgentFunctionAliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]


def version(stack: Deployed) -> str:
    """Return the logical id of the published version: another one is another version."""
    (name,) = stack.of("AWS::Lambda::Version")
    return name


def test_a_changed_parameter_is_published_with_a_changed_number(
    deployed: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = version(deployed())
    # When this fails, SAM has learnt to see it, and CONFIGURATION can go.
    assert version(deployed(RateLimitPerMinute="77")) == before

    variables = CONTENT["Resources"]["CreateAgentFunction"]["Properties"]["Environment"]["Variables"]
    monkeypatch.setitem(variables, "CONFIGURATION", "2")
    code = dict.fromkeys(sam.functions(CONTENT), "s3://bucket/package.zip")
    assert version(Deployed(sam.translate(CONTENT, code, {}), {})) != before


DOMAIN = {"DomainName": "api.example.com", "CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/one"}


@pytest.mark.parametrize("zone", ["", "Z1"])
def test_a_domain_of_ones_own_takes_the_place_of_the_gateways(deployed: Deploy, zone: str) -> None:
    stack = deployed(**DOMAIN, HostedZoneId=zone)
    (server,) = stack.of("AWS::ApiGatewayV2::Api")["HttpApi"]["Body"]["servers"]

    assert server["x-amazon-apigateway-endpoint-configuration"] == {"disableExecuteApiEndpoint": True}
    (domain,) = stack.of("AWS::ApiGatewayV2::DomainName").values()
    assert domain["DomainNameConfigurations"][0]["SecurityPolicy"] == "TLS_1_2"
    assert stack.of("AWS::ApiGatewayV2::ApiMapping")["ApiDomainMapping"] == {
        "ApiId": {"Ref": "HttpApi"},
        "DomainName": {"Ref": "ApiDomain"},
        "Stage": {"Ref": "HttpApiApiGatewayDefaultStage"},
    }
    assert ("ApiDomainRecord" in stack.resources) == bool(zone)
    assert stack.outputs["ApiUrl"]["Value"] == {"Fn::Sub": f"https://${{DomainName}}{create_agent.PATH}"}


def test_without_a_domain_the_gateways_name_answers(deployed: Deploy) -> None:
    stack = deployed()
    (server,) = stack.of("AWS::ApiGatewayV2::Api")["HttpApi"]["Body"]["servers"]

    assert server["x-amazon-apigateway-endpoint-configuration"] == {"disableExecuteApiEndpoint": False}
    assert not [name for name in stack.resources if name.startswith("ApiDomain")]


def test_a_domain_without_a_certificate_is_refused_before_anything_is_made() -> None:
    (rule,) = CONTENT["Rules"].values()

    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "CertificateArn"}, ""]}]}


def test_the_template_uses_no_yaml_that_cloudformation_does_not_know() -> None:
    events = [event for event in yaml.parse(TEXT) if isinstance(event, yaml.AliasEvent)]

    assert events == []

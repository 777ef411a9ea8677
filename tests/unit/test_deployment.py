"""The environment is read in one place, and what is wrong with it is named."""

import base64
import json
import logging
import re
import ssl
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import boto3
import botocore
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.handlers import BUILTIN_HANDLERS, SERVICE_NAME_ALIASES
from botocore.session import Session
from urllib3.response import HTTPResponse

from agents.errors import DeploymentError
from deployment import (  # the handlers and the rest that clients are made with
    _CLIENT_CONFIG,
    _HANDLED_EVENTS,
    Environment,
)

REGION = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


@pytest.mark.parametrize("variables", [{}, {"AGENTS_TABLE": ""}, {"AGENTS_TABLE": " "}])
def test_a_missing_variable_is_named_in_the_log_and_not_in_the_answer(variables: dict[str, str]) -> None:
    with pytest.raises(DeploymentError) as caught:
        Environment(variables).text("AGENTS_TABLE")

    assert caught.value.internal == "the environment variable AGENTS_TABLE is not set"
    assert "AGENTS_TABLE" not in caught.value.public


def test_lists_are_separated_by_commas() -> None:
    environment = Environment({"ALLOWED_LLM_MODELS": " gpt-4o, gpt-4.1 ,", "ALLOWED_TTS_PROVIDERS": "rime"})

    assert environment.allowed_values.llm_models == ("gpt-4o", "gpt-4.1")
    assert environment.allowed_values.tts_providers == ("rime",)


def test_no_models_means_any_and_no_providers_is_a_mistake() -> None:
    assert Environment({"ALLOWED_TTS_PROVIDERS": "rime"}).allowed_values.llm_models == ()
    for providers in ({}, {"ALLOWED_TTS_PROVIDERS": " , "}):
        with pytest.raises(DeploymentError) as caught:
            _ = Environment(providers).allowed_values
        assert "ALLOWED_TTS_PROVIDERS" in caught.value.internal


@pytest.mark.parametrize(("value", "count"), [("0", 0), (" 60 ", 60), ("999999999", 999_999_999)])
def test_a_count_is_a_whole_number(value: str, count: int) -> None:
    assert Environment({"LIMIT": value}).count("LIMIT") == count


@pytest.mark.parametrize("value", ["", "-1", "1.5", "ten", "1e3", "\u0661", "9999999999"])
def test_a_count_that_is_none_is_named(value: str) -> None:
    with pytest.raises(DeploymentError) as caught:
        Environment({"LIMIT": value}).count("LIMIT")
    assert "LIMIT" in caught.value.internal


@pytest.mark.parametrize(("url", "local"), [("", False), (" ", False), ("http://127.0.0.1:5000", True)])
def test_test_keys_work_with_a_local_aws_only(url: str, local: bool) -> None:  # noqa: FBT001 - a case's outcome
    environment = Environment({"ENDPOINT_URL": url})

    assert environment.allow_test_keys is local
    assert environment.endpoint_url == (url if local else None)


@pytest.mark.parametrize(
    ("level", "used"), [(None, "INFO"), ("", "INFO"), ("NOPE", "INFO"), ("debug", "DEBUG"), ("ERROR", "ERROR")]
)
def test_a_wrong_log_level_breaks_nothing(level: str | None, used: str) -> None:
    environment = Environment({} if level is None else {"LOG_LEVEL": level})

    assert environment.log_level == used
    assert environment.reporter(f"test_deployment_{level}").logger.log_level == getattr(logging, used)


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_botocore_never_logs_what_it_sends(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REGION.items():
        monkeypatch.setenv(name, value)
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    getattr(Environment({}), service)()

    assert not logging.getLogger("botocore.endpoint").isEnabledFor(logging.INFO)


def test_a_client_whose_failures_matter_little_tries_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**REGION, "AWS_MAX_ATTEMPTS": "100"}.items():
        monkeypatch.setenv(name, value)
    client: Any = Environment({}).dynamodb(attempts=1)

    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (0.5, 1)


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_the_environment_cannot_change_time_limits_attempts_or_endpoint(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = {
        **REGION,
        "AWS_MAX_ATTEMPTS": "100",
        "AWS_RETRY_MODE": "adaptive",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:9",
    }
    for name, value in poison.items():
        monkeypatch.setenv(name, value)

    client: Any = getattr(Environment({}), service)()

    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (0.5, 1)
    assert client.meta.endpoint_url == f"https://{service}.eu-west-1.amazonaws.com"


PARTITIONS = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text("utf-8"))["partitions"]
OF_AMAZON = {"aws", "aws-us-gov"}
"""Partitions whose certificates come from Amazon's own authority, as its documentation of Trust Services says."""


def regions() -> list[Any]:
    """List every region that botocore knows, with its partition; none that is no place, such as aws-global."""
    places = [
        (region, partition["id"])
        for partition in PARTITIONS
        for region in partition["regions"]
        if re.fullmatch(partition["regionRegex"], region)
    ]
    return [pytest.param(*place, id=place[0]) for place in places]


@pytest.mark.parametrize(("region", "partition"), regions())
def test_amazons_roots_are_trusted_alone_where_amazon_issues_the_certificates(region: str, partition: str) -> None:
    roots = Environment({"AWS_REGION": region}).roots

    assert (roots is not None) is (partition in OF_AMAZON)
    assert roots is None or Path(roots).name == "amazon_roots.pem"


@pytest.mark.parametrize("partition", [partition["id"] for partition in PARTITIONS])
def test_a_region_that_is_yet_to_come_is_known_by_its_partitions_names(partition: str) -> None:
    (pattern,) = [other["regionRegex"] for other in PARTITIONS if other["id"] == partition]
    region = pattern.strip("^$").replace(r"\-", "-").replace(r"\w+", "north").replace(r"\d+", "9")
    region = re.sub(r"\((\w+)[^)]*\)", r"\1", region)

    assert re.fullmatch(pattern, region)
    assert (Environment({"AWS_REGION": region}).roots is not None) is (partition in OF_AMAZON)


@pytest.mark.parametrize("region", ["", "aws-global", "us-east-1 ", "xus-east-1", "us-east-1.evil", "us-east-one"])
def test_where_the_region_is_unknown_botocores_roots_are_trusted(region: str) -> None:
    assert Environment({"AWS_REGION": region}).roots is None
    assert Environment({}).roots is None


@pytest.mark.parametrize("bundle", ["", "/etc/ssl/own.pem"])
def test_an_operator_may_decide_whom_to_trust(bundle: str) -> None:
    assert Environment({"AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": bundle}).roots is None


def certificates(pem: str) -> list[bytes]:
    """Decode each certificate of a file."""
    blocks = re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.DOTALL)
    return [base64.b64decode(block) for block in blocks]


def common_names(pem: str) -> list[str]:
    """Name the subject of each certificate of a file, as OpenSSL reads it; one that stands twice is named once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    subjects: list[Any] = [certificate["subject"] for certificate in context.get_ca_certs()]
    return [name for subject in subjects for ((kind, name),) in subject if kind == "commonName"]


def test_the_roots_are_amazons_five_as_botocore_has_them() -> None:
    ours = Path(Environment({"AWS_REGION": "eu-west-1"}).roots or "").read_text("utf-8")
    theirs = (Path(botocore.__file__).parent / "cacert.pem").read_text("utf-8")
    names = [*(f"Amazon Root CA {number}" for number in (1, 2, 3, 4))]
    names.append("Starfield Services Root Certificate Authority - G2")

    assert sorted(common_names(ours)) == sorted(names)
    assert sorted(re.findall("^# (.*)\n-----BEGIN", ours, re.MULTILINE)) == sorted(names)
    assert len(certificates(ours)) == len(names)
    assert set(certificates(ours)) <= set(certificates(theirs))


WITHOUT_EFFECT_HERE = {
    ("choose-service-name", "handle_service_name_alias"): "renames other services",
    ("creating-client-class", "add_generate_presigned_url"): "adds a method that nobody calls",
    ("before-call", "add_recursion_detection_header"): "names a trace, for services that start functions",
    ("before-call", "inject_api_version_header_if_needed"): "is for DescribeEndpoints, which nobody calls",
    ("request-created", "add_retry_headers"): "counts attempts, for AWS's own statistics",
    ("choose-signer", "set_operation_specific_signer"): "chooses what our services have by default",
    (
        "choose-signer",
        "_set_auth_scheme_preference_signer",
    ): "lets the environment choose, which it must not",
}
"""The handlers of botocore that our services' clients would have and ours lack, with why."""


def test_no_handler_is_left_out_that_our_services_need() -> None:
    left_out = set()
    for event, handler, *_ in BUILTIN_HANDLERS:
        kind, _, of = event.partition(".")
        is_ours = of.partition(".")[0] in {"", "*", "dynamodb", "kms"}
        if is_ours and kind != "docs" and event not in _HANDLED_EVENTS:  # docs: for those who print documentation
            left_out.add((event, handler.__name__))

    assert left_out == set(WITHOUT_EFFECT_HERE)
    assert not {"dynamodb", "kms"}.intersection((*SERVICE_NAME_ALIASES, *SERVICE_NAME_ALIASES.values()))


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_our_services_have_one_way_to_sign_and_one_operation_that_finds_endpoints(service: str) -> None:
    model = Session().get_service_model(service)
    operations = [model.operation_model(name) for name in model.operation_names]

    assert model.signature_version == "v4"
    assert {operation.auth_type for operation in operations} == {None}
    assert {operation.name for operation in operations if operation.is_endpoint_discovery_operation} <= {
        "DescribeEndpoints"
    }


KEY: dict[str, Any] = {"TableName": "t", "Key": {"keyHash": {"S": "1"}}}
UPDATE = {**KEY, "UpdateExpression": "SET #a = :b"}
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "get_item", {**KEY, "ConsistentRead": True}),
    ("dynamodb", "put_item", {"TableName": "t", "Item": {"keyHash": {"S": "é"}}}),
    ("dynamodb", "update_item", UPDATE),
    ("dynamodb", "transact_write_items", {"TransactItems": [{"Update": UPDATE}], "ClientRequestToken": "token"}),
    ("kms", "encrypt", {"KeyId": "alias/a", "Plaintext": b"secret", "EncryptionContext": {"a": "b"}}),
]
DIFFERENT = {"amz-sdk-invocation-id", "amz-sdk-request", "x-amz-date", "authorization", "user-agent"}
"""Headers: of the retries, which are left out; of the time, which goes on and is signed; and the name of the client."""


def sent(client: Any, operation: str, parameters: dict[str, Any]) -> AWSPreparedRequest:
    """Return the request that a call makes."""
    requests: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        requests.append(request)
        headers = HTTPHeaders()
        headers["x-amz-crc32"] = "2745614147"  # of {}
        return AWSResponse(request.url, 200, headers, HTTPResponse(BytesIO(b"{}"), preload_content=False))

    client.meta.events.register_first("before-send", answer)
    getattr(client, operation)(**parameters)
    (request,) = requests
    return request


def text_headers(request: AWSPreparedRequest) -> dict[str, str]:
    decoded = ((name.lower(), value) for name, value in request.headers.items())
    return {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in decoded}


@pytest.fixture
def in_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in REGION.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("in_a_region")
@pytest.mark.parametrize(("service", "operation", "parameters"), CALLS, ids=[call[1] for call in CALLS])
def test_a_request_is_the_one_that_boto3_would_send(service: str, operation: str, parameters: dict[str, Any]) -> None:
    make: Any = boto3.client
    theirs = sent(make(service, config=_CLIENT_CONFIG), operation, parameters)
    ours = sent(getattr(Environment({}), service)(), operation, parameters)
    one, other = ({n: v for n, v in text_headers(request).items() if n not in DIFFERENT} for request in (ours, theirs))

    assert (ours.method, ours.url, ours.body, one) == (theirs.method, theirs.url, theirs.body, other)
    assert "SignedHeaders=content-type;host;x-amz-date;" in text_headers(ours)["authorization"]


@pytest.mark.usefixtures("in_a_region")
def test_a_transaction_carries_the_token_that_makes_its_retry_safe() -> None:
    request = sent(Environment({}).dynamodb(), "transact_write_items", {"TransactItems": []})

    assert re.fullmatch("[0-9a-f-]{36}", json.loads(cast("bytes", request.body))["ClientRequestToken"])

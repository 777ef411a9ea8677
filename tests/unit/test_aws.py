"""Clients have bounded time and trust nobody but AWS, and their errors become ours."""

import base64
import json
import logging
import re
import ssl
import zlib
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.exceptions import ClientError

from call_agents.api_keys.store import ApiKeyStore
from call_agents.shared.aws import translate_errors, trusted_roots
from call_agents.shared.config import Settings
from call_agents.shared.errors import InternalError, ServiceUnavailable, Throttled
from call_agents.shared.secret_box import SecretBox
from tests.support.faults import respond_instead

PAGE = b"<html>This network asks you to log in.</html>"


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_environment_cannot_change_timeouts_attempts_or_endpoint(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "100")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_KMS"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client: Any = getattr(Settings({}), service)()

    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (0.5, 1)
    assert client.meta.config.tcp_keepalive
    assert client.meta.endpoint_url == f"https://{service}.us-east-1.amazonaws.com"


def test_a_client_can_be_made_without_retries() -> None:
    client: Any = Settings({}).dynamodb(max_attempts=1)

    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (0.5, 1)


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_a_local_run_uses_its_emulator(service: str) -> None:
    client: Any = getattr(Settings({"ENDPOINT_URL": "http://127.0.0.1:5000"}), service)()

    assert client.meta.endpoint_url == "http://127.0.0.1:5000"


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_botocore_never_logs_requests(service: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    with caplog.at_level(logging.DEBUG):
        getattr(Settings({}), service)()

        assert not logging.getLogger("botocore.endpoint").isEnabledFor(logging.INFO)


PARTITIONS = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text("utf-8"))["partitions"]


def test_amazons_roots_are_trusted_alone_in_its_partitions() -> None:
    regions = {
        region: partition["id"] in {"aws", "aws-us-gov"}
        for partition in PARTITIONS
        for region in partition["regions"]
        if re.fullmatch(partition["regionRegex"], region)
    }
    found = {region: trusted_roots({"AWS_REGION": region}) for region in regions}

    assert {region: roots is not None for region, roots in found.items()} == regions
    assert {Path(roots).name for roots in found.values() if roots} == {"amazon_roots.pem"}


@pytest.mark.parametrize("region", ["", "aws-global", "us-east-1 ", "xus-east-1", "us-east-1.evil", "us-east-one"])
def test_unknown_regions_have_botocores_roots(region: str) -> None:
    assert trusted_roots({"AWS_REGION": region}) is None
    assert trusted_roots({}) is None


@pytest.mark.parametrize("bundle", ["", "/etc/ssl/own.pem"])
def test_operators_may_decide_whom_to_trust(bundle: str) -> None:
    assert trusted_roots({"AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": bundle}) is None


def certificates(pem: str) -> set[bytes]:
    blocks = re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.DOTALL)
    return {base64.b64decode(block) for block in blocks}


def test_the_roots_are_amazons_five_as_botocore_has_them() -> None:
    ours = Path(trusted_roots({"AWS_REGION": "eu-west-1"}) or "").read_text("utf-8")
    theirs = (Path(botocore.__file__).parent / "cacert.pem").read_text("utf-8")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ours)
    subjects: list[Any] = [certificate["subject"] for certificate in context.get_ca_certs()]
    names = {name for subject in subjects for ((kind, name),) in subject if kind == "commonName"}

    assert names == {
        *(f"Amazon Root CA {number}" for number in (1, 2, 3, 4)),
        "Starfield Services Root Certificate Authority - G2",
    }
    assert len(certificates(ours)) == 5
    assert certificates(ours) <= certificates(theirs)


@pytest.fixture
def keys(stage: object) -> ApiKeyStore:  # noqa: ARG001 - the table has to exist
    return ApiKeyStore(Settings({}).dynamodb(max_attempts=1), "ApiKeysTable")


BODIES = (b"", PAGE, b"{}", b"[]", b"null", b"5", b'"x"', b"\xe9", b"[" * 100_000, b'{"message": "Forbidden"}')


@pytest.mark.parametrize("status", [200, 201, 204, 226, 302, 403, 500])
def test_a_foreign_response_is_never_an_unknown_key(keys: ApiKeyStore, status: int) -> None:
    for body in BODIES:
        respond_instead(keys.client, body, status=status)

        with pytest.raises(ServiceUnavailable) as caught:
            keys.find_by_hash("hash")
        assert caught.value.internal.startswith("GetItem: ")


@pytest.mark.parametrize(
    ("body", "checksum", "status"),
    [
        (b"{}", str(zlib.crc32(b"{}")), 201),
        (b"{}", str(zlib.crc32(b"{}")), 299),
        (b"{}", "none", 200),
        (b'{"Item": {}}', "1", 200),
    ],
)
def test_a_wrong_checksum_or_status_is_a_foreign_response(
    keys: ApiKeyStore, body: bytes, checksum: str, status: int
) -> None:
    respond_instead(keys.client, body, {"x-amz-crc32": checksum}, status)

    with pytest.raises(ServiceUnavailable) as caught:
        keys.find_by_hash("hash")
    assert caught.value.internal == "GetItem: ForeignResponseError"


def test_an_empty_response_with_its_checksum_is_dynamodbs(keys: ApiKeyStore) -> None:
    respond_instead(keys.client, b"{}", {"x-amz-crc32": str(zlib.crc32(b"{}"))})

    assert keys.find_by_hash("hash") is None


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize("body", [b"", PAGE, b"{}"])
def test_an_encryption_without_a_ciphertext_has_failed(body: bytes) -> None:
    kms = Settings({}).kms()
    respond_instead(kms, body)

    with pytest.raises(ServiceUnavailable) as caught:
        SecretBox(lambda: kms, "alias/local-secrets").encrypt("secret", workspace_id="workspace-a", agent_id="agent-1")
    assert caught.value.internal == "Encrypt: ForeignResponseError"


@pytest.mark.parametrize(
    ("raised", "kind", "internal"),
    [
        ("ValidationException", InternalError, "PutItem: ValidationException"),
        ("SerializationException", InternalError, "PutItem: SerializationException"),
        ("RequestLimitExceeded", Throttled, "PutItem: RequestLimitExceeded"),
        ("AccessDeniedException", ServiceUnavailable, "PutItem: AccessDeniedException"),
        (KeyError("secret-value"), ServiceUnavailable, "PutItem: KeyError"),
    ],
)
def test_errors_of_aws_are_named_but_not_quoted(raised: Any, kind: type[Exception], internal: str) -> None:
    error = {"Error": {"Code": raised, "Message": "secret-value"}}
    with pytest.raises(kind) as caught, translate_errors("PutItem"):
        raise raised if isinstance(raised, Exception) else ClientError(error, "PutItem")  # type: ignore[arg-type]  # a part of it

    assert type(caught.value) is kind
    assert getattr(caught.value, "internal", "") == internal
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("code", ["ConditionalCheckFailedException", "TransactionCanceledException"])
def test_failed_conditions_are_left_to_the_caller(code: str) -> None:
    with pytest.raises(ClientError), translate_errors("PutItem"):
        raise ClientError({"Error": {"Code": code}}, "PutItem")

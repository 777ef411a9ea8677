"""What is not the service's answer is not believed."""

import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from agents.errors import ServiceUnavailable
from agents.key_store import KeyStore
from agents.sealing import seal
from deployment import Environment
from tests.conftest import Stage

PAGE = b"<html>This network asks you to log in.</html>"


def answer_instead(client: Any, body: bytes, headers: dict[str, str], status: int = 200) -> None:
    """Let something else answer every request of a client."""

    def answer(request: Any, **_: object) -> AWSResponse:
        raw = SimpleNamespace(stream=lambda **_: iter([body]))
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), raw)

    client.meta.events.register_first("before-send", answer)


BODIES = (b"", PAGE, b"{}", b"[]", b"null", b"5", b'"x"', b"\xe9", b"[" * 100_000, b'{"message": "Forbidden"}')


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 226, 302, 403, 500, 502])
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_an_answer_that_nobody_vouches_for_is_no_unknown_key(stage: Stage, body: bytes, status: int) -> None:  # noqa: ARG001 - AWS
    dynamodb = Environment({}).dynamodb(attempts=1)
    answer_instead(dynamodb, body, {}, status)

    with pytest.raises(ServiceUnavailable) as caught:
        KeyStore(dynamodb, "ApiKeysTable").read("hash")
    assert caught.value.internal.startswith("GetItem: ")


@pytest.mark.parametrize("status", [201, 204])
def test_a_success_that_is_not_200_is_not_dynamodbs_whatever_vouches_for_it(stage: Stage, status: int) -> None:  # noqa: ARG001 - AWS
    dynamodb = Environment({}).dynamodb()
    answer_instead(dynamodb, b"{}", {"x-amz-crc32": str(zlib.crc32(b"{}"))}, status)

    with pytest.raises(ServiceUnavailable):
        KeyStore(dynamodb, "ApiKeysTable").read("hash")


def test_a_checksum_that_is_no_number_is_wrong(stage: Stage) -> None:  # noqa: ARG001 - AWS
    dynamodb = Environment({}).dynamodb()
    answer_instead(dynamodb, b"{}", {"x-amz-crc32": "none"})

    with pytest.raises(ServiceUnavailable):
        KeyStore(dynamodb, "ApiKeysTable").read("hash")


def test_an_empty_answer_with_its_checksum_is_dynamodbs(stage: Stage) -> None:  # noqa: ARG001 - AWS
    dynamodb = Environment({}).dynamodb()
    answer_instead(dynamodb, b"{}", {"x-amz-crc32": str(zlib.crc32(b"{}"))})

    assert KeyStore(dynamodb, "ApiKeysTable").read("hash") is None


def test_an_answer_whose_checksum_stays_wrong_is_not_taken(stage: Stage) -> None:  # noqa: ARG001 - AWS
    dynamodb = Environment({}).dynamodb()
    answer_instead(dynamodb, b'{"Item": {}}', {"x-amz-crc32": "1"})

    with pytest.raises(ServiceUnavailable) as caught:
        KeyStore(dynamodb, "ApiKeysTable").read("hash")
    assert caught.value.internal == "GetItem: ForeignAnswerError"


@pytest.mark.parametrize("body", [b"", PAGE, b"{}"])
def test_a_sealing_that_brings_no_ciphertext_is_none(stage: Stage, body: bytes) -> None:  # noqa: ARG001 - AWS
    kms = Environment({}).kms()
    answer_instead(kms, body, {})

    with pytest.raises(ServiceUnavailable) as caught:
        seal(kms, "alias/local-secrets", "secret", workspace_id="workspace-a", agent_id="agent-1")
    assert caught.value.internal == "Encrypt: ForeignAnswerError"

"""The ElevenLabs key is sealed for one agent and can be opened for no other."""

import base64
from typing import Any

import pytest

from agents.errors import ServiceUnavailable
from agents.sealing import encryption_context, seal
from deployment import Environment
from tests.conftest import ELEVENLABS_KEY, Stage
from tests.support.faults import lose_requests, refuse

KEY = "alias/local-secrets"


@pytest.fixture
def kms(stage: Stage) -> Any:  # noqa: ARG001 - a boto3 client; the key has to be there
    return Environment({}).kms()


def sealed(kms: Any, agent_id: str = "agent-1") -> bytes:
    ciphertext = seal(kms, KEY, ELEVENLABS_KEY, workspace_id="workspace-a", agent_id=agent_id)
    return base64.b64decode(ciphertext, validate=True)


def test_what_is_sealed_can_be_opened_with_the_context_of_its_agent(kms: Any) -> None:
    ciphertext = sealed(kms)
    context = encryption_context("workspace-a", "agent-1")

    assert ELEVENLABS_KEY.encode() not in ciphertext
    assert kms.decrypt(CiphertextBlob=ciphertext, EncryptionContext=context)["Plaintext"] == ELEVENLABS_KEY.encode()


@pytest.mark.parametrize(
    "context",
    [
        encryption_context("workspace-a", "agent-2"),
        encryption_context("workspace-b", "agent-1"),
        {"workspaceId": "workspace-a"},
        {},
    ],
)
def test_no_other_context_opens_it(kms: Any, context: dict[str, str]) -> None:
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=sealed(kms), EncryptionContext=context)


@pytest.mark.parametrize("code", ["ThrottlingException", "DisabledException", "KMSInvalidStateException"])
def test_a_key_service_that_refuses_is_unavailable(kms: Any, code: str) -> None:
    refuse(kms, "Encrypt", code)

    with pytest.raises(ServiceUnavailable) as caught:
        sealed(kms)
    assert caught.value.internal == f"Encrypt: {code}"
    assert ELEVENLABS_KEY not in str(caught.value) + repr(caught.value.__cause__)


def test_a_key_service_that_is_out_of_reach_is_unavailable(kms: Any) -> None:
    attempts = lose_requests(kms, "Encrypt")

    with pytest.raises(ServiceUnavailable):
        sealed(kms)
    assert len(attempts) == 3

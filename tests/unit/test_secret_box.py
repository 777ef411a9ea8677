"""A secret is encrypted for one agent and cannot be decrypted for another."""

import base64
import json
from functools import cache

import pytest

from call_agents.shared.config import Settings
from call_agents.shared.errors import InternalError, ServiceUnavailable
from call_agents.shared.secret_box import SecretBox, UndecryptableError
from tests.support.client import Stage
from tests.support.faults import lose_requests, refuse, respond_instead
from tests.support.samples import ELEVENLABS_KEY


@pytest.fixture
def box(stage: Stage) -> SecretBox:  # noqa: ARG001 - the KMS key has to exist
    return SecretBox(cache(Settings({}).kms), "alias/local-secrets")


def encrypt(box: SecretBox, secret: str = ELEVENLABS_KEY) -> str:
    return box.encrypt(secret, workspace_id="workspace-a", agent_id="agent-1")


def test_a_secret_is_decrypted_for_its_agent(box: SecretBox) -> None:
    ciphertext = encrypt(box)

    prefix, blob = ciphertext.split(":")
    assert prefix == "encrypted"
    assert ELEVENLABS_KEY.encode() not in base64.b64decode(blob, validate=True)
    # Before December 2026 there was no prefix.
    assert box.decrypt(blob, workspace_id="workspace-a", agent_id="agent-1") == ELEVENLABS_KEY
    assert box.decrypt(ciphertext, workspace_id="workspace-a", agent_id="agent-1") == ELEVENLABS_KEY


@pytest.mark.parametrize("agent", [("workspace-a", "agent-2"), ("workspace-b", "agent-1"), ("agent-1", "workspace-a")])
def test_a_secret_of_another_agent_is_not_decrypted(box: SecretBox, agent: tuple[str, str]) -> None:
    with pytest.raises(UndecryptableError):
        box.decrypt(encrypt(box), workspace_id=agent[0], agent_id=agent[1])


@pytest.mark.parametrize(
    "text", ["A", "encrypted:", "encrypted:A", "encrypted:é", "encrypted:AAAA!", "encrypted:QUJD", "AAAA" * 2049]
)
def test_text_that_is_not_a_ciphertext_is_not_decrypted(box: SecretBox, text: str) -> None:
    with pytest.raises(UndecryptableError):
        box.decrypt(text, workspace_id="workspace-a", agent_id="agent-1")


@pytest.mark.parametrize("blob", ["", "!!!", "AQICAH!hAAAA", None])
def test_a_response_without_a_proper_ciphertext_is_refused(box: SecretBox, blob: str | None) -> None:
    body = {"KeyId": "key", **({} if blob is None else {"CiphertextBlob": blob})}
    respond_instead(box.client(), json.dumps(body).encode())

    with pytest.raises(ServiceUnavailable):
        encrypt(box)


@pytest.mark.parametrize("operation", ["Encrypt", "Decrypt"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", ServiceUnavailable),
        ("DisabledException", ServiceUnavailable),
        ("KMSInvalidStateException", ServiceUnavailable),
        ("ValidationException", InternalError),
    ],
)
def test_kms_that_refuses_is_named_but_not_quoted(
    box: SecretBox, operation: str, code: str, kind: type[InternalError | ServiceUnavailable]
) -> None:
    ciphertext = encrypt(box)
    refuse(box.client(), operation, code)

    with pytest.raises(kind) as caught:
        encrypt(box) if operation == "Encrypt" else box.decrypt(ciphertext, workspace_id="w", agent_id="a")
    assert caught.value.internal == f"{operation}: {code}"


def test_kms_out_of_reach_is_retried_twice(box: SecretBox) -> None:
    attempts = lose_requests(box.client(), "Encrypt")

    with pytest.raises(ServiceUnavailable):
        encrypt(box)
    assert len(attempts) == 3

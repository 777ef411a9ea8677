"""Encrypts and decrypts a customer's ElevenLabs key with KMS, bound to one agent."""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from call_agents.shared.aws import translate_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_kms import KMSClient


ENCRYPTED_PREFIX = "encrypted:"
"""What a ciphertext begins with, so that it is never taken for a key."""

MAX_CIPHERTEXT_BYTES = 6144
"""KMS refuses anything longer as malformed."""


class UndecryptableError(Exception):
    """The ciphertext is damaged, or was not made with this key for this agent."""


def encryption_context(workspace_id: str, agent_id: str) -> dict[str, str]:
    """Return the KMS encryption context of an agent. CloudTrail shows it in plain text, so it holds ids only."""
    return {"workspaceId": workspace_id, "agentId": agent_id}


@dataclass(frozen=True)
class SecretBox:
    """Encrypts and decrypts with one KMS key.

    Parameters
    ----------
    client : Callable
        Returns boto3's KMS client. Most requests have no secret, so it is made when the first one comes.
    key_id : str
        Id, ARN or alias of the KMS key. A ciphertext of another key is not decrypted.
    """

    client: "Callable[[], KMSClient]"
    key_id: str

    def encrypt(self, secret: str, *, workspace_id: str, agent_id: str) -> str:
        """Encrypt a secret of at most 4,096 bytes (KMS's limit) for one agent.

        Returns
        -------
        str
            `ENCRYPTED_PREFIX` and the ciphertext in Base64.

        Raises
        ------
        ServiceUnavailable
            When KMS throttled, failed or timed out, the key is disabled, or the response has no proper ciphertext.
        InternalError
            When KMS rejects the request as malformed.
        """
        with translate_errors("Encrypt"):
            response = self.client().encrypt(
                KeyId=self.key_id,
                Plaintext=secret.encode(),
                EncryptionContext=encryption_context(workspace_id, agent_id),
            )
            return ENCRYPTED_PREFIX + base64.b64encode(response["CiphertextBlob"]).decode("ascii")

    def decrypt(self, ciphertext: str, *, workspace_id: str, agent_id: str) -> str:
        """Decrypt what `encrypt` returned for the same agent.

        Returns
        -------
        str
            The secret. Send it to ElevenLabs and nowhere else.

        Raises
        ------
        UndecryptableError
            When the ciphertext is damaged, or was not made with this key for this agent: a retry does not help.
        ServiceUnavailable
            When KMS throttled, failed or timed out, or the key is disabled.
        InternalError
            When KMS rejects the request as malformed.
        """
        try:
            blob = base64.b64decode(ciphertext.removeprefix(ENCRYPTED_PREFIX), validate=True)
        except ValueError:
            raise UndecryptableError from None
        if not 0 < len(blob) <= MAX_CIPHERTEXT_BYTES:
            raise UndecryptableError
        client = self.client()
        try:
            with translate_errors("Decrypt"):
                response = client.decrypt(
                    KeyId=self.key_id,
                    CiphertextBlob=blob,
                    EncryptionContext=encryption_context(workspace_id, agent_id),
                )
                return response["Plaintext"].decode()
        except (client.exceptions.InvalidCiphertextException, client.exceptions.IncorrectKeyException):
            raise UndecryptableError from None

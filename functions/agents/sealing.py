"""The ElevenLabs key of a customer, sealed by KMS so that only the service that calls ElevenLabs can open it."""

import base64
from typing import TYPE_CHECKING

from agents.aws_errors import translated

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient


def encryption_context(workspace_id: str, agent_id: str) -> dict[str, str]:
    """Name the one agent for which a ciphertext can be opened; ids only, for CloudTrail shows it in plain text."""
    return {"workspaceId": workspace_id, "agentId": agent_id}


def seal(kms: "KMSClient", key_id: str, secret: str, *, workspace_id: str, agent_id: str) -> str:
    """Encrypt a secret, bound to its agent.

    Parameters
    ----------
    kms : KMSClient
        Boto3's low-level client.
    key_id : str
        Id, ARN or alias of the KMS key.
    secret : str
        At most 4096 bytes in UTF-8 (KMS's limit for direct encryption).
    workspace_id, agent_id : str
        The encryption context: decryption fails with any other.

    Returns
    -------
    str
        The ciphertext in Base64.

    Raises
    ------
    ServiceUnavailable
        When KMS throttled, failed or timed out, or the key is disabled.
    InternalError
        When KMS calls the request malformed.
    """
    with translated("Encrypt"):
        sealed = kms.encrypt(
            KeyId=key_id,
            Plaintext=secret.encode(),
            EncryptionContext=encryption_context(workspace_id, agent_id),
        )
    return base64.b64encode(sealed["CiphertextBlob"]).decode("ascii")


def unseal(kms: "KMSClient", key_id: str, ciphertext: str, *, workspace_id: str, agent_id: str) -> str:
    """Decrypt what `seal` has encrypted for this agent.

    Parameters
    ----------
    kms, key_id
        As for `seal`; a ciphertext of another key is not opened.
    ciphertext : str
        In Base64.
    workspace_id, agent_id : str
        The encryption context.

    Returns
    -------
    str
        The secret. It is to be sent to ElevenLabs and to go nowhere else.

    Raises
    ------
    ServiceUnavailable
        When KMS throttled, failed or timed out, or the ciphertext is not one of this key for this agent.
    InternalError
        When KMS calls the request malformed.
    """
    with translated("Decrypt"):
        opened = kms.decrypt(
            KeyId=key_id,
            CiphertextBlob=base64.b64decode(ciphertext),
            EncryptionContext=encryption_context(workspace_id, agent_id),
        )
        return opened["Plaintext"].decode()

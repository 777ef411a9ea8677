"""boto3 clients with bounded time, and their errors as ours."""

import json
import logging
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from call_agents.shared.errors import InternalError, ServiceUnavailable, Throttled

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.hooks import BaseEventHooks
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_events import EventBridgeClient
    from types_boto3_kms import KMSClient

MAX_ATTEMPTS = 3
"""Attempts per call: one plus two retries on transient errors."""

# A call that hangs fails after 4.5 s plus the pauses between its attempts. A request makes at most five calls, so the
# function's timeout is 28 s. All of this is explicit, so that no environment variable can weaken it or send keys
# elsewhere.
CLIENT_CONFIG = Config(
    connect_timeout=0.5,
    read_timeout=1,
    tcp_keepalive=True,
    parameter_validation=False,  # a tenth of a warm create, and mypy checks our requests
    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # the stubs lack it
    retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
)
"""Timeouts and attempts of every call to AWS."""

# The partitions whose services have certificates of Amazon's own authority: aws and aws-us-gov.
_AMAZON_TRUST_REGION = re.compile("(us|eu|ap|sa|ca|me|af|il|mx)-([a-z]+|gov-[a-z]+)-[0-9]+")
_AMAZON_ROOTS = Path(__file__).with_name("amazon_roots.pem")

# The request itself was wrong. That is our bug, and a retry does not help.
_MALFORMED = frozenset(("ValidationException", "SerializationException"))
# Source: DynamoDB Developer Guide, "Error messages and codes".
_THROTTLED = frozenset(
    (
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
    )
)
# Results that the caller handles: of a conditional write, and of decrypting what cannot be decrypted.
_RESULTS = frozenset(
    (
        "ConditionalCheckFailedException",
        "TransactionCanceledException",
        "InvalidCiphertextException",
        "IncorrectKeyException",
    )
)


def dynamodb_client(config: Config, endpoint_url: str | None, roots: str | None) -> "DynamoDBClient":
    """Make a DynamoDB client.

    Parameters
    ----------
    config : Config
        `CLIENT_CONFIG`, with other `attempts` if need be.
    endpoint_url : str or None
        A local run's emulator; None for AWS.
    roots : str or None
        File of the trusted root certificates, see `trusted_roots`; None for botocore's.
    """
    client = boto3.client("dynamodb", config=config, endpoint_url=endpoint_url, verify=roots)
    _protect(client.meta.events)
    return client


def kms_client(config: Config, endpoint_url: str | None, roots: str | None) -> "KMSClient":
    """Make a KMS client; parameters as for `dynamodb_client`."""
    client = boto3.client("kms", config=config, endpoint_url=endpoint_url, verify=roots)
    _protect(client.meta.events)
    client.meta.events.register("after-call.kms.Encrypt", require_ciphertext)
    return client


def events_client(config: Config, endpoint_url: str | None, roots: str | None) -> "EventBridgeClient":
    """Make an EventBridge client; parameters as for `dynamodb_client`."""
    client = boto3.client("events", config=config, endpoint_url=endpoint_url, verify=roots)
    _protect(client.meta.events)
    return client


def attempts(count: int) -> Config:
    """Return the setting of attempts per call."""
    return Config(retries={"mode": "standard", "total_max_attempts": count})


def _protect(events: "BaseEventHooks") -> None:
    events.register("after-call", refuse_foreign_response)
    # With the root logger at DEBUG, botocore would log whole requests, secrets included.
    logging.getLogger("botocore").setLevel(logging.WARNING)


def trusted_roots(variables: Mapping[str, str]) -> str | None:
    """Return the file of Amazon's five root certificates, or None where they are not enough.

    botocore parses its own bundle of some 120 certificates for every new connection, which takes 40 ms of processor
    time more. Other partitions and operators who set ``AWS_CA_BUNDLE`` get botocore's behaviour.
    """
    region = variables.get("AWS_REGION", "")
    if "AWS_CA_BUNDLE" in variables or not _AMAZON_TRUST_REGION.fullmatch(region):
        return None
    return str(_AMAZON_ROOTS)


class ForeignResponseError(BotoCoreError):
    """Something that is not the AWS service responded, or damaged its response."""

    fmt = "The response is not the service's."


def refuse_foreign_response(http_response: "AWSResponse", parsed: Mapping[str, Any], **_: object) -> None:
    """Refuse a response that is not the service's. Registered for botocore's event ``after-call``.

    botocore reads a body that it cannot parse, such as a proxy's error page, as an empty response, and accepts any
    checksum after its last attempt. That would look like an unknown key, or like a write that succeeded.

    Raises
    ------
    ForeignResponseError
        When the status is 2xx but not 200, when DynamoDB's checksum is wrong, or when there is no checksum (as with
        KMS and EventBridge) and the response is empty.
    """
    status, checksum = http_response.status_code, http_response.headers.get("x-amz-crc32")
    if checksum is None:
        is_genuine = bool(parsed.keys() - {"ResponseMetadata"})
    else:
        is_genuine = checksum == str(crc32(http_response.content))
    if HTTPStatus.OK < status < HTTPStatus.MULTIPLE_CHOICES or not is_genuine:
        raise ForeignResponseError


def require_ciphertext(http_response: "AWSResponse", parsed: Mapping[str, Any], **_: object) -> None:
    """Refuse a response of KMS without a proper ciphertext. Registered for botocore's event ``after-call.kms.Encrypt``.

    botocore ignores what is not Base64, so a damaged ciphertext would be stored, and the key in it lost.

    Raises
    ------
    ForeignResponseError
        When the status is 200 and the ciphertext is missing, empty or not Base64.
    """
    if http_response.status_code != HTTPStatus.OK:
        return
    ciphertext = b64encode(parsed.get("CiphertextBlob", b"")).decode()
    if not ciphertext or json.loads(http_response.content)["CiphertextBlob"] != ciphertext:
        raise ForeignResponseError


@contextmanager
def translate_errors(operation: str) -> Iterator[None]:
    """Turn the errors of the AWS calls in this block into ours.

    Parameters
    ----------
    operation : str
        Name of the call for the log, such as ``PutItem``.

    Raises
    ------
    ClientError
        When a condition failed or a ciphertext is invalid; that is a result, which the caller handles.
    ServiceUnavailable
        When the service throttled, failed, timed out or refused us. The outcome of a write is unknown then.
    InternalError
        When the service rejects the request as malformed. It had no effect.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _RESULTS:
            raise
        kind = InternalError if code in _MALFORMED else Throttled if code in _THROTTLED else ServiceUnavailable
        # Not chained: botocore's messages can hold values.
        raise kind(internal=f"{operation}: {code}") from None
    except Exception as error:  # noqa: BLE001 - botocore raises many types for a response that it cannot read
        raise ServiceUnavailable(internal=f"{operation}: {type(error).__name__}") from None

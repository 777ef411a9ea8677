"""AWS for a local run: moto's DynamoDB and KMS in this process, or any other endpoint.

The tables are made from `template.yaml` and named by their logical ids, which is also how `sam local` names them.
"""

import logging
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EADDRINUSE
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from call_agents.api_keys.key import key_hash
from call_agents.api_keys.store import ApiKeyStore, NewKey
from tests.support.template import Template

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_kms import KMSClient

TEST_API_KEY = "cca_test_SampleEvents_00000000000000000000000000000000000000000002wuzMK"
"""The key in `events/`. It works in local runs by design; a deployed function refuses every key of its kind."""

MANAGED_TEST_API_KEYS = (
    "cca_test_SampleRotate_000000000000000000000000000000000000000000017gljC",
    "cca_test_SampleRevoke_00000000000000000000000000000000000000000000GZ0xQ",
)
"""The keys that the operators' sample events rotate and revoke, so that the other one stays valid."""

WORKSPACE_ID = "65f0c0de5eed0ca11a9e0001"
USER_ID = "65f0c0de5eed0ca11a9e0002"

_TABLE_PROPERTIES = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes")

# Never a person's own: a local run must not be able to reach an account. A proxy could not reach this machine.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_SESSION_TOKEN": "local",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "*",
    "no_proxy": "*",
}

LAST_PORT = 65_535
DEFAULT_PORT = 3999
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
"""The embedded AWS beside a server, unless another program uses the port."""


class PortError(Exception):
    """A server cannot listen on the port."""


@dataclass(frozen=True)
class Clients:
    """Boto3's clients of the local AWS."""

    dynamodb: "DynamoDBClient"
    kms: "KMSClient"


def use_local_credentials() -> None:
    """Replace all AWS settings of this process, not only its credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(CREDENTIALS)


def check_port(host: str, port: int) -> None:
    """Raise PortError when a server cannot listen there; werkzeug would end the process instead."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = (
                "is in use by another program" if error.errno == EADDRINUSE else f"cannot be used: {error.strerror}"
            )
            raise PortError(f"Port {port} {reason}. Choose another one; 0 takes any that is free.") from None


def free_port() -> int:
    """Find a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def start_embedded(host: str = "127.0.0.1", port: int = 0) -> str:
    """Start moto's server in a thread of this process.

    Returns
    -------
    str
        Its URL on this machine.
    """
    check_port(host, port)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line for each call to AWS
    server = ThreadedMotoServer(ip_address=host, port=port, verbose=False)
    server.start()
    return f"http://127.0.0.1:{server.get_host_and_port()[1]}"


def connect(endpoint_url: str | None) -> Clients:
    """Make the clients. Without an endpoint they use AWS, which moto's decorators replace."""
    soon = Config(connect_timeout=2)  # by default it would be minutes until an address that is not there is an error
    return Clients(
        dynamodb=boto3.client("dynamodb", endpoint_url=endpoint_url, config=soon),
        kms=boto3.client("kms", endpoint_url=endpoint_url, config=soon),
    )


def create_resources(template: Template, clients: Clients) -> None:
    """Make the template's tables and its key, unless the endpoint has them already."""
    for name, properties in template.resources("AWS::DynamoDB::Table").items():
        _create_table(clients.dynamodb, name, properties)
    (alias,) = template.resources("AWS::KMS::Alias").values()
    name = template.resolve(alias["AliasName"])
    if not any(known["AliasName"] == name for known in clients.kms.list_aliases()["Aliases"]):
        key_id = clients.kms.create_key()["KeyMetadata"]["KeyId"]
        clients.kms.create_alias(AliasName=name, TargetKeyId=key_id)


def _create_table(dynamodb: "DynamoDBClient", name: str, properties: dict[str, Any]) -> None:
    wanted = {key: properties[key] for key in _TABLE_PROPERTIES if key in properties}
    if "StreamSpecification" in properties:
        wanted["StreamSpecification"] = {"StreamEnabled": True, **properties["StreamSpecification"]}
    try:
        dynamodb.create_table(TableName=name, **wanted)
    except dynamodb.exceptions.ResourceInUseException:
        return
    dynamodb.get_waiter("table_exists").wait(TableName=name)


def admit_test_keys(template: Template, clients: Clients) -> None:
    """Store the keys of the sample events."""
    keys = ApiKeyStore(clients.dynamodb, template.environment("ManageApiKeysFunction")["API_KEYS_TABLE"])
    for key in (TEST_API_KEY, *MANAGED_TEST_API_KEYS):
        new = NewKey(
            key=key,
            workspace_id=WORKSPACE_ID,
            user_id=USER_ID,
            name="for the sample events",
            created_at=datetime.now(UTC),
            expires_at=None,
        )
        if keys.find_by_hash(key_hash(key)) is None:
            keys.add(new)

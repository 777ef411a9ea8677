"""AWS for the bench: MiniStack with the template's tables, and in front of it DynamoDB's endpoint."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.local import aws
from tests.support import emulator
from tests.support.template import ROOT, load_template

PEERS_TABLES = ("CountersTable", "IdempotencyTable")
"""What peers count requests in, and of the blueprint's idempotency layer."""


@dataclass(frozen=True)
class Cloud:
    """Where the functions find AWS.

    Parameters
    ----------
    plain, tls : str
        URLs of DynamoDB's endpoint.
    authority : Path
        The certificate to trust.
    clients : Clients
        To look at what was stored.
    variables : dict
        The functions' environment.
    """

    plain: str
    tls: str
    authority: Path
    clients: aws.Clients
    variables: dict[str, str]


@contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    """Run it all while the block runs."""
    certificate, key = folder / "authority.pem", folder / "authority.key"
    subject = ["-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "2", *curve, *subject, *files], check=True, capture_output=True
    )
    aws.use_local_credentials()
    with emulator.running() as url:
        template = load_template()
        clients = aws.connect(url)
        aws.create_resources(template, clients)
        aws.admit_test_keys(template, clients)
        _create_peers_tables(clients)
        variables = {**template.environment("CreateAgentFunction"), **aws.CREDENTIALS, "ENDPOINT_URL": url}
        with _endpoint(url, certificate, key) as (plain, tls):
            yield Cloud(plain, tls, certificate, clients, variables)


def _create_peers_tables(clients: aws.Clients) -> None:
    for name in PEERS_TABLES:
        clients.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )


@contextmanager
def _endpoint(url: str, certificate: Path, key: Path) -> Iterator[tuple[str, str]]:
    command = [sys.executable, "-m", "tests.bench.endpoint", str(urlsplit(url).port), str(certificate), str(key)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        plain, tls = (process.stdout.readline() if process.stdout else "").split()
        yield f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}"
    finally:
        process.terminate()
        process.communicate()

"""Who is not AWS is not spoken to, whatever certificate it shows."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import deployment
from deployment import Environment
from tests.local.aws import CREDENTIALS

KEY: Any = {"TableName": "ApiKeysTable", "Key": {"keyHash": {"S": "hash"}}}


@dataclass(frozen=True)
class Impostor:
    """Something that answers as DynamoDB would.

    Parameters
    ----------
    url : str
        Where it listens.
    certificate : Path
        File of the certificate that it has issued to itself.
    requests : list
        Of all that it was sent.
    """

    url: str
    certificate: Path
    requests: list[str]

    def ask(self, **variables: str) -> Any:
        """Send it a request as a function with these variables would."""
        return Environment({"ENDPOINT_URL": self.url, **variables}).dynamodb(attempts=1).get_item(**KEY)


class _Answer(BaseHTTPRequestHandler):
    requests: list[str]

    def do_POST(self) -> None:
        self.requests.append(self.headers["x-amz-target"])
        self.send_response(200)
        self.send_header("content-length", "2")
        self.send_header("x-amz-crc32", "2745614147")  # of {}
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


class _Server(HTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that hangs up, which is what it should do."""


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Issue a certificate for this machine to itself; return its file and its key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Amazon Root CA 1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return paths


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Impostor]:
    for variable, value in CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    certificate, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    requests: list[str] = []
    with _Server(("127.0.0.1", 0), type("Answer", (_Answer,), {"requests": requests})) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Impostor(f"https://127.0.0.1:{server.server_port}", certificate, requests)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "cn-north-1", ""])
def test_who_issues_a_certificate_to_himself_is_not_told_a_word(impostor: Impostor, region: str) -> None:
    with pytest.raises(SSLError):
        impostor.ask(AWS_REGION=region)
    assert impostor.requests == []


def test_who_is_trusted_is_what_the_file_of_roots_says(impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "_AMAZON_ROOTS", impostor.certificate)

    impostor.ask(AWS_REGION="us-east-1")
    assert impostor.requests == ["DynamoDB_20120810.GetItem"]
    with pytest.raises(SSLError):
        impostor.ask(AWS_REGION="cn-north-1")


def test_an_operators_own_roots_are_trusted(impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(impostor.certificate))

    impostor.ask(AWS_REGION="us-east-1", AWS_CA_BUNDLE=str(impostor.certificate))
    assert impostor.requests == ["DynamoDB_20120810.GetItem"]

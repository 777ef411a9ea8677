"""Nothing is sent to a server whose certificate is not trusted."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
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

from call_agents.agents.elevenlabs import connect
from call_agents.shared.aws import CLIENT_CONFIG, attempts
from call_agents.shared.config import Settings
from call_agents.shared.errors import ServiceUnavailable

VOICE = "21m00Tcm4TlvDq8ikWAM"
ONCE = CLIENT_CONFIG.merge(attempts(1))


@dataclass(frozen=True)
class Impostor:
    """A server that responds as DynamoDB and ElevenLabs would, with a certificate that it signed itself."""

    url: str
    certificate: Path
    requests: list[str] = field(default_factory=list)

    def get_item(self, **variables: str) -> None:
        """Send a request to it as a function with these variables would."""
        key: Any = {"keyHash": {"S": "hash"}}
        client = Settings({"ENDPOINT_URL": self.url, **variables}).dynamodb(max_attempts=1)
        client.get_item(TableName="ApiKeysTable", Key=key)


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Sign a certificate of 127.0.0.1 with its own key; return the files of both."""
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


class _Server(HTTPServer):
    def handle_error(self, *_: object) -> None:
        """Log nothing when a client closes the connection, which is what it should do."""


@pytest.fixture(scope="module")
def module_impostor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Impostor]:
    certificate, key = write_certificate(tmp_path_factory.mktemp("certificate"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.respond(self.path, {"voice_id": VOICE})

        def do_POST(self) -> None:
            self.respond(self.headers["x-amz-target"], {})

        def respond(self, request: str, body: dict[str, str]) -> None:
            requests.append(request)
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            if not body:
                self.send_header("x-amz-crc32", "2745614147")  # of {}
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Impostor(f"https://127.0.0.1:{server.server_port}", certificate, requests)
        server.shutdown()
        thread.join()


@pytest.fixture
def impostor(module_impostor: Impostor) -> Impostor:
    module_impostor.requests.clear()
    return module_impostor


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1"])
def test_a_self_signed_certificate_is_refused(impostor: Impostor, region: str) -> None:
    with pytest.raises(SSLError):
        impostor.get_item(AWS_REGION=region)
    assert impostor.requests == []


def test_the_roots_of_an_operator_are_trusted(impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(impostor.certificate))

    impostor.get_item(AWS_REGION="us-east-1", AWS_CA_BUNDLE=str(impostor.certificate))
    assert impostor.requests == ["DynamoDB_20120810.GetItem"]


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1"])
def test_amazons_roots_replace_botocores_in_their_regions(
    impostor: Impostor, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(impostor.certificate))  # now botocore trusts the impostor

    with pytest.raises(SSLError):
        impostor.get_item(AWS_REGION=region)
    with pytest.raises(SSLError):
        Settings({"ENDPOINT_URL": impostor.url, "AWS_REGION": region}, ONCE).kms().list_keys()
    assert impostor.requests == []


def test_botocores_roots_are_used_in_other_regions(impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(impostor.certificate))

    impostor.get_item(AWS_REGION="cn-north-1")
    assert impostor.requests == ["DynamoDB_20120810.GetItem"]


def test_an_elevenlabs_key_is_sent_to_a_trusted_server(impostor: Impostor) -> None:
    roots = Settings({"AWS_CA_BUNDLE": str(impostor.certificate)}).public_roots

    assert connect(impostor.url, roots).try_voice("sk_key", VOICE) is None
    assert impostor.requests == [f"/v1/voices/{VOICE}"]


def test_an_elevenlabs_key_is_not_sent_to_another_server(impostor: Impostor) -> None:
    with pytest.raises(ServiceUnavailable) as caught:
        connect(impostor.url, Settings({}).public_roots).try_voice("sk_key", VOICE)

    assert caught.value.internal == "ElevenLabs: SSLError"
    assert impostor.requests == []

"""A definite error of ElevenLabs decides, anything else is transient, and the key is sent nowhere else."""

import gzip
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from urllib3 import PoolManager, Timeout

from call_agents.agents.elevenlabs import (
    INVALID_KEY,
    KEY_REFUSED,
    MAX_RESPONSE_BYTES,
    MISSING_PERMISSION,
    VOICE_NOT_FOUND,
    ElevenLabs,
    connect,
)
from call_agents.shared.errors import ServiceUnavailable

KEY = "sk_elevenlabs_q7Rw2LzX9mVt4KpB"
VOICE = "21m00Tcm4TlvDq8ikWAM"

Script = Callable[[socket.socket], None]


@dataclass
class Server:
    """Responds to every connection with a script or with bytes, and keeps the requests."""

    url: str = ""
    response: Script | bytes = b""
    requests: list[str] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        self.requests.append(connection.recv(65_536).decode())
        with suppress(OSError):  # the client may close the connection first
            self.response(connection) if callable(self.response) else connection.sendall(self.response)

    def try_voice(self, response: Script | bytes, key: str = KEY, voice_id: str = VOICE) -> str | None:
        """Try a key with a client that reads for at most 5 s."""
        self.response = response
        return connect(self.url, "").try_voice(key, voice_id)

    def cause(self, response: Script | bytes, key: str = KEY) -> str:
        """Return the cause that is logged of a response that decides nothing."""
        with pytest.raises(ServiceUnavailable) as caught:
            self.try_voice(response, key)
        return checked(caught.value)


def checked(error: ServiceUnavailable) -> str:
    """Return the cause of an error that does not have the key."""
    assert KEY not in f"{error!r} {error.internal} {error.public}"
    assert error.__context__ is None
    return error.internal


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            made.serve(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as listener:
        made.url = f"http://127.0.0.1:{listener.server_address[1]}"
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield made
        listener.shutdown()
        thread.join()


def raw(status: int, body: object, *headers: str) -> bytes:
    """Return an HTTP response."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


def detail(code: str) -> dict[str, object]:
    """Return an error as it is documented today."""
    return {"detail": {"type": "some_error", "code": code, "message": "Why.", "request_id": "r", "param": None}}


def older(status: str) -> dict[str, object]:
    """Return an error as it was documented before."""
    return {"detail": {"status": status, "message": "Why."}}


def test_a_key_that_works_takes_one_documented_request(server: Server) -> None:
    assert server.try_voice(raw(200, {"voice_id": VOICE, "name": "Rachel", "samples": None})) is None

    (request,) = server.requests
    assert request.startswith(f"GET /v1/voices/{VOICE} HTTP/1.1\r\n")
    for header in (f"xi-api-key: {KEY}", "Accept: application/json", "Connection: close"):
        assert f"\r\n{header}\r\n" in request


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, detail("invalid_api_key"), INVALID_KEY),
        (401, older("invalid_api_key"), INVALID_KEY),
        (401, {"detail": {"code": "unauthorized", "status": "invalid_api_key"}}, INVALID_KEY),
        (401, detail("missing_permissions"), MISSING_PERMISSION),
        (403, older("missing_permissions"), MISSING_PERMISSION),
        (403, detail("insufficient_permissions"), MISSING_PERMISSION),
        (404, detail("voice_not_found"), VOICE_NOT_FOUND),
        (400, older("voice_not_found"), VOICE_NOT_FOUND),
        (400, older("voice_does_not_exist"), VOICE_NOT_FOUND),
        (404, older("voice_does_not_exist"), VOICE_NOT_FOUND),
        (400, {"detail": {"code": "invalid_parameters", "status": "invalid_uid"}}, VOICE_NOT_FOUND),
        (422, {"detail": [{"loc": ["path", "voice_id"], "msg": "…", "type": "value_error"}]}, VOICE_NOT_FOUND),
        (402, detail("payment_required"), KEY_REFUSED),
        (401, older("quota_exceeded"), KEY_REFUSED),
        (401, older("detected_unusual_activity"), KEY_REFUSED),
        (401, {"detail": {"code": "unauthorized", "status": "banned"}}, KEY_REFUSED),
        (401, detail("needs_authorization"), KEY_REFUSED),
        (404, detail("invalid_api_key"), KEY_REFUSED),
        (418, detail("a" * 64), KEY_REFUSED),
        (422, {"detail": [{"loc": ["header", "xi-api-key"]}, {"loc": ["path", "voice_id"]}]}, KEY_REFUSED),
    ],
)
def test_each_definite_error_is_a_reason(server: Server, status: int, body: object, reason: str) -> None:
    assert server.try_voice(raw(status, body)) == reason
    assert reason in {"invalid_key", "missing_permission", "voice_not_found", "key_refused"}


@pytest.mark.parametrize("key", ["invalid", "api_key", "invalid_api_key"])
def test_a_key_that_is_part_of_an_error_code_is_judged(server: Server, key: str) -> None:
    assert server.try_voice(raw(401, detail("invalid_api_key")), key=key) == INVALID_KEY


@pytest.mark.parametrize(
    ("response", "cause"),
    [
        (raw(429, detail("too_many_concurrent_requests")), "429 too_many_concurrent_requests"),
        (raw(429, detail("system_busy"), "Retry-After: 5"), "429 system_busy"),
        (raw(500, b"oops"), "500"),
        (raw(503, {}), "503"),
        (raw(408, detail("timed_out")), "408 timed_out"),
        (raw(425, detail("too_early")), "425 too_early"),
        (raw(502, {"detail": {"code": "bad", "status": "gateway"}}), "502 bad gateway"),
        (raw(502, {"detail": {"code": "bad", "status": "bad"}}), "502 bad"),
        (raw(401, b"<html>Log in to the hotel's network</html>"), "401"),
        (raw(422, {}), "422"),
        (raw(422, {"detail": []}), "422"),
        (raw(422, {"detail": ["text"]}), "422"),
        (raw(422, {"detail": [{"loc": None}, {"loc": []}, {"loc": 5}]}), "422"),
        (raw(401, {"detail": "Unauthorized"}), "401"),
        (raw(401, {"detail": 5}), "401"),
        (raw(403, []), "403"),
        (raw(200, {"voice_id": "another"}), "200"),
        (raw(200, [VOICE]), "200"),
        (raw(200, gzip.compress(json.dumps({"voice_id": VOICE}).encode()), "Content-Encoding: gzip"), "200"),
        (raw(201, {"voice_id": VOICE}), "201"),
        (raw(200, b""), "200"),
        (raw(200, b"\xff"), "200"),
        (raw(200, b"[" * 100_000), "200"),
        (raw(418, detail(f"{KEY} is no code")), "418"),
        (raw(418, detail("a" * 65)), "418"),
        (raw(418, {"detail": {"code": ["invalid_api_key"]}}), "418"),
        (raw(302, b"", f"Location: /v1/voices/{VOICE}"), "302"),
        (raw(307, {}, f"Location: /v1/voices/{VOICE}"), "307"),
        (b"", "ProtocolError"),
        (b"SSH-2.0-OpenSSH\r\n", "ProtocolError"),
        (raw(200, {"voice_id": VOICE})[:-3], "ProtocolError"),
    ],
)
def test_any_other_response_is_transient_and_not_retried(server: Server, response: bytes, cause: str) -> None:
    assert server.cause(response) == f"ElevenLabs: {cause}"
    assert len(server.requests) == 1  # redirects are not followed, and the stream retries


@pytest.mark.parametrize(
    "voice_id", ["..", "../user", "a/b", "a?b", "a#b", "a b", "", "é", "a" * 65, "a\n", "a\r\nx: y"]
)
def test_text_that_cannot_be_a_voice_id_is_not_sent(server: Server, voice_id: str) -> None:
    assert server.try_voice(raw(200, {"voice_id": voice_id}), voice_id=voice_id) == VOICE_NOT_FOUND
    assert server.requests == []


@pytest.mark.parametrize("voice_id", ["a", "Aa0_-", "a" * 64])
def test_any_other_voice_id_is_sent(server: Server, voice_id: str) -> None:
    assert server.try_voice(raw(200, {"voice_id": voice_id}), voice_id=voice_id) is None


def test_a_response_that_repeats_the_key_is_not_logged(server: Server) -> None:
    key = "a_key_of_small_letters"

    assert server.cause(raw(500, detail(key)), key) == "ElevenLabs: 500"
    assert server.cause(raw(500, detail(f"the_key_{key}_is_wrong")), key) == "ElevenLabs: 500"


def test_a_response_may_have_a_megabyte_and_no_more(server: Server) -> None:
    largest = json.dumps({"voice_id": VOICE}).ljust(1024 * 1024).encode()

    assert server.try_voice(raw(200, largest)) is None
    assert server.cause(raw(200, largest + b" ")) == "ElevenLabs: TooLongError"


def test_a_response_without_end_is_not_read_to_it(server: Server) -> None:
    sent = []

    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            connection.sendall(b" " * 65_536)
            sent.append(65_536)

    assert server.cause(pour) == "ElevenLabs: TooLongError"
    assert sum(sent) < 50 * MAX_RESPONSE_BYTES


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 X\r\n", b"HTTP/1.1 200 X\r\n\r\n"])
def test_a_response_that_trickles_is_given_up_in_time(server: Server, head: bytes) -> None:
    ended = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(head)
        while not ended.wait(0.01):
            connection.sendall(b"x")

    server.response = trickle
    with pytest.raises(ServiceUnavailable) as caught:
        ElevenLabs(PoolManager(), server.url, seconds=0.2).try_voice(KEY, VOICE)
    ended.set()
    assert checked(caught.value) == "ElevenLabs: out of time"


def test_a_response_that_does_not_come_is_transient(server: Server) -> None:
    hung_up = threading.Event()

    def wait(_: socket.socket) -> None:
        hung_up.wait(20)

    server.response = wait
    client = ElevenLabs(PoolManager(timeout=Timeout(read=0.1)), server.url)

    with pytest.raises(ServiceUnavailable) as caught:
        client.try_voice(KEY, VOICE)
    hung_up.set()
    assert checked(caught.value) == "ElevenLabs: ReadTimeoutError"


def test_a_client_waits_two_seconds_to_connect_and_five_to_read() -> None:
    client = connect("https://elevenlabs.example", "roots.pem")
    options = client.http.connection_pool_kw

    assert client.seconds == 10
    assert (options["timeout"].connect_timeout, options["timeout"].read_timeout) == (2, 5)
    assert (options["cert_reqs"], options["ca_certs"]) == ("CERT_REQUIRED", "roots.pem")


def test_a_server_that_does_not_listen_is_transient(server: Server) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{reserved.getsockname()[1]}"

        assert server.cause(b"") == "ElevenLabs: NewConnectionError"

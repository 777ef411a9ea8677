"""What ElevenLabs answers decides, when it is certain; what may pass is asked again; and the key goes nowhere else."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents import elevenlabs
from agents.elevenlabs import INVALID_KEY, MISSING_PERMISSION, VOICE_NOT_FOUND, ElevenLabs, connect
from agents.errors import ServiceUnavailable
from deployment import Environment
from tests.integration.test_tls import write_certificate
from tests.local.aws import free_port

KEY = "sk_elevenlabs_q7Rw2LzX9mVt4KpB"
VOICE = "21m00Tcm4TlvDq8ikWAM"
ROOTS = Environment({}).public_roots

Script = Callable[[socket.socket], None]


@dataclass
class Server:
    """Something that answers every connection by a script, and keeps what it was sent."""

    port: int
    requests: list[str] = field(default_factory=list)

    @property
    def client(self) -> ElevenLabs:
        return connect(f"http://127.0.0.1:{self.port}", ROOTS, time.monotonic)


@contextmanager
def answering(script: Script | bytes, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener.getsockname()[1])

    def serve() -> None:
        with suppress(OSError):  # it is closed when the test is over
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(plain: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(plain, server_side=True) if context else plain as connection:
            server.requests.append(connection.recv(65_536).decode())
            script(connection) if callable(script) else connection.sendall(script)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server
    finally:
        listener.close()


def raw(status: int, body: object, *headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


def detail(code: str) -> dict[str, object]:
    """Write an error as documented today."""
    return {"detail": {"type": "some_error", "code": code, "message": "Why.", "request_id": "r", "param": None}}


def older(status: str) -> dict[str, object]:
    """Write an error as it was before."""
    return {"detail": {"status": status, "message": "Why."}}


def test_a_voice_that_the_key_opens_is_found_with_one_request_as_documented() -> None:
    with answering(raw(200, {"voice_id": VOICE, "name": "Rachel", "samples": None})) as server:
        assert server.client.try_voice(KEY, VOICE) is None

    (request,) = server.requests
    assert request.startswith(f"GET /v1/voices/{VOICE} HTTP/1.1\r\n")
    assert f"\r\nxi-api-key: {KEY}\r\n" in request


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, detail("invalid_api_key"), INVALID_KEY),
        (401, older("invalid_api_key"), INVALID_KEY),
        (401, {"detail": {"code": "unauthorized", "status": "invalid_api_key"}}, INVALID_KEY),
        (401, detail("missing_permissions"), MISSING_PERMISSION),
        (401, older("missing_permissions"), MISSING_PERMISSION),
        (403, detail("insufficient_permissions"), MISSING_PERMISSION),
        (404, detail("voice_not_found"), VOICE_NOT_FOUND),
        (400, older("voice_not_found"), VOICE_NOT_FOUND),
        (400, older("voice_does_not_exist"), VOICE_NOT_FOUND),
        (400, older("invalid_uid"), VOICE_NOT_FOUND),
        (400, {"detail": {"code": "invalid_parameters", "status": "invalid_uid"}}, VOICE_NOT_FOUND),
        (422, {"detail": [{"loc": ["path", "voice_id"], "msg": "…", "type": "value_error"}]}, VOICE_NOT_FOUND),
    ],
)
def test_each_documented_refusal_is_a_reason(status: int, body: object, reason: str) -> None:
    with answering(raw(status, body)) as server:
        assert server.client.try_voice(KEY, VOICE) == reason


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (raw(429, detail("too_many_concurrent_requests")), "ElevenLabs: 429 too_many_concurrent_requests"),
        (raw(429, detail("system_busy"), "Retry-After: 5"), "ElevenLabs: 429 system_busy"),
        (raw(500, b"oops"), "ElevenLabs: 500"),
        (raw(503, {}), "ElevenLabs: 503"),
        (raw(401, detail("quota_exceeded")), "ElevenLabs: 401 quota_exceeded"),
        (raw(401, detail("detected_unusual_activity")), "ElevenLabs: 401 detected_unusual_activity"),
        (raw(401, b"<html>Log in to the hotel's network</html>"), "ElevenLabs: 401"),
        (raw(401, older("needs_authorization")), "ElevenLabs: 401 needs_authorization"),  # something took the key away
        (raw(422, {}), "ElevenLabs: 422"),
        (raw(422, {"detail": []}), "ElevenLabs: 422"),
        (raw(422, {"detail": ["text"]}), "ElevenLabs: 422"),
        (raw(422, {"detail": [{"loc": ["header", "xi-api-key"]}, {"loc": ["path", "voice_id"]}]}), "ElevenLabs: 422"),
        (raw(422, {"detail": [{"loc": None}, {"loc": []}, {"loc": 5}]}), "ElevenLabs: 422"),
        (raw(422, detail("quota-Exceeded!")), "ElevenLabs: 422"),
        (raw(401, {"detail": "Unauthorized"}), "ElevenLabs: 401"),
        (raw(404, {"detail": "Not Found"}), "ElevenLabs: 404"),
        (raw(403, []), "ElevenLabs: 403"),
        (raw(200, {"voice_id": "another"}), "ElevenLabs: 200"),
        (raw(200, {}), "ElevenLabs: 200"),
        (raw(200, "text"), "ElevenLabs: 200"),
        (raw(200, b""), "ElevenLabs: 200"),
        (raw(200, b"\xff"), "ElevenLabs: 200"),
        (raw(200, b"[" * 100_000), "ElevenLabs: 200"),
        (raw(418, detail(f"{KEY} is no code")), "ElevenLabs: 418"),
        (raw(418, detail("a" * 1000)), "ElevenLabs: 418"),
        (raw(418, {"detail": {"code": ["invalid_api_key"]}}), "ElevenLabs: 418"),
        (raw(302, b"", f"Location: http://127.0.0.1:1/v1/voices/{VOICE}"), "ElevenLabs: 302"),
        (raw(307, {}, f"Location: http://127.0.0.1:1/v1/voices/{VOICE}"), "ElevenLabs: 307"),
        (b"", "ElevenLabs: ProtocolError"),
        (b"SSH-2.0-OpenSSH\r\n", "ElevenLabs: ProtocolError"),
        (raw(200, {"voice_id": VOICE})[:-3], "ElevenLabs: "),
    ],
)
def test_anything_else_may_pass_and_is_asked_again_later(answer: bytes, cause: str) -> None:
    with answering(answer) as server, pytest.raises(ServiceUnavailable) as caught:
        server.client.try_voice(KEY, VOICE)

    assert caught.value.internal.startswith(cause)
    assert KEY not in f"{caught.value!r} {caught.value.internal} {caught.value.public}"
    assert caught.value.__context__ is None
    assert len(server.requests) == 1  # no redirect is followed, and the stream is what tries again


@pytest.mark.parametrize("voice_id", ["..", "../user", "a/b", "a?b", "a#b", "a b", "", "é", "a" * 65, "a\r\nx: y"])
def test_what_cannot_be_a_voices_id_is_not_asked_for(voice_id: str) -> None:
    with answering(raw(200, {"voice_id": voice_id})) as server:
        assert server.client.try_voice(KEY, voice_id) == VOICE_NOT_FOUND
    assert server.requests == []


def test_an_answer_that_repeats_the_key_does_not_get_it_logged() -> None:
    key = "a_key_of_small_letters"
    with answering(raw(403, detail(key))) as server, pytest.raises(ServiceUnavailable) as caught:
        server.client.try_voice(key, VOICE)

    assert caught.value.internal == "ElevenLabs: 403"


def check_ended(server: Server, cause: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ServiceUnavailable) as caught:
        server.client.try_voice(KEY, VOICE)

    assert caught.value.internal == cause
    assert time.monotonic() - begun < 20


def test_an_answer_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elevenlabs, "READ_SECONDS", 0.2)
    with answering(lambda _: time.sleep(30)) as server:
        check_ended(server, "ElevenLabs: ReadTimeoutError")


def test_an_answer_that_trickles_in_is_not_waited_for_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elevenlabs, "ANSWER_SECONDS", 0.3)

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)

    with answering(trickle) as server:
        check_ended(server, "ElevenLabs: TooLongError")


def test_an_answer_without_end_is_not_kept() -> None:
    def pour(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            connection.sendall(b" " * 65_536)

    with answering(pour) as server:
        check_ended(server, "ElevenLabs: TooLongError")


def test_who_does_not_listen_is_asked_again_later() -> None:
    check_ended(Server(free_port()), "ElevenLabs: NewConnectionError")


@pytest.mark.parametrize("is_trusted", ["yes", ""])
def test_a_certificate_is_verified_before_the_key_is_sent(tmp_path: Path, is_trusted: str) -> None:
    certificate, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    roots = Environment({"AWS_CA_BUNDLE": str(certificate)} if is_trusted else {}).public_roots
    with answering(raw(200, {"voice_id": VOICE}), context) as server:
        client = connect(f"https://127.0.0.1:{server.port}", roots, time.monotonic)
        if is_trusted:
            assert client.try_voice(KEY, VOICE) is None
        else:
            with pytest.raises(ServiceUnavailable) as caught:
                client.try_voice(KEY, VOICE)
            assert caught.value.internal == "ElevenLabs: SSLError"
    assert len(server.requests) == bool(is_trusted)

"""A proxy between the functions and AWS that injects faults.

The functions' own client connects to it over real HTTP, so botocore's own retries, parsing and errors are tested.
"""

import http.client
import json
import random
import socket
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

MAX_HANG_SECONDS = 60
SLOW_SECONDS = 0.5
TRICKLE_SECONDS = 0.9
"""Less than the client's timeout for the next piece of a response."""

ALWAYS = 1_000_000

OPERATIONS = ("GetItem", "UpdateItem", "Encrypt", "PutItem", "*")
ACTIONS_BEFORE = ("reset_before", "hang_before", "500_before", "page_before", "foreign_before", "throttle")
ACTIONS_AFTER = ("reset_after", "hang_after", "500_after", "foreign_after", "truncated_after", "checksum_after")
ACTIONS = (*ACTIONS_BEFORE, *ACTIONS_AFTER, "slow", "trickle_after", "throttle_for_long")

_HTML = {"Content-Type": "text/html"}
_PAGE = b"<html><h1>503 Service Unavailable</h1></html>"
# Each service has its own code for throttling.
_THROTTLED = {"Encrypt": "ThrottlingException"}


@dataclass
class Fault:
    """What happens to the next requests of an operation.

    Parameters
    ----------
    operation : str
        ``PutItem``, or ``*`` for any.
    action : str
        One of `ACTIONS`, or ``error:CODE`` for an error of the service. With ``_before`` the request does not reach the
        service, with ``_after`` it does, and its response is lost.
    times : int
        How many requests, with botocore's retries.
    skip : int
        How many requests pass first.
    share : float
        Probability of the fault for each request.
    fired : bool
        Whether it ever happened.
    """

    operation: str
    action: str
    times: int = ALWAYS
    skip: int = 0
    share: float = 1
    fired: bool = False

    def __post_init__(self) -> None:
        if self.action not in ACTIONS and not self.action.startswith("error:"):
            raise ValueError(f"unknown action {self.action}")
        if self.operation not in OPERATIONS:
            raise ValueError(f"unknown operation {self.operation}")

    def hits(self, operation: str, chance: float) -> bool:
        """Return True when the next request of an operation is affected, and count it."""
        if self.times == 0 or self.operation not in ("*", operation) or chance >= self.share:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        self.fired = True
        return True


@dataclass(frozen=True)
class Call:
    """A request that was seen."""

    operation: str
    content: dict[str, Any]
    invocation: str


@dataclass(frozen=True)
class Reply:
    """A response, and how it is sent: ``whole``, only the first ``half``, or a byte at a time as a ``trickle``."""

    status: int
    headers: dict[str, str]
    body: bytes
    pace: str = "whole"


class ConnectionCutError(Exception):
    """The connection is reset without a response."""


class Proxy:
    """The planned faults, and the requests that were seen.

    Parameters
    ----------
    upstream : str
        URL of the service.
    seed : int
        Seed of the probabilities.
    """

    def __init__(self, upstream: str, seed: int = 1) -> None:
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.injected: Counter[str] = Counter()
        self.on_request: Callable[[str, str], None] = lambda _operation, _moment: None
        self.url = ""
        self.upstream = upstream
        self._local = threading.local()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._random = random.Random(seed)  # noqa: S311 - chances, not secrets

    def plan(self, *faults: Fault) -> None:
        """Set the planned faults."""
        with self._lock:
            self.faults = list(faults)

    def release(self) -> None:
        """Release all requests that hang."""
        self._released.set()
        self._released = threading.Event()

    def respond(self, operation: str, headers: dict[str, str], body: bytes) -> Reply:
        """Respond to one request, or raise ConnectionCutError."""
        with self._lock:
            self.calls.append(Call(operation, json.loads(body), headers.get("amz-sdk-invocation-id", "")))
            fault = next((each for each in self.faults if each.hits(operation, self._random.random())), None)
            if fault:
                self.injected[fault.action] += 1
        self.on_request(operation, "before")
        if fault and not fault.action.endswith("_after"):
            return self._instead(operation, fault.action, headers, body)
        reply = self._forward(headers, body)
        self.on_request(operation, "after")
        return self._damaged(fault.action, reply) if fault else reply

    def _instead(self, operation: str, action: str, headers: dict[str, str], body: bytes) -> Reply:
        """Apply a fault instead of, or before, forwarding the request."""
        if action == "hang_before":
            self._released.wait(MAX_HANG_SECONDS)
        if action in ("reset_before", "hang_before"):
            raise ConnectionCutError
        if action == "slow":
            time.sleep(SLOW_SECONDS)
            return self._forward(headers, body)
        kind, _, code = action.partition(":")
        replies = {
            "page_before": Reply(503, _HTML, _PAGE),
            "foreign_before": Reply(200, _HTML, _PAGE),
            "500_before": _error(500, "InternalServerError"),
            "throttle": _error(400, _THROTTLED.get(operation, "ProvisionedThroughputExceededException")),
            "throttle_for_long": _error(400, "ThrottlingException", {"x-amz-retry-after": "5000"}),
            "error": _error(400, code),
        }
        return replies[kind]

    def _damaged(self, action: str, reply: Reply) -> Reply:
        """Apply a fault to the service's response."""
        if action == "hang_after":
            self._released.wait(MAX_HANG_SECONDS)
        if action in ("reset_after", "hang_after"):
            raise ConnectionCutError
        wrong_checksum = {"x-amz-crc32": str(zlib.crc32(reply.body) ^ 1)}
        replies = {
            "500_after": _error(500, "InternalServerError"),
            "foreign_after": Reply(200, _HTML, _PAGE),
            "truncated_after": replace(reply, pace="half"),
            "trickle_after": replace(reply, pace="trickle"),
            "checksum_after": replace(reply, headers={**reply.headers, **wrong_checksum}),
        }
        return replies[action]

    def _forward(self, headers: dict[str, str], body: bytes) -> Reply:
        connection = self._connection()
        connection.request("POST", "/", body, {name: value for name, value in headers.items() if name != "Host"})
        response = connection.getresponse()
        content = response.read()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in ("content-length", "date")}
        return Reply(response.status, kept, content)

    def _connection(self) -> http.client.HTTPConnection:
        """Return this thread's connection to the service; a thread serves one connection of the client."""
        if not hasattr(self._local, "connection"):
            host = urlsplit(self.upstream).netloc
            self._local.connection = http.client.HTTPConnection(host, timeout=MAX_HANG_SECONDS)
        connection: http.client.HTTPConnection = self._local.connection
        return connection

    def disconnect(self) -> None:
        """Close this thread's connection to the service."""
        self._connection().close()


def _error(status: int, code: str, more: Mapping[str, str] = MappingProxyType({})) -> Reply:
    content = json.dumps({"__type": f"com.amazonaws#{code}", "message": "a message of the inside"}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amz-crc32": str(zlib.crc32(content)), **more}
    return Reply(status, headers, content)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        try:
            self._send(self.proxy.respond(operation, dict(self.headers.items()), body))
        except ConnectionCutError:
            # Reset the connection, as when a machine dies, instead of closing it.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        except ConnectionError:
            self.close_connection = True  # the client closed the connection

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.pace == "trickle":
            for byte in reply.body:
                self.wfile.write(bytes([byte]))
                time.sleep(TRICKLE_SECONDS)
        elif reply.pace == "half":
            self.wfile.write(reply.body[: len(reply.body) // 2])
            raise ConnectionCutError
        else:
            self.wfile.write(reply.body)

    def finish(self) -> None:
        """Close the connection to the service together with the client's."""
        self.proxy.disconnect()
        super().finish()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error, unless a client closed its connection, which clients with a timeout do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close at once, so that a cut connection is reset."""
        self.close_request(request)


@contextmanager
def serving(upstream: str, seed: int = 1) -> Iterator[Proxy]:
    """Serve a proxy on a free port of this machine while the block runs."""
    proxy = Proxy(upstream, seed)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    server = _Server(("127.0.0.1", 0), handler)
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.release()
        server.shutdown()
        server.server_close()

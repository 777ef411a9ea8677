"""The local server, started as a person starts it."""

import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from tests.support import http
from tests.support.events import PATH
from tests.support.template import ROOT


@dataclass(frozen=True)
class Server:
    """A running server, and the parts of the `curl` line that it printed."""

    process: subprocess.Popen[str]
    log: IO[str]
    url: str
    headers: dict[str, str]
    body: str
    aws_url: str

    @property
    def origin(self) -> str:
        """The URL without a path."""
        return self.url.removesuffix(PATH)

    def connect(self) -> socket.socket:
        """Open a connection, to send what no HTTP client sends."""
        target = urlsplit(self.url)
        return socket.create_connection((target.hostname, target.port), timeout=20)

    def send(
        self,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        path: str = PATH,
    ) -> http.HttpResponse:
        """Send a request like the printed one, except for what is given."""
        sent = self.body if body is None else body
        return http.send(self.origin + path, sent, {**self.headers, **(headers or {})}, method=method)

    def wait_while_pending(self, agent_id: str) -> dict[str, Any]:
        """Read an agent back until its key was tried; return it."""
        for _ in range(300):
            agent: dict[str, Any] = self.send(b"", method="GET", path=f"{PATH}/{agent_id}").body
            if agent["status"] != "pending":
                return agent
            time.sleep(0.1)
        raise TimeoutError(agent_id)

    def events(self, count: int) -> list[str]:
        """Wait for that many lines after the introduction, which are events; return them."""
        return [next(self.process.stdout) for _ in range(count)] if self.process.stdout else []

    def stop(self) -> str:
        """Press Ctrl-C; return what was logged."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)
        self.log.seek(0)
        return self.log.read()


@contextmanager
def serving(*arguments: str) -> Iterator[Server]:
    """Run `serve` on a free port while the block runs."""
    command = [sys.executable, "-m", "tests.local", "serve", "--port", "0", *arguments]
    # The log goes to a file, because a pipe that nobody reads would block the server.
    with tempfile.TemporaryFile("w+") as log:
        # A program in the background ignores Ctrl-C, and so would its children: this one must not.
        previous = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        signal.signal(signal.SIGINT, previous)
        try:
            # The `curl` line comes first, the heading of the events last.
            lines = []
            for line in process.stdout or ():
                lines.append(line)
                if line.startswith("Events "):
                    break
            curl = next((line for line in lines if line.startswith("curl ")), None)
            if curl is None:
                log.seek(0)
                raise RuntimeError(f"The server did not start: {log.read()}")
            words = shlex.split(curl)
            headers = [words[index + 1].partition(": ") for index, word in enumerate(words) if word == "-H"]
            yield Server(
                process,
                log,
                url=words[2],
                headers={name: value for name, _, value in headers},
                body=words[words.index("-d") + 1],
                aws_url=next(line for line in lines if " agent WORKSPACE ID" in line).split()[-1],
            )
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=20)
            if process.stdout:
                process.stdout.close()

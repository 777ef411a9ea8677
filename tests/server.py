"""The local server, run as a person runs it."""

import json
import shlex
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import pytest

from tests.local.template import ROOT


@dataclass(frozen=True)
class Server:
    """A running server, and the `curl` line that it printed, taken apart."""

    process: subprocess.Popen[str]
    log: IO[str]
    url: str
    headers: dict[str, str]
    body: str
    aws_url: str

    @property
    def origin(self) -> str:
        """Return the URL without a path."""
        return self.url.removesuffix("/v1/api/agents")

    def send(
        self, body: str | None = None, headers: dict[str, str] | None = None, path: str = "", method: str = "POST"
    ) -> tuple[int, Any, dict[str, str]]:
        """Send a request like the printed one, but for what is given; return status, body and headers."""
        data = (self.body if body is None else body).encode()
        request = urllib.request.Request(self.url + path, data, {**self.headers, **(headers or {})}, method=method)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback
                return answer.status, json.load(answer), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error), dict(error.headers)


def _all_of(log: IO[str]) -> str:
    log.seek(0)
    return log.read()


@contextmanager
def serving(*arguments: str) -> Iterator[Server]:
    """Run `serve` on a free port while the block runs."""
    command = [sys.executable, "-m", "tests.local", "serve", "--port", "0", *arguments]
    # Its log goes to a file: a pipe that nobody reads would stop it one day.
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the server runs
    # A program that is started in the background ignores Ctrl-C, and so do its children: these are to heed it.
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    signal.signal(signal.SIGINT, heeded)
    assert process.stdout is not None
    try:
        # The `curl` line comes first, the command that shows an agent last.
        lines = []
        for line in process.stdout:
            lines.append(line)
            if " agent WORKSPACE ID" in line:
                break
        (line,) = [line for line in lines if line.startswith("curl ")] or pytest.fail(_all_of(log))
        words = shlex.split(line)
        headers = [words[index + 1].partition(": ") for index, word in enumerate(words) if word == "-H"]
        yield Server(
            process,
            log,
            url=words[2],
            headers={name: value for name, _, value in headers},
            body=words[words.index("-d") + 1],
            aws_url=lines[-1].split()[-1],
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        log.close()

"""The programs that the page shows work as they are shown, and retry as they should."""

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.server import Server

PROGRAMS = {
    "curl": ("/bin/sh", "-c"),
    "Python": (sys.executable, "-c"),
    "JavaScript": ("node", "--input-type=module", "-e"),
}
RETRY_AFTER_SECONDS = 2


class Way(ThreadingHTTPServer):
    """A way to the server on which the next creations fail: by a status, or by the loss of the response (0)."""

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarder)
        self.to = urlsplit(server.origin).netloc
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.failures: list[int] = []
        self.sent: list[tuple[str | None, float]] = []  # the Idempotency-Key and the time of each creation
        self.replayed: str | None = None


class _Forwarder(BaseHTTPRequestHandler):
    server: Way

    def do_GET(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self.server.sent.append((self.headers["Idempotency-Key"], time.monotonic()))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        failure = self.server.failures.pop(0) if self.server.failures else None
        if not failure:
            self._forward(body, is_lost=failure == 0)
            return
        self.send_response(failure)
        if failure == 429:
            self.send_header("Retry-After", str(RETRY_AFTER_SECONDS))
        self.end_headers()

    def _forward(self, body: bytes = b"", *, is_lost: bool = False) -> None:
        with closing(http.client.HTTPConnection(self.server.to)) as connection:
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
        if is_lost:
            return  # the connection is closed without a response
        self.server.replayed = response.headers["Idempotent-Replayed"]
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def way(server: Server) -> Iterator[Way]:
    with Way(server) as running:
        threading.Thread(target=running.serve_forever).start()
        yield running
        running.shutdown()


@pytest.fixture
def page(browser: Browser, way: Way) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(f"{way.origin}/docs")
    yield page
    page.close()


def execute(page: Page, way: Way) -> None:
    """Send the request in the form, after which the page shows its programs."""
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table:visible")).to_be_visible()
    way.sent.clear()


def run(page: Page, tab: str) -> str:
    """Run a program as it is shown; return what it prints."""
    page.locator(".request-snippets").get_by_text(tab, exact=True).click()
    program = page.locator(".request-snippets pre").inner_text()
    return subprocess.run([*PROGRAMS[tab], program], stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("tab", PROGRAMS)
def test_a_shown_program_retries_until_one_agent_is_created(page: Page, way: Way, tab: str) -> None:
    execute(page, way)
    way.failures = [429, 503, 0]
    printed = run(page, tab)

    keys, times = zip(*way.sent, strict=True)
    assert keys[0]
    assert keys == (keys[0],) * 4
    assert times[1] - times[0] >= RETRY_AFTER_SECONDS
    assert '"name":"Customer Support Agent"' in printed
    assert way.replayed == "true"  # the response that was lost had created the agent


def test_no_shown_program_retries_a_refusal(page: Page, way: Way) -> None:
    page.locator("textarea.body-param__text").fill('{"name": "It\'s \\"\\""}')
    execute(page, way)
    for count, tab in enumerate(PROGRAMS, 1):
        assert "ttsModel: is required" in run(page, tab)
        assert len(way.sent) == count


def test_every_shown_program_reads_an_agent(page: Page, way: Way) -> None:
    execute(page, way)
    page.get_by_text("Read an agent back").click()
    execute(page, way)
    for tab in PROGRAMS:
        assert '"name":"Customer Support Agent"' in run(page, tab)

"""Work that took too long leaves nothing broken behind."""

import os
import random
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from urllib3 import PoolManager, Timeout

from call_agents.shared.deadline import run_in_time
from call_agents.shared.errors import ServiceUnavailable

# More in a run by hand: DEADLINES=20000 .venv/bin/python -m pytest tests/integration/test_deadline.py
ATTEMPTS = int(os.environ.get("DEADLINES", "300"))


@pytest.fixture
def url() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(random.uniform(0, 0.004))  # noqa: S311 - no secret
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_connection_pool_works_after_any_number_of_deadlines(url: str) -> None:
    pool = PoolManager(maxsize=10, timeout=Timeout(5))
    given_up = 0
    for _ in range(ATTEMPTS):
        try:
            run_in_time(lambda: pool.request("GET", url), random.uniform(0.0001, 0.006))  # noqa: S311 - no secret
        except ServiceUnavailable:
            given_up += 1

    assert 0 < given_up < ATTEMPTS
    assert run_in_time(lambda: pool.request("GET", url).data, 30) == b"ok"

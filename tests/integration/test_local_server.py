"""The server of the local run, as a program."""

import json
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from call_agents.shared.http import AGENTS_PATH
from tests.support.samples import with_own_key
from tests.support.server import Server, serving


def test_a_server_responds_and_tries_keys_until_ctrl_c() -> None:
    with serving("--aws-port", "0", "--rate-limit", "1000") as server:
        response = server.send()
        with ThreadPoolExecutor(8) as pool:
            at_once = list(pool.map(lambda _: server.send(), range(16)))
        agents = [server.send(json.dumps(with_own_key(voice_id))).body for voice_id in ("any", "invalid-key")]
        read = [server.wait_while_pending(agent["_id"]) for agent in agents]
        missing = server.send(b"", method="GET", path=f"{AGENTS_PATH}/{'0' * 24}")
        printed = server.events(21)
        malformed = send_what_is_not_http(server)
        last = send_while_it_ends(server)
        log = server.stop()

    assert (response.status, response.body["name"]) == (201, "Sophie")
    assert response.body["workspaceId"] == server.headers["x-workspace-id"]
    assert response.headers["RateLimit-Policy"] == '"default";q=1000;w=60'
    assert [one.status for one in at_once] == [201] * 16
    assert len({one.body["_id"] for one in at_once}) == 16
    assert [agent["status"] for agent in agents] == ["pending"] * 2
    assert [(agent["status"], agent.get("statusReason")) for agent in read] == [
        ("ready", None),
        ("error", "invalid_key"),
    ]
    assert (missing.status, missing.code) == (404, "agent_not_found")
    assert malformed.startswith("HTTP/1.1 400 ")
    assert malformed.endswith('\r\n\r\n{"message": "Bad request syntax or unsupported method"}\n')
    assert last.startswith("HTTP/1.1 201 ")
    # Each event is printed as it happens.
    kinds = Counter(line.partition(" {")[0] for line in printed)
    assert kinds == {"Agent Created": 19, "Agent Ready": 1, "Agent Failed": 1}
    assert server.process.returncode == 0
    assert log.count('"service":"activate_agent"') == 4  # a line and its metrics for each trial
    assert "Traceback" not in log


def send_what_is_not_http(server: Server) -> str:
    with server.connect() as connection, connection.makefile(newline="") as response:
        connection.sendall(b"What is this?\r\n\r\n")
        return response.read()


def send_while_it_ends(server: Server) -> str:
    """Begin a request, press Ctrl-C, and send the body; return the response."""
    headers = {**server.headers, "host": "local", "content-length": str(len(server.body)), "expect": "100-continue"}
    lines = [f"POST {AGENTS_PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with server.connect() as connection, connection.makefile(newline="") as response:
        connection.sendall("\r\n".join(lines).encode())
        # http.server says it, and then werkzeug, which has the request in its hands.
        assert "".join(response.readline() for _ in range(4)) == "HTTP/1.1 100 Continue\r\n\r\n" * 2
        server.process.send_signal(signal.SIGINT)
        wait_until_closed(server)
        connection.sendall(server.body.encode())
        text = response.read()
    server.process.wait(timeout=20)
    return text


def wait_until_closed(server: Server) -> None:
    for _ in range(1000):
        try:
            server.connect().close()
        except ConnectionError:
            return
        time.sleep(0.01)
    raise TimeoutError

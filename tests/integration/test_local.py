"""The local run: one event or a server, with nothing to set up and no account in reach."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.local.aws import free_port
from tests.support.template import ROOT, load_template
from tests.support.server import Server, serving

CREATE = "events/create_agent.json"
IDEMPOTENT = "events/create_agent_idempotent.json"

# What a person may have set, and what must make no difference.
ELSEWHERE = {
    "AWS_PROFILE": "production",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_DEFAULT_REGION": "mars-north-1",
    "ALLOWED_LLM_MODELS": "none",
}


def invoke(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.local", "invoke", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **ELSEWHERE},
        capture_output=True,
        text=True,
        check=False,
    )


def run_local(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.local", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_server_keeps_the_rate_limit_that_it_is_given() -> None:
    with serving("--rate-limit", "1") as limited:
        answers = [limited.send() for _ in range(2)]
    refused = answers[1]

    assert [status for status, _, _ in answers] in ([201, 429], [201, 201])  # a minute may end between them
    assert answers[0][2]["RateLimit-Policy"] == '"default";q=1;w=60'
    if refused[0] == 429:
        assert refused[1]["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize("limit", ["-1", "many", "1.5"])
def test_a_rate_limit_that_is_none_is_refused(limit: str) -> None:
    run = run_local("serve", "--rate-limit", limit)

    assert run.returncode == 2
    assert run.stderr.endswith("argument --rate-limit: must be 0 or a whole number above it\n")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def test_one_event_is_one_answer_on_standard_output_and_a_log_on_standard_error() -> None:
    run = invoke(CREATE)
    answer = json.loads(run.stdout)

    assert run.returncode == 0
    assert (answer["statusCode"], answer["body"]["name"]) == (201, "Customer Support Agent")
    assert '"message":"request succeeded"' in run.stderr
    assert "AgentsCreated" in run.stderr


def test_the_exit_status_tells_of_any_answer_that_is_not_2xx() -> None:
    assert invoke(CREATE, "events/create_agent_missing_key.json").returncode == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[", "is not JSON that can be read: Expecting value: line 1 column 2 (char 1)."),
        (b"", "is not JSON that can be read: Expecting value: line 1 column 1 (char 0)."),
        (b"\xff", "is not UTF-8 text, and an event is JSON."),
    ],
)
def test_a_file_that_is_no_event_is_told_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    event = tmp_path / "event.json"
    event.write_bytes(content)
    run = invoke(event)

    assert (run.returncode, run.stdout, run.stderr) == (2, "", f"tests.local: {event} {said}\n")


def test_a_file_that_is_nested_too_deeply_is_told_in_one_line(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text("[" * 100_000, encoding="utf-8")
    run = invoke(event)

    assert run.returncode == 2
    assert re.fullmatch(f"tests.local: {event} is not JSON that can be read: .*\n", run.stderr)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("events/create_agnt.json", "No such file or directory. Did you mean events/create_agent.json?"),
        ("nowhere.json", "No such file or directory. There are samples in events/."),
        ("events", "Is a directory. There are samples in events/."),
    ],
)
def test_a_file_that_is_not_there_is_told_in_one_line(path: str, said: str) -> None:
    run = invoke(path)

    assert (run.returncode, run.stdout, run.stderr) == (2, "", f"tests.local: {path} cannot be read: {said}\n")


def test_an_aws_that_does_not_answer_is_told_in_one_line() -> None:
    run = invoke(CREATE, "--endpoint-url", f"http://127.0.0.1:{free_port()}")

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("tests.local: Could not connect to the endpoint URL")
    assert len(run.stderr.splitlines()) == 1


def test_an_endpoint_that_is_not_aws_is_told_in_one_line(server: Server) -> None:
    run = invoke(CREATE, "--endpoint-url", server.origin)

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"tests.local: {server.origin} does not answer like DynamoDB and KMS: 404.\n"


@pytest.mark.parametrize("event", ["5", "null", "[]"])
def test_any_json_is_an_event_that_gets_an_answer(tmp_path: Path, event: str) -> None:
    file = tmp_path / "event.json"
    file.write_text(event, encoding="utf-8")
    run = invoke(file)

    assert (run.returncode, json.loads(run.stdout)["statusCode"]) == (1, 404)


def test_the_printed_curl_line_creates_an_agent(server: Server) -> None:
    status, agent, headers = server.send()

    assert (status, agent["name"]) == (201, "Sophie")
    assert agent["workspaceId"] == server.headers["x-workspace-id"]
    assert headers["Location"] == f"/v1/api/agents/{agent['_id']}"


def test_many_clients_are_served_at_once(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.send(), range(24)))

    assert [status for status, _, _ in answers] == [201] * 24
    assert len({agent["_id"] for _, agent, _ in answers}) == 24


def test_a_retry_over_http_is_replayed(server: Server) -> None:
    key = {"Idempotency-Key": "over-http"}
    first, again = server.send(headers=key), server.send(headers=key)

    assert first[1] == again[1]
    assert "Idempotent-Replayed" not in first[2]
    assert again[2]["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (None, {"x-api-key": ""}, 401, "missing_api_key"),
        (None, {"content-type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ("{}", {}, 400, "validation_error"),
        ("", {}, 400, "invalid_json"),
        ("x" * 300_000, {}, 413, "payload_too_large"),
    ],
)
def test_mistakes_over_http_are_answered_by_the_contract(
    server: Server, body: str | None, headers: dict[str, str], status: int, code: str
) -> None:
    answer = server.send(body, headers)

    assert (answer[0], answer[1]["error"]["code"]) == (status, code)


def test_bytes_that_are_no_text_come_to_the_handler_as_they_are(server: Server) -> None:
    request = urllib.request.Request(server.url, b'{"name":"\xff"}', server.headers)  # noqa: S310 - loopback
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)  # noqa: S310 - loopback

    with caught.value as answer:
        assert (answer.code, json.load(answer)["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_another_path_is_answered_as_the_gateway_does(server: Server, method: str) -> None:
    status, body, _ = server.send(path="/more", method=method)

    assert (status, body) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method_is_told_to_use_post(server: Server, method: str) -> None:
    status, body, headers = server.send(method=method)

    assert (status, body["error"]["code"], headers["Allow"]) == (405, "method_not_allowed", "POST")
    assert body["message"].startswith("Use POST")


def test_a_body_over_the_gateways_limit_does_not_reach_the_handler(server: Server) -> None:
    status, body, _ = server.send("x" * 10_000_001)

    assert (status, body) == (413, {"message": "Request Entity Too Large"})


def test_a_busy_port_is_told_in_one_line(server: Server) -> None:
    port = re.findall(r":(\d+)/", server.url)[0]
    for arguments in (["--port", port], ["--port", "0", "--aws-port", port]):
        run = run_local("serve", *arguments)

        assert run.returncode == 2
        assert run.stderr == (
            f"tests.local: Port {port} is in use by another program. Choose another one; 0 takes any that is free.\n"
        )


def test_one_port_cannot_be_two() -> None:
    port = str(free_port())
    run = run_local("serve", "--port", port, "--aws-port", port)

    assert run.returncode == 2
    assert run.stderr == "tests.local: The API and the embedded AWS need a port each: choose two.\n"


@pytest.mark.parametrize("option", ["--port", "--aws-port"])
@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_refused(option: str, port: str) -> None:
    run = run_local("serve", f"{option}={port}")

    assert run.returncode == 2
    assert run.stderr.endswith(f"argument {option}: must be a whole number from 0 to 65535\n")


@pytest.mark.parametrize("command", ["invoke", "serve", "agent"])
def test_help_has_examples(command: str) -> None:
    run = run_local(command, "--help")

    assert run.returncode == 0
    assert re.search(f"examples?:\n  python -m tests.local {command}", run.stdout)
    named = re.findall(r"events/\w+\.json", run.stdout)
    assert all((ROOT / name).is_file() for name in named)


@pytest.mark.parametrize("missing", ["moto", "botocore", "create_agent", "flask_swagger_ui"])
def test_a_package_that_is_missing_is_told_in_one_line_with_the_command_that_brings_it(missing: str) -> None:
    program = (
        "import runpy, sys\n"
        f"sys.modules['{missing}'] = None\n"  # importing it fails as if it were not there
        "sys.argv = ['tests.local', 'serve', '--port', '0']\n"
        "runpy.run_module('tests.local', run_name='__main__')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        f"tests.local: the module {missing} is missing. Run: python3 -m venv .venv && .venv/bin/pip install -q -e "
        "'.[dev]'; then use .venv/bin/python.\n"
    )


def test_the_page_the_document_and_the_library_come_from_this_server(server: Server) -> None:
    def get(path: str) -> tuple[str, str]:
        with urllib.request.urlopen(server.origin + path, timeout=20) as answer:  # noqa: S310 - loopback
            return answer.headers["Content-Type"], answer.read().decode()

    page = get("/docs")
    assert page == get("/")
    elsewhere = urllib.request.Request(f"{server.origin}/docs", headers={"Host": "evil.example"})  # noqa: S310 - loopback
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(elsewhere, timeout=20)  # noqa: S310 - loopback
    assert page[0] == "text/html; charset=utf-8"
    assert server.headers["x-api-key"] in page[1]
    assert "://" not in page[1]
    document = (ROOT / "tests/contract/openapi.json").read_text("utf-8")
    assert get("/openapi.json") == ("application/json", document)
    assert "SwaggerUIBundle" in get("/docs/ui/swagger-ui-bundle.js")[1]


@pytest.mark.parametrize(
    ("voice_id", "status", "reason"),
    [("any", "ready", None), ("no-such-voice", "error", "voice_not_found"), ("invalid-key", "error", "invalid_key")],
)
def test_a_pending_agent_is_settled_in_the_background_and_can_be_looked_at(
    server: Server, voice_id: str, status: str, reason: str | None
) -> None:
    tts_model = {"provider": "11labs_byo", "voiceId": voice_id, "elevenLabsApiKey": "sk_a_newcomers_key"}
    _, agent, _ = server.send(json.dumps({"name": "Own", "ttsModel": tts_model}))
    assert agent["status"] == "pending"
    where = ["--endpoint-url", server.aws_url]

    for _ in range(50):
        run = run_local("agent", agent["workspaceId"], agent["_id"], *where)
        stored = json.loads(run.stdout)
        if stored["status"] != "pending":
            break
    assert (stored["status"], stored.get("statusReason")) == (status, reason)
    assert {**stored, "status": 0, "updatedAt": 0, "statusReason": 0} == {
        **agent,
        "status": 0,
        "updatedAt": 0,
        "statusReason": 0,
    }


def test_an_agent_that_is_not_there_is_told_in_one_line(server: Server) -> None:
    run = run_local("agent", "workspace", "id", "--endpoint-url", server.aws_url)

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "tests.local: There is no agent id in workspace workspace.\n"


def test_an_agent_where_no_server_is_is_told_in_one_line() -> None:
    run = run_local("agent", "workspace", "id", "--endpoint-url", f"http://127.0.0.1:{free_port()}")

    assert run.returncode == 2
    assert re.fullmatch("tests.local: Could not connect to the endpoint URL.*\n", run.stderr)


def test_ctrl_c_stops_the_server_without_a_word() -> None:
    with serving() as running:
        running.process.send_signal(signal.SIGINT)
        running.process.communicate(timeout=20)
        running.log.seek(0)
        said = running.log.read()

    assert running.process.returncode == 0
    assert "request succeeded" in said  # the issue of the key
    assert "Traceback" not in said


def test_the_embedded_aws_can_be_shared_by_its_port() -> None:
    port = free_port()
    with serving("--aws-port", str(port)):
        first = json.loads(invoke(IDEMPOTENT, "--endpoint-url", f"http://127.0.0.1:{port}").stdout)
        again = json.loads(invoke(IDEMPOTENT, "--endpoint-url", f"http://127.0.0.1:{port}").stdout)

    assert again["body"] == first["body"]
    assert again["headers"]["Idempotent-Replayed"] == "true"


def test_the_template_is_resolved_as_sam_local_does() -> None:
    environment = load_template(EndpointUrl="http://aws:5000", AllowedLlmModels="").environment("CreateAgentFunction")

    assert environment["AGENTS_TABLE"] == "AgentsTable"
    assert environment["SECRETS_KEY_ID"] == "alias/local-secrets"
    assert environment["ENDPOINT_URL"] == "http://aws:5000"
    assert environment["ALLOWED_LLM_MODELS"] == ""
    assert environment["ALLOWED_TTS_PROVIDERS"].startswith("openai,")

"""The local run: events or a server, with nothing to set up and no AWS account in reach."""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from werkzeug.test import Client as WsgiClient

import create_agent
import get_agent
from call_agents.shared.http import AGENTS_PATH
from tests.local import aws, command
from tests.local.docs import with_docs
from tests.local.gateway import Handler, gateway
from tests.support.client import Client, Stage
from tests.support.logs import FUNCTIONS, recorded_output
from tests.support.server import Server, serving
from tests.support.template import ROOT, Template

CREATE = "events/create_agent.json"
IDEMPOTENT = "events/create_agent_idempotent.json"


@dataclass(frozen=True)
class Run:
    """Exit status of a command, and what it printed."""

    status: int | str | None
    out: str
    err: str


Local = Callable[..., Run]


@pytest.fixture
def local(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:  # noqa: ARG001 - it is emptied afterwards
    """Return a function that runs the command line in this process, in an environment of its own."""
    monkeypatch.chdir(ROOT)

    def run(*arguments: str | Path) -> Run:
        out, err = io.StringIO(), io.StringIO()
        with patch.dict(os.environ), recorded_output(), redirect_stdout(out), redirect_stderr(err):
            try:
                status: int | str | None = command.main(list(map(str, arguments)))
            except SystemExit as usage:
                status = usage.code
        forget_applications()
        return Run(status, out.getvalue(), err.getvalue())

    forget_applications()
    yield run
    forget_applications()


def forget_applications() -> None:
    """Make the next applications read the environment as it is then."""
    for function in FUNCTIONS:
        function.application.cache_clear()


@pytest.fixture
def reserved_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else can."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


# What a person may have set, and what must make no difference.
ENVIRONMENTS = {
    "proxies": dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), "http://127.0.0.1:9")
    | {"NO_PROXY": "example.com", "no_proxy": "example.com"},
    "settings of AWS and of the functions": {
        "AWS_PROFILE": "production",
        "AWS_DEFAULT_PROFILE": "production",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_DEFAULT_REGION": "mars-north-1",
        "AWS_CA_BUNDLE": "/nowhere",
        "ENDPOINT_URL": "http://127.0.0.1:9",
        "ALLOWED_LLM_MODELS": "none",
    },
    "ASCII": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "a console of Windows": {"PYTHONIOENCODING": "cp1252"},
}


@pytest.mark.parametrize("variables", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_first_command_works_in_any_environment(variables: dict[str, str]) -> None:
    line, metrics, published, _ = run_in_process(ROOT, variables)

    assert (line["message"], line["outcome"]) == ("request succeeded", "created")
    assert metrics["AgentsCreated"] == [1.0]
    assert (published["service"], published["events"]) == ("publish_agent_events", "1")


def test_the_checkout_wins_over_packages_of_the_same_name(tmp_path: Path) -> None:
    checkout, others = tmp_path / "a folder with blänks", tmp_path / "others"
    for folder in ("functions", "events", "tests/local", "tests/support"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("template.yaml", "tests/__init__.py"):
        shutil.copy(ROOT / file, checkout / file)
    for package in ("tests", "agents"):
        (others / package).mkdir(parents=True)
        (others / package / "__init__.py").touch()
    run_in_process(checkout, {"PYTHONPATH": f"{others}{os.pathsep}{checkout / 'functions'}"})


def run_in_process(folder: Path, variables: dict[str, str]) -> list[dict[str, Any]]:
    """Create an agent whose name is not ASCII; return the lines that were logged."""
    arguments = [sys.executable, "-m", "tests.local", "invoke", "events/create_agent_base64.json"]
    environment = {**os.environ, **variables}
    run = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    response = json.loads(run.stdout.decode("utf-8"))
    assert (response["statusCode"], response["body"]["name"]) == (201, "Søren's Café ☎")
    return [json.loads(line) for line in run.stderr.splitlines()]


def test_a_response_that_is_not_2xx_makes_the_status_1(local: Local) -> None:
    run = local("invoke", CREATE, "events/create_agent_missing_key.json")

    assert run.status == 1
    assert re.findall(r'"statusCode": (\d+)', run.out) == ["201", "401"]


def test_any_json_is_an_event(local: Local, moto_url: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.json" for number in range(3)]
    for file, event in zip(files, ("5", "null", "[]"), strict=True):
        file.write_text(event, encoding="utf-8")
    run = local("invoke", *files, "--endpoint-url", moto_url)

    assert run.status == 1
    assert re.findall(r'"statusCode": (\d+)', run.out) == ["404"] * 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[", "is not JSON that can be read: Expecting value: line 1 column 2 (char 1)."),
        (b"\xff", "is not UTF-8 text, and an event is JSON."),
        (b"[" * 100_000, "is not JSON that can be read: "),  # each Python has its own message
    ],
)
def test_a_file_that_is_not_json_is_named_in_one_line(
    local: Local, tmp_path: Path, content: bytes, problem: str
) -> None:
    event = tmp_path / "event.json"
    event.write_bytes(content)
    run = local("invoke", event)

    assert (run.status, run.out) == (2, "")
    assert run.err.startswith(f"tests.local: {event} {problem}")
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("events/create_agnt.json", "No such file or directory. Did you mean events/create_agent.json?"),
        ("nowhere.json", "No such file or directory. There are samples in events/."),
        ("events", "Is a directory. There are samples in events/."),
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(local: Local, path: str, problem: str) -> None:
    assert local("invoke", path) == Run(2, "", f"tests.local: {path} cannot be read: {problem}\n")


def test_an_aws_that_cannot_be_reached_is_named_in_one_line(local: Local, reserved_port: int) -> None:
    run = local("agent", "workspace", "id", "--endpoint-url", f"http://127.0.0.1:{reserved_port}")

    assert run == Run(2, "", f"tests.local: http://127.0.0.1:{reserved_port} cannot be reached.\n")


def test_agent_says_to_start_a_server_when_there_is_none(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "DEFAULT_URL", "http://127.0.0.1:1")
    run = local("agent", "workspace", "id")

    assert run.err == (
        "tests.local: http://127.0.0.1:1 cannot be reached. Start it: .venv/bin/python -m tests.local serve\n"
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_events_may_be_written_by_editors_of_windows(
    local: Local, moto_url: str, tmp_path: Path, encoding: str
) -> None:
    event = tmp_path / "event.json"
    event.write_bytes((ROOT / CREATE).read_text("utf-8").replace("\n", "\r\n").encode(encoding))

    assert local("invoke", event, "--endpoint-url", moto_url).status == 0


def test_a_body_in_place_of_an_event_is_named_with_the_way(local: Local, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text(command.EXAMPLE_BODY, encoding="utf-8")
    run = local("invoke", body)

    assert (run.status, run.out) == (2, "")
    assert run.err == (
        f"tests.local: {body} is the body of a request, not an event. To send it, run .venv/bin/python -m tests.local "
        f"serve, and the curl line that it prints with -d @{body} instead of its own -d.\n"
    )


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ([], {"llmModel", "ttsModel.provider"}),
        (["--llm-models", ""], {"ttsModel.provider"}),
        (["--llm-models", "mine", "--tts-providers", "rime,ours"], set()),
    ],
)
def test_the_lists_of_models_and_providers_are_options(
    local: Local, moto_url: str, tmp_path: Path, options: list[str], fields: set[str]
) -> None:
    body = {"name": "Sophie", "llmModel": "mine", "ttsModel": {"provider": "ours", "voiceId": "any"}}
    event = tmp_path / "event.json"
    event.write_text(json.dumps({**json.loads((ROOT / CREATE).read_bytes()), "body": json.dumps(body)}))
    response = json.loads(local("invoke", event, "--endpoint-url", moto_url, *options).out)

    assert {detail["path"] for detail in response["body"].get("error", {}).get("details", [])} == fields
    assert response["statusCode"] == (400 if fields else 201)


def test_an_endpoint_that_is_not_aws_is_named_in_one_line(local: Local, elevenlabs_url: str) -> None:
    problem = f"{elevenlabs_url} does not work like DynamoDB and KMS: 404."

    assert local("invoke", CREATE, "--endpoint-url", elevenlabs_url) == Run(2, "", f"tests.local: {problem}\n")


def test_a_port_in_use_is_named_in_one_line(local: Local) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        problem = f"Port {port} is in use by another program. Choose another one; 0 takes any that is free."

        for arguments in (["--port", port], ["--port", 0, "--aws-port", port]):
            assert local("serve", *map(str, arguments)) == Run(2, "", f"tests.local: {problem}\n")


def test_the_api_and_aws_cannot_share_a_port(local: Local) -> None:
    problem = "The API and the embedded AWS cannot share a port: choose two."

    assert local("serve", "--port", "5000", "--aws-port", "5000") == Run(2, "", f"tests.local: {problem}\n")


@pytest.mark.parametrize(
    ("option", "values", "problem"),
    [
        ("--port", ["65536", "-1", "http"], "must be a whole number from 0 to 65535"),
        ("--aws-port", ["65536", "-1", "http"], "must be a whole number from 0 to 65535"),
        ("--rate-limit", ["-1", "many", "1.5", "1000000000000"], "must be a whole number from 0 to 99999."),
        ("--tts-providers", ["", "rime,"], "must have names with commas between them."),
    ],
)
def test_a_value_that_cannot_work_is_a_usage_error(local: Local, option: str, values: list[str], problem: str) -> None:
    for value in values:
        run = local("serve", f"{option}={value}")

        assert run.status == 2
        assert run.err.endswith(f"argument {option}: {problem}\n")


@pytest.mark.parametrize("name", ["invoke", "serve", "agent"])
def test_help_has_examples_that_exist(local: Local, name: str) -> None:
    run = local(name, "--help")

    assert run.status == 0
    assert re.search(f"examples?:\n  python -m tests.local {name}", run.out)
    assert all((ROOT / path).is_file() for path in re.findall(r"events/\w+\.json", run.out))


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    program = "import runpy, sys; sys.modules['botocore'] = None; runpy.run_module('tests.local', run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        "tests.local: the module botocore is missing. Run: python3 -m venv .venv && "
        ".venv/bin/python -m tests.install local; then use .venv/bin/python.\n"
    )


@pytest.mark.parametrize("module", ["tests.install", "tests.local"])
def test_an_older_python_is_named_before_anything_else(module: str) -> None:
    program = f"import runpy, sys; sys.version_info = (3, 9); runpy.run_module('{module}', run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (1, "", 1)
    assert "Python 3.11 or later is needed: this is " in run.stderr


@pytest.fixture
def api(client: Client, template: Template) -> WsgiClient:
    """The gateway and the page of a local run, without a network."""
    handlers: dict[str, Handler] = {
        "CreateAgentFunction": lambda event, context: create_agent.handle(event, context, lambda: client.app),
        "GetAgentFunction": lambda event, context: get_agent.handle(event, context, lambda: client.reader),
    }
    routes = {path: handlers[function] for path, function in template.routes.items()}
    return WsgiClient(with_docs(gateway(routes), client.key))


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{}", {}, 400, "validation_error"),
        (b"", {}, 400, "invalid_json"),
        (b'{"name":"\xff"}', {}, 400, "invalid_json"),
        (b"{}", {"x-api-key": ""}, 401, "missing_api_key"),
        (b"a=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    ],
)
def test_the_gateway_passes_requests_on_as_they_are(
    api: WsgiClient, client: Client, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    response = api.post(AGENTS_PATH, data=body, headers={**client.headers, **headers})

    assert response.text.endswith("}\n")  # for a terminal
    assert (response.status_code, response.json["error"]["code"]) == (status, code)  # type: ignore[index]  # an object


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_the_gateway_passes_every_method_on(api: WsgiClient, method: str) -> None:
    response = api.open(AGENTS_PATH, method=method)

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/more", b"{}", 404, "Not Found"),
        (AGENTS_PATH, b"x" * 10_000_001, 413, "Request Entity Too Large"),
    ],
)
def test_the_gateway_responds_itself_as_in_aws(
    api: WsgiClient, path: str, body: bytes, status: int, message: str
) -> None:
    response = api.post(path, data=body)

    assert (response.status_code, response.json) == (status, {"message": message})


def test_the_page_comes_with_all_that_it_needs_and_the_key(api: WsgiClient, client: Client) -> None:
    page = api.get("/docs")

    assert page.content_type == "text/html; charset=utf-8"
    assert client.key in page.text
    assert "://" not in page.text  # nothing from another server
    assert api.get("/", follow_redirects=True).data == page.data
    document: Any = api.get("/openapi.json").json
    assert AGENTS_PATH in document["paths"]
    with api.get("/docs/ui/swagger-ui-bundle.js") as library:
        assert "SwaggerUIBundle" in library.get_data(as_text=True)


def test_the_page_is_not_shown_under_a_foreign_name(api: WsgiClient, client: Client) -> None:
    page = api.get("/docs", headers={"host": "evil.example"})

    assert page.status_code == 403
    assert client.key not in page.text


def test_runs_with_one_aws_share_its_agents(local: Local, moto_url: str) -> None:
    arguments = ["invoke", IDEMPOTENT, "--endpoint-url", moto_url]
    first, again = (json.loads(local(*arguments).out) for _ in range(2))

    assert again["body"] == first["body"]
    assert again["headers"]["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("voice_id", "result"),
    [("any", {"status": "ready"}), ("no-such-voice", {"status": "error", "statusReason": "voice_not_found"})],
)
def test_a_key_is_tried_and_the_stored_agent_shown(
    local: Local, moto_url: str, tmp_path: Path, voice_id: str, result: dict[str, str]
) -> None:
    event = json.loads((ROOT / "events/create_agent_11labs_byo.json").read_text("utf-8"))
    file = tmp_path / "event.json"
    file.write_text(json.dumps({**event, "body": json.dumps(own_key(voice_id))}), encoding="utf-8")
    agent = json.loads(local("invoke", file, "--endpoint-url", moto_url).out)["body"]
    stored = json.loads(local("agent", agent["workspaceId"], agent["_id"], "--endpoint-url", moto_url).out)

    assert agent["status"] == "pending"
    assert stored == {**agent, **result, "updatedAt": stored["updatedAt"]}


def own_key(voice_id: str) -> dict[str, Any]:
    tts_model = {"provider": "11labs_byo", "voiceId": voice_id, "elevenLabsApiKey": "sk_a_newcomers_key"}
    return {"name": "Own", "ttsModel": tts_model}


def test_an_agent_that_does_not_exist_is_named_in_one_line(local: Local, moto_url: str) -> None:
    run = local("agent", "workspace", "id", "--endpoint-url", moto_url)

    assert run == Run(2, "", "tests.local: There is no agent id in workspace workspace.\n")


def test_a_server_responds_and_tries_keys_until_ctrl_c() -> None:
    with serving("--aws-port", "0", "--rate-limit", "1000") as server:
        response = server.send()
        with ThreadPoolExecutor(8) as pool:
            at_once = list(pool.map(lambda _: server.send(), range(16)))
        agents = [server.send(json.dumps(own_key(voice_id))).body for voice_id in ("any", "invalid-key")]
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


@pytest.mark.parametrize("name", ["sam_env.json", "sam_env_podman.json"])
def test_sam_local_is_given_variables_that_the_functions_have(template: Template, name: str) -> None:
    variables = json.loads((ROOT / "tests/local" / name).read_text("utf-8"))["Parameters"]

    # SAM ignores any other.
    for function in template.resources("AWS::Serverless::Function"):
        assert variables.keys() <= template.environment(function).keys()


def test_references_are_resolved_to_logical_ids(template: Template) -> None:
    environment = template.environment("CreateAgentFunction")

    assert environment["AGENTS_TABLE"] == "AgentsTable"
    assert environment["SECRETS_KEY_ID"] == "alias/local-secrets"
    assert environment["ALLOWED_TTS_PROVIDERS"].startswith("openai,")

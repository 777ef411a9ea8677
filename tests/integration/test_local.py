"""The command line of the local run, in this process."""

import io
import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.local import aws, command
from tests.support.client import Stage
from tests.support.logs import FUNCTIONS, recorded_output
from tests.support.samples import with_own_key
from tests.support.template import ROOT

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
    file.write_text(json.dumps({**event, "body": json.dumps(with_own_key(voice_id))}), encoding="utf-8")
    agent = json.loads(local("invoke", file, "--endpoint-url", moto_url).out)["body"]
    stored = json.loads(local("agent", agent["workspaceId"], agent["_id"], "--endpoint-url", moto_url).out)

    assert agent["status"] == "pending"
    assert stored == {**agent, **result, "updatedAt": stored["updatedAt"]}


def test_an_agent_that_does_not_exist_is_named_in_one_line(local: Local, moto_url: str) -> None:
    run = local("agent", "workspace", "id", "--endpoint-url", moto_url)

    assert run == Run(2, "", "tests.local: There is no agent id in workspace workspace.\n")

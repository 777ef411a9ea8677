"""A person at a terminal sees colours and short log lines; files and pipes get everything, without colours."""

import io
import os
import pty
import subprocess
import sys

import pytest

from tests.local.terminal import coloured, log_stream
from tests.support.client import Client
from tests.support.logs import recorded_output
from tests.support.template import ROOT

ESCAPE = "\x1b["


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def xterm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def in_terminal(text: str) -> str:
    terminal = Terminal()
    stream = log_stream(terminal)
    stream.write(text[:10])
    stream.write(text[10:])
    stream.flush()
    return terminal.getvalue()


@pytest.fixture
def log(client: Client) -> str:
    """What the function prints for one request: its log line and its metrics."""
    with recorded_output() as output:
        client.post()
    return output.text


def test_a_log_line_is_short_and_metrics_are_hidden(log: str) -> None:
    (line,) = in_terminal(log).splitlines()

    assert log.count("\n") == 2
    assert line.startswith(f"{ESCAPE}32m201{ESCAPE}0m  {ESCAPE}2mcreate_agent  created  requestId=request-1  ")
    assert "  storeMs=" in line
    assert not any(name in line for name in ("_aws", "function_", "timestamp", "cold_start"))


@pytest.mark.parametrize("text", ["words\n", "5\n", '"text"\n', "[]\n", '{"no": "status"}\n', "{\n"])
def test_any_other_line_is_left_as_it_is(text: str) -> None:
    assert in_terminal(text) == text


@pytest.mark.parametrize(("status", "colour"), [(201, 32), (399, 32), (400, 33), (499, 33), (500, 31)])
def test_a_status_has_the_colour_of_its_kind(status: int, colour: int) -> None:
    assert coloured(str(status), status, Terminal()) == f"{ESCAPE}{colour}m{status}{ESCAPE}0m"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_turned_off(log: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    assert in_terminal(log).startswith("201  create_agent  created  requestId=")


def test_files_and_pipes_get_everything_without_colours() -> None:
    stream = io.StringIO()

    assert log_stream(stream) is stream
    assert coloured("201", 201, stream) == "201"


def test_a_command_in_a_terminal_writes_for_a_person() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tests.local", "invoke", "events/create_agent_minimal.json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b"".join(iter(lambda: read(ours), b"")).decode()
        os.close(ours)

    assert process.returncode == 0
    first, *others = written.splitlines()
    assert first.startswith(f"{ESCAPE}32m201{ESCAPE}0m  {ESCAPE}2mcreate_agent  created  ")
    assert f'"statusCode": {ESCAPE}32m201{ESCAPE}0m,' in "".join(others)


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux raises when the other side is closed
        return b""

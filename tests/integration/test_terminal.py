"""A person at a terminal sees colours and short log lines; a file, a pipe and who set NO_COLOR do not."""

import os
import pty
import subprocess
import sys

import pytest

from tests.support.template import ROOT

CREATE = "events/create_agent_minimal.json"
MISSING_KEY = "events/create_agent_missing_key.json"
ESCAPE = "\x1b["


def at_a_terminal(*events: str, **variables: str) -> str:
    """Run `invoke` with a terminal for all that it writes."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tests.local", "invoke", *events]
    environment = {**os.environ, "NO_COLOR": "", "TERM": "xterm", **variables}
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        process.wait(60)
    return seen.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux tells that the other side is closed
        return b""


def test_a_status_has_the_colour_of_its_kind() -> None:
    seen = at_a_terminal(CREATE, MISSING_KEY)

    assert f'"statusCode": {ESCAPE}32m201{ESCAPE}0m,' in seen
    assert f'"statusCode": {ESCAPE}33m401{ESCAPE}0m,' in seen


def test_a_log_line_is_short_and_says_what_became_of_the_request() -> None:
    created, rejected, *_ = at_a_terminal(CREATE, MISSING_KEY).splitlines()

    assert created.startswith(f"{ESCAPE}32m201{ESCAPE}0m  {ESCAPE}2mcreate_agent  created  requestId=")
    assert "  agentId=" in created
    assert rejected.startswith(f"{ESCAPE}33m401{ESCAPE}0m  {ESCAPE}2mcreate_agent  missing_api_key  requestId=")
    assert "_aws" not in created


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(variables: dict[str, str]) -> None:
    seen = at_a_terminal(CREATE, **variables)

    assert ESCAPE not in seen
    assert seen.startswith("201  create_agent  created  requestId=")
    assert '"statusCode": 201,' in seen


def test_a_pipe_gets_the_answer_plain_and_the_log_whole() -> None:
    command = [sys.executable, "-m", "tests.local", "invoke", CREATE]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert ESCAPE not in run.stdout + run.stderr
    assert run.stderr.startswith('{"level":"INFO","message":"request succeeded"')
    assert '"_aws":{' in run.stderr

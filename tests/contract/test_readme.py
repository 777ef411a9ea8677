"""The README's commands work and its samples are real."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telemetry import LATENCIES, OUR_FAILURES, SUCCESSES
from tests.conftest import Client
from tests.local.command import curl
from tests.support.template import ROOT, load_template

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
SAMPLES = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
SET_UP = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && "


def fixed(answer: object) -> object:
    """Put the same in place of what differs from run to run."""
    text = re.sub(r"\b[0-9a-f]{24}\b", "ID", json.dumps(answer))
    text = re.sub(r";t=\d+", ";t=SECONDS", text)
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text))


def test_each_of_the_first_two_commands_does_all_of_its_set_up() -> None:
    assert COMMANDS[0] == SET_UP + ".venv/bin/python -m tests.local invoke events/create_agent.json"
    assert COMMANDS[1] == SET_UP + ".venv/bin/python -m pytest"


def test_the_first_command_answers_what_the_readme_shows() -> None:
    command = shlex.split(COMMANDS[0].removeprefix(SET_UP))
    run = subprocess.run([sys.executable, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=True)

    assert fixed(json.loads(run.stdout)) == fixed(SAMPLES[0])
    assert run.stdout.count("\n") == json.dumps(SAMPLES[0], indent=2).count("\n") + 1


def test_the_curl_line_is_the_one_that_serve_prints_and_has_the_answer_that_is_shown(client: Client) -> None:
    (line,) = [command for command in COMMANDS if command.startswith("curl ")]
    body = shlex.split(line)[-1]
    shown, real = fixed(SAMPLES[1]), fixed(json.loads(client.post(body).text))

    assert line == curl("http://127.0.0.1:3000/v1/api/agents", "cca_live_…")
    assert isinstance(shown, dict)
    assert isinstance(real, dict)
    owner = {"workspaceId": "ID", "userId": "ID"}
    assert {**real, **owner} == shown


def test_the_error_that_is_shown_is_a_real_one(client: Client) -> None:
    real = json.loads(client.post({}).text)
    real["error"]["requestId"] = "…"

    assert real == SAMPLES[2]


def test_what_sam_is_told_to_run_exists() -> None:
    functions = load_template().resources("AWS::Serverless::Function")
    sam = [shlex.split(command) for command in COMMANDS if command.startswith("sam ")]

    assert [command[1] for command in sam] == ["build", "deploy", "remote", "build", "local", "local"]
    invoked = [command[3] for command in sam if command[2:3] == ["invoke"]]
    assert invoked == ["ManageApiKeysFunction", "CreateAgentFunction"]
    assert set(functions) - set(invoked) == {"ActivateAgentFunction", "ReactivateAgentFunction"}
    assert "`ReactivateAgentFunction`" in README
    assert all((ROOT / word).is_file() for command in sam for word in command if word.startswith("events/"))


def test_the_first_key_is_issued_by_the_command_that_is_shown(manage: Callable[..., tuple[int, Any]]) -> None:
    (command,) = [shlex.split(command) for command in COMMANDS if command.startswith("sam remote invoke ")]
    status, issued = manage(**json.loads(command[-1]))

    assert (status, issued["workspaceId"]) == (201, "my-workspace")
    assert Client(issued["key"], "my-workspace").post().status == 201


def test_the_commands_for_contributors_are_those_that_the_check_runs() -> None:
    hostile = [command.split()[-1] for command in COMMANDS if "tests/hostile/" in command]
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/hostile").glob("test_*.py")}

    assert set(hostile) == modules - {"tests/hostile/test_load.py"}
    assert ".venv/bin/python -m pytest -q --no-cov tests/hostile\n" in (ROOT / ".ci/run").read_text(encoding="utf-8")
    loads = [shlex.split(command)[3:] for command in COMMANDS if " tests.resilience.load" in command]
    assert loads == [[], ["--faults", "0.1"]]


def test_the_configurations_that_are_named_exist() -> None:
    configuration = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))

    deployed = set(re.findall(r"sam deploy --config-env (\w+)", README))
    assert deployed == {"dev", "prod"}
    assert all("deploy" in configuration[name] for name in deployed)
    assert set(re.findall(r"--config-env (\w+)", README)) - deployed == {"x86_64"}
    assert {"build", "local_invoke", "local_start_api"} <= set(configuration["x86_64"])


def test_every_parameter_of_a_deployment_is_in_the_table_with_its_default() -> None:
    parameters = load_template().content["Parameters"]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \| .* ?\|$", README, re.MULTILINE)
    shown = {name: default for names, default in rows for name in re.findall(r"\w+", names) if name in parameters}

    assert set(shown) == set(parameters) - {"EndpointUrl"}
    for name, default in shown.items():
        if name not in {"AllowedLlmModels", "AllowedTtsProviders"}:
            assert (str(parameters[name]["Default"]) or "none") in default.replace("`", "").split(", ")


def test_every_metric_is_in_the_table() -> None:
    table = set(re.findall(r"`([A-Za-z]+)`", "".join(re.findall(r"^\| (`.*?) \|", README, re.MULTILINE))))

    assert {*SUCCESSES.values(), *OUR_FAILURES.values(), *LATENCIES} <= table
    assert {"RequestsRejected", "RequestsFailed", "AuthenticationFailed"} <= table


@pytest.mark.parametrize("path", re.findall(r"`((?:events|functions|tests|\.ci)/[\w./]*)`", README))
def test_the_files_that_are_named_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_lock_file_is_made_by_the_command_that_is_shown() -> None:
    (command,) = [command for command in COMMANDS if command.startswith("uv ")]

    assert command in (ROOT / "functions/requirements.txt").read_text(encoding="utf-8")
    assert command.removeprefix("uv pip compile") in (ROOT / ".ci/run").read_text(encoding="utf-8").replace(" -q", "")


def test_every_code_of_the_contract_is_in_the_table() -> None:
    tree = Path(ROOT / "functions/agents/errors.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'^    code(?:: ClassVar\[str\])? = "(\w+)"', tree, re.MULTILINE)) - {"conflict"}

    assert {code for code in codes if f"`{code}`" not in README} == set()

"""The local run in processes of their own: any shell, any Python, any console, and Lambda's container."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.template import ROOT, Template

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

"""Well-known generators make working clients of the OpenAPI document."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support import venvs
from tests.support.server import Server
from tests.support.template import ROOT

PYTHON_GENERATOR = "openapi-python-client==0.29.1"
TYPESCRIPT_GENERATOR = ("@hey-api/openapi-ts@0.99.0", "typescript@5.9.3", "@types/node@20.19.25")

_HERE = Path(__file__).parent
_DOCUMENT = ROOT / "tests/contract/openapi/openapi.json"
_VENV = ROOT / ".venv-openapi-python-client"


def check(printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that an agent was created and read back until it was ready, and that the client can read an error."""
    with capsys.disabled():
        print(f"\n{printed}", end="")
    lines = r"created (\w{24}) pending\nread \1 ready any\nrefused validation_error name\n"
    assert re.fullmatch(lines, printed)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program and return its output; it is shown when the program fails."""
    ended = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def caller(server: Server) -> list[str]:
    return [server.origin, server.headers["x-api-key"], server.headers["x-workspace-id"]]


def test_the_python_client_creates_an_agent_and_reads_it_back(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    venvs.install(_VENV, PYTHON_GENERATOR)
    programs = _VENV / "bin"
    generated = tmp_path / "client"
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    options = ["--path", str(_DOCUMENT), "--output-path", str(generated), "--fail-on-warning"]
    run(programs / "openapi-python-client", "generate", *options, cwd=tmp_path, PATH=path)

    program = _HERE / "python_client.py"
    check(run(programs / "python", program, *caller(server), cwd=tmp_path, PYTHONPATH=str(generated)), capsys)


def test_the_typescript_client_creates_an_agent_and_reads_it_back(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "main.ts").write_bytes((_HERE / "typescript_client.ts").read_bytes())
    run("npm", "install", "--no-audit", "--no-fund", *TYPESCRIPT_GENERATOR, cwd=tmp_path)
    run("npx", "openapi-ts", "-i", _DOCUMENT, "-o", "client", cwd=tmp_path)
    run("npx", "tsc", "--strict", "--target", "es2022", "--module", "nodenext", "main.ts", cwd=tmp_path)

    check(run("node", "main.js", *caller(server), cwd=tmp_path), capsys)

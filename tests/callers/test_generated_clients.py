"""Well-known generators make working clients of the OpenAPI document."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import venvs
from tests.support.server import Server
from tests.support.template import ROOT

_README = (ROOT / "README.md").read_text("utf-8")
FOR_PYTHON, FOR_TYPESCRIPT = re.findall(r"^(?:pip|npm) install .+\\\n.+", _README, re.MULTILINE)
NODE_TYPES = "@types/node@20.19.25"

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the OpenAPI document."""
    shutil.copy(_DOCUMENT, tmp_path)
    return tmp_path


def caller(server: Server) -> list[str]:
    return [server.origin, server.headers["x-api-key"], server.headers["x-workspace-id"]]


def test_the_python_client_creates_an_agent_and_reads_it_back(
    server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    venvs.install(_VENV, FOR_PYTHON.split()[2])
    programs = _VENV / "bin"
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    run("sh", "-c", FOR_PYTHON, cwd=folder, PATH=path)

    program = _HERE / "python_client.py"
    check(run(programs / "python", program, *caller(server), cwd=folder, PYTHONPATH=str(folder / "client")), capsys)


def test_the_typescript_client_creates_an_agent_and_reads_it_back(
    server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "package.json").write_text("{}")
    (folder / "main.ts").write_bytes((_HERE / "typescript_client.ts").read_bytes())
    run("sh", "-c", FOR_TYPESCRIPT, cwd=folder)
    run("npm", "install", NODE_TYPES, cwd=folder)
    run("npx", "tsc", "--strict", "--target", "es2022", "--module", "nodenext", "main.ts", cwd=folder)

    check(run("node", "main.js", *caller(server), cwd=folder), capsys)

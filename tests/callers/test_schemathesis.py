"""Valid and invalid requests that are made from the OpenAPI document get responses as it describes."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import venvs
from tests.support.server import Server
from tests.support.template import ROOT

REQUIREMENT = "schemathesis==4.32.5"
EXAMPLES = 150

_VENV = ROOT / ".venv-schemathesis"
_CONFIG = Path(__file__).parent / "schemathesis.toml"


def test_schemathesis_finds_no_violation(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    venvs.install(_VENV, REQUIREMENT)
    program = str(_VENV / "bin" / "schemathesis")
    command = [program, "--config-file", str(_CONFIG), "run", f"{server.origin}/openapi.json"]
    # A fixed seed, so that each run has the same cases.
    bounds = ["--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "1", "--continue-on-failure", "--no-color"]
    headers = [part for name in ("x-api-key", "x-workspace-id") for part in ("-H", f"{name}: {server.headers[name]}")]
    run = subprocess.run([*command, *bounds, *headers], cwd=tmp_path, capture_output=True, text=True, check=False)
    with capsys.disabled():
        print(run.stdout[run.stdout.find("\n", run.stdout.find("Test Phases")) :])

    assert run.returncode == 0, run.stdout
    generated, passed = map(int, re.findall(r"(\d+) generated, (\d+) passed", run.stdout)[0])
    assert generated == passed >= EXAMPLES
    server.log.seek(0)
    assert server.log.read().count('"outcome":"created"') > EXAMPLES / 4

"""Production's dependencies are those that it imports, pinned with hashes, from no particular index."""

import ast
import re
import subprocess
import sys
import tomllib

from tests.support.template import ROOT

LOCK = (ROOT / "functions/requirements.txt").read_text(encoding="utf-8")
PRODUCTION = [path for path in (ROOT / "functions").rglob("*.py") if path.parent.name != "build"]
"""All modules but the build, which is not packed."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_lock_file_has_the_projects_pins() -> None:
    locked = set(re.findall(r"^(\S+==\S+)", LOCK, re.MULTILINE))

    assert set(PROJECT["dependencies"]) <= locked


def test_every_package_is_pinned_and_hashed() -> None:
    for requirement in LOCK.replace("\\\n", " ").splitlines():
        assert re.fullmatch(r"#.*|[a-z0-9-]+==\S+( ; [^-]+)?(\s+--hash=sha256:[0-9a-f]{64})+", requirement)


def test_production_imports_only_known_packages() -> None:
    imported = set()
    for path in PRODUCTION:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        hidden = {node for guard in ast.walk(tree) if _is_type_checking(guard) for node in ast.walk(guard)}
        for node in ast.walk(tree):
            if node not in hidden and isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif node not in hidden and isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])

    own = {path.stem for path in (ROOT / "functions").iterdir()}
    assert imported - own - sys.stdlib_module_names == {
        "aws_lambda_powertools",
        "boto3",
        "botocore",  # boto3's Config and errors
        "pydantic",
        "pydantic_core",  # comes with pydantic
        "snapshot_restore_py",  # part of Lambda's runtime, optional elsewhere
        "urllib3",  # botocore depends on it
        "typing_extensions",  # pydantic depends on it and requires its TypedDict on Python 3.11
    }


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def test_imports_do_nothing() -> None:
    program = (
        "import os, socket\n"
        "os.environ.clear()\n"
        "socket.socket.connect = None\n"
        "import activate_agent, create_agent, manage_api_keys, retry_agents\n"
        "assert not create_agent.application.cache_info().currsize\n"
        "assert not manage_api_keys.frame.cache_info().currsize\n"
    )

    subprocess.run([sys.executable, "-c", program], cwd=ROOT / "functions", check=True)

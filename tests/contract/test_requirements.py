"""What is shipped is what is imported, pinned and hashed, and comes from no named place."""

import ast
import re
import subprocess
import sys
import tomllib

from tests.support.template import ROOT

LOCK = (ROOT / "functions/requirements.txt").read_text(encoding="utf-8")
PRODUCTION = [path for path in (ROOT / "functions").rglob("*.py") if path.parent.name != "build"]
"""All but the program that makes packages, which is in none."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_lock_holds_the_projects_pins() -> None:
    locked = set(re.findall(r"^(\S+==\S+)", LOCK, re.MULTILINE))

    assert set(PROJECT["dependencies"]) <= locked


def test_every_package_is_pinned_and_hashed_and_no_index_is_named() -> None:
    for requirement in LOCK.replace("\\\n", " ").splitlines():
        assert re.fullmatch(r"#.*|[a-z0-9-]+==\S+( ; [^-]+)?(\s+--hash=sha256:[0-9a-f]{64})+", requirement)


def test_production_imports_only_what_the_project_names() -> None:
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
        "botocore",
        "pydantic",
        "pydantic_core",  # comes with pydantic
        "snapshot_restore_py",  # where it is missing it is not needed: Lambda's runtime brings it
        "urllib3",  # comes with botocore, which cannot do without
        "typing_extensions",  # the same: pydantic wants its TypedDict, and not Python 3.11's own
    }


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def test_no_module_does_anything_when_it_is_imported() -> None:
    program = (
        "import os, socket\n"
        "os.environ.clear()\n"
        "socket.socket.connect = None\n"
        "import activate_agent, create_agent, manage_api_keys, reactivate_agent\n"
        "assert not create_agent.application.cache_info().currsize\n"
        "assert not manage_api_keys.reporter.cache_info().currsize\n"
    )

    subprocess.run([sys.executable, "-c", program], cwd=ROOT / "functions", check=True)

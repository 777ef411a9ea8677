"""Makes the package of a Lambda function: what it needs, nothing else, and compiled.

    python3 build/package.py CreateAgentFunction --architecture arm64 --output DIRECTORY

`sam build` runs it through make. It needs uv, which installs wheels for another processor and another Python than its
own, and a Python of the function's version, which compiles bytecode. The same inputs make the same bytes.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PYTHON = "3.14"
"""Lambda's, as in the template."""

PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
"""The platform of the wheels, by Lambda's name of the processor. Amazon Linux 2023 has a newer C library."""

SOURCES = Path(__file__).parent.parent

OPERATIONS = {
    "dynamodb": ("BatchGetItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"),
    "events": ("PutEvents",),
    "kms": ("Decrypt", "Encrypt"),
}
"""What the functions call, by AWS service. botocore's data of others and of 400 services is left out."""

WARNING = """
WARNING: {name} is built WITHOUT BYTECODE, for there is no Python {python} here.
It works, but Python compiles everything on every cold start, which takes about three times as long.
Install one and build again: uv python install {python}
"""

MODIFIED = 315_532_800
"""Modification time of every file: 1 January 1980, the earliest that a zip file can hold."""

HANDLERS = {
    "CreateAgentFunction": (
        "cold_start/create_agent.py",
        "cold_start/__init__.py",
        "compiled_text.py",
        "create_agent.py",
    ),
    "GetAgentFunction": ("cold_start/get_agent.py", "cold_start/__init__.py", "compiled_text.py", "get_agent.py"),
    "PublishAgentEventsFunction": ("publish_agent_events.py",),
    "ManageApiKeysFunction": ("manage_api_keys.py",),
    "ActivateAgentFunction": ("activate_agent.py",),
    "RetryAgentsFunction": ("retry_agents.py",),
}
"""Each function's own modules, by its logical id in the template. The first one is its entry point."""

UNUSED = (
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/auth_alpha",
    "aws_lambda_powertools/utilities/feature_flags",
    "aws_lambda_powertools/utilities/idempotency",
    "aws_lambda_powertools/utilities/parameters",
    "boto3/data",
    "boto3/examples",
    "pydantic/v1",
    "bin",
)
"""Large parts of libraries that are never imported. Each has to exist, or it is to be deleted here."""


def package(name: str, architecture: str, python: str, output: Path) -> bool:
    """Make a function's package.

    Parameters
    ----------
    name : str
        The function's logical id in the template.
    architecture : str
        ``arm64`` or ``x86_64``.
    python : str
        Version: ``3.14``.
    output : Path
        An empty directory, or none yet.

    Returns
    -------
    bool
        Whether it has bytecode. Without, it works and starts slowly.
    """
    platform = ("--python-platform", PLATFORMS[architecture], "--python-version", python)
    install(output, "--python", sys.executable, *platform)
    shutil.copytree(SOURCES / "call_agents", output / "call_agents")
    for module in HANDLERS[name]:
        (output / module).parent.mkdir(exist_ok=True)
        shutil.copy(SOURCES / module, output / module)
    for part in UNUSED:
        remove(output / part)
    for path in list(output.rglob("__pycache__")):
        shutil.rmtree(path)
    reduce_data(output / "botocore" / "data")
    interpreter = find(python)
    if interpreter:
        compile_all(output, interpreter)
        if "compiled_text.py" in HANDLERS[name]:
            record_compiled_text(output, interpreter, HANDLERS[name][0])
    normalise(output)
    return interpreter is not None


def install(output: Path, *target: str) -> None:
    """Unpack the wheels that requirements.txt pins, each checked against its hash. uv's options name their target."""
    options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
    requirements = ["--target", str(output), "-r", str(SOURCES / "requirements.txt")]
    subprocess.run(["uv", "pip", "install", *options, *target, *requirements], check=True)


def remove(path: Path) -> None:
    """Delete a file or a directory; fail when it does not exist."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def reduce_data(data: Path) -> None:
    """Delete botocore's data of what is not called: it would search and parse all of it to make a client."""
    for path in data.iterdir():
        if path.is_dir() and path.name not in OPERATIONS:
            shutil.rmtree(path)
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: entry for name, entry in partition["services"].items() if name in OPERATIONS}
    (data / "endpoints.json").write_text(json.dumps(endpoints), "utf-8")
    for service, operations in OPERATIONS.items():
        *older, newest = sorted((data / service).iterdir())
        for version in older:
            shutil.rmtree(version)
        compressed = newest / "service-2.json.gz"
        model = reduce_model(json.loads(gzip.decompress(compressed.read_bytes())), operations)
        compressed.with_suffix("").write_text(json.dumps(model), "utf-8")
        compressed.unlink()


def reduce_model(model: dict[str, Any], operations: Iterable[str]) -> dict[str, Any]:
    """Return a service's model with these operations only, and with the shapes that they refer to."""
    kept = {name: model["operations"][name] for name in operations}
    shapes: dict[str, Any] = {}
    waiting: list[Any] = [kept]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            waiting += found.values()
            name = found.get("shape")
            if isinstance(name, str) and name not in shapes:
                shapes[name] = model["shapes"][name]
                waiting.append(shapes[name])
    return {**model, "operations": kept, "shapes": shapes}


def find(python: str) -> str | None:
    """Return a Python of this version: the one on PATH, or one that uv knows; None when there is none."""
    on_path = shutil.which(f"python{python}")
    # A version manager's shim can be on PATH without a Python behind it, so it is run once.
    if on_path and subprocess.run([on_path, "-c", ""], check=False, capture_output=True).returncode == 0:
        return on_path
    command = ["uv", "python", "find", "--no-project", python]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


def compile_all(output: Path, interpreter: str) -> None:
    """Compile bytecode that is loaded without checking the sources, whose modification times packing changes."""
    options = ["-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(output), "-p", "/var/task"]
    # A fixed seed, because the order of a set of constants in bytecode depends on it.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run([interpreter, "-s", "-P", "-m", "compileall", *options, str(output)], env=environment, check=True)


def record_compiled_text(output: Path, interpreter: str, entry_point: str) -> None:
    """Let `compiled_text` import the entry point and write its file. The package works without it, too."""
    module = entry_point.removesuffix(".py").replace("/", ".")
    program = f"import compiled_text; compiled_text.record({module!r})"
    try:
        with tempfile.TemporaryDirectory() as wheels:
            # This machine may have another processor than the function, so it gets binaries of its own.
            install(Path(wheels), "--python", interpreter)
            environment = {"PYTHONPATH": f"{wheels}{os.pathsep}{output}", "PYTHONHASHSEED": "0"}
            subprocess.run([interpreter, "-s", "-P", "-B", "-c", program], env=environment, check=True)
    except subprocess.CalledProcessError:
        print(f"WARNING: {module} starts more slowly, because its compiled text could not be recorded.", flush=True)


def normalise(output: Path) -> None:
    """Give every file the same time and permissions, so that a zip of them is the same, too."""
    for path in sorted(output.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (MODIFIED, MODIFIED))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=HANDLERS)
    parser.add_argument("--architecture", choices=PLATFORMS, required=True)
    parser.add_argument("--python", default=PYTHON, metavar="VERSION", help="the function's (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    if not shutil.which("uv"):
        sys.exit("The build needs uv, which is not on PATH: pipx install uv")
    if not package(options.name, options.architecture, options.python, options.output):
        print(WARNING.format(name=options.name, python=options.python), flush=True)


if __name__ == "__main__":
    main()

"""Makes what a Lambda function is deployed with: what it needs, nothing else, and compiled.

    python3 build/package.py CreateAgentFunction --architecture arm64 --output DIRECTORY

`sam build` runs it through make. It needs uv, which installs wheels for another processor and another Python than the
ones it runs on, and a Python of the function's version, which writes bytecode that this version loads without a look at
the sources. The same inputs make the same bytes.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = Any

PYTHON = "3.14"
"""Lambda's, as in the template."""

PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
"""What wheels have to fit, by Lambda's name of the processor; Amazon Linux 2023 has a newer C library."""

SOURCES = Path(__file__).parent.parent

SERVICES = ("dynamodb", "kms")
"""AWS's services that are called: of the others' models, 400 and more, nothing is packed."""

TEXTS = ("documentation", "documentationUrl")

WARNING = """
WARNING: {name} is built WITHOUT BYTECODE, for there is no Python {python} here.
It works, but compiles itself anew on every cold start, which takes about three times as long.
Install one and build again: uv python install {python}
"""

CHANGED = 315_532_800
"""Time of change of every file: 1 January 1980, the earliest that a zip file can tell."""


SHARED = ("agents", "amazon_roots.pem", "deployment.py", "telemetry.py")
MODULES = {
    "CreateAgentFunction": ("cold_start.py", "create_agent.py", "deadline.py", "http_api.py"),
    "ManageApiKeysFunction": ("manage_api_keys.py",),
    "ActivateAgentFunction": ("activate_agent.py", "deadline.py"),
    "ReactivateAgentFunction": ("activate_agent.py", "deadline.py", "reactivate_agent.py"),
}
"""Each function's own files, by its logical id in the template."""

UNUSED = {
    # The definition that agents/request_schema.py is made from; Powertools' resolver, with 2 MB of a page to try an API
    # in; pydantic as it was before version 2; what pip would start in a shell.
    "every function": ("agents/models.py", "aws_lambda_powertools/event_handler", "pydantic/v1", "bin"),
    # It validates with pydantic-core alone.
    "CreateAgentFunction": ("annotated_types*", "pydantic", "pydantic-*", "typing_inspection*"),
    "ManageApiKeysFunction": (),
    "ActivateAgentFunction": (),
    "ReactivateAgentFunction": (),
}
"""What is never imported, as patterns. Each has to be there, or it is to be deleted here."""


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
        Whether it holds bytecode; without it, it works and starts slowly.
    """
    install(output, architecture, python)
    for source in (SOURCES / file for file in (*SHARED, *MODULES[name])):
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, output / source.name)
    for pattern in (*UNUSED["every function"], *UNUSED[name]):
        remove(output, pattern)
    for path in filter(is_idle, list(output.rglob("*"))):
        path.unlink()
    cut_data(output / "botocore" / "data")
    interpreter = find(python)
    if interpreter:
        compile_all(output, interpreter)
    settle(output)
    return interpreter is not None


def install(output: Path, architecture: str, python: str) -> None:
    """Unpack the wheels that requirements.txt pins, each checked against its hash."""
    options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
    target = ["--python-platform", PLATFORMS[architecture], "--python-version", python, "--target", str(output)]
    requirements = ["-r", str(SOURCES / "requirements.txt")]
    subprocess.run(["uv", "pip", "install", "--python", sys.executable, *options, *target, *requirements], check=True)


def remove(output: Path, pattern: str) -> None:
    """Delete files or directories by their path, or fail when there are none."""
    paths = list(output.glob(pattern))
    if not paths:
        raise FileNotFoundError(pattern)
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def is_idle(path: Path) -> bool:
    """Tell whether nothing reads a file: not Python, and not a scanner of packages, which wants METADATA."""
    about = next((parent for parent in path.parents if parent.suffix == ".dist-info"), None)
    if about:
        return path.is_file() and path.name != "METADATA" and "licenses" not in path.relative_to(about).parts
    return path.suffix in {".pyi", ".pyc"} or path.name in {"py.typed", ".lock"}


def cut_data(data: Path) -> None:
    """Leave of botocore's data what a client of our services needs, and of that no documentation.

    The rules for endpoints are left out too. botocore would walk through them for each request; without, it takes the
    endpoint from its list of regions, once, and a test holds the two equal for every region.
    """
    for path in data.iterdir():
        if path.is_dir() and path.name not in SERVICES:
            shutil.rmtree(path)
    for path in data.glob("*/*/*"):
        if path.name.startswith("service-2."):
            path.with_suffix("").write_bytes(compact(without_texts(json.loads(gzip.decompress(path.read_bytes())))))
        path.unlink()
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: of for name, of in partition["services"].items() if name in SERVICES}
    (data / "endpoints.json").write_bytes(compact(endpoints))


def without_texts(value: Json) -> Json:
    """Return a service's model without its documentation; a shape or member may have that name as well."""
    if isinstance(value, dict):
        kept = [name for name in value if name not in TEXTS or not isinstance(value[name], str)]
        return {name: without_texts(value[name]) for name in kept}
    return [without_texts(element) for element in value] if isinstance(value, list) else value


def compact(value: Json) -> bytes:
    """Write JSON that is as short as it can be."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def find(python: str) -> str | None:
    """Return a Python of this version: the one on PATH, or one that uv knows; None when there is none."""
    on_path = shutil.which(f"python{python}")
    if on_path:
        return on_path
    command = ["uv", "python", "find", "--no-project", python]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


def compile_all(output: Path, interpreter: str) -> None:
    """Write bytecode that is loaded as it is: times of change do not survive packing, and need not be looked at."""
    options = ["-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(output), "-p", "/var/task"]
    # A seed, for the order in which a set of constants is written depends on it.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run([interpreter, "-s", "-P", "-m", "compileall", *options, str(output)], env=environment, check=True)


def settle(output: Path) -> None:
    """Give every file the same time and rights, so that a zip of them is the same as well."""
    for path in sorted(output.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (CHANGED, CHANGED))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=MODULES)
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

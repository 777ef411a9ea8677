"""The programs under test, packed for this machine: this project's as it is deployed, the peers' in two ways."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.template import ROOT
from tests.support.venvs import PROCESSOR

PEERS = Path(__file__).parent / "peers"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

ENOUGH = "99999"
"""A rate limit that is counted and never reached."""


def pinned(*names: str) -> tuple[str, ...]:
    """Return the project's own requirements of these names, so that a comparison is of the same versions."""
    lines = (ROOT / "functions" / "requirements.txt").read_text("utf-8").splitlines()
    return tuple(next(line.split()[0] for line in lines if line.startswith(f"{name}==")) for name in names)


REQUIREMENTS = {
    # botocore is named, because boto3 would take a newer one, and botocore is most of what is measured.
    "fastapi_mangum": ("fastapi==0.165.0", "mangum==0.22.0", *pinned("pydantic", "boto3", "botocore")),
    "powertools_resolver": pinned("aws-lambda-powertools", "pydantic", "boto3", "botocore"),
    "stdlib_floor": (),
}


@dataclass(frozen=True)
class Variant:
    """A program under test.

    Parameters
    ----------
    name : str
        For people.
    module : str
        With its `handler`.
    bytecode : bool
        Whether its package has any; `sam build`, left alone, ships none.
    function : str
        This project's function, by its logical id; empty for a peer.
    event : str
        The sample event that it gets.
    status : int
        Its response's status.
    limit : str
        Requests that a key may send in a minute; 0 counts none.
    """

    name: str
    module: str
    bytecode: bool = True
    function: str = ""
    event: str = "create_agent.json"
    status: int = 201
    limit: str = ENOUGH


OURS = Variant("this project", "cold_start.create_agent", function="CreateAgentFunction")
UNLIMITED = replace(OURS, name="without rate limit", limit="0")
READ = Variant(
    "reading an agent", "cold_start.get_agent", function="GetAgentFunction", event="get_agent.json", status=200
)
FASTAPI = Variant("FastAPI + Mangum", "fastapi_mangum")
FASTAPI_SAM = Variant("FastAPI + Mangum, as sam build ships it", "fastapi_mangum", bytecode=False)
BLUEPRINT = Variant("Powertools blueprint", "powertools_resolver")
FLOOR = Variant("standard library alone", "stdlib_floor")
VARIANTS = (OURS, UNLIMITED, READ, FASTAPI, FASTAPI_SAM, BLUEPRINT, FLOOR)


def pack(variant: Variant, folder: Path, authority: Path) -> Path:
    """Make a variant's package, unless it is there. It trusts the certificate of this bench, too.

    Parameters
    ----------
    variant : Variant
        The program.
    folder : Path
        Where packages are made.
    authority : Path
        The certificate that signed the endpoint's.

    Returns
    -------
    Path
        The package.
    """
    output = folder / f"{variant.module}{'' if variant.bytecode else '_sam'}"
    if output.exists():
        return output
    if variant.function:
        command = [sys.executable, str(ROOT / "functions/build/package.py"), variant.function]
        subprocess.run([*command, "--architecture", PROCESSOR, "--python", PYTHON, "--output", str(output)], check=True)
    else:
        _pack_peer(variant, output)
    for bundle in (*output.rglob("amazon_roots.pem"), *output.glob("botocore/cacert.pem")):
        bundle.write_text(bundle.read_text("utf-8") + authority.read_text("utf-8"), "utf-8")
    return output


def _pack_peer(variant: Variant, output: Path) -> None:
    output.mkdir()
    shutil.copy(PEERS / f"{variant.module}.py", output)
    if REQUIREMENTS[variant.module]:
        command = ["uv", "pip", "install", "--quiet", "--python", sys.executable, "--link-mode", "copy"]
        subprocess.run([*command, "--target", str(output), *REQUIREMENTS[variant.module]], check=True)
    if variant.bytecode:
        options = ["-q", "-f", "--invalidation-mode", "unchecked-hash", str(output)]
        subprocess.run([sys.executable, "-I", "-m", "compileall", *options], check=True)


def size(package: Path) -> int:
    """Return the bytes of all files in a package."""
    return sum(path.stat().st_size for path in package.rglob("*") if path.is_file())


def environment(url: str, variables: dict[str, str], authority: Path, limit: str) -> dict[str, str]:
    """Return the variables of a function, as Lambda and the template set them, with AWS at this URL and this limit."""
    return {
        **variables,
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's file system is read-only
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "create_agent",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "COUNTERS_TABLE": "CountersTable",
        "RATE_LIMIT_PER_MINUTE": limit,
        "KILOBYTES_PER_MINUTE": ENOUGH,
        "AWS_ENDPOINT_URL": url,
        "ENDPOINT_URL": url,
        "FLOOR_CA_FILE": str(authority),
    }

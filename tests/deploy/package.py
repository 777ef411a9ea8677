"""What `sam build` and `sam package` do: a package for each function, zipped and uploaded under its own hash."""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.deploy.cloud import Cloud
from tests.support import emulator
from tests.support.template import ROOT
from tests.support.venvs import PROCESSOR

BUCKET = "deployments"

_BUILD = ROOT / "functions" / "build" / "package.py"
_VERSION = "import sys; print('{}.{}'.format(*sys.version_info))"


def build(names: Iterable[str], folder: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """Pack functions for this machine, and for the Python that MiniStack runs them with.

    Returns
    -------
    dict
        The packages, by logical id.
    """
    python = subprocess.run([emulator.PYTHON, "-c", _VERSION], stdout=subprocess.PIPE, text=True, check=True).stdout
    packages = {name: folder / name for name in names}
    for name, output in packages.items():
        options = ["--architecture", PROCESSOR, "--python", python.strip(), "--output", str(output)]
        subprocess.run([sys.executable, str(_BUILD), name, *options], check=True)
        say(f"packed {name} for this machine")
    return packages


def upload(cloud: Cloud, packages: dict[str, Path]) -> dict[str, str]:
    """Upload packages; return their URLs. A changed package has another one, as `sam package` has it."""
    return {name: _upload(cloud, zipped(package)) for name, package in packages.items()}


def zipped(package: Path) -> Path:
    """Zip a package."""
    archive = package.with_suffix(".zip")
    # A package's files are from 1980, which west of Greenwich is 1979, before zip's time.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as opened:
        for path in sorted(filter(Path.is_file, package.rglob("*"))):
            opened.write(path, path.relative_to(package))
    return archive


def _upload(cloud: Cloud, archive: Path) -> str:
    content = archive.read_bytes()
    key = f"{hashlib.sha256(content).hexdigest()}.zip"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
    return f"s3://{BUCKET}/{key}"

"""What the bench needs and the project does not: Lambda's runtime client for Python, and the emulator that starts it.

They are installed into an environment of their own. The Runtime Interface Emulator is taken out of the SAM CLI's wheel.
"""

import subprocess
import zipfile

from tests.bench import packages
from tests.support import sam, venvs
from tests.support.template import ROOT

RUNTIME_CLIENT = "awslambdaric==4.2.2"
SAM_CLI = sam.REQUIREMENT

_VENV = ROOT / f".venv-bench-{packages.PYTHON}"
PYTHON = _VENV / "bin" / "python"
EMULATOR = _VENV / "bin" / f"aws-lambda-rie-of-{SAM_CLI}"


def install() -> None:
    """Make the environment, unless it is there."""
    venvs.install(_VENV, RUNTIME_CLIENT)
    if not EMULATOR.exists():
        _add_emulator()


def _add_emulator() -> None:
    pip = [str(PYTHON), "-m", "pip"]
    # Their startup files would be part of every figure.
    subprocess.run([*pip, "uninstall", "-q", "-y", "setuptools"], check=True)
    subprocess.run([*pip, "download", "-q", "--no-deps", "-d", str(_VENV / SAM_CLI), SAM_CLI], check=True)
    (wheel,) = (_VENV / SAM_CLI).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        EMULATOR.write_bytes(archive.read(f"samcli/local/rapid/aws-lambda-rie-{venvs.PROCESSOR}"))
    EMULATOR.chmod(0o755)

"""What the bench needs and the project does not: Lambda's runtime client for Python, and the emulator that starts it.

They are installed into an environment of their own. The Runtime Interface Emulator is taken out of the SAM CLI's wheel.
"""

import subprocess
import sys
import venv
import zipfile

from tests.bench.packages import PROCESSOR
from tests.local.template import ROOT

RUNTIME_CLIENT = "awslambdaric==4.2.2"
SAM_CLI = "aws-sam-cli==1.170.0"

_VENV = ROOT / ".venv-bench"
PYTHON = _VENV / "bin" / "python"
EMULATOR = _VENV / "bin" / "aws-lambda-rie"


def install() -> None:
    """Make the environment, unless it is there."""
    marker = _VENV / f"{RUNTIME_CLIENT} {SAM_CLI}"
    if marker.exists():
        return
    print(f"Installing {RUNTIME_CLIENT} and the emulator of {SAM_CLI} into {_VENV.name}, this once.", file=sys.stderr)
    venv.create(_VENV, clear=True, with_pip=True)
    pip = [str(PYTHON), "-m", "pip"]
    subprocess.run([*pip, "install", "-q", RUNTIME_CLIENT], check=True)
    subprocess.run([*pip, "download", "-q", "--no-deps", "-d", str(_VENV / "wheels"), SAM_CLI], check=True)
    (wheel,) = (_VENV / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        EMULATOR.write_bytes(archive.read(f"samcli/local/rapid/aws-lambda-rie-{PROCESSOR}"))
    EMULATOR.chmod(0o755)
    # Their startup files would be part of every figure.
    subprocess.run([*pip, "uninstall", "-q", "-y", "setuptools"], check=True)
    marker.touch()

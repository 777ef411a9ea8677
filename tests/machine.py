"""This machine, as far as tests depend on it: its processor, and environments for what the project must not need."""

import platform
import subprocess
import sys
import venv
from pathlib import Path

PROCESSOR = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
"""By Lambda's name."""


def install(folder: Path, requirement: str) -> None:
    """Make an environment with one requirement, unless it is there: its pins are others than the project's.

    Parameters
    ----------
    folder : Path
        Of the environment.
    requirement : str
        Name and version; another one makes it anew.
    """
    marker = folder / requirement
    if marker.exists():
        return
    print(f"Installing {requirement} into {folder.name}, this once.", file=sys.stderr)
    venv.create(folder, clear=True, with_pip=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", requirement], check=True)
    marker.touch()

"""Virtual environments for tools whose pins differ from the project's, and this machine's processor."""

import fcntl
import platform
import subprocess
import sys
import venv
from pathlib import Path

PROCESSOR = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
"""This machine's processor, by Lambda's name."""


def install(folder: Path, *requirements: str) -> None:
    """Make an environment with these requirements, unless it exists; other requirements make it anew."""
    marker = folder / "requirements"
    wanted = "\n".join(requirements)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test processes install once
        if marker.exists() and marker.read_text("utf-8") == wanted:
            return
        print(f"Installing {', '.join(requirements)} into {folder.name}, once.", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *requirements], check=True)
        marker.write_text(wanted, "utf-8")

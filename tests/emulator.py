"""MiniStack, a DynamoDB and a KMS over real HTTP, as a program of its own.

It is atomic under threads and counts sizes as DynamoDB does, which moto does not. It stands in an environment of its
own because it pins botocore.
"""

import os
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.local.aws import free_port
from tests.local.template import ROOT

REQUIREMENT = "ministack==1.5.33"

_VENV = ROOT / ".venv-ministack"
_PROGRAM = _VENV / "bin" / "ministack"
_START_SECONDS = 60


def install() -> None:
    """Make MiniStack's environment, unless it is there."""
    marker = _VENV / REQUIREMENT
    if marker.exists():
        return
    print(f"Installing {REQUIREMENT} into {_VENV.name}, this once.", file=sys.stderr)
    venv.create(_VENV, clear=True, with_pip=True)
    subprocess.run([_VENV / "bin" / "pip", "install", "-q", REQUIREMENT], check=True)
    marker.touch()


@contextmanager
def running() -> Iterator[str]:
    """Run MiniStack, empty, while the block runs.

    Yields
    ------
    str
        Its URL.
    """
    install()
    port = free_port()
    # On loopback only, with the two services that are wanted and nothing beside them.
    variables = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "SERVICES": "dynamodb,kms",
        "IOT_MTLS_ENABLED": "false",
        "LOG_LEVEL": "ERROR",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | variables
    process = subprocess.Popen([_PROGRAM], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/_ministack/health", process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=1):  # noqa: S310 - loopback
            return
        time.sleep(0.1)
    raise RuntimeError(f"{REQUIREMENT} does not answer; it ended with {process.poll()}.")

"""MiniStack, an emulated AWS over real HTTP, as a program of its own.

Its DynamoDB is atomic under threads and counts sizes as AWS's does, which moto's does not. It has an environment of its
own because it pins botocore.
"""

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType

from tests.local.aws import free_port
from tests.support import venvs
from tests.support.template import ROOT

REQUIREMENT = "ministack==1.5.33"

_VENV = ROOT / ".venv-ministack"
PYTHON = _VENV / "bin" / "python"
"""Runs MiniStack, and the functions that are deployed to it."""

_PROGRAM = _VENV / "bin" / "ministack"
_START_SECONDS = 60


def install() -> None:
    """Make MiniStack's environment, unless it is there."""
    venvs.install(_VENV, REQUIREMENT)


@contextmanager
def running(
    services: Iterable[str] = ("dynamodb", "kms"), variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """Run MiniStack, empty, while the block runs.

    Parameters
    ----------
    services : iterable of str
        What it emulates, by MiniStack's names.
    variables : mapping
        Settings of its own, besides those that every run has.

    Yields
    ------
    str
        Its URL.
    """
    install()
    port = free_port()
    # On loopback only, with the services that are wanted and nothing beside them.
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "SERVICES": ",".join(services),
        "IOT_MTLS_ENABLED": "false",
        "LOG_LEVEL": "ERROR",
        **variables,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | settings
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
    raise RuntimeError(f"{REQUIREMENT} does not start; its exit status is {process.poll()}.")

"""A function as Lambda runs it: started at its first event by the Runtime Interface Emulator, with the real runtime."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import tools
from tests.local.aws import free_port

PATH = "/2015-03-31/functions/function/invocations"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Function:
    """A running function.

    Parameters
    ----------
    port : int
        Where the emulator takes events.
    emulator : int
        Its process id; the function is its child.
    note : Path
        Where the function notes when its import ended.
    """

    port: int
    emulator: int
    note: Path
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def invoke(self, event: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Send an event: milliseconds until the response, and the response."""
        body = json.dumps(event)
        started = time.perf_counter()
        self.connection.request("POST", PATH, body)
        response = self.connection.getresponse()
        content = response.read()
        milliseconds = (time.perf_counter() - started) * 1000
        try:
            return milliseconds, json.loads(content)
        except ValueError:
            raise RuntimeError(f"the emulator responded with {response.status}: {content[:200]!r}") from None

    @property
    def process(self) -> int:
        """Id of the function's own process."""
        children = Path(f"/proc/{self.emulator}/task/{self.emulator}/children").read_text("utf-8").split()
        if children:
            return int(children[0])
        return next(_children(self.emulator))

    def cpu_ms(self) -> float:
        """Milliseconds of processor that the function has used, in user and in system mode."""
        fields = Path(f"/proc/{self.process}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS

    def peak_memory(self) -> int:
        """Bytes of memory that the function had at most."""
        status = Path(f"/proc/{self.process}/status").read_text("utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _children(parent: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if int(stat.read_text("utf-8").rpartition(")")[2].split()[1]) == parent:
            yield int(stat.parent.name)


@contextmanager
def running(package: Path, module: str, variables: dict[str, str], note: Path) -> Iterator[Function]:
    """Start the emulator for a function; the function itself starts with the first event."""
    port = free_port()
    bench = {
        "BENCH_MODULE": module,
        "BENCH_NOTE": str(note),
        "PYTHONPATH": os.pathsep.join([str(package), str(Path(__file__).parent)]),
        "LAMBDA_TASK_ROOT": str(package),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "900",  # nothing here is to end because the machine is slow
    }
    emulator = [str(tools.EMULATOR), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    # The runtime's own port is fixed unless it is given.
    runtime = ["--runtime-api-address", f"127.0.0.1:{free_port()}"]
    process = subprocess.Popen(
        [*emulator, *runtime, str(tools.PYTHON), "-s", "-P", "-m", "awslambdaric", "timed.handler"],
        env={**variables, **bench},
        cwd=package,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield Function(port, process.pid, note)
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("the Runtime Interface Emulator does not listen")


def now() -> float:
    """Seconds since the epoch, as the function under test notes them."""
    return time.time()

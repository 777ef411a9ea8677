"""Deploys the stack to an emulated AWS that checks signatures and policies; uses, updates and deletes it."""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from botocore.exceptions import ClientError

from tests.deploy import alerts, lifecycle, usage
from tests.deploy.adaptations import AdaptationError
from tests.deploy.cloud import SERVICES, Cloud, NotHeldError
from tests.deploy.deployment import Deployment
from tests.support import emulator, sam
from tests.support.template import ROOT, read


def main() -> int:
    """Run the command line; return the exit status: 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy", description=__doc__)
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml", help="(default: the project's)")
    options = parser.parse_args()
    if not shutil.which("uv"):
        print("The packages are made with uv, which is not on PATH: pipx install uv", file=sys.stderr)
        return 2
    say = _watch()
    say("preparing the translator and the emulator")
    sam.install()
    try:
        _run(read(options.template), say)
    except (NotHeldError, AdaptationError, sam.TranslationError, ClientError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 0


def _watch() -> Callable[[str], None]:
    """Return a function that prints a line with the seconds since the start."""
    started = time.monotonic()
    return lambda line: print(f"{time.monotonic() - started:5.1f} s  {line}", flush=True)


def _run(source: dict[str, Any], say: Callable[[str], None]) -> None:
    # The emulated functions leave files in the temporary folder, which are deleted with it.
    with TemporaryDirectory() as folder, emulator.running(SERVICES, {"AUTH": "true", "TMPDIR": folder}) as url:
        say(f"{emulator.REQUIREMENT} runs, and checks signatures and policies")
        _live(Deployment(Cloud(url), Path(folder), source), say)
        say("stopping MiniStack")
    say("everything held")


def _live(deployment: Deployment, say: Callable[[str], None]) -> None:
    example = json.loads((ROOT / "events" / "create_agent.json").read_bytes())
    lifecycle.make(deployment, say)
    alerts.try_rule(deployment, say)
    made = usage.begin(deployment, json.loads(example["body"]), say)
    usage.encrypt_secret(deployment, made, say)
    usage.activate(deployment, made, say)
    usage.refuse(made, say)
    usage.try_roles(deployment, made, say)
    lifecycle.change_parameters(deployment, made, say)
    lifecycle.update(deployment, made, say)
    lifecycle.delete(deployment, made, say)


if __name__ == "__main__":
    sys.exit(main())

"""Look up known vulnerabilities of locked packages, and say so when that was not possible.

::

    .venv-lint/bin/python .ci/audit.py functions/requirements.txt

pip-audit's exit status does not tell: it is 1 for a finding and for no connection, and 0 when packages are not found.
Its report does. This program ends with 0 when all packages were looked up and none has a known vulnerability, with 75
when some could not be looked up, and with 1 for a finding and for anything else.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

NOT_CHECKED = 75
UNREACHABLE = re.compile(r"^(requests\.exceptions|pip_audit\._service)\.|network may be blocking", re.MULTILINE)
"""What pip-audit says when the database does not answer, or not in its way."""


def main(requirements: str) -> int:
    """Return the exit status."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "-f", "json", "-o", str(report)]
        command = [sys.executable, "-m", "pip_audit", "-r", requirements, *options]
        run = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if not report.exists():
            unreachable = UNREACHABLE.search(run.stderr)
            print(run.stderr.strip().splitlines()[-1] if unreachable else run.stderr)
            return NOT_CHECKED if unreachable else 1
        packages = json.loads(report.read_text("utf-8"))["dependencies"]

    for package in packages:
        for finding in package.get("vulns", []):
            print(f"{package['name']} {package['version']}: {finding['id']}, fixed in {finding['fix_versions']}")
    missing = [package["name"] for package in packages if "vulns" not in package]
    print(f"{len(packages) - len(missing)} of {len(packages)} packages were looked up.", *missing)
    if any(package.get("vulns") for package in packages):
        return 1
    return NOT_CHECKED if missing or not packages else run.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

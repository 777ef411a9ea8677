"""Starts the command line, or says in one line what is missing."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - says so to an older Python
    sys.exit("tests.local: Python 3.11 or later is needed: this is %s." % sys.version.split()[0])  # noqa: UP031 - the same

SET_UP = "python3 -m venv .venv && .venv/bin/python -m tests.install local"

try:
    from tests.local.command import main
except ModuleNotFoundError as missing:
    package = str(missing.name).partition(".")[0]
    sys.exit(f"tests.local: the module {package} is missing. Run: {SET_UP}; then use .venv/bin/python.")

sys.exit(main())

"""Installs the project with some of its extras into the environment that runs this: `python -m tests.install local`.

It is pip, after a look at the Python: pip tells a wrong one by pages about packages, or not at all.
"""

import subprocess
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - says so to an older Python
    # A new .venv over an old one keeps the old one's Python.
    sys.exit(
        "Python 3.11 or later is needed: this is %s. Delete %s, and begin again with a newer Python."  # noqa: UP031 - the same
        % (sys.version.split()[0], sys.prefix)
    )

sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "-e", ".[%s]" % ",".join(sys.argv[1:])]))  # noqa: UP031 - the same

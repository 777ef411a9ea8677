"""A process that handles one event, as a Lambda environment does, so that it can be killed."""

import json
import sys

import create_agent
from tests.support.events import LambdaContext


def main() -> None:
    """Read an event from standard input and write the result to standard output; logs go to standard error."""
    out, sys.stdout = sys.stdout, sys.stderr
    result = create_agent.handler(json.load(sys.stdin), LambdaContext())
    json.dump(result, out)


if __name__ == "__main__":
    main()

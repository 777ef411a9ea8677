"""What is run under cachegrind: import a handler, handle some events.

    python driver.py PACKAGE MODULE EVENT STATUS TIMES RUN

It is started alone, with nothing of the project on the path.
"""

import importlib
import json
import pathlib
import sys
from typing import Any


class Context:
    """Lambda's, as far as handlers read it."""

    aws_request_id = "request-1"
    function_name = "create_agent"
    function_version = "$LATEST"
    memory_limit_in_mb = "512"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:create_agent"
    log_group_name = log_stream_name = "create_agent"
    identity = client_context = None

    def get_remaining_time_in_millis(self) -> int:
        return 28_000


def main(package: str, module: str, event_file: str, status: int, times: int, run: str) -> None:
    """Send an event that many times, each with an idempotency key of its own."""
    event: dict[str, Any] = json.loads(pathlib.Path(event_file).read_text("utf-8"))
    sys.path.insert(0, package)
    handler = importlib.import_module(module).handler
    context = Context()
    for number in range(times):
        event["headers"]["idempotency-key"] = f"{run}-{times:06}-{number:06}"
        result = handler(event, context)
        if result["statusCode"] != status:
            sys.exit(f"{module} returned {result['statusCode']}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6])

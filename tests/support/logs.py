"""What functions print while a test runs: log lines, and metrics in CloudWatch's embedded metric format."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import activate_agent
import create_agent
import get_agent
import manage_api_keys
import publish_agent_events
import retry_agents

FUNCTIONS = (activate_agent, create_agent, get_agent, manage_api_keys, publish_agent_events, retry_agents)


@dataclass(frozen=True)
class Output:
    """What was printed."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        """All of it."""
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log lines."""
        return [line for line in self._objects() if "_aws" not in line]

    @property
    def metrics(self) -> list[dict[str, float]]:
        """The value of each metric by name, for each line of metrics."""
        return [metrics_of(line) for line in self._objects() if "_aws" in line]

    def _objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]


def metrics_of(line: dict[str, Any], namespace: str = "CreateCallAgent") -> dict[str, float]:
    """Read a line of metrics as CloudWatch does; check that namespace, dimensions and units are the project's."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == (namespace, [["service"]])
    found = {}
    for metric in directive["Metrics"]:
        assert metric["Unit"] == ("Milliseconds" if metric["Name"].endswith("Ms") else "Count")
        (found[metric["Name"]],) = line[metric["Name"]]
    return found


@contextmanager
def recorded_output() -> Iterator[Output]:
    """Record what the functions print. Their loggers keep the stream that they were made with, so it is replaced."""
    output = Output()
    for function in FUNCTIONS:
        function.frame()
    handlers = [
        handler
        for function in FUNCTIONS
        for handler in logging.getLogger(function.SERVICE).handlers
        if isinstance(handler, logging.StreamHandler)
    ]
    previous = [handler.setStream(output.stream) for handler in handlers]
    try:
        with redirect_stdout(output.stream):
            yield output
    finally:
        for handler, stream in zip(handlers, previous, strict=True):
            if stream is not None:
                handler.setStream(stream)

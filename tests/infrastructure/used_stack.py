"""The metrics of a stack in made-up scenarios: what its functions write, and what Lambda and the gateway count."""

import io
import json
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from types import SimpleNamespace
from typing import Any

from call_agents.shared.config import Settings
from call_agents.shared.invocation import Frame, Invocation, Response
from tests.infrastructure.conftest import substituted
from tests.support.alarms import Series

MINUTES = 180
OLD_VERSION, NEW_VERSION = "6", "7"
FUNCTIONS = {
    "create_agent": "CreateAgentFunction",
    "get_agent": "GetAgentFunction",
    "manage_api_keys": "ManageApiKeysFunction",
    "retry_agents": "RetryAgentsFunction",
}
RESPONSES: dict[str, tuple[int, dict[str, str]]] = {
    "created": (201, {"outcome": "created"}),
    "replayed": (201, {"outcome": "replayed"}),
    "unverified": (201, {"outcome": "created", "unknownOutcome": "PutItem: ReadTimeoutError"}),
    "uncounted": (201, {"outcome": "created", "rateLimiterFailure": "UpdateItem: ReadTimeoutError"}),
    "succeeded": (200, {}),
    "rejected": (400, {"outcome": "validation_error"}),
    "unauthorized": (401, {"outcome": "invalid_api_key"}),
    "failed": (503, {"outcome": "service_unavailable"}),
}
"""Status and log fields of an invocation."""

Key = tuple[str, ...]
"""Namespace and name of a metric, and the values of its dimensions in the order of their names."""


@cache
def own_metrics(service: str, response: str, version: str) -> list[Key]:
    """Return the metrics that a function's frame writes."""
    status, fields = RESPONSES[response]

    def work(invocation: Invocation) -> Response:
        invocation.log.update(fields)
        return Response(status, None)

    output = io.StringIO()
    with redirect_stdout(output):
        frame = Frame(service, Settings({"POWERTOOLS_METRICS_NAMESPACE": "stack"}), lambda finished, _: finished)
        frame.run({}, SimpleNamespace(function_version=version), work, "request-1")
    found = []
    for line in map(json.loads, output.getvalue().splitlines()):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            (dimensions,) = directive["Dimensions"]
            values = [line[dimension] for dimension in sorted(dimensions)]
            found += [(directive["Namespace"], metric["Name"], *values) for metric in directive["Metrics"]]
    return found


class Stack:
    """The metrics of a stack in use."""

    def __init__(self) -> None:
        self._series: dict[Key, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))

    def put(self, minute: int, *key: str, value: float = 1) -> None:
        """Record a value of a metric."""
        self._series[key][minute].append(value)

    def series(self, metric: dict[str, Any]) -> Series:
        """Return the series of a metric in the template."""
        dimensions = sorted(metric.get("Dimensions", []), key=lambda dimension: str(dimension["Name"]))
        key = (metric["Namespace"], metric["MetricName"], *(dimension["Value"] for dimension in dimensions))
        return self._series.get(tuple(map(resolved, key)), {})

    def invoke(
        self,
        minute: int,
        service: str = "create_agent",
        response: str = "created",
        *,
        ms: float = 50,
        version: str | None = None,
        minutes_until_own: int = 0,
    ) -> None:
        """Invoke a function. A response that is not among `RESPONSES` is a crash.

        Lambda's metrics have the version only while the alias has two. Lambda counts an invocation in the minute of its
        start, the function in the minute of its end.
        """
        crashed = response not in RESPONSES
        failed = crashed or RESPONSES[response][0] >= 500
        function = FUNCTIONS[service]
        alias = (function, f"{function}:live")
        for dimensions in [(function,), alias, *([(version, *alias)] if version else [])]:
            self.put(minute, "AWS/Lambda", "Invocations", *dimensions)
            self.put(minute, "AWS/Lambda", "Errors", *dimensions, value=crashed)
            self.put(minute, "AWS/Lambda", "Throttles", *dimensions, value=0)
            self.put(minute, "AWS/Lambda", "Duration", *dimensions, value=ms)
        if service in {"create_agent", "get_agent"}:
            self.put(minute, "AWS/ApiGateway", "Count", "HttpApi")
            self.put(minute, "AWS/ApiGateway", "5xx", "HttpApi", value=failed)
        for key in [] if crashed else own_metrics(service, response, version or OLD_VERSION):
            self.put(minute + minutes_until_own, *key)

    def publish(self, minute: int, waited_ms: float = 200) -> None:
        """Publish an event."""
        self.put(minute, "AWS/Lambda", "Invocations", "PublishAgentEventsFunction")
        self.put(minute, "AWS/Lambda", "IteratorAge", "PublishAgentEventsFunction", value=waited_ms)

    def lose_own_metrics(self) -> None:
        """Forget the functions' own metrics."""
        for key in [key for key in self._series if key[0] == "stack"]:
            del self._series[key]


def resolved(value: Any) -> str:
    """Return a value of the template as CloudWatch gets it: resources have their logical ids as names."""
    match value:
        case {"Ref": "AWS::StackName"}:
            return "stack"
        case {"Ref": str(name)}:
            return name
        case {"Fn::Sub": str()}:
            return substituted(value)
        case {"Fn::GetAtt": [_, "Version"]}:
            return NEW_VERSION
        case {"Fn::GetAtt": [name, "QueueName"]}:
            return str(name)
    return str(value)


Scenario = Callable[[Stack], None]


def invoking(every: int = 1, times: int = 1, minutes: int = 60, **invocation: Any) -> Scenario:
    """Invoke a function so many times in each of these minutes, or in every so many of them."""

    def happen(stack: Stack) -> None:
        for minute in range(60, 60 + minutes, every):
            for _ in range(times):
                stack.invoke(minute, **invocation)

    return happen


def measuring(*key: str, value: float = 1, minutes: int = 10) -> Scenario:
    """Put a value into a metric in each of these minutes."""

    def happen(stack: Stack) -> None:
        for minute in range(60, 60 + minutes):
            stack.put(minute, *key, value=value)

    return happen


def together(*scenarios: Scenario) -> Scenario:
    def happen(stack: Stack) -> None:
        for scenario in scenarios:
            scenario(stack)

    return happen


def without_own_metrics(lost: Scenario, kept: Scenario) -> Scenario:
    def happen(stack: Stack) -> None:
        lost(stack)
        stack.lose_own_metrics()
        kept(stack)

    return happen

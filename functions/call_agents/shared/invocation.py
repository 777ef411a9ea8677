"""The frame of every handler: Lambda's context, the deadline, errors, one log line and the metrics of an invocation."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from call_agents.shared.config import Settings
from call_agents.shared.deadline import remaining_ms, run_in_time, spare_seconds
from call_agents.shared.errors import ServiceUnavailable, as_api_error, render
from call_agents.shared.json_values import Json

COUNTED_OUTCOMES = {
    "created": "AgentsCreated",
    "replayed": "AgentsReplayed",
    "ready": "AgentsReady",
    "error": "AgentsInError",
    "changed": "AgentsChanged",
}
"""Metric of each outcome that has its own. Others count as ``RequestsSucceeded``, ``…Rejected`` or ``…Failed``."""

COUNTED_WARNINGS = {
    "rateLimiterFailure": "RateLimiterFailed",
    "unknownOutcome": "UnknownWriteOutcomes",
    "damagedItems": "DamagedItems",
}
"""Metric of each log field that tells of trouble although the request may have succeeded."""

TIMED_STEPS = frozenset(("authenticate", "encrypt", "store", "read", "decrypt", "elevenLabs", "recordResult"))
"""Steps that wait for another service. Their times are metrics; those of other steps are only logged."""

VERSION_FAILED = "VersionFailed"
"""Metric of a published version's responses with 500 or 503. The alarm that rolls a new version back reads it."""

_UNAUTHORIZED, _CLIENT_ERROR, _SERVER_ERROR = 401, 400, 500

Result = TypeVar("Result")


@dataclass(frozen=True)
class Response:
    """What an invocation returns, before it is written in the format of whoever invoked it."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)


class Timer:
    """Measures the steps of an invocation. A step ends when the next one begins.

    Parameters
    ----------
    clock : Callable
        Monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._steps: list[tuple[str, float]] = []

    def begin(self, step: str) -> None:
        """Begin a step."""
        self._steps.append((step, self._clock()))

    def milliseconds(self) -> dict[str, float]:
        """Return the time of each step so far, such as ``{"store": 5.2}``."""
        ends = [*(start for _, start in self._steps[1:]), self._clock()]
        # Not strict: before the first step there is an end without a start.
        return {step: round((end - start) * 1000, 1) for (step, start), end in zip(self._steps, ends, strict=False)}


@dataclass
class Invocation:
    """What one invocation collects on its way, whether it succeeds or fails.

    Parameters
    ----------
    request_id : str
        The id that the caller sees.
    context : object
        Lambda's context.
    log : dict
        Fields of the log line: ids, outcomes and sizes, never a payload or a key.
    headers : dict
        Headers of the response, also when it is an error.
    timer : Timer
        Times of the steps.
    """

    request_id: str
    context: object
    log: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    timer: Timer = field(default_factory=Timer)

    def check_time(self, milliseconds: int) -> None:
        """Raise ServiceUnavailable when less than this much of the function's time remains."""
        if remaining_ms(self.context) < milliseconds:
            raise ServiceUnavailable(internal="out of time")


class Frame(Generic[Result]):
    """Runs invocations of one function: none of them raises, and each leaves one log line and its metrics.

    Parameters
    ----------
    service : str
        Name of the function in logs and metrics.
    settings : Settings
        Log level and namespace of the metrics.
    finish : Callable
        Writes a response and its request id in the format of whoever invoked the function.
    """

    def __init__(self, service: str, settings: Settings, finish: Callable[[Response, str], Result]) -> None:
        self._logger = Logger(service=service, level=settings.log_level, location=None)
        self._namespace = settings.metrics_namespace
        self._finish = finish
        # log_event=False is explicit, because POWERTOOLS_LOGGER_LOG_EVENT would put API keys into the log.
        self._run_in_lambda = self._logger.inject_lambda_context(log_event=False)(self._run)

    def run(self, event: object, context: object, work: Callable[[Invocation], Response], request_id: str) -> Result:
        """Run one invocation.

        Parameters
        ----------
        event, context : object
            Of the Lambda invocation.
        work : Callable
            What to do; any exception of it becomes an error response.
        request_id : str
            The id that the caller sees.

        Returns
        -------
        Result
            What `finish` made of the response.
        """
        # A context without Lambda's attributes is a test's or a script's.
        run = self._run_in_lambda if hasattr(context, "invoked_function_arn") else self._run
        result: Result = run(event, context, work, request_id)
        return result

    def _run(self, _event: object, context: object, work: Callable[[Invocation], Response], request_id: str) -> Result:
        invocation = Invocation(request_id, context)
        try:
            response = run_in_time(lambda: work(invocation), spare_seconds(context))
            result = self._finish(_with_headers(response, invocation.headers), request_id)
        except Exception as raised:  # noqa: BLE001 - every error becomes a response
            error = as_api_error(raised)
            invocation.log.update(error.log_fields())
            response = Response(error.status, render(error, request_id), error.headers)
            result = self._finish(_with_headers(response, invocation.headers), request_id)
        self._report(response.status, invocation)
        return result

    def _report(self, status: int, invocation: Invocation) -> None:
        """Write the log line and the metrics of an invocation."""
        # A copy, because work that took too long goes on.
        fields = {name: value for name, value in dict(invocation.log).items() if value}
        times = invocation.timer.milliseconds()
        warnings = [metric for name, metric in COUNTED_WARNINGS.items() if name in fields]
        if status >= _SERVER_ERROR:
            log, verdict = self._logger.error, "failed"
        else:
            log = self._logger.warning if warnings else self._logger.info
            verdict = "rejected" if status >= _CLIENT_ERROR else "succeeded"
        log(
            f"request {verdict}",
            extra={
                "status": status,
                "requestId": invocation.request_id,
                **fields,
                **{f"{step}Ms": duration for step, duration in times.items()},
            },
        )
        # Not the shared Metrics: a local server runs several invocations at once in one process.
        metrics = EphemeralMetrics(namespace=self._namespace, service=self._logger.service)
        counted = [COUNTED_OUTCOMES.get(fields.get("outcome", ""), f"Requests{verdict.title()}"), *warnings]
        if status == _UNAUTHORIZED:
            counted.append("AuthenticationFailed")
        for name in counted:
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
        for step, duration in times.items():
            if step in TIMED_STEPS:
                metrics.add_metric(name=f"{step}Ms", unit=MetricUnit.Milliseconds, value=duration)
        metrics.flush_metrics()
        version = str(getattr(invocation.context, "function_version", ""))
        if status >= _SERVER_ERROR and version.isdigit():  # not outside of Lambda, and not for $LATEST
            self._count_failure_of(version)

    def _count_failure_of(self, version: str) -> None:
        """Write the metric apart from the others, which must not have the dimension `version`."""
        metrics = EphemeralMetrics(namespace=self._namespace, service=self._logger.service)
        metrics.add_dimension(name="version", value=version)
        metrics.add_metric(name=VERSION_FAILED, unit=MetricUnit.Count, value=1)
        metrics.flush_metrics()


def _with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    return Response(response.status, response.body, {**headers, **response.headers})


def operator_result(response: Response, _request_id: str) -> dict[str, Any]:
    """Return a response in the format that operators get: ``{"statusCode", "body"}``."""
    return {"statusCode": response.status, "body": response.body}


def lambda_request_id(context: object) -> str:
    """Return Lambda's own request id, or an empty string."""
    return str(getattr(context, "aws_request_id", ""))

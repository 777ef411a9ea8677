"""One log line for each request, which is its metrics too: ids, outcomes and times only."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

NAMESPACE = "CreateCallAgent"
"""Of the metrics, unless the deployment names another: each stack has its own."""

_SERVER_ERROR = 500
_CLIENT_ERROR = 400
_UNAUTHORIZED = 401

SUCCESSES = {
    "created": "AgentsCreated",
    "replayed": "AgentsReplayed",
    "ready": "AgentsReady",
    "error": "AgentsInError",
    "changed": "AgentsChanged",
}
OUR_FAILURES = {"limiterFailure": "RateLimiterFailed", "unclearWrite": "WritesUnclear"}

LATENCIES = ("authenticateMs", "limitMs", "sealMs", "storeMs", "unsealMs", "elevenLabsMs", "settleMs")
"""Steps that wait for others: each is a metric. What a function itself needs is the rest of Lambda's own `Duration`."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode


class LineFormatter(LambdaPowertoolsFormatter):
    """Writes a request's line, given as ``members``; Powertools writes all else.

    It would look each member up in a list, and encode what never changes again and again: 2 % of a request.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return JSON."""
        members = vars(record).get("members")
        if members is None:
            return super().format(record)
        about = {"level": record.levelname, "message": record.getMessage(), "timestamp": self.formatTime(record)}
        return _line({**about, "service": record.name, **members})


def _line(members: dict[str, Any]) -> str:
    """Write JSON of members; ``_aws`` is JSON already."""
    definitions = members.pop("_aws")
    return f'{_encode(members)[:-1]},"_aws":{definitions}}}'


@cache
def _directives(namespace: str, counted: tuple[str, ...], times: tuple[str, ...], *, is_error: bool) -> str:
    """Name the metrics of a line, the first by error too, in CloudWatch's Embedded Metric Format.

    It is written here and not by Powertools' Metrics, which takes three times the work and a line of its own.
    Format: AWS, "Specification: Embedded metric format".
    """
    counts = [{"Name": name, "Unit": "Count"} for name in counted]
    metrics = [*counts, *({"Name": name, "Unit": "Milliseconds"} for name in times)]
    directives: list[dict[str, Any]] = [{"Namespace": namespace, "Dimensions": [["service"]], "Metrics": metrics}]
    if is_error:
        directives.append({"Namespace": namespace, "Dimensions": [["service", "outcome"]], "Metrics": counts[:1]})
    return _encode(directives)


class Steps:
    """How long each step of a request took. The last one is the one that it ended in.

    Parameters
    ----------
    clock : Callable
        Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begun: list[tuple[str, float]] = []

    def begin(self, name: str) -> None:
        """Begin a step, and end the one before it."""
        self._begun.append((name, self._clock()))

    def milliseconds(self) -> dict[str, float]:
        """Return each step's time so far, as ``{"storeMs": 5.2}``."""
        ends = [*(begin for _, begin in self._begun[1:]), self._clock()]
        steps = zip(self._begun, ends, strict=False)  # before the first step there is no more than an end
        return {f"{name}Ms": round((end - begin) * 1000, 1) for (name, begin), end in steps}


@dataclass(frozen=True)
class Reporter:
    """Logs requests and counts them.

    Parameters
    ----------
    logger : Logger
        Powertools' logger. At the levels that it leaves out, a request is still counted.
    namespace : str
        Of the metrics.
    """

    logger: Logger
    namespace: str

    def report(self, status: int, fields: Mapping[str, str], milliseconds: Mapping[str, float]) -> None:
        """Write one line.

        Parameters
        ----------
        status : int
            HTTP status of the answer; 500 and above is logged as an error.
        fields : Mapping
            Ids and outcomes; empty ones are left out. ``limiterFailure`` and ``unclearWrite`` are counted.
        milliseconds : Mapping
            Of each step.
        """
        told = {name: text for name, text in fields.items() if text}
        ours = [metric for name, metric in OUR_FAILURES.items() if name in told]
        kind = "Failed" if status >= _SERVER_ERROR else "Rejected" if status >= _CLIENT_ERROR else "Succeeded"
        counted = [SUCCESSES.get(told.get("outcome", ""), f"Requests{kind}"), *ours]
        if status == _UNAUTHORIZED:
            counted.append("AuthenticationFailed")
        metrics = self._metrics(tuple(counted), milliseconds, is_error=status >= _CLIENT_ERROR)
        log, level = self.logger.info, logging.INFO
        if status >= _SERVER_ERROR:
            log, level = self.logger.error, logging.ERROR
        elif ours:
            log, level = self.logger.warning, logging.WARNING
        if level >= self.logger.log_level:
            log(f"request {kind.lower()}", extra={"members": {"status": status, **told, **metrics}})
        else:
            line = {"service": self.logger.service, "outcome": told.get("outcome", ""), **metrics}
            print(_line(line))  # noqa: T201 - where CloudWatch reads

    def _metrics(
        self, counted: tuple[str, ...], milliseconds: Mapping[str, float], *, is_error: bool
    ) -> dict[str, Any]:
        times = tuple(name for name in LATENCIES if name in milliseconds)
        directives = _directives(self.namespace, counted, times, is_error=is_error)
        about = f'{{"Timestamp":{int(time.time() * 1000)},"CloudWatchMetrics":{directives}}}'
        return {**dict.fromkeys(counted, 1), **milliseconds, "_aws": about}

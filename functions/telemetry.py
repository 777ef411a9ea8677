"""One log line and one line of metrics for each request: ids and outcomes only."""

import json
import time
from typing import Any

from aws_lambda_powertools.logging import Logger

NAMESPACE = "CreateCallAgent"

_SERVER_ERROR = 500
_CLIENT_ERROR = 400

_encode = json.JSONEncoder(separators=(",", ":")).encode


def report(logger: Logger, service: str, status: int, fields: dict[str, str]) -> None:
    """Log a request and count it.

    Parameters
    ----------
    logger : Logger
        Powertools' logger.
    service : str
        The metric's one dimension.
    status : int
        HTTP status of the answer; 500 and above is logged as an error.
    fields : dict
        Ids and outcomes; empty ones are left out. ``limiterFailure`` is counted as ``RateLimiterFailed``.
    """
    kind = "Failed" if status >= _SERVER_ERROR else "Rejected" if status >= _CLIENT_ERROR else "Succeeded"
    limiter_failed = "limiterFailure" in fields
    log = logger.error if status >= _SERVER_ERROR else logger.warning if limiter_failed else logger.info
    log(f"request {kind.lower()}", extra={"status": status, **{name: text for name, text in fields.items() if text}})
    counted = [f"Requests{kind}", *(["RateLimiterFailed"] if limiter_failed else [])]
    print(_encode(metrics(service, counted, time.time())))  # noqa: T201 - standard output is where CloudWatch reads


def metrics(service: str, counted: list[str], now: float) -> dict[str, Any]:
    """Write that these happened once each, in CloudWatch's Embedded Metric Format.

    It is written here and not by Powertools' Metrics, which takes three times the work for the same line.

    Parameters
    ----------
    service : str
        The one dimension.
    counted : list of str
        Names of metrics.
    now : float
        Seconds since the epoch.

    Returns
    -------
    dict
        By AWS, "Specification: Embedded metric format".
    """
    definitions = [{"Name": name, "Unit": "Count"} for name in counted]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["service"]], "Metrics": definitions}
    about = {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": about, "service": service, **dict.fromkeys(counted, 1)}

"""One log line and one line of metrics for each request: ids and outcomes only."""

from functools import cache

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

NAMESPACE = "CreateCallAgent"

_SERVER_ERROR = 500
_CLIENT_ERROR = 400


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
    counts = _metrics(service)
    for name in (f"Requests{kind}", *(["RateLimiterFailed"] if limiter_failed else [])):
        counts.add_metric(name, MetricUnit.Count, 1)
    counts.flush_metrics()


@cache
def _metrics(service: str) -> Metrics:
    return Metrics(namespace=NAMESPACE, service=service)

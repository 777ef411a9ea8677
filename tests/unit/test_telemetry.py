"""One log line and one metric for each request."""

import io
import json

import pytest
from aws_lambda_powertools.logging import Logger

from telemetry import report


@pytest.mark.parametrize(
    ("status", "level", "message", "metric"),
    [
        (201, "INFO", "request succeeded", "RequestsSucceeded"),
        (400, "INFO", "request rejected", "RequestsRejected"),
        (429, "INFO", "request rejected", "RequestsRejected"),
        (500, "ERROR", "request failed", "RequestsFailed"),
    ],
)
def test_a_request_is_logged_and_counted_once(
    status: int, level: str, message: str, metric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    logger = Logger(service=f"test_telemetry_{status}", stream=stream)

    report(logger, "create_agent", status, {"requestId": "request-1", "cause": ""})

    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"], line["status"]) == (level, message, status)
    assert line["requestId"] == "request-1"
    assert "cause" not in line
    emf = json.loads(capsys.readouterr().out)
    assert emf["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "CreateCallAgent",
            "Dimensions": [["service"]],
            "Metrics": [{"Name": metric, "Unit": "Count"}],
        }
    ]
    assert (emf["service"], emf[metric]) == ("create_agent", 1)


@pytest.mark.parametrize(("status", "level"), [(201, "WARNING"), (503, "ERROR")])
def test_a_rate_limiter_that_failed_is_logged_and_counted_too(
    status: int, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    logger = Logger(service=f"test_telemetry_limiter_{status}", stream=stream)

    report(logger, "create_agent", status, {"limiterFailure": "UpdateItem: ThrottlingException"})

    line = json.loads(stream.getvalue())
    assert (line["level"], line["limiterFailure"]) == (level, "UpdateItem: ThrottlingException")
    emf = json.loads(capsys.readouterr().out)
    assert emf["RateLimiterFailed"] == 1

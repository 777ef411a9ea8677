"""One line for each request: what happened, how long it took, and the metrics of it."""

import io
import json
from typing import Any

import pytest
from aws_lambda_powertools.logging import Logger

from telemetry import LATENCIES, LineFormatter, Reporter, Steps

FIELDS = {"requestId": "request-1", "keyId": "key-1", "cause": ""}


def reported(
    name: str,
    status: int,
    fields: dict[str, str],
    milliseconds: dict[str, float] | None = None,
    level: str = "INFO",
) -> str:
    """Return what was logged; each name is a logger of its own, for Powertools keeps the first of a name."""
    stream = io.StringIO()
    logger = Logger(service=f"test_telemetry_{name}", stream=stream, level=level, logger_formatter=LineFormatter())
    Reporter(logger, "stack").report(status, {**FIELDS, **fields}, milliseconds or {})
    return stream.getvalue()


def metrics(line: dict[str, Any]) -> dict[tuple[str, ...], dict[str, tuple[str, float]]]:
    """Read the metrics as CloudWatch does: by dimensions, the unit and value of each name."""
    found: dict[tuple[str, ...], dict[str, tuple[str, float]]] = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "stack"
        (names,) = directive["Dimensions"]
        dimensions = tuple(line[name] for name in names)
        found[dimensions] = {metric["Name"]: (metric["Unit"], line[metric["Name"]]) for metric in directive["Metrics"]}
    return found


@pytest.mark.parametrize(
    ("status", "fields", "level", "message", "counted"),
    [
        (201, {"outcome": "created"}, "INFO", "request succeeded", {"AgentsCreated"}),
        (201, {"outcome": "replayed"}, "INFO", "request succeeded", {"AgentsReplayed"}),
        (200, {}, "INFO", "request succeeded", {"RequestsSucceeded"}),
        (400, {"outcome": "invalid_json"}, "INFO", "request rejected", {"RequestsRejected"}),
        (
            401,
            {"outcome": "invalid_api_key"},
            "INFO",
            "request rejected",
            {"RequestsRejected", "AuthenticationFailed"},
        ),
        (429, {"outcome": "rate_limit_exceeded"}, "INFO", "request rejected", {"RequestsRejected"}),
        (500, {"outcome": "internal_error", "cause": "KeyError"}, "ERROR", "request failed", {"RequestsFailed"}),
        (
            201,
            {"outcome": "created", "limiterFailure": "UpdateItem: ThrottlingException"},
            "WARNING",
            "request succeeded",
            {"AgentsCreated", "RateLimiterFailed"},
        ),
        (
            201,
            {"outcome": "created", "unclearWrite": "PutItem: ReadTimeoutError"},
            "WARNING",
            "request succeeded",
            {"AgentsCreated", "WritesUnclear"},
        ),
        (
            503,
            {"outcome": "service_unavailable", "unclearWrite": "PutItem: ReadTimeoutError"},
            "ERROR",
            "request failed",
            {"RequestsFailed", "WritesUnclear"},
        ),
    ],
)
def test_a_request_is_logged_and_counted_once(
    status: int,
    fields: dict[str, str],
    level: str,
    message: str,
    counted: set[str],
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    service = f"test_telemetry_{request.node.name}"
    line = json.loads(reported(request.node.name, status, fields))

    assert (line["level"], line["message"], line["status"], line["service"]) == (level, message, status, service)
    assert line.items() >= {"requestId": "request-1", "keyId": "key-1", **fields}.items()
    assert ("cause" in line) == ("cause" in fields)
    assert metrics(line)[service,] == dict.fromkeys(counted, ("Count", 1))
    assert capsys.readouterr().out == ""


def test_a_request_that_ends_in_an_error_is_counted_by_its_code_too() -> None:
    created = json.loads(reported("by_code", 201, {"outcome": "created"}))
    rejected = json.loads(reported("by_code_rejected", 400, {"outcome": "validation_error"}))

    assert list(metrics(created)) == [("test_telemetry_by_code",)]
    assert metrics(rejected)["test_telemetry_by_code_rejected", "validation_error"] == {
        "RequestsRejected": ("Count", 1)
    }


def test_what_a_step_took_is_logged_and_is_a_metric_where_the_step_waits_for_aws() -> None:
    milliseconds = {**dict.fromkeys(LATENCIES, 1.5), "validateMs": 0.2}
    line = json.loads(reported("steps", 201, {"outcome": "created"}, milliseconds))

    assert line.items() >= milliseconds.items()
    times = dict.fromkeys(LATENCIES, ("Milliseconds", 1.5))
    assert metrics(line) == {("test_telemetry_steps",): {"AgentsCreated": ("Count", 1), **times}}


def test_a_request_that_is_not_logged_at_this_level_is_counted_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    logged = reported("quiet", 401, {"outcome": "invalid_api_key"}, {"authenticateMs": 3.0}, "ERROR")
    line = json.loads(capsys.readouterr().out)

    assert logged == ""
    assert metrics(line)["test_telemetry_quiet",] == {
        "RequestsRejected": ("Count", 1),
        "AuthenticationFailed": ("Count", 1),
        "authenticateMs": ("Milliseconds", 3.0),
    }
    assert metrics(line)["test_telemetry_quiet", "invalid_api_key"] == {"RequestsRejected": ("Count", 1)}
    assert "requestId" not in line
    assert "keyId" not in line


def test_each_step_lasts_until_the_next_one_and_the_last_one_until_now() -> None:
    times = iter((10.0, 10.0032, 10.1, 10.2))
    steps = Steps(lambda: next(times))
    for name in ("authenticate", "validate", "store"):
        steps.begin(name)

    assert steps.milliseconds() == {"authenticateMs": 3.2, "validateMs": 96.8, "storeMs": 100.0}


def test_a_request_that_ended_before_its_first_step_took_none() -> None:
    assert Steps().milliseconds() == {}


def test_whatever_else_is_logged_is_json_with_its_exception() -> None:
    stream = io.StringIO()
    service = "test_telemetry_else"
    logger = Logger(service=service, stream=stream, logger_formatter=LineFormatter(service=service))
    logger.error("unexpected", exc_info=ValueError("broken"), extra={"requestId": "request-1"})
    line = json.loads(stream.getvalue())

    assert (line["message"], line["service"], line["requestId"]) == ("unexpected", service, "request-1")
    assert "ValueError: broken" in line["exception"]

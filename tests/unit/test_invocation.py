"""The frame of every handler: a response whatever happens, one log line, and the metrics."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from call_agents.shared.config import Settings
from call_agents.shared.errors import InvalidJson, NotFound, RateLimitExceeded, ServiceUnavailable, Unauthorized
from call_agents.shared.invocation import (
    Frame,
    Invocation,
    Response,
    Timer,
    lambda_request_id,
    operator_result,
)
from tests.support.events import LambdaContext
from tests.support.logs import metrics_of

Work = Callable[[Invocation], Response]


def finish(response: Response, request_id: str) -> tuple[Response, str]:
    return response, request_id


class Run:
    """Runs work in a frame of this test; a logger keeps the stream that it was made with, so each has its own name."""

    def __init__(self, service: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.service = service
        self.capsys = capsys
        self.printed: list[dict[str, Any]] = []

    def __call__(self, work: Work, context: object = None, **variables: str) -> tuple[Response, str]:
        frame = Frame(self.service, Settings({"POWERTOOLS_METRICS_NAMESPACE": "stack", **variables}), finish)
        result = frame.run({"secret": "sk_event"}, context, work, "request-1")
        output = self.capsys.readouterr().out
        assert "sk_event" not in output
        self.printed = [json.loads(line) for line in output.splitlines()]
        return result

    @property
    def line(self) -> dict[str, Any]:
        line, _ = self.printed
        return line

    @property
    def metrics(self) -> dict[str, float]:
        return metrics_of(self.printed[-1], "stack")


@pytest.fixture
def run(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(request.node.name, capsys)


def responding(status: int, **log: str) -> Work:
    def work(invocation: Invocation) -> Response:
        invocation.log.update(log)
        return Response(status, None)

    return work


def raising(error: Exception, **log: str) -> Work:
    def work(invocation: Invocation) -> Response:
        invocation.log.update(log)
        raise error

    return work


UNKNOWN = {"unknownOutcome": "PutItem: ReadTimeoutError"}


@pytest.mark.parametrize(
    ("work", "status", "level", "message", "metrics"),
    [
        (responding(201, outcome="created"), 201, "INFO", "request succeeded", {"AgentsCreated"}),
        (responding(201, outcome="replayed"), 201, "INFO", "request succeeded", {"AgentsReplayed"}),
        (responding(200, outcome="ready"), 200, "INFO", "request succeeded", {"AgentsReady"}),
        (responding(200, outcome="error"), 200, "INFO", "request succeeded", {"AgentsInError"}),
        (responding(200, outcome="changed"), 200, "INFO", "request succeeded", {"AgentsChanged"}),
        (responding(200), 200, "INFO", "request succeeded", {"RequestsSucceeded"}),
        (responding(399), 399, "INFO", "request succeeded", {"RequestsSucceeded"}),
        (raising(InvalidJson()), 400, "INFO", "request rejected", {"RequestsRejected"}),
        (responding(499), 499, "INFO", "request rejected", {"RequestsRejected"}),
        (raising(ZeroDivisionError()), 500, "ERROR", "request failed", {"RequestsFailed"}),
        (raising(ServiceUnavailable()), 503, "ERROR", "request failed", {"RequestsFailed"}),
        (
            responding(201, outcome="created", rateLimiterFailure="UpdateItem: x"),
            201,
            "WARNING",
            "request succeeded",
            {"AgentsCreated", "RateLimiterFailed"},
        ),
        (
            responding(201, outcome="created", **UNKNOWN),
            201,
            "WARNING",
            "request succeeded",
            {"AgentsCreated", "UnknownWriteOutcomes"},
        ),
        (
            raising(ServiceUnavailable(), **UNKNOWN),
            503,
            "ERROR",
            "request failed",
            {"RequestsFailed", "UnknownWriteOutcomes"},
        ),
    ],
)
def test_each_outcome_has_level_message_and_metrics(
    run: Run, work: Work, status: int, level: str, message: str, metrics: set[str]
) -> None:
    response, request_id = run(work)

    assert (response.status, request_id) == (status, "request-1")
    assert (run.line["level"], run.line["message"], run.line["status"]) == (level, message, status)
    assert run.metrics == dict.fromkeys(metrics, 1)


def test_a_401_is_counted_as_failed_authentication(run: Run) -> None:
    class Unknown(Unauthorized):
        code = "unknown"
        message = "Unknown."

    run(raising(Unknown(internal="unknown key")))

    assert run.metrics == {"RequestsRejected": 1, "AuthenticationFailed": 1}
    assert (run.line["outcome"], run.line["cause"]) == ("unknown", "unknown key")


@pytest.mark.parametrize(("version", "status", "counted"), [("7", 500, 1), ("7", 499, 0), ("$LATEST", 500, 0)])
def test_a_failure_is_counted_for_its_published_version(run: Run, version: str, status: int, counted: int) -> None:
    run(responding(status), LambdaContext(function_version=version))

    _, metrics, *of_version = run.printed
    assert len(of_version) == counted
    assert "VersionFailed" not in metrics
    for line in of_version:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        (dimensions,) = directive["Dimensions"]
        assert (directive["Namespace"], sorted(dimensions)) == ("stack", ["service", "version"])
        assert directive["Metrics"] == [{"Name": "VersionFailed", "Unit": "Count"}]
        assert (line["service"], line["version"], line["VersionFailed"]) == (run.service, "7", [1])


def test_log_line_has_the_fields_that_have_values(run: Run) -> None:
    run(responding(200, keyId="key-1", cause="", statusReason=""))

    assert set(run.line) == {"level", "message", "timestamp", "service", "status", "requestId", "keyId"}
    assert (run.line["service"], run.line["requestId"]) == (run.service, "request-1")


def test_lambdas_own_request_id_and_cold_start_are_logged(run: Run) -> None:
    context = LambdaContext()
    run(responding(200), context)

    assert run.line["function_request_id"] == context.aws_request_id
    assert isinstance(run.line["cold_start"], bool)
    assert (run.line["function_name"], run.line["function_memory_size"]) == ("local", 512)


@pytest.mark.parametrize("context", [None, SimpleNamespace(), SimpleNamespace(aws_request_id="lambda-1")])
def test_contexts_without_lambdas_attributes_work(run: Run, context: object) -> None:
    assert run(responding(200), context)[0].status == 200
    assert "function_request_id" not in run.line


@pytest.mark.parametrize("log_event", ["true", "1"])
def test_the_event_is_never_logged(run: Run, monkeypatch: pytest.MonkeyPatch, log_event: str) -> None:
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", log_event)
    run(responding(200), LambdaContext())

    assert len(run.printed) == 2


def test_a_level_above_info_leaves_the_metrics(run: Run) -> None:
    run(responding(200), LOG_LEVEL="ERROR")

    assert len(run.printed) == 1
    assert run.metrics == {"RequestsSucceeded": 1}


def test_steps_are_logged_and_those_that_wait_are_metrics(run: Run) -> None:
    waits = ("authenticate", "encrypt", "store", "read", "decrypt", "elevenLabs", "recordResult")

    def work(invocation: Invocation) -> Response:
        for step in (*waits, "validate", "manage"):
            invocation.timer.begin(step)
        return Response(200, None)

    run(work)
    assert {name for name in run.line if name.endswith("Ms")} == {
        *(f"{step}Ms" for step in waits),
        *("validateMs", "manageMs"),
    }
    assert set(run.metrics) == {"RequestsSucceeded", *(f"{step}Ms" for step in waits)}


def test_a_step_lasts_until_the_next_and_the_last_until_now() -> None:
    times = iter((10.0, 10.00321, 10.1, 10.2))
    timer = Timer(lambda: next(times))
    for name in ("authenticate", "validate", "store"):
        timer.begin(name)

    assert timer.milliseconds() == {"authenticate": 3.2, "validate": 96.8, "store": 100.0}
    assert Timer().milliseconds() == {}


def test_headers_of_the_invocation_are_in_every_response(run: Run) -> None:
    def work(invocation: Invocation) -> Response:
        invocation.headers.update({"A": "invocation", "Retry-After": "invocation"})
        if fails:
            raise RateLimitExceeded("", 5, "2026-01-01T00:00:00Z", {"RateLimit": "x"})
        return Response(200, None, {"Retry-After": "response"})

    fails = False
    assert run(work)[0].headers == {"A": "invocation", "Retry-After": "response"}
    fails = True
    assert run(work)[0].headers == {"A": "invocation", "Retry-After": "5", "RateLimit": "x"}


def test_an_error_has_a_body_in_the_shape_of_the_api(run: Run) -> None:
    response, _ = run(raising(NotFound("Gone.")))

    assert response.body == {
        "message": "Gone.",
        "error": {"code": "not_found", "message": "Gone.", "requestId": "request-1"},
    }


def test_a_response_that_cannot_be_finished_is_a_500(capsys: pytest.CaptureFixture[str]) -> None:
    def finish_errors_only(response: Response, _request_id: str) -> int:
        return response.status if response.status == 500 else len(response.body)

    frame = Frame("unfinished", Settings({}), finish_errors_only)

    assert frame.run({}, None, responding(200), "request-1") == 500
    assert json.loads(capsys.readouterr().out.splitlines()[0])["cause"].startswith("TypeError at ")


def test_out_of_time_is_a_503_and_leaves_a_log_line(run: Run) -> None:
    begun: list[Invocation] = []

    def work(invocation: Invocation) -> Response:
        begun.append(invocation)
        return Response(200, None)

    assert run(work, LambdaContext(timeout=0.4))[0].status == 503
    assert (run.line["cause"], begun) == ("out of time", [])


@pytest.mark.parametrize(("remaining", "enough"), [(7000, True), (6999, False)])
def test_remaining_time_is_checked(remaining: int, enough: bool) -> None:  # noqa: FBT001 - a case
    invocation = Invocation("request-1", SimpleNamespace(get_remaining_time_in_millis=lambda: remaining))
    if enough:
        invocation.check_time(7000)
        Invocation("request-1", None).check_time(7000)
        return
    with pytest.raises(ServiceUnavailable) as caught:
        invocation.check_time(7000)
    assert caught.value.internal == "out of time"


def test_operators_get_status_and_body() -> None:
    assert operator_result(Response(201, {"a": 1}, {"Retry-After": "1"}), "request-1") == {
        "statusCode": 201,
        "body": {"a": 1},
    }
    assert lambda_request_id(SimpleNamespace(aws_request_id="lambda-1")) == "lambda-1"
    assert lambda_request_id(None) == ""

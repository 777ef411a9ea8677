"""Alarms, dashboard and saved queries look at what is there: AWS's own metrics, and what a request really leaves."""

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.logging import Logger

from telemetry import LATENCIES, LineFormatter, Reporter
from tests.support.template import ROOT
from tests.infrastructure.conftest import Deployed, substituted
from tests.infrastructure.test_resources import access_log

Deploy = Callable[..., Deployed]

AWS_METRICS = json.loads(Path(__file__).with_name("aws_metrics.json").read_text("utf-8"))
PRICES = json.loads((ROOT / "tests/bench/prices.json").read_text("utf-8"))

STACK = "AWS::StackName"
"""Stands for the namespace of this stack's own metrics."""

ROLLBACK = {"CrashesAlarm", "FailuresAlarm", "SlownessAlarm", "ThrottlesAlarm"}

# What Insights finds in Lambda's REPORT lines and in every event: AWS, "Supported logs and discovered fields".
DISCOVERED = {"@timestamp", "@type", "@initDuration", "@maxMemoryUsed"}

LANGUAGE = re.compile(
    r"\b(filter|fields|stats|sort|desc|limit|by|as|count|latest|pct|max|bin|1h|ispresent|coalesce|SOURCE)\b"
)
"""Words of Insights' own."""

Metric = tuple[str, str, tuple[str, ...]]
"""Namespace, name, names of dimensions."""


def reported() -> Iterator[dict[str, Any]]:
    """Yield the line of each way in which a request, or the trial of a key, can end."""
    fields = dict.fromkeys(("requestId", "keyId", "workspaceId", "agentId"), "1")
    times = dict.fromkeys((*LATENCIES, "validateMs"), 1.0)
    troubles = {"limiterFailure": "UpdateItem", "unclearWrite": "PutItem"}
    endings = [
        (201, {"outcome": "created", **troubles}),
        (201, {"outcome": "replayed"}),
        (401, {"outcome": "invalid_api_key"}),
        (503, {"outcome": "service_unavailable", "cause": "PutItem"}),
        (200, {"outcome": "ready"}),
        (200, {"outcome": "error", "statusReason": "invalid_key"}),
        (200, {"outcome": "changed"}),
    ]
    for number, (status, told) in enumerate(endings):
        stream = io.StringIO()
        logger = Logger(service=f"test_monitoring_{number}", stream=stream, logger_formatter=LineFormatter())
        with contextlib.redirect_stdout(stream):
            Reporter(logger, STACK).report(status, {**fields, **told}, times)
        yield json.loads(stream.getvalue())


LINES = list(reported())
LOGGED = {name for line in LINES for name in line}
EMITTED: set[Metric] = {
    (STACK, metric["Name"], tuple(dimensions))
    for line in LINES
    for directive in line["_aws"]["CloudWatchMetrics"]
    for dimensions in directive["Dimensions"]
    for metric in directive["Metrics"]
}


def exists(metric: Metric) -> bool:
    namespace, name, dimensions = metric
    if namespace == STACK:
        return metric in EMITTED
    published = AWS_METRICS[namespace]
    return name in published["names"] and sorted(dimensions) in published["dimensions"]


def in_alarm(alarm: dict[str, Any]) -> list[Metric]:
    """Return the metrics that an alarm looks at."""
    math = [metric["MetricStat"]["Metric"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric]
    return [
        (
            STACK if isinstance(metric["Namespace"], dict) else metric["Namespace"],
            metric["MetricName"],
            tuple(dimension["Name"] for dimension in metric["Dimensions"]),
        )
        for metric in math or [alarm]
    ]


def dashboard(stack: Deployed) -> list[dict[str, Any]]:
    """Return the widgets of the dashboard."""
    (properties,) = stack.of("AWS::CloudWatch::Dashboard").values()
    widgets: list[dict[str, Any]] = json.loads(substituted(properties["DashboardBody"]))["widgets"]
    return widgets


def in_widget(widget: dict[str, Any]) -> list[Metric]:
    """Return the metrics that a widget shows, but for those that it calculates."""
    rows = [row for row in widget["properties"].get("metrics", []) if isinstance(row[0], str)]
    plain = [[part for part in row if isinstance(part, str)] for row in rows]
    return [(namespace, name, tuple(dimensions[::2])) for namespace, name, *dimensions in plain]


def test_every_alarm_looks_at_a_metric_that_exists(deployed: Deploy) -> None:
    alarms = deployed().of("AWS::CloudWatch::Alarm")
    metrics = [metric for alarm in alarms.values() for metric in in_alarm(alarm)]

    assert len(metrics) >= len(alarms)
    assert [metric for metric in metrics if not exists(metric)] == []


def test_the_metrics_of_this_stack_are_counted_in_its_own_namespace(deployed: Deploy) -> None:
    stack = deployed()

    for function in stack.of("AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] == {"Ref": STACK}
    for alarm in stack.of("AWS::CloudWatch::Alarm").values():
        for namespace in re.findall(r'"Namespace": ({[^}]*})', json.dumps(alarm)):
            assert json.loads(namespace) == {"Ref": STACK}


@pytest.mark.parametrize("topic", ["", "arn:aws:sns:us-east-1:000000000000:on-call"])
def test_every_alarm_says_what_to_look_at_first_and_tells_the_topic_if_there_is_one(
    deployed: Deploy, topic: str
) -> None:
    for alarm in deployed(AlarmTopicArn=topic).of("AWS::CloudWatch::Alarm").values():
        assert "Look first at" in alarm["AlarmDescription"]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm.get("AlarmActions") == ([{"Ref": "AlarmTopicArn"}] if topic else None)
        for name in re.findall('saved query "([^"]*)"', alarm["AlarmDescription"]):
            assert f"${{AWS::StackName}}/{name}" in saved(deployed())


def test_a_deployment_is_taken_back_by_alarms_on_the_alias(deployed: Deploy) -> None:
    stack = deployed()
    (group,) = stack.of("AWS::CodeDeploy::DeploymentGroup").values()
    alarms = stack.of("AWS::CloudWatch::Alarm")

    assert {alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]} == ROLLBACK
    for name in ROLLBACK:
        assert {"Name": "Resource", "Value": {"Fn::Sub": "${CreateAgentFunction}:live"}} in [
            dimension
            for metric in [
                alarms[name],
                *(part.get("MetricStat", {}).get("Metric", {}) for part in alarms[name].get("Metrics", [])),
            ]
            for dimension in metric.get("Dimensions", [])
        ]
        assert alarms[name].get("Period", 60) * alarms[name]["DatapointsToAlarm"] < 5 * 60  # the canary's


def test_the_dashboard_shows_every_alarm_and_metrics_that_exist(deployed: Deploy) -> None:
    stack = deployed()
    widgets = dashboard(stack)
    shown = [name for widget in widgets for name in widget["properties"].get("alarms", [])]
    metrics = [metric for widget in widgets for metric in in_widget(widget)]

    assert sorted(shown) == sorted(f"{name}.Arn" for name in stack.of("AWS::CloudWatch::Alarm"))
    assert metrics
    assert [metric for metric in metrics if not exists(metric)] == []
    assert {name for namespace, name, _ in EMITTED if namespace == STACK} <= {name for _, name, _ in metrics}


def test_the_dashboard_searches_dimensions_that_are_emitted(deployed: Deploy) -> None:
    rows = [row for widget in dashboard(deployed()) for row in widget["properties"].get("metrics", [])]
    searches = re.findall(
        r"SEARCH\('{\"(.*?)\",(.*?)}",
        " ".join(str(row[0].get("expression")) for row in rows if isinstance(row[0], dict)),
    )

    assert searches
    for namespace, dimensions in searches:
        assert (namespace, "RequestsRejected", tuple(dimensions.split(","))) in EMITTED


def test_no_widget_lies_over_another(deployed: Deploy) -> None:
    cells = [
        (x, y)
        for widget in dashboard(deployed())
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]

    assert len(cells) == len(set(cells))
    assert all(0 <= x < 24 for x, _ in cells)


def test_the_dashboard_reckons_with_the_known_prices(deployed: Deploy) -> None:
    (costs,) = [widget for widget in dashboard(deployed()) if "cost" in widget["properties"]["title"]]
    rows = [row[0]["expression"] for row in costs["properties"]["metrics"] if isinstance(row[0], dict)]
    gateway, function, tables, logs = ([float(number) for number in re.findall(r"[\d.]+", row)] for row in rows)

    assert gateway == [PRICES["http_api_per_million"], 1e6]
    assert function == [PRICES["lambda_request_per_million"], 1e6, 1000, 512, 1024, PRICES["lambda_gb_second"]["arm64"]]
    assert tables == [PRICES["dynamodb_write_unit_per_million"], 1e6, PRICES["dynamodb_read_unit_per_million"], 1e6]
    assert logs == [1e9, PRICES["cloudwatch_logs_per_gb"]]


def saved(stack: Deployed) -> dict[str, dict[str, Any]]:
    """Return the saved queries by name."""
    return {query["Name"]["Fn::Sub"]: query for query in stack.of("AWS::Logs::QueryDefinition").values()}


def asked(query: str) -> set[str]:
    """Return the fields that a query reads: names that it does not make itself, outside quotation marks."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", query)
    made = set(re.findall(r"\bas (\w+)", bare))
    return set(re.findall(r"@?[A-Za-z]\w*", LANGUAGE.sub("", bare))) - made


def fields_of(groups: list[dict[str, str]], stack: Deployed) -> set[str]:
    """Return what lines in these groups have; the operator's function logs its action besides."""
    known = {
        "CreateAgentLogs": LOGGED,
        "ManageApiKeysLogs": LOGGED | {"action"},
        "ActivateAgentLogs": LOGGED,
        "ReactivateAgentLogs": LOGGED,
        "AccessLogs": set(access_log(stack)),
    }
    return DISCOVERED.union(*(known[group["Ref"]] for group in groups))


def test_every_saved_query_asks_for_what_is_logged(deployed: Deploy) -> None:
    stack = deployed()

    assert len(saved(stack)) == 9
    for name, query in saved(stack).items():
        assert asked(query["QueryString"]) - fields_of(query["LogGroupNames"], stack) == set(), name


def test_the_dashboards_queries_ask_for_what_is_logged(deployed: Deploy) -> None:
    stack = deployed()
    queries = [widget["properties"]["query"] for widget in dashboard(stack) if widget["type"] == "log"]

    assert len(queries) == 2
    for query in queries:
        (group,) = re.findall("SOURCE '([^']*)'", query)
        assert asked(query) - fields_of([{"Ref": group}], stack) == set()


def test_the_costs_are_reckoned_by_the_hour_of_the_chart(deployed: Deploy) -> None:
    (costs,) = [widget["properties"] for widget in dashboard(deployed()) if "hour" in widget["properties"]["title"]]

    assert (costs["period"], costs["stat"]) == (3600, "Sum")
    ids = [row[-1]["id"] for row in costs["metrics"] if isinstance(row[0], str)]
    formulas = " ".join(row[0]["expression"].replace("SUM", "") for row in costs["metrics"] if isinstance(row[0], dict))
    assert sorted(ids) == sorted(set(re.findall("[a-z]+", formulas)))

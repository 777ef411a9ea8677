"""Alarms, dashboard and saved queries use metrics and log fields that exist."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import activate_agent
import create_agent
import get_agent
import manage_api_keys
import publish_agent_events
import retry_agents
from call_agents.shared.invocation import COUNTED_OUTCOMES, COUNTED_WARNINGS, TIMED_STEPS, VERSION_FAILED
from tests.infrastructure.conftest import Deployed, substituted
from tests.infrastructure.test_resources import access_log

Deploy = Callable[..., Deployed]

AWS_METRICS = json.loads(Path(__file__).with_name("aws_metrics.json").read_text("utf-8"))

STACK = "AWS::StackName"
"""Stands for the namespace of the stack's own metrics."""

COUNTED = {*COUNTED_OUTCOMES.values(), *COUNTED_WARNINGS.values(), "AuthenticationFailed"} | {
    f"Requests{verdict}" for verdict in ("Succeeded", "Rejected", "Failed")
}
OWN_METRICS = COUNTED | {f"{step}Ms" for step in TIMED_STEPS}
THROTTLED = "RequestsThrottled"
"""Metric of the filter on the access log."""

LOG_FIELDS = {
    *(
        "status",
        "service",
        "requestId",
        "keyId",
        "workspaceId",
        "agentId",
        "outcome",
        "cause",
        "statusReason",
        "action",
        "events",
        "kilobytes",
    ),
    *COUNTED_WARNINGS,
    *(f"{step}Ms" for step in (*TIMED_STEPS, "validate")),
    *("@timestamp", "@type", "@logStream", "@initDuration", "@maxMemoryUsed"),  # discovered by Logs Insights
}
LANGUAGE = re.compile(
    r"\b(filter|fields|stats|sort|desc|limit|by|as|and|or|in|like|count|sum|latest|pct|max|bin|1h|ispresent|coalesce)\b"
)
"""Words of the query language."""

FUNCTIONS = (activate_agent, create_agent, get_agent, manage_api_keys, publish_agent_events, retry_agents)
SERVICES = {module.SERVICE for module in FUNCTIONS}

Metric = tuple[str, str, dict[str, Any]]
"""Namespace, name, dimensions."""


def exists(metric: Metric) -> bool:
    namespace, name, dimensions = metric
    if namespace == STACK:
        if name == THROTTLED:
            return not dimensions
        expected = {"service", "version"} if name == VERSION_FAILED else {"service"}
        return (
            name in {*OWN_METRICS, VERSION_FAILED} and set(dimensions) == expected and dimensions["service"] in SERVICES
        )
    published = AWS_METRICS[namespace]
    return name in published["names"] and sorted(dimensions) in published["dimensions"]


def of_alarm(alarm: dict[str, Any]) -> list[Metric]:
    """Return the metrics that an alarm evaluates."""
    math = [metric["MetricStat"]["Metric"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric]
    return [
        (
            STACK if isinstance(metric["Namespace"], dict) else metric["Namespace"],
            metric["MetricName"],
            {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", [])},
        )
        for metric in math or [alarm]
    ]


def widgets_of(stack: Deployed) -> list[dict[str, Any]]:
    (properties,) = stack.of("AWS::CloudWatch::Dashboard").values()
    widgets: list[dict[str, Any]] = json.loads(substituted(properties["DashboardBody"]))["widgets"]
    return widgets


def of_widget(widget: dict[str, Any]) -> list[Metric]:
    """Return the metrics that a widget shows."""
    rows = [[part for part in row if isinstance(part, str)] for row in widget["properties"].get("metrics", [])]
    return [
        (namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True)))
        for namespace, name, *dimensions in rows
    ]


def saved_queries(stack: Deployed) -> dict[str, dict[str, Any]]:
    """Return the saved queries by name."""
    queries = stack.of("AWS::Logs::QueryDefinition").values()
    return {query["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}/"): query for query in queries}


def all_queries(stack: Deployed) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, text and log groups of each query, saved or on the dashboard."""
    for name, query in saved_queries(stack).items():
        yield name, query["QueryString"], [group["Ref"] for group in query["LogGroupNames"]]
    for widget in widgets_of(stack):
        if widget["type"] == "log":
            source, _, text = widget["properties"]["query"].partition(" | ")
            yield widget["properties"]["title"], text, re.findall("SOURCE '([^']*)'", source)


def fields_read(query: str) -> set[str]:
    """Return the fields that a query reads: names outside quotation marks that it does not define itself."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"|/[A-Za-z]+/", "", query)
    defined = set(re.findall(r"\bas (\w+)", bare))
    return set(re.findall(r"@?[A-Za-z]\w*", LANGUAGE.sub("", bare))) - defined


def test_every_alarm_uses_metrics_that_exist(deployed: Deploy) -> None:
    alarms = deployed().of("AWS::CloudWatch::Alarm")

    assert alarms
    assert [metric for alarm in alarms.values() for metric in of_alarm(alarm) if not exists(metric)] == []
    assert max(len(of_alarm(alarm)) for alarm in alarms.values()) <= 10  # CloudWatch's limit


@pytest.mark.parametrize("topic", ["", "arn:aws:sns:us-east-1:000000000000:on-call"])
@pytest.mark.parametrize("email", ["", "on-call@example.com"])
def test_alarms_and_changed_access_notify_each_topic(deployed: Deploy, topic: str, email: str) -> None:
    stack = deployed(AlarmTopicArn=topic, AlarmEmail=email)
    given = {"AlarmTopicArn": topic, "AlarmTopic": email}
    topics = [{"Ref": name} for name, value in given.items() if value]
    rule = stack.of("AWS::Events::Rule").get("SecretsAccessRule")

    assert all(alarm["AlarmActions"] == topics for alarm in stack.of("AWS::CloudWatch::Alarm").values())
    assert ([target["Arn"] for target in rule["Targets"]] if rule else []) == topics


def test_the_topic_of_the_stack_accepts_alarms_and_events(deployed: Deploy) -> None:
    stack = deployed(AlarmEmail="on-call@example.com")
    (policy,) = stack.of("AWS::SNS::TopicPolicy").values()
    alarms, events = policy["PolicyDocument"]["Statement"]

    assert policy["Topics"] == [alarms["Resource"]] == [events["Resource"]] == [{"Ref": "AlarmTopic"}]
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert events["Principal"] == {"Service": "events.amazonaws.com"}
    assert "Condition" not in events  # EventBridge would not be allowed


def test_every_alarm_says_what_to_look_at(deployed: Deploy) -> None:
    stack = deployed()
    for alarm in stack.of("AWS::CloudWatch::Alarm").values():
        assert "Look first at" in alarm["AlarmDescription"]
        for name in re.findall('saved query "([^"]*)"', alarm["AlarmDescription"]):
            assert name in saved_queries(stack)


def test_only_figures_of_the_new_version_roll_it_back(deployed: Deploy) -> None:
    stack = deployed()
    groups = stack.of("AWS::CodeDeploy::DeploymentGroup").values()
    new = {alias["FunctionName"]["Ref"]: alias["FunctionVersion"] for alias in stack.of("AWS::Lambda::Alias").values()}
    (name,) = {alarm["Name"]["Ref"] for group in groups for alarm in group["AlarmConfiguration"]["Alarms"]}
    alarm = stack.of("AWS::CloudWatch::Alarm")[name]

    assert len(groups) == len(new) == 2
    for namespace, _, dimensions in of_alarm(alarm):
        if namespace == STACK:
            function = f"{dimensions['service'].title().replace('_', '')}Function"
            assert dimensions["version"] == new[function]
        else:
            assert dimensions["ExecutedVersion"] == new[dimensions["FunctionName"]["Ref"]]
    assert 60 * alarm["DatapointsToAlarm"] < 5 * 60  # the canary's time


def test_the_filter_of_the_access_log_reads_fields_as_they_are(deployed: Deploy) -> None:
    stack = deployed()
    (metric_filter,) = stack.of("AWS::Logs::MetricFilter").values()
    (transformation,) = metric_filter["MetricTransformations"]
    line = access_log(stack)

    assert metric_filter["LogGroupName"] == {"Ref": "AccessLogs"}
    assert (transformation["MetricNamespace"], transformation["MetricName"]) == ({"Ref": STACK}, THROTTLED)
    compared = re.findall(r"\$\.(\w+) = ([^)]+)\)", metric_filter["FilterPattern"])
    assert {name: type(json.loads(value)) for name, value in compared} == {
        name: type(line[name]) for name in ("status", "integrationMs")
    }


def test_the_dashboard_shows_all_alarms_and_metrics_that_exist(deployed: Deploy) -> None:
    stack = deployed()
    widgets = widgets_of(stack)
    alarms = [name for widget in widgets for name in widget["properties"].get("alarms", [])]
    metrics = [metric for widget in widgets for metric in of_widget(widget)]

    assert sorted(alarms) == sorted(f"{name}.Arn" for name in stack.of("AWS::CloudWatch::Alarm"))
    assert [metric for metric in metrics if not exists(metric)] == []
    assert OWN_METRICS - {"RequestsSucceeded"} | {THROTTLED} <= {name for _, name, _ in metrics}


def test_every_query_reads_fields_that_are_logged(deployed: Deploy) -> None:
    stack = deployed()
    known = {"Logs": LOG_FIELDS, "AccessLogs": {*access_log(stack), "@timestamp"}}

    for name, query, groups in all_queries(stack):
        assert fields_read(query) - set().union(*(known[group] for group in groups)) == set(), name


def test_no_query_counts_a_request_twice(deployed: Deploy) -> None:
    # Each request also has a line of metrics, which has neither a status nor an outcome.
    for name, query, _ in all_queries(deployed()):
        assert re.search("status|outcome|action|@type", query.partition("|")[0]), name


def test_every_query_names_services_and_functions_that_exist(deployed: Deploy) -> None:
    stack = deployed()
    for name, query, _ in all_queries(stack):
        services = re.findall(r"service (?:=|in) (\[[^]]*]|\S+)", query)
        assert set(re.findall(r"\w+", " ".join(services))) <= SERVICES, name
        assert set(re.findall(r"@logStream like /(\w+)/", query)) <= set(stack.of("AWS::Lambda::Function")), name

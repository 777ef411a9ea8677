"""Each alarm turns on in the incident that it is for, and stays off in a quiet night and on a busy day."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.infrastructure.conftest import Deployed
from tests.infrastructure.used_stack import (
    MINUTES,
    NEW_VERSION,
    OLD_VERSION,
    Scenario,
    Stack,
    invoking,
    measuring,
    together,
    without_own_metrics,
)
from tests.support.alarms import ALARM, OK, states

Deploy = Callable[..., Deployed]

NOTHING = together()
READING = partial(invoking, service="get_agent", response="succeeded")
BAD_VERSION = partial(invoking, version=NEW_VERSION)
CREATE, GET, PUBLISH = "CreateAgentFunction", "GetAgentFunction", "PublishAgentEventsFunction"

INCIDENTS: dict[str, dict[str, Scenario]] = {
    "CrashesAlarm": {
        "one crash": lambda stack: stack.invoke(60, response="crash"),
        "one crash while reading": lambda stack: stack.invoke(60, "get_agent", "crash"),
    },
    "FailuresAlarm": {
        "all of 4 a minute": invoking(times=4, response="failed"),
        "all of 1 in 5 minutes": invoking(every=5, minutes=15, response="failed"),
        "all of 1 in 5 minutes, after long retries": invoking(every=5, response="failed", minutes_until_own=1),
        "one of 8": together(invoking(times=7), invoking(response="failed")),
        "one of 8 reads": together(READING(times=7), invoking(service="get_agent", response="failed")),
        "2 % of many": together(invoking(times=147), invoking(times=3, response="failed")),
        "2 % of many reads": together(READING(times=147), invoking(times=3, service="get_agent", response="failed")),
        "all creations among many reads": together(READING(times=100), invoking(every=4, response="failed")),
        "all reads": invoking(every=5, service="get_agent", response="failed"),
    },
    "SlownessAlarm": {
        "all requests": invoking(ms=4000),
        "all reads": READING(ms=4000),
    },
    "ThrottlesAlarm": {
        "creations": measuring("AWS/Lambda", "Throttles", CREATE, f"{CREATE}:live", minutes=2),
        "reads": measuring("AWS/Lambda", "Throttles", GET, f"{GET}:live", minutes=2),
    },
    "ServerErrorsAlarm": {
        "the gateway may not invoke the function, 4 a minute": together(
            *[measuring("AWS/ApiGateway", name, "HttpApi") for name in ("5xx", "Count")] * 4
        ),
        "one of 8": together(invoking(times=7), invoking(response="crash")),
        "5 a minute among many": together(invoking(times=100), invoking(times=5, response="crash")),
    },
    "AuthenticationAlarm": {
        "21 a minute": invoking(times=21, response="unauthorized"),
        "21 reads a minute": invoking(times=21, service="get_agent", response="unauthorized"),
    },
    "UnknownOutcomesAlarm": {"1 a minute": invoking(response="unverified")},
    "RateLimiterAlarm": {
        "1 a minute": invoking(response="uncounted"),
        "1 read a minute": invoking(service="get_agent", response="uncounted"),
    },
    "TableThrottlesAlarm": {
        "writing agents": measuring("AWS/DynamoDB", "WriteThrottleEvents", "AgentsTable", minutes=2),
        "reading agents": measuring("AWS/DynamoDB", "ReadThrottleEvents", "AgentsTable", minutes=2),
        "reading keys": measuring("AWS/DynamoDB", "ReadThrottleEvents", "ApiKeysTable", minutes=2),
        "counting requests": measuring("AWS/DynamoDB", "WriteThrottleEvents", "ApiKeysTable", minutes=2),
    },
    "EventsDelayAlarm": {"5 minutes": measuring("AWS/Lambda", "IteratorAge", PUBLISH, value=300_000, minutes=2)},
    "ActivationDelayAlarm": {
        "15 minutes": measuring("AWS/SQS", "ApproximateAgeOfOldestMessage", "ActivationQueue", value=900, minutes=2)
    },
    "ActivationDeadLettersAlarm": {
        "one agent": measuring("AWS/SQS", "ApproximateNumberOfMessagesVisible", "ActivationDeadLetterQueue")
    },
    "NoEventsAlarm": {
        "the mapping is off": invoking(times=4),
        "the mapping is off, 1 agent in 20 minutes": invoking(every=20),
    },
    "NoMetricsAlarm": {
        "of creations": without_own_metrics(lost=invoking(), kept=READING(times=4)),
        "of reads, 1 in 10 minutes": without_own_metrics(lost=READING(every=10), kept=invoking(times=4)),
    },
    "GatewayThrottlesAlarm": {"2 a minute": together(*[measuring("stack", "RequestsThrottled")] * 2)},
    "CommandsAlarm": {
        "a key cannot be issued": lambda stack: stack.invoke(60, "manage_api_keys", "failed"),
        "the function for keys crashes": lambda stack: stack.invoke(60, "manage_api_keys", "crash"),
        "agents cannot be retried": lambda stack: stack.invoke(60, "retry_agents", "failed"),
        "the function for retries crashes": lambda stack: stack.invoke(60, "retry_agents", "crash"),
    },
    "NewVersionAlarm": {
        "crashes": BAD_VERSION(response="crash"),
        "fails": BAD_VERSION(response="failed"),
        "is slow": BAD_VERSION(ms=4000),
        "fails for 2 % of many": together(BAD_VERSION(times=98), BAD_VERSION(times=2, response="failed")),
        "fails to read while many creations succeed": together(
            BAD_VERSION(times=200), BAD_VERSION(service="get_agent", response="failed")
        ),
        "crashes when it reads": BAD_VERSION(service="get_agent", response="crash"),
        "reads slowly": BAD_VERSION(service="get_agent", response="succeeded", ms=4000),
    },
}
"""For each alarm what turns it on."""


def quiet_night(stack: Stack) -> None:
    """Few requests, and single misfortunes."""
    for minute in range(0, MINUTES, 9):
        stack.invoke(minute)
        stack.publish(minute)
        stack.invoke(minute + 4, "get_agent", "succeeded")
    for minute, response, ms in ((60, "unverified", 50), (65, "uncounted", 50), (70, "created", 5000)):
        stack.invoke(minute, response=response, ms=ms)
        stack.publish(minute)
    stack.invoke(50, response="failed")
    stack.invoke(75, "get_agent", "unauthorized")
    # Late in its minute: its metrics and its event are counted in later ones.
    stack.invoke(95, minutes_until_own=1)
    stack.publish(97)
    stack.invoke(115, version=NEW_VERSION, response="failed")
    stack.invoke(125, "manage_api_keys", "succeeded")


def busy_day(stack: Stack) -> None:
    """Many requests, single misfortunes, and a deployment of a good version."""
    for minute in range(MINUTES):
        for response in ["created"] * 18 + ["replayed", "rejected", "unauthorized"]:
            stack.invoke(minute, "create_agent", response)
        for response in ["succeeded"] * 18 + ["rejected", "unauthorized"]:
            stack.invoke(minute, "get_agent", response)
        stack.publish(minute)
        stack.put(minute, "AWS/SQS", "ApproximateAgeOfOldestMessage", "ActivationQueue", value=10)
        stack.put(minute, "AWS/SQS", "ApproximateNumberOfMessagesVisible", "ActivationDeadLetterQueue", value=0)
        if minute % 3 == 0:
            for service in ["create_agent", "get_agent"] * 2:
                stack.invoke(minute, service, "failed")
        if minute % 10 == 0:
            stack.invoke(minute, ms=5000)
            stack.invoke(minute, response="unverified")
    for _ in range(12):
        stack.put(90, "stack", "RequestsThrottled")
        stack.put(100, "AWS/Lambda", "Throttles", CREATE, f"{CREATE}:live")
        stack.put(110, "AWS/DynamoDB", "WriteThrottleEvents", "AgentsTable")
    stack.publish(120, waited_ms=400_000)
    stack.put(130, "AWS/SQS", "ApproximateAgeOfOldestMessage", "ActivationQueue", value=1000)
    for minute in range(60, 65):
        for _ in range(5):
            stack.invoke(minute, version=NEW_VERSION, ms=2000)
    stack.invoke(62, version=NEW_VERSION, response="failed")


def after(scenario: Scenario) -> Stack:
    """Return a stack on which a scenario has happened."""
    stack = Stack()
    scenario(stack)
    return stack


def states_of(stack: Deployed, alarm: str, used: Stack, missing_operand: float | None = None) -> set[str]:
    """Return the states that an alarm has in the course of a scenario."""
    return set(states(stack.of("AWS::CloudWatch::Alarm")[alarm], used.series, MINUTES, missing_operand))


either_reading = pytest.mark.parametrize("missing_operand", [None, 0], ids=["no point", "zero"])
"""An alarm must not depend on what metric math takes for a missing operand."""


def test_each_alarm_has_an_incident(deployed: Deploy) -> None:
    assert set(INCIDENTS) == set(deployed().of("AWS::CloudWatch::Alarm"))


@either_reading
@pytest.mark.parametrize(("alarm", "incident"), [(alarm, name) for alarm, of in INCIDENTS.items() for name in of])
def test_an_incident_turns_its_alarm_on(
    deployed: Deploy, alarm: str, incident: str, missing_operand: float | None
) -> None:
    assert ALARM in states_of(deployed(), alarm, after(INCIDENTS[alarm][incident]), missing_operand)


@either_reading
@pytest.mark.parametrize("scenario", [NOTHING, quiet_night, busy_day], ids=["no request", "quiet night", "busy day"])
def test_no_alarm_turns_on_without_an_incident(
    deployed: Deploy, scenario: Scenario, missing_operand: float | None
) -> None:
    used = after(scenario)

    assert [alarm for alarm in INCIDENTS if states_of(deployed(), alarm, used, missing_operand) != {OK}] == []


@pytest.mark.parametrize(
    "scenario",
    [
        invoking(times=20, response="failed"),
        together(BAD_VERSION(), invoking(times=20, response="failed", version=OLD_VERSION, ms=9000)),
    ],
    ids=["before the deployment", "while a good version gets its first requests"],
)
def test_an_old_version_does_not_roll_a_new_one_back(deployed: Deploy, scenario: Scenario) -> None:
    assert states_of(deployed(), "NewVersionAlarm", after(scenario)) == {OK}


RESPONSES_OF = {
    "create_agent": ["created", "replayed", "rejected", "unauthorized"],
    "get_agent": ["succeeded", "rejected", "unauthorized"],
}
each_response = pytest.mark.parametrize(
    ("service", "response"), [(service, response) for service, of in RESPONSES_OF.items() for response in of]
)


@each_response
def test_every_response_shows_that_metrics_arrive(deployed: Deploy, service: str, response: str) -> None:
    scenario = invoking(service=service, response=response)

    assert states_of(deployed(), "NoMetricsAlarm", after(scenario)) == {OK}


@pytest.mark.parametrize("service", RESPONSES_OF)
def test_failures_show_that_metrics_arrive(deployed: Deploy, service: str) -> None:
    scenario = invoking(service=service, response="failed")

    assert states_of(deployed(), "NoMetricsAlarm", after(scenario)) == {OK}


@each_response
def test_failures_are_a_share_of_all_responses(deployed: Deploy, service: str, response: str) -> None:
    scenario = together(
        invoking(times=30, service=service, response=response), invoking(times=2, service=service, response="failed")
    )

    assert states_of(deployed(), "FailuresAlarm", after(scenario)) == {OK}

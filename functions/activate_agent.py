"""Lambda handler of the agents table's stream: tries the ElevenLabs key of each new agent that has its own.

The event source mapping passes only items that were inserted as ``pending``. A record that fails is retried until its
attempts are used up; then the dead-letter queue gets its position in the stream, and its agent stays pending. A result
is recorded only if the agent was not modified meanwhile, so order and repetition do not matter.
"""

import os
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from call_agents.agents.activation import Activation, build_activation
from call_agents.agents.agent import ERROR, PENDING, READY
from call_agents.agents.store import agent_from_item
from call_agents.shared.config import Settings
from call_agents.shared.deadline import RESERVED_SECONDS, remaining_ms
from call_agents.shared.invocation import Frame, Invocation, Response, lambda_request_id

SERVICE = "activate_agent"

CHANGED = "changed"
"""Outcome of a record whose agent was modified or deleted meanwhile: nothing is recorded."""

RECORD_TIME_MS = 30_000
"""Remaining time that a record needs in the worst case: the calls to KMS, ElevenLabs and DynamoDB."""

MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1, 10
"""Pause before failed records are retried."""


class RecordFailedError(Exception):
    """A record has to be retried. It carries no cause, because Powertools keeps it."""


@cache
def frame() -> Frame[Response]:
    """Return the frame."""
    return Frame(SERVICE, Settings(os.environ), lambda response, _request_id: response)


@cache
def application() -> Activation:
    """Build the application from the environment."""
    return build_activation(Settings(os.environ))


def handler(event: dict[str, Any], context: Any) -> Any:  # noqa: ANN401 - as Powertools has it
    """Try the keys of a batch of records.

    Parameters
    ----------
    event : dict
        Records of the stream (AWS, "Using AWS Lambda with Amazon DynamoDB").
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``{"batchItemFailures": [{"itemIdentifier"}]}``: the sequence numbers of the records to retry.
    """
    return handle(event, context, application, time.sleep)


def handle(
    event: dict[str, Any],
    context: Any,  # noqa: ANN401 - as Powertools has it
    get_application: Callable[[], Activation],
    sleep: Callable[[float], object],
) -> Any:  # noqa: ANN401 - the same
    """Handle a batch with an application and a pause of your own; otherwise as `handler`."""
    # Otherwise a batch of which every record fails would raise, and Lambda would not learn which.
    processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
    record_handler = partial(handle_record, context=context, get_application=get_application)
    result = process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)
    if result["batchItemFailures"]:
        spare = max(remaining_ms(context) / 1000 - RESERVED_SECONDS, 0)
        sleep(min(retry_pause(event, time.time()), spare))
    return result


def retry_pause(event: dict[str, Any], now: float) -> float:
    """Return the seconds to wait before records are retried: as long as they have waited so far, within bounds.

    A stream retries at once, and its attempts must not be used up within a second.
    """
    begun: float = min(record["dynamodb"].get("ApproximateCreationDateTime", now) for record in event["Records"])
    return min(max(now - begun, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)


def handle_record(record: DynamoDBRecord, context: object, get_application: Callable[[], Activation]) -> None:
    """Handle one record; raise RecordFailedError when it has to be retried."""
    raw = record.raw_event
    response = frame().run(
        raw, context, lambda invocation: activate(raw, get_application(), invocation), lambda_request_id(context)
    )
    if response.status != 200:  # noqa: PLR2004 - OK
        raise RecordFailedError


def activate(record: dict[str, Any], app: Activation, invocation: Invocation) -> Response:
    """Turn a pending agent into one that is ready or in error."""
    # A batch that outlasts the function would lose its results.
    invocation.check_time(RECORD_TIME_MS)
    agent = agent_from_item(record["dynamodb"]["NewImage"])
    invocation.log.update(workspaceId=agent.workspace_id, agentId=agent.id, outcome=CHANGED)
    if agent.status == PENDING:  # the mapping's filter passes no other
        reason = app.try_key(agent, invocation)
        invocation.log["statusReason"] = reason or ""
        if app.record(agent, reason, invocation):
            invocation.log["outcome"] = ERROR if reason else READY
    return Response(200, None)

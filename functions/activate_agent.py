"""Lambda handler of the activation queue: tries the ElevenLabs key of each agent that is pending.

A message is an event of EventBridge about an agent. All trials of a batch run at the same time, so nobody waits for
another's key: a batch has at most 5 messages, and Python's default thread pool at least 5 threads. If a trial fails,
its message comes back after the queue's pause; after 20 failures it moves to the dead-letter queue. A result is
recorded only if the agent was not modified meanwhile, so order and repetition do not matter.
"""

import asyncio
import os
from collections.abc import Callable
from functools import cache, partial
from typing import Annotated, Any

from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType, async_process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.parser import parse
from pydantic import BaseModel, Field, Json, ValidationError

from call_agents.agents.activation import Activation, build_activation
from call_agents.agents.agent import ERROR, PENDING, READY
from call_agents.shared.config import Settings
from call_agents.shared.errors import InternalError
from call_agents.shared.invocation import Frame, Invocation, Response, lambda_request_id

SERVICE = "activate_agent"

CHANGED = "changed"
"""Outcome for an agent that is not pending any more, or was modified or deleted meanwhile: nothing is recorded."""


class _Ids(BaseModel):
    workspace_id: Annotated[str, Field(alias="workspaceId", min_length=1)]
    agent_id: Annotated[str, Field(alias="agentId", min_length=1)]


class _Event(BaseModel):
    detail: _Ids


class _Message(BaseModel):
    body: Json[_Event]


class RecordFailedError(Exception):
    """A message has to come back. It carries no cause, because Powertools keeps it."""


@cache
def frame() -> Frame[Response]:
    """Return the frame."""
    return Frame(SERVICE, Settings(os.environ), lambda response, _request_id: response)


@cache
def application() -> Activation:
    """Build the application from the environment."""
    return build_activation(Settings(os.environ))


def handler(event: dict[str, Any], context: Any) -> Any:  # noqa: ANN401 - as Powertools has it
    """Try the keys of a batch of messages.

    Parameters
    ----------
    event : dict
        Messages of the queue (AWS, "Using Lambda with Amazon SQS").
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``{"batchItemFailures": [{"itemIdentifier"}]}``: the ids of the messages that have to come back.
    """
    return handle(event, context, application)


def handle(event: dict[str, Any], context: Any, get_application: Callable[[], Activation]) -> Any:  # noqa: ANN401 - the same
    """Handle a batch with an application of your own; otherwise as `handler`."""
    # By default Powertools raises when every message fails. The ids have to be returned in that case, too.
    processor = AsyncBatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    record_handler = partial(handle_record, context=context, get_application=get_application)
    return async_process_partial_response(
        event=event, record_handler=record_handler, processor=processor, context=context
    )


async def handle_record(record: SQSRecord, context: object, get_application: Callable[[], Activation]) -> None:
    """Handle one message in a thread of its own; raise RecordFailedError when it has to come back."""
    message = record.raw_event
    response = await asyncio.to_thread(
        frame().run,
        message,
        context,
        lambda invocation: activate(message, get_application(), invocation),
        lambda_request_id(context),
    )
    if response.status != 200:  # noqa: PLR2004 - OK
        raise RecordFailedError


def activate(message: dict[str, Any], app: Activation, invocation: Invocation) -> Response:
    """Turn a pending agent into one that is ready or in error."""
    ids = read_ids(message)
    invocation.log.update(workspaceId=ids.workspace_id, agentId=ids.agent_id, outcome=CHANGED)
    invocation.timer.begin("read")
    agent = app.agents.get(ids.workspace_id, ids.agent_id)
    if agent is not None and agent.status == PENDING:
        reason = app.try_key(agent, invocation)
        invocation.log["statusReason"] = reason or ""
        if app.record(agent, reason, invocation):
            invocation.log["outcome"] = ERROR if reason else READY
    return Response(200, None)


def read_ids(message: dict[str, Any]) -> _Ids:
    """Return the ids in a message; raise InternalError when it is no event about an agent."""
    try:
        return parse(event=message, model=_Message).body.detail
    except ValidationError:
        problem = "the message is no event about an agent"
    raise InternalError(internal=problem)

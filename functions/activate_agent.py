"""Lambda handler of the agents table's stream: tries the ElevenLabs key and voice of each new agent that brings a key.

The event source mapping passes only items that were inserted as ``pending``. A record that fails is handed over again
until its attempts are used up; then the queue of failures gets its place in the stream, and its agent stays pending.
Whatever the order and however often, what was found out is written only on the agent that it is about, and only if that
is unchanged.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from agents.activation import Candidate, Candidates, candidate
from agents.agent import ERROR, PENDING, READY
from agents.elevenlabs import ElevenLabs, connect
from agents.errors import ApiError, ServiceUnavailable, as_api_error
from agents.sealing import unseal
from deadline import ANSWER_SECONDS, TimeIsUp, deadline, milliseconds_left
from deployment import Environment
from telemetry import Reporter, Steps

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient

SERVICE = "activate_agent"

CHANGED = "changed"
"""The outcome of a record whose agent is another by now: nothing is written."""

RECORD_TIME_MS = 30_000
"""What has to be left for a record: the attempts to decrypt it and the one to write, and ElevenLabs' own time."""

MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1, 10
"""Before records are handed over again."""


@dataclass(frozen=True)
class Application:
    """What every record needs and the deployment gives."""

    candidates: Candidates
    elevenlabs: ElevenLabs
    kms: "KMSClient"
    kms_key_id: str
    now: Callable[[], datetime]


@cache
def application() -> Application:
    """Compose the application from the environment."""
    return compose(Environment(os.environ))


def compose(environment: Environment) -> Application:
    """Compose it, for this function or for the operator's."""
    return Application(
        # Tried once: a repetition could meet its own write whose answer was lost, and take it for another's.
        candidates=Candidates(environment.dynamodb(attempts=1), environment.text("AGENTS_TABLE")),
        elevenlabs=connect(environment.elevenlabs_url, environment.public_roots, time.monotonic),
        kms=environment.kms(),
        kms_key_id=environment.text("SECRETS_KEY_ID"),
        now=lambda: datetime.now(UTC),
    )


@cache
def reporter() -> Reporter:
    """Make what logs apart from the application: it has to tell why that could not be made."""
    return Environment(os.environ).reporter(SERVICE)


def handler(event: dict[str, Any], context: Any) -> Any:  # noqa: ANN401 - as Powertools has it
    """Try the records of a batch.

    Parameters
    ----------
    event : dict
        Records of the stream, as Lambda hands them over (AWS, "Using AWS Lambda with Amazon DynamoDB").
    context : object
        Lambda's context.

    Returns
    -------
    dict
        ``{"batchItemFailures": [{"itemIdentifier"}]}``: the sequence numbers of the records that are to be tried again.
    """
    # Were it raised when all records fail, Lambda would no longer be told which.
    processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
    try_record = partial(handle, context=context)
    result = process_partial_response(event=event, record_handler=try_record, processor=processor, context=context)
    if result["batchItemFailures"]:
        spare = max(milliseconds_left(context) / 1000 - ANSWER_SECONDS, 0)
        time.sleep(min(pause(event, time.time()), spare))
    return result


def pause(event: dict[str, Any], now: float) -> float:
    """Return for how many seconds to wait before records are handed over again: as long as they have waited so far.

    What is busy needs time, and no pause of the stream's own is documented. So each one doubles the age of a record.
    """
    begun: float = min(record["dynamodb"].get("ApproximateCreationDateTime", now) for record in event["Records"])
    return min(max(now - begun, MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)


def handle(record: DynamoDBRecord, context: object) -> None:
    """Try one record and log what became of it; raise when it is to be tried again."""
    log: dict[str, str] = {"requestId": str(getattr(context, "aws_request_id", ""))}
    steps = Steps()
    error: ApiError | None = None
    try:
        check_time(context)
        with deadline(context):
            log["outcome"] = activate(record.raw_event, application(), log, steps)
    except (Exception, TimeIsUp) as raised:  # noqa: BLE001 - whatever it is, the record is to be tried again
        error = ServiceUnavailable(internal="out of time") if isinstance(raised, TimeIsUp) else as_api_error(raised)
        log.update(outcome=error.code, cause=error.internal)
    reporter().report(error.status if error else 200, log, steps.milliseconds())
    if error:
        # Here, and so without what was raised: Powertools keeps it, and libraries put values into theirs.
        raise error


def activate(record: dict[str, Any], app: Application, log: dict[str, str], steps: Steps) -> str:
    """Turn a pending agent into one that is ready or in error: return which, or `CHANGED`."""
    agent = candidate(record["dynamodb"]["NewImage"])
    log.update(workspaceId=agent.workspace_id, agentId=agent.agent_id)
    if agent.status != PENDING:  # whatever the event source mapping lets pass
        return CHANGED
    reason = find_reason(agent, app, steps)
    log.update(statusReason=reason or "")
    steps.begin("settle")
    if not app.candidates.settle(agent, reason, app.now()):
        return CHANGED
    return ERROR if reason else READY


def find_reason(agent: Candidate, app: Application, steps: Steps) -> str | None:
    """Find out why an agent's key does not open its voice; None when it does."""
    ids = {"workspace_id": agent.workspace_id, "agent_id": agent.agent_id}
    steps.begin("unseal")
    key = unseal(app.kms, app.kms_key_id, agent.ciphertext, **ids)
    steps.begin("elevenLabs")
    return app.elevenlabs.try_voice(key, agent.voice_id)


def check_time(context: object) -> None:
    """Raise ServiceUnavailable when this record could outlast the function: the result of its batch would be lost."""
    if milliseconds_left(context) < RECORD_TIME_MS:
        raise ServiceUnavailable(internal="out of time")

"""The style of the blueprints: Powertools' resolver with validation, its idempotency layer, and boto3's resource."""

import hashlib
import os
import secrets
import time
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Literal

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import ServiceError, UnauthorizedError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent
from boto3.dynamodb.conditions import Attr
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

logger = Logger(service="create_agent")
metrics = Metrics(namespace="CreateCallAgent", service="create_agent")
app = APIGatewayHttpResolver(enable_validation=True)
layer = DynamoDBPersistenceLayer(table_name="IdempotencyTable")
config = IdempotencyConfig(event_key_jmespath='headers."idempotency-key"')

dynamodb = boto3.resource("dynamodb")
keys = dynamodb.Table(os.environ["API_KEYS_TABLE"])
agents = dynamodb.Table(os.environ["AGENTS_TABLE"])
counters = dynamodb.Table(os.environ["COUNTERS_TABLE"])
RATE_LIMIT = int(os.environ["RATE_LIMIT_PER_MINUTE"])


class Wire(BaseModel):
    model_config = ConfigDict(extra="allow", alias_generator=to_camel, populate_by_name=True)


class TtsModel(Wire):
    provider: Literal["openai", "rime", "elevenlabs", "11labs_byo", "google", "cartesia"]
    voice_id: Annotated[str, Field(min_length=1, max_length=256)] = "mistv2_Wildflower"
    language: Annotated[str, Field(max_length=128)] = "en"
    name: str | None = None


class Gap(Wire):
    days: Annotated[int, Field(ge=0, le=30)] = 1
    hours: Annotated[int, Field(ge=0, le=23)] = 0


class AgentSettings(Wire):
    speed: Annotated[Decimal, Field(ge=0, le=2)] | None = None
    volume: Annotated[Decimal, Field(ge=0, le=2)] | None = None
    temperature: Annotated[Decimal, Field(ge=0, le=2)] | None = None


class CreateAgentRequest(Wire):
    name: Annotated[str, Field(min_length=1, max_length=256)]
    type: Literal["voice"] = "voice"
    tts_model: TtsModel
    llm_model: Annotated[str, Field(min_length=1, max_length=256)] = "gpt-4o-mini"
    smart_callback: bool = False
    max_attempts_for_smart_callback: Annotated[int, Field(ge=1, le=100)] = 5
    gap_between_each_attempt_for_smart_callback: Annotated[list[Gap], Field(max_length=100)] = []
    phone_number_ids: Annotated[list[str], Field(max_length=100)] = []
    settings: AgentSettings = AgentSettings()
    variables: dict[str, Any] = {}


class Agent(CreateAgentRequest):
    id: Annotated[str, Field(alias="_id")]
    workspace_id: str
    user_id: str
    active_sessions: list[str] = []
    status: Literal["ready", "pending"] = "ready"
    current_node: None = None
    created_at: str
    updated_at: str


def count(key_hash: str) -> None:
    minute = int(time.time()) // 60
    try:
        counters.update_item(
            Key={"id": f"{key_hash}/{minute}"},
            UpdateExpression="SET expiresAt = :end ADD requests :one",
            ConditionExpression=Attr("requests").not_exists() | Attr("requests").lt(RATE_LIMIT),
            ExpressionAttributeValues={":one": 1, ":end": (minute + 2) * 60},
        )
    except counters.meta.client.exceptions.ConditionalCheckFailedException:
        raise ServiceError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests") from None


def caller() -> dict[str, Any]:
    headers = app.current_event.headers
    key = headers.get("x-api-key")
    if not key:
        raise UnauthorizedError("missing API key")
    key_hash = hashlib.sha256(key.encode()).hexdigest()
    record = keys.get_item(Key={"keyHash": key_hash}, ConsistentRead=True).get("Item")
    if record is None or record["status"] != "active":
        raise UnauthorizedError("invalid API key")
    count(key_hash)
    if record["workspaceId"] != headers.get("x-workspace-id"):
        raise ServiceError(HTTPStatus.FORBIDDEN, "no access to this workspace")
    return record


@app.post("/v1/api/agents")
def create_agent(request: CreateAgentRequest) -> Response[Any]:
    record = caller()
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    agent = Agent.model_validate(
        {
            **request.model_dump(by_alias=True, exclude_none=True),
            "_id": secrets.token_hex(12),
            "workspaceId": record["workspaceId"],
            "userId": record["userId"],
            "createdAt": now,
            "updatedAt": now,
        }
    )
    agents.put_item(
        Item=agent.model_dump(by_alias=True, exclude_none=True), ConditionExpression=Attr("_id").not_exists()
    )
    logger.info("created", extra={"agentId": agent.id, "workspaceId": agent.workspace_id})
    metrics.add_metric(name="RequestsSucceeded", unit=MetricUnit.Count, value=1)
    return Response(
        status_code=HTTPStatus.CREATED,
        content_type=content_types.APPLICATION_JSON,
        body=agent.model_dump_json(by_alias=True, exclude_none=True),
        headers={"Location": f"/v1/api/agents/{agent.id}"},
    )


@logger.inject_lambda_context
@metrics.log_metrics
@idempotent(config=config, persistence_store=layer)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)

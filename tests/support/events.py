"""Events of API Gateway (payload format 2.0) and Lambda's context, as the real ones look."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PATH = "/v1/api/agents"
FUNCTION_SECONDS = 28
"""Timeout of the functions that respond to a caller."""


@dataclass(frozen=True)
class LambdaContext:
    """Lambda's context.

    Parameters
    ----------
    timeout : float
        Seconds that the function may take, from now on.
    """

    timeout: float = FUNCTION_SECONDS
    function_name: str = "local"
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:local"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining milliseconds."""
        return int((self.started + self.timeout - time.monotonic()) * 1000)


def queue_event(messages: Mapping[str, str]) -> dict[str, Any]:
    """Return the event that Lambda makes of messages of an SQS queue, by their ids."""
    return {
        "Records": [
            {
                "messageId": message_id,
                "receiptHandle": f"handle-{message_id}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0", "SenderId": "events"},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:local",
                "awsRegion": "us-east-1",
            }
            for message_id, body in messages.items()
        ]
    }


def http_event(
    *,
    method: str = "POST",
    path: str = PATH,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    is_base64: bool = False,
    query: str = "",
    source_ip: str = "192.0.2.1",
    request_id: str = "request-1",
) -> dict[str, Any]:
    """Return the event that API Gateway makes of a request; without a body there is no such member."""
    headers = {name.lower(): value for name, value in (headers or {}).items()}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": headers.get("host", "localhost"),
            "domainPrefix": "local",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
            "timeEpoch": int(time.time() * 1000),
        },
        "isBase64Encoded": is_base64,
    }
    if body is not None:
        event["body"] = body
    return event

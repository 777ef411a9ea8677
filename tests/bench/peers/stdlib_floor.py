"""The floor: the standard library alone, signatures made by hand. It shows what physics allows, not what is wise."""

import datetime as dt
import hashlib
import hmac
import json
import os
import ssl
import time
import urllib.parse
from decimal import Decimal
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

REGION = os.environ["AWS_REGION"]
URL = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
NUMBERS = {"speed", "volume", "temperature"}


class Refused(Exception):
    pass


def connect() -> HTTPConnection:
    if URL.scheme == "https":
        context = ssl.create_default_context(cafile=os.environ["FLOOR_CA_FILE"])
        return HTTPSConnection(URL.hostname or "", URL.port, context=context, timeout=2)
    return HTTPConnection(URL.hostname or "", URL.port, timeout=2)


connection = connect()


def digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    global connection
    body = json.dumps(request).encode()
    headers = signed(operation, body)
    try:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
    except (OSError, HTTPException):
        connection.close()
        connection = connect()
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
    content: dict[str, Any] = json.loads(answer.read())
    if "ConditionalCheckFailedException" in content.get("__type", ""):
        raise Refused(429, "too many requests")
    if answer.status != 200:
        raise Refused(500, "database")
    return content


def signed(operation: str, body: bytes) -> dict[str, str]:
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{REGION}/dynamodb/aws4_request"
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "host": URL.netloc,
        "x-amz-date": stamp,
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"],
        "x-amz-target": f"DynamoDB_20120810.{operation}",
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in (stamp[:8], REGION, "dynamodb", "aws4_request"):
        key = digest(key, part)
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    signature = digest(key, text).hex()
    return {
        **headers,
        "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}",
    }


def count(key_hash: str) -> None:
    minute = int(time.time()) // 60
    call(
        "UpdateItem",
        {
            "TableName": os.environ["COUNTERS_TABLE"],
            "Key": {"id": {"S": f"{key_hash}/{minute}"}},
            "UpdateExpression": "SET expiresAt = :end ADD requests :one",
            "ConditionExpression": "attribute_not_exists(requests) OR requests < :limit",
            "ExpressionAttributeValues": {
                ":one": {"N": "1"},
                ":end": {"N": str((minute + 2) * 60)},
                ":limit": {"N": os.environ["RATE_LIMIT_PER_MINUTE"]},
            },
        },
    )


def attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (int, Decimal)):
        return {"N": str(value)}
    if isinstance(value, dict):
        return {"M": {name: attribute(member) for name, member in value.items()}}
    if isinstance(value, list):
        return {"L": [attribute(element) for element in value]}
    return {"NULL": True}


def check(condition: object, field: str) -> None:
    if not condition:
        raise Refused(422, field)


def text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest


def whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def validated(body: Any) -> dict[str, Any]:
    check(isinstance(body, dict), "body")
    tts = body.get("ttsModel")
    check(isinstance(tts, dict) and text(tts.get("provider"), 64), "ttsModel")
    tts = {"voiceId": "mistv2_Wildflower", "language": "en", **tts}
    check(text(tts["voiceId"], 256) and text(tts["language"], 128), "ttsModel")
    agent = {
        "type": "voice",
        "llmModel": "gpt-4o-mini",
        "smartCallback": False,
        "maxAttemptsForSmartCallback": 5,
        "gapBetweenEachAttemptForSmartCallback": [],
        "phoneNumberIds": [],
        "settings": {},
        "variables": {},
        **body,
        "ttsModel": tts,
    }
    check(text(agent.get("name"), 256), "name")
    check(agent["type"] == "voice", "type")
    check(text(agent["llmModel"], 256), "llmModel")
    check(isinstance(agent["smartCallback"], bool), "smartCallback")
    check(whole(agent["maxAttemptsForSmartCallback"], 1, 100), "maxAttemptsForSmartCallback")
    gaps, settings = agent["gapBetweenEachAttemptForSmartCallback"], agent["settings"]
    check(isinstance(gaps, list) and len(gaps) <= 100, "gapBetweenEachAttemptForSmartCallback")
    for gap in gaps:
        check(isinstance(gap, dict), "gapBetweenEachAttemptForSmartCallback")
        check(whole(gap.get("days", 1), 0, 30) and whole(gap.get("hours", 0), 0, 23), "gap")
    check(isinstance(agent["phoneNumberIds"], list) and isinstance(agent["variables"], dict), "phoneNumberIds")
    check(isinstance(settings, dict), "settings")
    for name in NUMBERS & settings.keys():
        check(isinstance(settings[name], (int, Decimal)) and 0 <= settings[name] <= 2, name)
    return agent


def create(event: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
    headers = event["headers"]
    if not headers.get("x-api-key"):
        raise Refused(401, "missing API key")
    key_hash = hashlib.sha256(headers["x-api-key"].encode()).hexdigest()
    found = call(
        "GetItem",
        {"TableName": os.environ["API_KEYS_TABLE"], "Key": {"keyHash": {"S": key_hash}}, "ConsistentRead": True},
    )
    record = found.get("Item")
    if record is None or record["status"]["S"] != "active":
        raise Refused(401, "invalid API key")
    count(key_hash)
    if record["workspaceId"]["S"] != headers.get("x-workspace-id"):
        raise Refused(403, "no access to this workspace")
    wanted = validated(json.loads(event["body"], parse_float=Decimal))
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    agent = {
        **wanted,
        "_id": os.urandom(12).hex(),
        "workspaceId": record["workspaceId"]["S"],
        "userId": record["userId"]["S"],
        "activeSessions": [],
        "status": "ready",
        "currentNode": None,
        "createdAt": now,
        "updatedAt": now,
    }
    item = {name: attribute(value) for name, value in agent.items()}
    condition = "attribute_not_exists(workspaceId)"
    call("PutItem", {"TableName": os.environ["AGENTS_TABLE"], "Item": item, "ConditionExpression": condition})
    return 201, agent, {"location": f"/v1/api/agents/{agent['_id']}"}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        status, body, headers = create(event)
    except Refused as error:
        status, body, headers = error.args[0], {"message": error.args[1]}, {}
    print(json.dumps({"message": "answered", "status": status, "agentId": body.get("_id")}))
    content = json.dumps(body, default=float)
    return {"statusCode": status, "headers": {"content-type": "application/json", **headers}, "body": content}

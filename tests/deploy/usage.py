"""The deployed API and its operator at work. Each step says what it saw."""

import json
import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from tests.deploy import access, operators, roles
from tests.deploy.cloud import ROOT_USER, Cloud, check, wait_for
from tests.deploy.deployment import Deployment
from tests.deploy.gateway import Api
from tests.deploy.operators import Operator
from tests.local import elevenlabs
from tests.local.aws import USER_ID, WORKSPACE_ID
from tests.support.http import HttpResponse

API, KEYS = "CreateAgentFunction", "ManageApiKeysFunction"
AGAIN = "RetryAgentsFunction"

CROWD = 20
"""Agents of one workspace whose keys hang."""

TRIED_KEY = secrets.token_hex(24)
"""The customer's ElevenLabs key, which is decrypted to be tried."""

Say = Callable[[str], None]
"""Prints a line of progress."""


@dataclass(frozen=True)
class Made:
    """What is made first, to be found again later.

    Parameters
    ----------
    operator : Operator
        Who manages API keys.
    api : Api
        The API, called with a key.
    example, agent : dict
        The body that was sent, and the agent that was returned.
    retry : str
        The agent's idempotency key.
    """

    operator: Operator
    api: Api
    example: dict[str, Any]
    agent: dict[str, Any]
    retry: str


def begin(deployment: Deployment, example: dict[str, Any], say: Say) -> Made:
    """Issue a key, create an agent with it, and again with the same idempotency key."""
    arns = [deployment.configuration(function)["FunctionArn"] for function in (KEYS, AGAIN)]
    operator = operators.create_operator(deployment.cloud, *arns)
    headers = {"x-api-key": new_key(operator), "x-workspace-id": WORKSPACE_ID}
    check_signatures(operator)
    say("an operator, who may only invoke the operators' functions, issued an API key; a wrong signature is refused")
    api, retry = Api(deployment.stack.output("ApiUrl"), headers), secrets.token_hex(16)
    made = Made(operator, api, example, expect(api.post(example, idempotency_key=retry), 201).body, retry)
    check(stored(deployment, made.agent), "the agent is in the table")
    check_replay(made)
    say("POST: 201, and the agent is in the table; with its Idempotency-Key again: 201, replayed, the same agent")
    check_read(deployment, made)
    say("GET of its Location: 200, the same agent; an unknown id and another workspace's: 404, the same to the byte")
    return made


def check_read(deployment: Deployment, made: Made) -> None:
    """Read the agent back; and one of another workspace, which looks as if there were none."""
    read = expect(made.api.get(made.agent["_id"]), 200)
    check(read.body == made.agent, "the agent that is read is the one that was created")
    foreign = {**stored(deployment, made.agent), "workspaceId": {"S": "another"}, "_id": {"S": "f" * 24}}
    deployment.cloud.client("dynamodb").put_item(TableName=agents_table(deployment), Item=foreign)
    head = made.api.send("HEAD", None, f"/v1/api/agents/{made.agent['_id']}")
    check((head.status, head.text) == (200, ""), "HEAD is GET without its body")
    refused = [expect(made.api.get(agent_id), 404).body["error"] for agent_id in ("f" * 24, "0" * 24, "x")]
    check(len({(error["code"], error["message"]) for error in refused}) == 1, f"all 404 look the same: {refused}")


def new_key(operator: Operator) -> str:
    """Issue a key."""
    response = operator.command(action="issue", workspaceId=WORKSPACE_ID, userId=USER_ID)
    # Not the whole result: it can hold a key.
    check(response.get("statusCode") == 201, f"a key is issued, but the status is {response.get('statusCode')}")
    key: str = response["body"]["key"]
    return key


def check_signatures(operator: Operator) -> None:
    """Send what the operator may, signed with another secret."""
    forged = replace(operator.principal, secret="forged")
    error = operator.cloud.error(forged, "lambda", "invoke", {"FunctionName": operator.keys})
    check(error == "InvalidSignatureException", f"a wrong signature is refused, but there is {error or 'no error'}")


def check_replay(made: Made) -> None:
    """Send the agent's request again."""
    again = expect(made.api.post(made.example, idempotency_key=made.retry), 201)
    check(again.body == made.agent, "a retry returns the same agent")
    check(again.header("idempotent-replayed") == "true", "a retry is marked as replayed")


def encrypt_secret(deployment: Deployment, made: Made, say: Say) -> None:
    """Create an agent with a customer's ElevenLabs key, which the function cannot decrypt again."""
    secret = secrets.token_hex(24)
    tts = {**made.example["ttsModel"], "provider": "11labs_byo", "elevenLabsApiKey": secret}
    response = expect(made.api.post({**made.example, "ttsModel": tts}), 201)
    check(response.body["status"] == "pending", "an agent with an own ElevenLabs key is pending")
    check(secret not in f"{response.headers}{response.text}", "the response is without the secret")
    check(secret not in str(stored(deployment, response.body)), "the item is without the secret")
    check_encrypted(deployment.cloud, response.body, secret)
    say("POST with an own ElevenLabs key: 201, pending, and encrypted: KMS decrypts it for its agent and for no other")
    check_logs(deployment, response.body["_id"], [secret, made.api.headers["x-api-key"]], say)


def activate(deployment: Deployment, made: Made, say: Say) -> None:
    """Let the queue try keys; hear of it by events; fix one and have it tried again; let nobody wait for others."""
    queue = subscribe(deployment)
    ready = own_key(deployment, made, "a-voice")
    check(ready["status"] == "ready", f"a key that works makes the agent ready, not {ready['status']}")
    agent = own_key(deployment, made, "no-permission")
    reason = agent.get("statusReason")
    check(reason == "missing_permission", f"a key without permission puts it in error with that reason: {reason}")
    say("POST with an own ElevenLabs key, and GET: pending, then ready; or error, missing_permission")
    for one, kinds in ((ready, ["Agent Created", "Agent Ready"]), (agent, ["Agent Created", "Agent Failed"])):
        check_events(deployment, queue, one, kinds)
    say("a queue that subscribed to the bus by a rule received: Agent Created, then Agent Ready or Agent Failed")
    wait_for(
        lambda: any(agent["_id"] in values(line) for line in lines(deployment.cloud, deployment.log_group)),
        "the log has the agent's trial",
    )
    say(f"the results are logged, and no log has a key: {check_no_log_has(deployment.cloud, [TRIED_KEY])}")
    with fixed("no-permission"):
        response = made.operator.retry(workspaceId=WORKSPACE_ID)
        check(response.get("statusCode") == 200, f"an operator has it tried again: {response}")
        check(agent["_id"] in response["body"]["agentIds"], f"the result names it: {response}")
        check(result_of(deployment, made, agent)["status"] == "ready", "with a fixed key it is ready")
    again = made.operator.retry(workspaceId=WORKSPACE_ID, agentId=agent["_id"])
    check(again.get("statusCode") == 404, f"a ready agent cannot be retried: {again.get('statusCode')}")
    say("the key was fixed, and the operator had all agents of the workspace tried again: ready; once more: 404")
    crowd(deployment, made, say)


def crowd(deployment: Deployment, made: Made, say: Say) -> None:
    """Let one workspace have many keys that hang, and another one a good key."""
    alone = seconds_until_ready(deployment, made)
    issued = made.operator.command(action="issue", workspaceId="neighbour", userId=USER_ID)["body"]["key"]
    neighbour = replace(made, api=replace(made.api, headers={"x-api-key": issued, "x-workspace-id": "neighbour"}))
    tts = {"provider": "11labs_byo", "voiceId": "slow", "elevenLabsApiKey": TRIED_KEY}
    hanging = [expect(made.api.post({**made.example, "ttsModel": tts}), 201).body for _ in range(CROWD)]
    beside = seconds_until_ready(deployment, neighbour)
    waiting = sum(stored(deployment, agent)["status"] == {"S": "pending"} for agent in hanging)
    check(waiting == CROWD, f"all keys that hang are still pending, but {waiting} are")
    check(beside < elevenlabs.SLOW_SECONDS / 3, f"a good key does not wait for them, but it took {beside:.1f} s")
    say(f"a good key alone: ready after {alone:.1f} s; beside {CROWD} of another workspace that hang: {beside:.1f} s")


def seconds_until_ready(deployment: Deployment, made: Made) -> float:
    """Create an agent with a good key; return how long it was pending."""
    started = time.monotonic()
    check(own_key(deployment, made, "a-voice")["status"] == "ready", "a good key makes the agent ready")
    return time.monotonic() - started


@contextmanager
def fixed(voice_id: str) -> Iterator[None]:
    """Let ElevenLabs find a voice as long as the block runs."""
    result = elevenlabs.RESULTS.pop(voice_id)
    yield
    elevenlabs.RESULTS[voice_id] = result


def own_key(deployment: Deployment, made: Made, voice_id: str) -> dict[str, Any]:
    """Create an agent with its own key; read it back until it is not pending any more, and return it."""
    tts = {"provider": "11labs_byo", "voiceId": voice_id, "elevenLabsApiKey": TRIED_KEY}
    agent = expect(made.api.post({**made.example, "ttsModel": tts}), 201).body
    check(agent["status"] == "pending", "an agent with an own ElevenLabs key is pending")
    return result_of(deployment, made, agent)


def result_of(deployment: Deployment, made: Made, agent: dict[str, Any]) -> dict[str, Any]:
    """Read an agent back until it is not pending any more, and return it."""

    # Requests are counted, so the table is watched.
    wait_for(lambda: stored(deployment, agent)["status"] != {"S": "pending"}, "an agent with an own key gets a result")
    changed: dict[str, Any] = expect(made.api.get(agent["_id"]), 200).body
    return changed


def subscribe(deployment: Deployment) -> str:
    """Send the bus's events to a queue, with the rule that functions/API.md shows; return the queue's URL."""
    sqs, events = deployment.cloud.client("sqs"), deployment.cloud.client("events")
    queue: str = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = deployment.stack.output("EventBusName")
    pattern = {"source": ["create-call-agent"], "detail-type": ["Agent Created", "Agent Ready", "Agent Failed"]}
    events.put_rule(Name="subscriber", EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(Rule="subscriber", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    return queue


def check_events(deployment: Deployment, queue: str, agent: dict[str, Any], kinds: list[str]) -> None:
    """Receive events until those of an agent are there; look that they have ids and status only."""
    sqs, found = deployment.cloud.client("sqs"), []

    def received() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            event = json.loads(message["Body"])
            if event["detail"]["agentId"] == agent["_id"]:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(event)
            else:  # another agent's, for later
                sqs.change_message_visibility(
                    QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
        return len(found) >= len(kinds)

    wait_for(received, f"the events of an agent are {kinds}")
    found.sort(key=lambda event: str(event["detail"]["updatedAt"]))
    check([event["detail-type"] for event in found] == kinds, f"the events are {kinds}, not {found}")
    last = found[-1]["detail"]
    wanted = {"agentId": agent["_id"], "provider": "11labs_byo"}
    names = ("workspaceId", "userId", "status", "createdAt", "updatedAt", "statusReason")
    wanted |= {name: agent[name] for name in names if name in agent}
    check(last == wanted, f"an event has ids and status only, but it is {last}")


def check_encrypted(cloud: Cloud, agent: dict[str, Any], secret: str) -> None:
    """Decrypt an agent's secret as the account's root user, for the agent and for another one."""
    kms = cloud.client("kms")
    encrypted = b64decode(agent["ttsModel"]["elevenLabsApiKey"].removeprefix("encrypted:"))
    context = {"workspaceId": agent["workspaceId"], "agentId": agent["_id"]}
    decrypted = kms.decrypt(CiphertextBlob=encrypted, EncryptionContext=context)["Plaintext"]
    check(decrypted.decode() == secret, "KMS decrypts the secret for its agent")
    other = {"CiphertextBlob": encrypted, "EncryptionContext": {**context, "agentId": "another"}}
    error = cloud.error(ROOT_USER, "kms", "decrypt", other)
    check(error == "InvalidCiphertextException", "KMS does not decrypt the secret for another agent")


def check_logs(deployment: Deployment, agent_id: str, unwanted: list[str], say: Say) -> None:
    """Wait for an agent's line in the function's own log; look that no log of the account has a secret."""
    group = deployment.log_group
    wait_for(
        lambda: any(agent_id in values(line) for line in lines(deployment.cloud, group)),
        f"the agent's JSON line is in {group}",
    )
    looked_at = check_no_log_has(deployment.cloud, unwanted)
    say(f"its own log group has the agent's JSON line; nowhere is a secret: {looked_at}")


def check_no_log_has(cloud: Cloud, unwanted: list[str]) -> str:
    """Look that no log of the account has a secret; return how much was looked at."""
    logs = cloud.client("logs").describe_log_groups()["logGroups"]
    written = {each["logGroupName"]: list(lines(cloud, each["logGroupName"])) for each in logs}
    leaks = [name for name, of in written.items() if any(secret in line for line in of for secret in unwanted)]
    check(not leaks, f"no log has a secret, but {', '.join(leaks)} has")
    return ", ".join(f"{len(of)} lines in {name}" for name, of in written.items())


def lines(cloud: Cloud, group: str) -> Iterator[str]:
    """Read a log group."""
    for page in cloud.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group):
        for event in page["events"]:
            yield from event["message"].splitlines()


def values(line: str) -> list[Any]:
    """Return the values of a line that is a JSON object; none of another."""
    try:
        content = json.loads(line)
    except ValueError:
        return []
    return list(content.values()) if isinstance(content, dict) else []


def refuse(made: Made, say: Say) -> None:
    """Send requests that are refused."""
    expect(made.api.post(made.example, x_api_key=""), 401)
    key = new_key(made.operator)
    expect(made.api.post(made.example, x_api_key=key), 201)
    revoked = made.operator.command(action="revoke", workspaceId=WORKSPACE_ID, keyId=key.split("_")[2])
    check(revoked.get("statusCode") == 200, f"a key is revoked, but the result is {revoked}")
    expect(made.api.post(made.example, x_api_key=key), 401)
    unknown = expect(made.api.post(made.example, path="/v1/api/agent"), 404)
    check(unknown.body == {"message": "Not Found"}, "the gateway refuses an unknown path")
    other = expect(made.api.send("GET", None), 405)
    check(other.header("allow") == "POST", "another method gets Allow: POST")
    say("without a key: 401; with a key: 201, and once it is revoked: 401; GET: 405; another path: 404 by the gateway")


def try_roles(deployment: Deployment, made: Made, say: Say) -> None:
    """Make every call as every principal."""
    calls, allowed = roles.try_all(deployment, made.operator.principal, say)
    print(f"\n{access.table(calls, allowed)}\n")
    wrong = access.differences(allowed, roles.EXPECTED)
    check(not wrong, f"each principal may do what is expected and nothing else, but {'; '.join(wrong)}")
    say(f"{len(calls)} calls by {len(allowed)} principals: each may do what it has to, and nothing else")


def expect(response: HttpResponse, status: int) -> HttpResponse:
    """Return a response that has this status."""
    check(response.status == status, f"the status is {status}, but it is {response.status}: {response.text}")
    return response


def stored(deployment: Deployment, agent: dict[str, Any]) -> dict[str, Any]:
    """Return an agent's item."""
    return item(deployment.cloud, agents_table(deployment), agent)


def agents_table(deployment: Deployment) -> str:
    """Return the name of the table of agents."""
    return deployment.stack.physical_ids("AWS::DynamoDB::Table")["AgentsTable"]


def item(cloud: Cloud, table: str, agent: dict[str, Any]) -> dict[str, Any]:
    """Return an agent's item of a table; empty when there is none."""
    key = {name: {"S": agent[name]} for name in ("workspaceId", "_id")}
    found: dict[str, Any] = cloud.client("dynamodb").get_item(TableName=table, Key=key).get("Item", {})
    return found

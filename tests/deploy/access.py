"""Who may do what: every call in this list is made as every principal, and policies decide.

A call that is allowed does nothing, because its arguments have a wrong key or an empty change.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from call_agents.api_keys.store import INDEX
from tests.deploy.cloud import Cloud, Principal

REFUSALS = frozenset({"AccessDenied", "AccessDeniedException"})
"""Error codes of a refusal by policy."""

CONTEXT = {"workspaceId": "probe", "agentId": "probe"}

_ITEM = {"probe": {"S": "-"}}
_OF_TABLE: dict[str, dict[str, Any]] = {
    "get_item": {"Key": _ITEM},
    "put_item": {"Item": _ITEM},
    "update_item": {"Key": _ITEM},
    "delete_item": {"Key": _ITEM},
    "query": {
        "KeyConditionExpression": "workspaceId = :p",
        "ExpressionAttributeValues": {":p": {"S": "-"}},
        "ProjectionExpression": "workspaceId",
        "Select": "SPECIFIC_ATTRIBUTES",
    },
    "scan": {"Limit": 1},
    "describe_table": {},
    "update_table": {"DeletionProtectionEnabled": True},
    "delete_table": {},
}
_OF_KEY: dict[str, dict[str, Any]] = {
    "encrypt": {"Plaintext": b"-", "EncryptionContext": CONTEXT},
    "generate_data_key": {"KeySpec": "AES_256"},
    "describe_key": {},
    "disable_key": {},
    "schedule_key_deletion": {"PendingWindowInDays": 7},
    "put_key_policy": {"PolicyName": "default", "Policy": json.dumps({"Version": "2012-10-17", "Statement": []})},
}


@dataclass(frozen=True)
class Call:
    """A call to AWS.

    Parameters
    ----------
    service, operation : str
        By boto3's names.
    target : str
        Logical id of what it is about; empty for the whole account.
    arguments : dict
        Of the operation.
    """

    service: str
    operation: str
    target: str
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        """How expectations name it."""
        return f"{self.service}:{self.operation} {self.target}".strip()


@dataclass(frozen=True)
class Targets:
    """What calls are about: each by its logical id, with the name that it has in AWS.

    Parameters
    ----------
    tables, streams, keys, functions, queues, buses, roles, log_groups : dict
        Of the stack; streams and roles by their ARN, queues by their URL.
    stack : str
        Its name.
    ciphertexts : dict
        A ciphertext of each key.
    """

    tables: dict[str, str]
    streams: dict[str, str]
    keys: dict[str, str]
    functions: dict[str, str]
    queues: dict[str, str]
    buses: dict[str, str]
    roles: dict[str, str]
    log_groups: dict[str, str]
    stack: str
    ciphertexts: dict[str, bytes]


def all_calls(targets: Targets) -> list[Call]:
    """List all calls."""
    return [
        *(call for target in targets.tables.items() for call in _on_table(*target)),
        *(call for name, key in targets.keys.items() for call in _on_key(name, key, targets.ciphertexts[name])),
        *(call for target in targets.functions.items() for call in _on_function(*target)),
        *(call for target in targets.streams.items() for call in _on_stream(*target)),
        *(call for target in targets.queues.items() for call in _on_queue(*target)),
        *(call for target in targets.buses.items() for call in _on_bus(*target)),
        *(call for target in targets.roles.items() for call in _on_role(*target)),
        *(call for target in targets.log_groups.items() for call in _on_log_group(*target)),
        *_on_account(targets.stack),
    ]


def _on_table(name: str, table: str) -> Iterator[Call]:
    for operation, arguments in _OF_TABLE.items():
        yield Call("dynamodb", operation, name, {"TableName": table, **arguments})
    wanted = {table: [{"DeleteRequest": {"Key": _ITEM}}]}
    yield Call("dynamodb", "batch_write_item", name, {"RequestItems": wanted})
    yield Call("dynamodb", "batch_get_item", name, {"RequestItems": {table: {"Keys": [_ITEM]}}})
    if name == "ApiKeysTable":
        of_index = {**_OF_TABLE["query"], "IndexName": INDEX}
        del of_index["ProjectionExpression"], of_index["Select"]
        yield Call("dynamodb", "query", f"{name}'s index", {"TableName": table, **of_index})


def _on_key(name: str, key: str, ciphertext: bytes) -> Iterator[Call]:
    for operation, arguments in _OF_KEY.items():
        yield Call("kms", operation, name, {"KeyId": key, **arguments})
    encrypted = {"CiphertextBlob": ciphertext, "EncryptionContext": CONTEXT}
    yield Call("kms", "decrypt", name, {"KeyId": key, **encrypted})


def _on_function(name: str, function: str) -> Iterator[Call]:
    for operation in ("invoke", "get_function", "delete_function"):
        yield Call("lambda", operation, name, {"FunctionName": function})


def _on_stream(name: str, arn: str) -> Iterator[Call]:
    shard = {"StreamArn": arn, "ShardId": "shardId-00000000000000000000-00000000", "ShardIteratorType": "LATEST"}
    yield Call("dynamodbstreams", "describe_stream", f"{name}'s stream", {"StreamArn": arn})
    yield Call("dynamodbstreams", "get_shard_iterator", f"{name}'s stream", shard)


def _on_queue(name: str, url: str) -> Iterator[Call]:
    yield Call("sqs", "send_message", name, {"QueueUrl": url, "MessageBody": "probe"})
    yield Call("sqs", "receive_message", name, {"QueueUrl": url})
    yield Call("sqs", "purge_queue", name, {"QueueUrl": url})
    yield Call("sqs", "delete_queue", name, {"QueueUrl": url})


def _on_bus(name: str, bus: str) -> Iterator[Call]:
    entry = {"EventBusName": bus, "Source": "probe", "DetailType": "probe", "Detail": "{}"}
    yield Call("events", "put_events", name, {"Entries": [entry]})
    yield Call("events", "put_rule", name, {"Name": "probe", "EventBusName": bus, "EventPattern": '{"source": ["-"]}'})
    yield Call("events", "delete_event_bus", name, {"Name": bus})


def _on_role(name: str, arn: str) -> Iterator[Call]:
    yield Call("sts", "assume_role", name, {"RoleArn": arn, "RoleSessionName": "probe"})


def _on_log_group(name: str, group: str) -> Iterator[Call]:
    stream = {"logGroupName": group, "logStreamName": "probe"}
    yield Call("logs", "create_log_stream", name, stream)
    yield Call("logs", "put_log_events", name, {**stream, "logEvents": [{"timestamp": 0, "message": "probe"}]})
    yield Call("logs", "filter_log_events", name, {"logGroupName": group})
    yield Call("logs", "put_retention_policy", name, {"logGroupName": group, "retentionInDays": 1})
    yield Call("logs", "delete_log_group", name, {"logGroupName": group})


def _on_account(stack: str) -> Iterator[Call]:
    yield Call("dynamodb", "list_tables", "", {})
    yield Call("kms", "list_keys", "", {})
    yield Call("lambda", "list_functions", "", {})
    yield Call("s3", "list_buckets", "", {})
    yield Call("iam", "list_roles", "", {})
    yield Call("iam", "create_user", "", {"UserName": "probe"})
    yield Call("logs", "create_log_group", "", {"logGroupName": "probe"})
    yield Call("cloudformation", "delete_stack", "", {"StackName": stack})


def try_calls(cloud: Cloud, principal: Principal, calls: list[Call]) -> frozenset[str]:
    """Make all calls as a principal; return the names of those that policies allow, whatever their results."""
    return frozenset(
        call.name
        for call in calls
        if cloud.error(principal, call.service, call.operation, call.arguments) not in REFUSALS
    )


def table(calls: list[Call], allowed: Mapping[str, frozenset[str]]) -> str:
    """Write the result as a table in Markdown: a line for each call, a column for each principal."""
    lines = [
        ["call", *allowed],
        ["---"] * (len(allowed) + 1),
        *(
            [f"`{call.name}`", *("**allowed**" if call.name in of else "denied" for of in allowed.values())]
            for call in calls
        ),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def differences(allowed: Mapping[str, frozenset[str]], expected: Mapping[str, frozenset[str]]) -> list[str]:
    """Return what is allowed but should not be, and the other way round."""
    return [
        f"{principal}: {name} is {'allowed' if name in allowed[principal] else 'denied'}"
        for principal in allowed
        for name in sorted(allowed[principal] ^ expected[principal])
    ]

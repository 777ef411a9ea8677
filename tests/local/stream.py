"""The event source mapping of a local run: it passes the agents table's stream to `publish_agent_events`."""

import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.events import LambdaContext
from tests.support.template import Template

if TYPE_CHECKING:
    from types_boto3_dynamodbstreams import DynamoDBStreamsClient

_AGENTS_TABLE = "AgentsTable"
_POLL_SECONDS = 0.3

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class EventSourceMapping:
    """Reads a stream and invokes the function, with the filter, batch size and attempts of the template's mapping.

    It begins with the records that are written after the first `poll` or `read`, so that agents of an earlier run are
    left alone. Unlike in AWS, a record that fails does not delay those behind it.

    Parameters
    ----------
    template : Template
        Has the mapping.
    name : str
        The function's logical id.
    handler : Handler
        The function's handler.
    endpoint_url : str or None
        Where DynamoDB is.
    """

    def __init__(self, template: Template, name: str, handler: Handler, endpoint_url: str | None) -> None:
        function = template.resources("AWS::Serverless::Function")[name]
        self.handler = handler
        (event,) = function["Events"].values()
        self._timeout: float = function.get("Timeout", template.timeout)
        self._mapping = event["Properties"]
        (pattern,) = self._mapping["FilterCriteria"]["Filters"]
        self._pattern = json.loads(pattern["Pattern"])
        self._streams: DynamoDBStreamsClient = boto3.client("dynamodbstreams", endpoint_url=endpoint_url)
        self._iterators: dict[str, str] = {}
        self._waiting: list[tuple[dict[str, Any], int]] = []
        self._table = _AGENTS_TABLE

    def run(self) -> None:
        """Follow the stream until the process ends."""
        while True:
            self.poll()
            time.sleep(_POLL_SECONDS)

    def start(self) -> None:
        """Follow the stream in a thread of this process."""
        threading.Thread(target=self.run, daemon=True).start()

    def poll(self) -> None:
        """Pass on new records and those that failed before, once."""
        try:
            self._waiting += [(record, 0) for record in self.read()]
        except (BotoCoreError, ClientError):
            self._iterators.clear()  # AWS was restarted, so its streams begin anew; or it has none
        while self._waiting:
            size = self._mapping["BatchSize"]
            batch, self._waiting = self._waiting[:size], self._waiting[size:]
            failed = self._hand_over([record for record, _ in batch])
            last = self._mapping.get("MaximumRetryAttempts", inf)
            self._waiting += [
                (record, tries + 1) for record, tries in batch if _number(record) in failed and tries < last
            ]
            if failed:
                return  # retried at the next poll

    def _hand_over(self, records: list[dict[str, Any]]) -> set[str]:
        result = self.handler({"Records": records}, LambdaContext(timeout=self._timeout))
        return {failure["itemIdentifier"] for failure in result["batchItemFailures"]}

    def read(self) -> list[dict[str, Any]]:
        """Return the new records that the filter passes."""
        records = []
        for shard, iterator in self._shards().items():
            response = self._streams.get_records(ShardIterator=iterator)
            self._iterators[shard] = response.get("NextShardIterator", "")
            records += [_as_lambda_has_it(dict(record)) for record in response["Records"]]
        return [record for record in records if matches(record, self._pattern)]

    def _shards(self) -> dict[str, str]:
        """Return the iterator of each open shard."""
        if not any(self._iterators.values()):
            self._find_shards()
        return {shard: iterator for shard, iterator in self._iterators.items() if iterator}

    def _find_shards(self) -> None:
        for stream in self._streams.list_streams(TableName=self._table)["Streams"]:
            arn = stream["StreamArn"]
            for shard in self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
                if shard["ShardId"] not in self._iterators:
                    response = self._streams.get_shard_iterator(
                        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST"
                    )
                    self._iterators[shard["ShardId"]] = response["ShardIterator"]


def _number(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _as_lambda_has_it(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with its time in seconds, as Lambda has it."""
    created = record["dynamodb"].get("ApproximateCreationDateTime")
    if isinstance(created, datetime):
        record["dynamodb"]["ApproximateCreationDateTime"] = created.timestamp()
    return record


def matches(value: Any, pattern: Any) -> bool:
    """Return True when a value matches a filter's pattern, as far as the template's patterns go: names and lists."""
    if isinstance(pattern, list):
        return value in pattern
    return isinstance(value, dict) and all(matches(value.get(name), part) for name, part in pattern.items())

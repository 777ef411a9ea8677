"""A caller of the handler in this process, and the AWS behind it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import create_agent
import get_agent
from call_agents.agents.store import agent_from_item
from tests.local import aws
from tests.support.events import PATH, LambdaContext, http_event
from tests.support.http import HttpResponse
from tests.support.samples import EXAMPLE, MINIMUM
from tests.support.template import Template

MAX_BATCH = 25
"""Writes in one call of DynamoDB's BatchWriteItem."""


@dataclass(frozen=True)
class Client:
    """A caller of `create_agent` and `get_agent` behind a gateway that sends payload format 2.0.

    Parameters
    ----------
    app : Application
        What the handler of `create_agent` runs with.
    key, workspace_id : str
        Sent with every request.
    """

    app: create_agent.Application
    key: str
    workspace_id: str

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {"content-type": "application/json", "x-api-key": self.key, "x-workspace-id": self.workspace_id}

    @property
    def reader(self) -> get_agent.Application:
        """What the handler of `get_agent` runs with."""
        return get_agent.Application(self.app.access, self.app.agents, self.app.now)

    def event(self, body: object = MINIMUM, headers: Mapping[str, str | None] | None = None) -> dict[str, Any]:
        """Return an event. A header of None is left out; a body that is text or None is sent as it is."""
        sent = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        return http_event(headers=sent, body=text)

    def send(self, event: object, context: object = None) -> HttpResponse:
        """Invoke the handler with an event."""
        result = create_agent.handle(event, context or LambdaContext(), lambda: self.app)
        assert set(result) == {"statusCode", "headers", "body", "isBase64Encoded"}
        assert all(isinstance(value, str) for value in result["headers"].values())
        return HttpResponse(result["statusCode"], result["headers"], result["body"])

    def post(self, body: object = MINIMUM, headers: Mapping[str, str | None] | None = None) -> HttpResponse:
        """Send a body."""
        return self.send(self.event(body, headers))

    def get(
        self, agent_id: str, headers: Mapping[str, str | None] | None = None, *, method: str = "GET"
    ) -> HttpResponse:
        """Read an agent back."""
        sent = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        return self.read(http_event(method=method, path=f"{PATH}/{agent_id}", headers=sent))

    def read(self, event: object) -> HttpResponse:
        """Invoke the handler of `get_agent` with an event."""
        result = get_agent.handle(event, LambdaContext(), lambda: self.reader)
        return HttpResponse(result["statusCode"], result["headers"], result["body"])

    def change(self, base: dict[str, Any] = EXAMPLE, /, **members: object) -> HttpResponse:
        """Send the API page's example with some members changed."""
        return self.post({**base, **members})


@dataclass(frozen=True)
class Stage:
    """The emulated AWS of the tests: the template's tables and KMS key.

    Parameters
    ----------
    template : Template
        What it was made from.
    clients : Clients
        boto3's clients of it.
    """

    template: Template
    clients: aws.Clients

    @property
    def items(self) -> list[dict[str, Any]]:
        """All items of the agents table."""
        return [dict(item) for item in self.clients.dynamodb.scan(TableName="AgentsTable")["Items"]]

    @property
    def stored(self) -> list[dict[str, Any]]:
        """The stored agents, as they would be returned."""
        return [agent_from_item(item).body() for item in self.items]

    def change(self, agent: dict[str, Any], **attributes: str) -> None:
        """Change text attributes of an agent's item, as something else could."""
        key = {name: {"S": agent[name]} for name in ("workspaceId", "_id")}
        updates: Any = {name: {"Action": "PUT", "Value": {"S": value}} for name, value in attributes.items()}
        self.clients.dynamodb.update_item(TableName="AgentsTable", Key=key, AttributeUpdates=updates)

    def clear(self) -> None:
        """Delete all items."""
        for name, table in self.template.resources("AWS::DynamoDB::Table").items():
            names = [part["AttributeName"] for part in table["KeySchema"]]
            keys = [
                {attribute: item[attribute] for attribute in names}
                for item in self.clients.dynamodb.scan(TableName=name)["Items"]
            ]
            for start in range(0, len(keys), MAX_BATCH):
                batch: list[Any] = [{"DeleteRequest": {"Key": key}} for key in keys[start : start + MAX_BATCH]]
                self.clients.dynamodb.batch_write_item(RequestItems={name: batch})

    def dump(self) -> str:
        """Return everything in every table, as text."""
        tables = self.template.resources("AWS::DynamoDB::Table")
        return "".join(repr(self.clients.dynamodb.scan(TableName=name)["Items"]) for name in tables)


def without_rate_limit(headers: Mapping[str, str]) -> dict[str, str]:
    """Remove the headers that differ from one response to the next."""
    return {name: value for name, value in headers.items() if not name.startswith("RateLimit")}

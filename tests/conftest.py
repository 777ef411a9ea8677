"""What all tests share: the environment, the tables of `template.yaml` in moto, and a client of the handler."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from moto import mock_aws

import activate_agent
import create_agent
import manage_api_keys
import reactivate_agent
from agents.store import from_item
from tests.local import aws
from tests.local.gateway import Context
from tests.local.template import Template, load_template

EXAMPLE: dict[str, Any] = {
    "name": "Customer Support Agent",
    "ttsModel": {"provider": "rime", "voiceId": "mistv2_Wildflower", "name": "Sophie", "language": "en"},
    "llmModel": "gpt-4o",
    "type": "voice",
    "smartCallback": True,
    "maxAttemptsForSmartCallback": 3,
    "gapBetweenEachAttemptForSmartCallback": [
        {"days": 1, "hours": 2},
        {"days": 2, "hours": 0},
        {"days": 3, "hours": 6},
    ],
    "settings": {"speed": 0.8, "volume": 1, "temperature": 0.7},
}
"""The API page's own example."""

MINIMUM: dict[str, Any] = {"name": "Sophie", "ttsModel": {"provider": "rime"}}
"""The least that creates an agent."""

ELEVENLABS_KEY = "sk_elevenlabs_q7Rw2LzX9mVt4KpB"

BYO: dict[str, Any] = {
    "name": "Sophie",
    "ttsModel": {"provider": "11labs_byo", "voiceId": "21m00Tcm4TlvDq8ikWAM", "elevenLabsApiKey": ELEVENLABS_KEY},
}
"""An agent that brings its own ElevenLabs key."""


@dataclass(frozen=True)
class Answer:
    """An answer, read as a client reads it: any number with a fraction is exact."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text, parse_float=Decimal)

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def faults(self) -> dict[str, str]:
        return {fault["path"]: fault["code"] for fault in self.body["error"].get("details", [])}


def without_rate_limit(headers: dict[str, str]) -> dict[str, str]:
    """Leave out what differs from one answer to the next."""
    return {name: value for name, value in headers.items() if not name.startswith("RateLimit")}


class Client:
    """A client of the handler, behind a gateway that hands over payload 2.0."""

    def __init__(self, key: str, workspace_id: str) -> None:
        self.headers = {"content-type": "application/json", "x-api-key": key, "x-workspace-id": workspace_id}

    def event(self, body: object = MINIMUM, headers: dict[str, str | None] | None = None) -> dict[str, Any]:
        """Make an event; a header of None is left out, and a body that is text or None is taken as it is."""
        all_headers = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        about = {"requestId": "request-1", "http": {"method": "POST", "path": "/v1/api/agents"}}
        event = {"version": "2.0", "rawPath": "/v1/api/agents", "headers": all_headers, "requestContext": about}
        if body is not None:
            event["body"] = body if isinstance(body, str) else json.dumps(body)
        return event

    def send(self, event: object, context: object = None) -> Answer:
        result = create_agent.handler(event, context or Context())
        assert set(result) == {"statusCode", "headers", "body", "isBase64Encoded"}
        assert all(isinstance(value, str) for value in result["headers"].values())
        return Answer(result["statusCode"], result["headers"], result["body"])

    def post(self, body: object = MINIMUM, headers: dict[str, str | None] | None = None) -> Answer:
        return self.send(self.event(body, headers))

    def change(self, base: dict[str, Any] = EXAMPLE, /, **members: object) -> Answer:
        """Post the example with these members instead of its own."""
        return self.post({**base, **members})


@dataclass(frozen=True)
class Stage:
    """The AWS of one test."""

    template: Template
    clients: aws.Clients

    @property
    def items(self) -> list[dict[str, Any]]:
        return [dict(item) for item in self.clients.dynamodb.scan(TableName="AgentsTable")["Items"]]

    @property
    def stored(self) -> list[dict[str, Any]]:
        """The stored agents, as they would be answered."""
        return [from_item(item).answer() for item in self.items]

    def clear(self) -> None:
        """Delete all items."""
        for name, table in self.template.resources("AWS::DynamoDB::Table").items():
            for item in self.clients.dynamodb.scan(TableName=name)["Items"]:
                key = {part["AttributeName"]: item[part["AttributeName"]] for part in table["KeySchema"]}
                self.clients.dynamodb.delete_item(TableName=name, Key=key)

    def dump(self) -> str:
        """Everything in every table, as text."""
        tables = self.template.resources("AWS::DynamoDB::Table")
        return "".join(repr(self.clients.dynamodb.scan(TableName=name)["Items"]) for name in tables)


@pytest.fixture(scope="session")
def template() -> Iterator[Template]:
    """The template, with the environment of its functions in place."""
    template = load_template()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_PROFILE", raising=False)
        for variables in (
            aws.CREDENTIALS,
            *map(template.environment, template.resources("AWS::Serverless::Function")),
        ):
            for name, value in variables.items():
                patch.setenv(name, value)
        yield template


@pytest.fixture(scope="session")
def session_stage(template: Template) -> Iterator[Stage]:
    """Tables and key as the template has them, made once: moto makes its keys slowly."""
    with mock_aws():
        clients = aws.connect(None)
        aws.create_resources(template, clients)
        yield Stage(template, clients)


@pytest.fixture
def stage(session_stage: Stage) -> Iterator[Stage]:
    """The same, with empty tables."""
    yield session_stage
    session_stage.clear()


_APPLICATIONS = (
    create_agent.application,
    manage_api_keys.application,
    activate_agent.application,
    reactivate_agent.application,
)


@pytest.fixture
def new_application(stage: Stage) -> Iterator[Callable[[], None]]:  # noqa: ARG001 - the tables have to be there
    """Let the functions read their environment anew, in this test and after it."""

    def forget() -> None:
        for application in _APPLICATIONS:
            application.cache_clear()

    forget()
    yield forget
    forget()


@pytest.fixture
def manage(stage: Stage) -> Callable[..., tuple[int, Any]]:  # noqa: ARG001 - the tables have to be there
    """Run a command of an operator: status and body of its answer."""

    def run(**command: object) -> tuple[int, Any]:
        result = manage_api_keys.handler(command, Context())
        return result["statusCode"], result["body"]

    return run


@pytest.fixture
def client(manage: Callable[..., tuple[int, Any]]) -> Client:
    """A client with a key of its own."""
    _, issued = manage(action="issue", workspaceId="workspace-a", userId="user-a")
    return Client(issued["key"], "workspace-a")

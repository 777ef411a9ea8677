"""Fixtures of the fast suites: the template's tables in moto, applications built from its variables, and a client."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto import mock_aws

import create_agent
import manage_api_keys
from call_agents.shared.config import Settings
from tests.local import aws
from tests.support.client import Client, Stage
from tests.support.events import LambdaContext
from tests.support.template import Template, load_template

NewApplication = Callable[..., create_agent.Application]
Manage = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="session")
def template() -> Template:
    """The project's template."""
    return load_template()


@pytest.fixture(scope="session", autouse=True)
def credentials() -> Iterator[None]:
    """Credentials that reach no account."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_PROFILE", raising=False)
        for name, value in aws.CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def session_stage(template: Template) -> Iterator[Stage]:
    """The template's tables and KMS key in moto. Made once, because moto makes KMS keys slowly."""
    with mock_aws():
        clients = aws.connect(None)
        aws.create_resources(template, clients)
        yield Stage(template, clients)


@pytest.fixture
def stage(session_stage: Stage) -> Iterator[Stage]:
    """The same, with empty tables."""
    yield session_stage
    session_stage.clear()


@pytest.fixture(scope="session")
def variables(template: Template) -> dict[str, str]:
    """The environment variables that the template gives to its functions."""
    functions = template.resources("AWS::Serverless::Function")
    return {name: value for function in functions for name, value in template.environment(function).items()}


@pytest.fixture
def new_application(stage: Stage, variables: dict[str, str]) -> NewApplication:  # noqa: ARG001 - the tables have to exist
    """Build an application of `create_agent`; keyword arguments change variables."""

    def build(**changed: str) -> create_agent.Application:
        return create_agent.build(Settings({**variables, **changed}))

    return build


@pytest.fixture(scope="session")
def session_application(session_stage: Stage, variables: dict[str, str]) -> create_agent.Application:  # noqa: ARG001 - the same
    """One application for all tests that do not change it."""
    return create_agent.build(Settings(variables))


@pytest.fixture(scope="session")
def session_manager(session_stage: Stage, variables: dict[str, str]) -> manage_api_keys.Application:  # noqa: ARG001 - the same
    """One application of `manage_api_keys` for all tests that do not change it."""
    return manage_api_keys.build(Settings(variables))


@pytest.fixture
def manage(stage: Stage, session_manager: manage_api_keys.Application) -> Manage:  # noqa: ARG001 - it is emptied afterwards
    """Execute an operator's command: status and body."""

    def run(**command: object) -> tuple[int, Any]:
        result = manage_api_keys.handle(command, LambdaContext(), lambda: session_manager)
        return result["statusCode"], result["body"]

    return run


@pytest.fixture
def client(manage: Manage, session_application: create_agent.Application) -> Client:
    """A client with a key of its own."""
    _, issued = manage(action="issue", workspaceId="workspace-a", userId="user-a")
    return Client(session_application, issued["key"], "workspace-a")

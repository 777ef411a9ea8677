"""No secret is in any log, response, item or exception, whatever fails and whatever the environment asks to log."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from create_agent import Application
from tests.conftest import NewApplication
from tests.integration.conftest import Trials
from tests.support.client import Client, Stage
from tests.support.faults import lose_requests, lose_responses, refuse
from tests.support.leaks import LOUD, forms, found, recorded
from tests.support.samples import BYO, ELEVENLABS_KEY

pytestmark = pytest.mark.filterwarnings("ignore:POWERTOOLS_")  # Powertools warns that it may log too much

SECRET = ELEVENLABS_KEY.removeprefix("sk_elevenlabs_")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that any library logs, in an environment that asks for all of it."""
    for name, value in LOUD.items():
        monkeypatch.setenv(name, value)
    with recorded() as log:
        yield log


FAULTS: dict[str, Callable[[Application], object]] = {
    "none": lambda _: None,
    "lost responses": lambda app: lose_responses(app.agents.client, "PutItem"),
    "lost writes": lambda app: lose_requests(app.agents.client, "PutItem"),
    "lost reads": lambda app: lose_requests(app.agents.client, "GetItem"),
    "malformed write": lambda app: refuse(app.agents.client, "PutItem", "ValidationException"),
    "disabled key": lambda app: refuse(app.secrets.client(), "Encrypt", "DisabledException"),
    "lost encryption": lambda app: lose_requests(app.secrets.client(), "Encrypt"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_creating_an_agent_leaks_no_secret(
    client: Client, stage: Stage, new_application: NewApplication, log: io.StringIO, fault: str
) -> None:
    client = replace(client, app=new_application())
    FAULTS[fault](client.app)
    responses = [client.post({**BYO, **change}) for change in ({}, {"llmModel": "no"}, {"elevenLabsApiKey": SECRET})]

    logged = log.getvalue()
    assert all(f'"status":{response.status}' in logged.replace(" ", "") for response in responses)
    secrets = forms(SECRET) | forms(client.key.rsplit("_", 1)[-1])
    assert found(secrets, f"{logged}{responses}{stage.dump()}") == []


@pytest.mark.parametrize("voice_id", ["a-voice", "invalid-key", "busy"])
def test_trying_a_key_leaks_no_secret(trials: Trials, log: io.StringIO, voice_id: str) -> None:
    agent = trials.create(voice_id)
    trials.handle(agent)
    trials.retry(workspaceId=agent["workspaceId"])
    trials.handle(agent)

    logged = log.getvalue()
    assert '"service":"activate_agent"' in logged.replace(" ", "")
    assert found(forms(SECRET), logged + trials.stage.dump()) == []
    assert agent["ttsModel"]["elevenLabsApiKey"] not in logged

"""No secret is in any log, answer, item or exception, whatever happens and at every log level."""

import io
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import create_agent
from tests.conftest import BYO, ELEVENLABS_KEY, Client, Stage
from tests.support.faults import lose_answers, lose_requests, refuse
from tests.support.leaks import LOUD, forms, found, recorded

pytestmark = pytest.mark.filterwarnings("ignore:POWERTOOLS_")  # it says that it is told to say too much


@pytest.fixture(params=["DEBUG", "INFO", "nonsense"])
def logs(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, new_application: Callable[[], None]
) -> Iterator[io.StringIO]:
    """Everything that any library logs, with an environment that asks for all of it."""
    for name, value in {**LOUD, "LOG_LEVEL": request.param, "POWERTOOLS_LOG_LEVEL": request.param}.items():
        monkeypatch.setenv(name, value)
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    new_application()
    with recorded() as log:
        yield log


FAULTS: dict[str, Callable[[Any, Any], object]] = {
    "none": lambda _, __: None,
    "lost answers": lambda dynamodb, _: lose_answers(dynamodb, "PutItem"),
    "lost writes": lambda dynamodb, _: lose_requests(dynamodb, "PutItem"),
    "lost reads": lambda dynamodb, _: lose_requests(dynamodb, "GetItem"),
    "malformed write": lambda dynamodb, _: refuse(dynamodb, "PutItem", "ValidationException"),
    "disabled key": lambda _, kms: refuse(kms, "Encrypt", "DisabledException"),
    "lost sealing": lambda _, kms: lose_requests(kms, "Encrypt"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("change", [{}, {"llmModel": "nope"}, {"elevenLabsApiKey": ELEVENLABS_KEY}])
def test_no_secret_leaks(
    client: Client,
    stage: Stage,
    logs: io.StringIO,
    fault: str,
    change: dict[str, str],
) -> None:
    app = create_agent.application()
    FAULTS[fault](app.agents._client, app.kms())  # noqa: SLF001 - faults go into the clients in use
    logs.truncate(0)
    answer = client.post({**BYO, **change})
    level = os.environ["LOG_LEVEL"]
    assert create_agent.reporter().logger.log_level == (logging.DEBUG if level == "DEBUG" else logging.INFO)

    said = logs.getvalue()
    assert f'"status":{answer.status}' in said.replace(" ", "")
    seen = said + answer.text + str(answer.headers) + stage.dump()
    api_key = client.headers["x-api-key"].rsplit("_", 1)[-1]
    assert found(forms(ELEVENLABS_KEY.removeprefix("sk_elevenlabs_")) | forms(api_key), seen) == []

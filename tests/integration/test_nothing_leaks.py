"""No secret is in any log, answer, item or exception, whatever happens and at every log level."""

import base64
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import create_agent
from tests.conftest import BYO, ELEVENLABS_KEY, Client, Stage
from tests.faults import lose_answers, lose_requests, refuse


@pytest.fixture(params=["DEBUG", "INFO", "nonsense"])
def logs(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, new_application: Callable[[], None]
) -> Iterator[io.StringIO]:
    """Everything that any library logs, with an environment that asks for all of it."""
    poison = {
        "LOG_LEVEL": request.param,
        "POWERTOOLS_LOG_LEVEL": request.param,
        "POWERTOOLS_LOGGER_LOG_EVENT": "true",
        "POWERTOOLS_DEV": "true",
        "POWERTOOLS_DEBUG": "true",
    }
    for name, value in poison.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    everything = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(everything)
    root.setLevel(logging.DEBUG)
    create_agent.logger.cache_clear()
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    handler = create_agent.logger().registered_handler
    assert isinstance(handler, logging.StreamHandler)
    lines = handler.setStream(stream)
    new_application()
    yield stream
    handler.setStream(lines)
    root.removeHandler(everything)
    root.setLevel(level)


def forms(secret: str) -> list[str]:
    """The secret as it is, and as it would look encoded."""
    raw = secret.encode()
    return [secret, base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode().rstrip("="), raw.hex()]


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
    capsys: pytest.CaptureFixture[str],
    fault: str,
    change: dict[str, str],
) -> None:
    app = create_agent.application()
    FAULTS[fault](app.agents._client, app.kms())  # noqa: SLF001 - faults go into the clients in use
    logs.truncate(0)
    answer = client.post({**BYO, **change})

    said = logs.getvalue() + "".join(capsys.readouterr())
    assert f'"status":{answer.status}' in said.replace(" ", "")
    seen = said + answer.text + str(answer.headers) + stage.dump()
    for secret in (ELEVENLABS_KEY, client.headers["x-api-key"]):
        assert not [form for form in forms(secret) if form in seen]

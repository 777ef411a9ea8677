"""The gateway and the page of the local run."""

from typing import Any

import pytest
from werkzeug.test import Client as WsgiClient

import create_agent
import get_agent
from call_agents.shared.http import AGENTS_PATH
from tests.local.docs import with_docs
from tests.local.gateway import Handler, gateway
from tests.support.client import Client
from tests.support.template import Template


@pytest.fixture
def api(client: Client, template: Template) -> WsgiClient:
    """The gateway and the page of a local run, without a network."""
    handlers: dict[str, Handler] = {
        "CreateAgentFunction": lambda event, context: create_agent.handle(event, context, lambda: client.app),
        "GetAgentFunction": lambda event, context: get_agent.handle(event, context, lambda: client.reader),
    }
    routes = {path: handlers[function] for path, function in template.routes.items()}
    return WsgiClient(with_docs(gateway(routes), client.key))


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{}", {}, 400, "validation_error"),
        (b"", {}, 400, "invalid_json"),
        (b'{"name":"\xff"}', {}, 400, "invalid_json"),
        (b"{}", {"x-api-key": ""}, 401, "missing_api_key"),
        (b"a=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    ],
)
def test_the_gateway_passes_requests_on_as_they_are(
    api: WsgiClient, client: Client, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    response = api.post(AGENTS_PATH, data=body, headers={**client.headers, **headers})

    assert response.text.endswith("}\n")  # for a terminal
    assert (response.status_code, response.json["error"]["code"]) == (status, code)  # type: ignore[index]  # an object


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_the_gateway_passes_every_method_on(api: WsgiClient, method: str) -> None:
    response = api.open(AGENTS_PATH, method=method)

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/more", b"{}", 404, "Not Found"),
        (AGENTS_PATH, b"x" * 10_000_001, 413, "Request Entity Too Large"),
    ],
)
def test_the_gateway_responds_itself_as_in_aws(
    api: WsgiClient, path: str, body: bytes, status: int, message: str
) -> None:
    response = api.post(path, data=body)

    assert (response.status_code, response.json) == (status, {"message": message})


def test_the_page_comes_with_all_that_it_needs_and_the_key(api: WsgiClient, client: Client) -> None:
    page = api.get("/docs")

    assert page.content_type == "text/html; charset=utf-8"
    assert client.key in page.text
    assert "://" not in page.text  # nothing from another server
    assert api.get("/", follow_redirects=True).data == page.data
    document: Any = api.get("/openapi.json").json
    assert AGENTS_PATH in document["paths"]
    with api.get("/docs/ui/swagger-ui-bundle.js") as library:
        assert "SwaggerUIBundle" in library.get_data(as_text=True)


def test_the_page_is_not_shown_under_a_foreign_name(api: WsgiClient, client: Client) -> None:
    page = api.get("/docs", headers={"host": "evil.example"})

    assert page.status_code == 403
    assert client.key not in page.text

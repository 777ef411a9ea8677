"""In a browser, a newcomer sees what the API does and tries it, without filling anything in and without a network."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.support.server import Server


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page, freshly opened. It sends requests to its own server only."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{server.origin}/docs")
    yield page
    page.close()
    assert f"{server.origin}/openapi.json" in requested
    assert all(url.startswith((server.origin, "data:")) for url in requested)


SIZES = [
    pytest.param({"width": 1280, "height": 800}, id="desktop"),
    pytest.param({"width": 390, "height": 844}, id="phone"),
]
OWN_KEY = "your own ElevenLabs key"


def execute(page: Page, status: str) -> Locator:
    """Send the request of the open operation; return the body of its response."""
    page.get_by_role("button", name="Execute").click()
    response = page.locator(".live-responses-table:visible .response")
    expect(response.locator(".response-col_status")).to_have_text(status)
    return response.locator("pre").first


def read(body: Locator) -> Any:
    return json.loads(body.inner_text())


def choose(page: Page, example: str) -> None:
    page.locator(".examples-select-element").first.select_option(label=example)


def open_get_agent(page: Page) -> None:
    page.get_by_text("Read an agent back").click()


def test_the_page_describes_the_api(page: Page) -> None:
    expect(page.locator("h1").first).to_have_text("Create Call Agent")
    for text in ("x-workspace-id", "Idempotency-Key", "validation_error", "rate_limit_exceeded", "API page's example"):
        expect(page.locator("#ui")).to_contain_text(text)


@pytest.mark.parametrize("size", SIZES)
def test_request_and_response_are_in_sight_without_scrolling(page: Page, size: ViewportSize) -> None:
    page.set_viewport_size(size)
    for status in ("201", "200"):
        expect(page.get_by_role("button", name="Execute")).to_be_in_viewport(ratio=1)
        expect(execute(page, status)).to_be_in_viewport(ratio=1)
        open_get_agent(page)

    assert page.evaluate("scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]


@pytest.mark.parametrize(("summary", "folded"), [("Response codes", "rate_limit_exceeded"), ("Headers", "Use a UUID")])
def test_what_is_folded_is_shown_on_a_click(page: Page, summary: str, folded: str) -> None:
    text = page.locator("#operations-Agents-createAgent").get_by_text(folded).first
    expect(text).to_be_hidden()
    page.get_by_text(summary, exact=True).click()

    expect(text).to_be_visible()


def test_the_page_is_dark_when_the_system_is(page: Page) -> None:
    expect(page.locator("html")).not_to_have_css("color-scheme", "dark")
    page.emulate_media(color_scheme="dark")

    expect(page.locator("html")).to_have_css("color-scheme", "dark")
    expect(page.locator("html")).to_have_css("background-color", "rgb(28, 32, 34)")


def test_the_example_creates_an_agent(page: Page, server: Server) -> None:
    agent = read(execute(page, "201"))

    assert len(agent["_id"]) == 24
    assert agent["name"] == "Customer Support Agent"
    assert agent["workspaceId"] == server.headers["x-workspace-id"]


def test_the_agent_is_read_back_without_filling_in_its_id(page: Page) -> None:
    agent = read(execute(page, "201"))
    open_get_agent(page)

    assert read(execute(page, "200")) == agent


@pytest.mark.parametrize("size", SIZES)
def test_an_agent_with_its_own_key_is_read_until_ready(page: Page, size: ViewportSize) -> None:
    page.set_viewport_size(size)
    choose(page, OWN_KEY)
    created = read(execute(page, "201"))
    activation = page.get_by_text(f"GET /v1/api/agents/{created['_id']}: ready")
    expect(activation).to_be_in_viewport(ratio=1)
    activation.click()
    agent = read(page.locator(".live > details pre"))

    assert created["status"] == "pending"
    assert agent == {**created, "status": "ready", "updatedAt": agent["updatedAt"]}


def test_wrong_fields_are_named(page: Page) -> None:
    body = page.locator("textarea.body-param__text")
    body.fill(body.input_value().replace('"rime"', '"11lab_byo"').replace('"gpt-4o"', '"gpt4o"'))
    error = read(execute(page, "400"))["error"]

    assert {detail["path"] for detail in error["details"]} == {"ttsModel.provider", "llmModel"}
    assert "did you mean 11labs_byo?" in error["details"][1]["message"]


def test_a_picture_is_taken(page: Page, server: Server, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    picture = pytestconfig.getoption("--screenshot") or tmp_path / "page.png"
    page.set_viewport_size({"width": 1000, "height": 700})
    choose(page, "only what is required")
    execute(page, "201")
    # A key in a picture would look like a leaked key.
    page.get_by_text(server.headers["x-api-key"]).first.evaluate("it => it.textContent = \"'x-api-key: cca_live_…'\"")
    page.screenshot(path=picture)

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert server.headers["x-api-key"] not in page.locator("#ui").inner_text()

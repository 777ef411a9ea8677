"""In a browser, a newcomer sees what the API does and tries it, without filling anything in and without a network."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FloatRect, Page, expect, sync_playwright

from tests.support.server import Server

# Runs as root and without a screen, and makes no requests of its own.
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Debian's Chromium; or Chrome, where it is usually installed.
    found = shutil.which("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium
        browser = (
            chromium.launch(executable_path=found, args=_OPTIONS)
            if found
            else chromium.launch(channel="chrome", args=_OPTIONS)
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page, freshly opened. It sends requests to its own server only."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{server.origin}/docs")
    yield page
    page.close()
    assert f"{server.origin}/openapi.json" in requested
    assert all(url.startswith((server.origin, "data:")) for url in requested)


def execute(page: Page, status: str, operation: str = "createAgent") -> str:
    """Send the request in an operation's form; return the body of its response."""
    form = page.locator(f"#operations-Agents-{operation}")
    form.get_by_role("button", name="Execute").click()
    response = form.locator(".live-responses-table .response")
    expect(response.locator(".response-col_status")).to_have_text(status)
    return response.locator(".response-col_description pre").first.inner_text()


def test_the_page_describes_the_api(page: Page) -> None:
    expect(page.locator("h1, h2").first).to_contain_text("Create Call Agent")
    for text in ("x-workspace-id", "Idempotency-Key", "validation_error", "rate_limit_exceeded", "API page's example"):
        expect(page.locator("#ui")).to_contain_text(text)


def test_the_example_creates_an_agent(page: Page, server: Server) -> None:
    agent = json.loads(execute(page, "201"))

    assert len(agent["_id"]) == 24
    assert agent["name"] == "Customer Support Agent"
    assert agent["workspaceId"] == server.headers["x-workspace-id"]


def test_the_agent_is_read_back(page: Page) -> None:
    agent = json.loads(execute(page, "201"))
    page.locator("#operations-Agents-getAgent").get_by_placeholder("agentId").fill(agent["_id"])

    assert json.loads(execute(page, "200", "getAgent")) == agent


def test_the_shown_curl_line_creates_an_agent(page: Page) -> None:
    execute(page, "201")
    line = page.locator(".curl-command .curl").inner_text()
    run = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)

    assert json.loads(run.stdout)["name"] == "Customer Support Agent"


def test_a_picture_is_taken(page: Page, server: Server, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    picture = pytestconfig.getoption("--screenshot") or tmp_path / "page.png"
    page.locator(".examples-select-element").first.select_option(label="only what is required")
    execute(page, "201")
    # A key in a picture would look like a leaked key.
    page.get_by_text(server.headers["x-api-key"]).first.evaluate("it => it.textContent = \"'x-api-key: cca_live_…'\"")
    page.screenshot(
        path=picture, full_page=True, clip=around(page, ".opblock-section-request-body", ".live-responses-table")
    )

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert server.headers["x-api-key"] not in page.locator("#ui").inner_text()


def around(page: Page, first: str, last: str) -> FloatRect:
    """Return the part of the page from one element to another."""
    top, bottom = (page.locator(element).first.bounding_box() for element in (first, last))
    assert top
    assert bottom
    above = page.evaluate("window.scrollY")
    end = bottom["y"] + bottom["height"]
    return {"x": top["x"], "y": top["y"] + above, "width": top["width"], "height": end - top["y"]}


def test_wrong_fields_are_named(page: Page) -> None:
    body = page.locator("textarea.body-param__text")
    body.fill(body.input_value().replace('"rime"', '"11lab_byo"').replace('"gpt-4o"', '"gpt4o"'))
    error = json.loads(execute(page, "400"))["error"]

    assert {detail["path"] for detail in error["details"]} == {"ttsModel.provider", "llmModel"}
    assert "did you mean 11labs_byo?" in error["details"][1]["message"]

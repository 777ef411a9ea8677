"""One server and one browser for all tests of callers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.server import Server, serving

# Runs as root and without a screen, and makes no requests of its own.
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshot", type=Path, metavar="PNG", help="save the picture of the page there")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving("--rate-limit", "0") as running:
        yield running


@pytest.fixture(scope="session")
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

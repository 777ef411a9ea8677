"""One server for all tests of callers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server, serving


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshot", type=Path, metavar="PNG", help="save the picture of the page there")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving("--rate-limit", "0") as running:
        yield running

"""One HTTP client for all suites, and what a caller reads of a response."""

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class HttpResponse:
    """A response, read as a careful client reads it.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : dict
        By name as it was sent.
    text : str
        The body.
    """

    status: int
    headers: dict[str, str]
    text: str

    def header(self, name: str) -> str:
        """Return a header by its name in any case; empty when it is absent."""
        return next((value for given, value in self.headers.items() if given.lower() == name.lower()), "")

    @property
    def body(self) -> Any:
        """The body's JSON, its fractions exact."""
        return json.loads(self.text, parse_float=Decimal)

    @property
    def code(self) -> str:
        """``error.code``."""
        return str(self.body["error"]["code"])

    @property
    def field_errors(self) -> dict[str, str]:
        """Code of each field error, by path."""
        return {detail["path"]: detail["code"] for detail in self.body["error"].get("details", [])}


def send(
    url: str,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    address: str = "",
) -> HttpResponse:
    """Send a request on a connection of its own.

    Parameters
    ----------
    url : str
        An ``http://`` URL.
    body, headers, method
        Of the request.
    address : str
        Where to connect instead of the URL's host, for a host name that no name server knows.
    """
    target = urlsplit(url)
    sent = {"host": target.netloc, **(headers or {})}
    data = body.encode() if isinstance(body, str) else body
    with closing(
        http.client.HTTPConnection(address or target.hostname or "", target.port, TIMEOUT_SECONDS)
    ) as connection:
        connection.request(method, target.path + (f"?{target.query}" if target.query else ""), data, sent)
        response = connection.getresponse()
        return HttpResponse(response.status, dict(response.getheaders()), response.read().decode())

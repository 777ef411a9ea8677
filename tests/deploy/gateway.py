"""The deployed API, called over HTTP as a client does."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support import http


@dataclass(frozen=True)
class Api:
    """The API.

    Parameters
    ----------
    url : str
        Where to POST. No name server knows its host; the gateway listens on loopback.
    headers : dict
        Headers of every request.
    """

    url: str
    headers: dict[str, str]

    def post(self, body: dict[str, Any], path: str = "", **headers: str) -> http.HttpResponse:
        """Send a body. A header's name has ``_`` for ``-``, and an empty header is left out."""
        return self.send("POST", json.dumps(body), path, **headers)

    def get(self, agent_id: str, **headers: str) -> http.HttpResponse:
        """Read an agent back."""
        return self.send("GET", None, f"{urlsplit(self.url).path}/{agent_id}", **headers)

    def send(self, method: str, body: str | None, path: str = "", **headers: str) -> http.HttpResponse:
        """Send any request."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"content-type": "application/json", **self.headers, **given}
        wanted = {name: value for name, value in sent.items() if value}
        url = urlsplit(self.url)._replace(path=path).geturl() if path else self.url
        return http.send(url, body, wanted, method=method, address="127.0.0.1")

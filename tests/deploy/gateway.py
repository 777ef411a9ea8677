"""The deployed API, called over HTTP as a client does."""

import http.client
import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What the gateway answered.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : dict
        By name in lower case.
    text : str
        The body.
    """

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> dict[str, Any]:
        """The body's JSON."""
        content: dict[str, Any] = json.loads(self.text)
        return content


@dataclass(frozen=True)
class Api:
    """The API.

    Parameters
    ----------
    url : str
        Where to POST. Its host has a name that needs no server for names: the gateway listens on loopback.
    headers : dict
        Of every request.
    """

    url: str
    headers: dict[str, str]

    def post(self, body: dict[str, Any], path: str = "", **headers: str) -> Answer:
        """Send a body; a header's name has ``_`` for ``-``, and an empty one is left out."""
        return self.send("POST", json.dumps(body).encode(), path, **headers)

    def send(self, method: str, body: bytes | None, path: str = "", **headers: str) -> Answer:
        """Send any request."""
        there = urlsplit(self.url)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"host": there.netloc, "content-type": "application/json", **self.headers, **given}
        wanted = {name: value for name, value in sent.items() if value}
        with closing(http.client.HTTPConnection("127.0.0.1", there.port, timeout=60)) as connection:
            connection.request(method, path or there.path, body, wanted)
            answer = connection.getresponse()
            received = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, received, answer.read().decode())

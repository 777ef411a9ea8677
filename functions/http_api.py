"""The boundary to API Gateway: an HTTP API's event in, a request out; an answer in, the gateway's format out.

Format: AWS, "Create AWS Lambda proxy integrations for HTTP APIs", payload 2.0. Events made by hand and those of
``sam local`` only come close to it (mixed-case header names, members left out), so nothing is taken for granted.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.errors import InvalidJson, MethodNotAllowed, NotFound, PayloadTooLarge, UnsupportedMediaType
from agents.values import Json, to_json

MAX_BODY_BYTES = 256 * 1024

_REQUEST_ID = re.compile("[!-~]{1,128}")
_HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Request:
    """An HTTP request, as far as the event told of it.

    Parameters
    ----------
    method, path : str
        Empty when the event has none.
    headers : Mapping[str, str]
        By lower-case name, without white space around the value.
    content : object
        The event's ``body``: a string, or anything else that a hand-made event holds.
    is_base64 : bool
        Whether ``content`` is Base64; the gateway does that to every body whose type it does not know as text.
    id : str
        The gateway's id of the request; Lambda's when it has none.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    content: object
    is_base64: bool
    id: str

    def check_route(self, method: str, path: str) -> None:
        """Raise NotFound or MethodNotAllowed unless this is the route; a stage may stand before the path."""
        if not self.path.endswith(path):
            raise NotFound
        if self.method != method:
            raise MethodNotAllowed

    def check_media_type(self) -> None:
        """Raise UnsupportedMediaType unless the body says that it is JSON, or says nothing."""
        content_type = self.headers.get("content-type", "")
        if content_type and content_type.partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType

    def prefers_strict(self) -> bool:
        """Tell whether the request has ``Prefer: handling=strict`` (RFC 7240 §2: the first of a name counts)."""
        for preference in self.headers.get("prefer", "").split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            if name.strip().lower() == "handling":
                return value.strip(' \t"').lower() == "strict"
        return False

    def text(self) -> str:
        """Return the body as text.

        Raises
        ------
        PayloadTooLarge
            When it is over 256 KiB.
        InvalidJson
            When there is none, or it is not UTF-8 or not the Base64 that the event calls it.
        """
        if not isinstance(self.content, str) or not self.content:
            raise InvalidJson.because("There is no body.")
        try:
            raw = self._bytes(self.content)
            if len(raw) > MAX_BODY_BYTES:
                raise PayloadTooLarge
            return raw.decode()
        except ValueError:  # of UTF-8 or of Base64
            problem = InvalidJson.because("The body is not UTF-8 text.")
        raise problem

    def _bytes(self, content: str) -> bytes:
        # Base64 makes four characters of three bytes; what is certainly too large is not even decoded.
        if len(content) > MAX_BODY_BYTES * 4 // 3 + 4:
            raise PayloadTooLarge
        return base64.b64decode(content, validate=True) if self.is_base64 else content.encode()


def read_request(event: object, context: object) -> Request:
    """Read an event, whatever it is: what it lacks is empty.

    Parameters
    ----------
    event : object
        The event that Lambda was started with.
    context : object
        Lambda's context.

    Returns
    -------
    Request
        Never an exception, so that every event gets an answer.
    """
    members = _mapping(event)
    about = _mapping(members.get("requestContext"))
    gateway_id = _text(about.get("requestId"))
    return Request(
        method=_text(_mapping(about.get("http")).get("method")),
        path=_text(members.get("rawPath")),
        headers=_headers(_mapping(members.get("headers"))),
        content=members.get("body"),
        is_base64=members.get("isBase64Encoded") is True,
        id=gateway_id if _REQUEST_ID.fullmatch(gateway_id) else _text(getattr(context, "aws_request_id", None)),
    )


def answer(status: int, body: Json, request_id: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """Make the function's result in the gateway's format.

    Parameters
    ----------
    status : int
        HTTP status.
    body : Json
        Written with every digit of its numbers.
    request_id : str
        Answered as ``X-Request-Id``.
    headers : Mapping[str, str]
        More headers.

    Returns
    -------
    dict
        ``statusCode``, ``headers`` and ``body`` as text.
    """
    all_headers = {**_HEADERS, "X-Request-Id": request_id, **headers}
    return {"statusCode": status, "headers": all_headers, "body": to_json(body), "isBase64Encoded": False}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _headers(headers: Mapping[str, Any]) -> dict[str, str]:
    combined: dict[str, str] = {}
    for given_name, value in headers.items():
        name, text = given_name.lower(), value.strip(" \t") if isinstance(value, str) else ""
        # As HTTP does with a field that was sent twice (RFC 9110 §5.2): two API keys are none, in any order.
        combined[name] = f"{combined[name]},{text}" if name in combined else text
    return combined

"""API Gateway's events as requests, and responses in API Gateway's format.

Source: AWS, "Create AWS Lambda proxy integrations for HTTP APIs", payload format 2.0. Handwritten events and those of
``sam local`` differ from it (mixed-case header names, missing members), so every member is optional here.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from call_agents.shared.errors import (
    InvalidJson,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    UnsupportedEncoding,
    UnsupportedMediaType,
)
from call_agents.shared.invocation import Response
from call_agents.shared.json_values import to_json

AGENTS_PATH = "/v1/api/agents"

MAX_BODY_BYTES = 256 * 1024

# Parts between separators. A separator in a quoted string (RFC 9110 §5.6.4) does not count.
_PREFERENCES = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_PARAMETERS = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*"?)+')
_ESCAPED = re.compile(r"\\(.)")
_REQUEST_ID = re.compile("[!-~]{1,128}")
_HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Request:
    """An HTTP request.

    Parameters
    ----------
    method : str
        Empty when the event has none.
    path : str
        Without the event's stage; empty when the event has none.
    headers : Mapping[str, str]
        By lower-case name, without white space around the value.
    body : object
        The event's ``body``: a string, or anything else in a handwritten event.
    is_base64 : bool
        Whether ``body`` is Base64, as the gateway encodes every body whose type it does not know as text.
    id : str
        The gateway's request id, or Lambda's when the event has none.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: object
    is_base64: bool
    id: str

    @property
    def kilobytes(self) -> int:
        """Size of the body in begun kilobytes, from 1 to the largest that is accepted: more is not read."""
        if not isinstance(self.body, str):
            return 1
        # Base64 has four characters for three bytes.
        size = len(self.body) * 3 // 4 if self.is_base64 else len(self.body.encode(errors="replace"))
        return min(max(1, ceil(size / 1024)), MAX_BODY_BYTES // 1024)

    def check_method(self, *allowed: str) -> None:
        """Raise MethodNotAllowed for any other method, and NotFound when the event has none."""
        if not self.method:
            raise NotFound
        if self.method not in allowed:
            raise MethodNotAllowed(*allowed)

    def check_media_type(self) -> None:
        """Raise UnsupportedMediaType unless the body is JSON, UnsupportedEncoding when it is compressed."""
        content_type = self.headers.get("content-type", "")
        if content_type and content_type.partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType
        if self.headers.get("content-encoding", "").lower() not in {"", "identity"}:
            raise UnsupportedEncoding

    def prefers_strict(self) -> bool:
        """Return True for ``Prefer: handling=strict`` (RFC 7240 §2: the first preference of a name counts)."""
        for preference in _PREFERENCES.findall(self.headers.get("prefer", "")):
            name, _, value = (_PARAMETERS.findall(preference) or [""])[0].partition("=")
            if name.strip().lower() == "handling":
                return _unquoted(value.strip(" \t")).lower() == "strict"
        return False

    def text(self) -> str:
        """Return the body; raise PayloadTooLarge, or InvalidJson when it is empty or not UTF-8."""
        if not isinstance(self.body, str) or not self.body:
            raise InvalidJson.because("There is no body.")
        # Base64 has four characters for three bytes. What is certainly too large is not even decoded.
        if len(self.body) > MAX_BODY_BYTES * 4 // 3 + 4:
            raise PayloadTooLarge
        try:
            raw = base64.b64decode(self.body, validate=True) if self.is_base64 else self.body.encode()
            text = raw.decode()
        except ValueError:
            problem = InvalidJson.because("The body is not UTF-8 text.")
        else:
            if len(raw) > MAX_BODY_BYTES:
                raise PayloadTooLarge
            return text
        raise problem  # outside the except block, because UnicodeDecodeError holds the body


def read_request(event: object, context: object) -> Request:
    """Read any event without raising, so that every event gets a response."""
    members = _mapping(event)
    request_context = _mapping(members.get("requestContext"))
    gateway_id = _text(request_context.get("requestId"))
    return Request(
        method=_text(_mapping(request_context.get("http")).get("method")),
        path=_without_stage(_text(members.get("rawPath")), _text(request_context.get("stage"))),
        headers=_headers(_mapping(members.get("headers"))),
        body=members.get("body"),
        is_base64=members.get("isBase64Encoded") is True,
        id=gateway_id if _REQUEST_ID.fullmatch(gateway_id) else _text(getattr(context, "aws_request_id", None)),
    )


def gateway_response(response: Response, request_id: str) -> dict[str, Any]:
    """Return a response in the gateway's format: ``statusCode``, ``headers``, and ``body`` as text."""
    headers = {**_HEADERS, "X-Request-Id": request_id, **response.headers}
    return {
        "statusCode": response.status,
        "headers": headers,
        "body": to_json(response.body),
        "isBase64Encoded": False,
    }


def _without_stage(path: str, stage: str) -> str:
    """Remove the stage, which the gateway puts before the path unless it is ``$default``."""
    return path.removeprefix(f"/{stage}") if stage and path.startswith(f"/{stage}{AGENTS_PATH}") else path


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:].removesuffix('"')) if value.startswith('"') else value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _headers(headers: Mapping[str, Any]) -> dict[str, str]:
    combined: dict[str, str] = {}
    for given_name, value in headers.items():
        name, text = given_name.lower(), _text(value).strip(" \t")
        # As HTTP combines a header that was sent twice (RFC 9110 §5.2). Two API keys are then no valid key.
        combined[name] = f"{combined[name]},{text}" if name in combined else text
    return combined

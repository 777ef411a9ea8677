"""The gateway of a local run: HTTP in, real payload 2.0 events into the real handler, HTTP out."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.local.aws import check_port
from tests.local.template import load_template

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Handler = Callable[[Any, Any], dict[str, Any]]

# An HTTP API's limit of a body, and the types that it hands over as text; any other comes in Base64.
_MAX_BYTES = 10_000_000
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass
class Context:
    """Lambda's context, as far as the functions look at it.

    Parameters
    ----------
    timeout : float
        Seconds that the function may take.
    """

    timeout: float = field(default_factory=lambda: load_template().timeout)
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left."""
        return int((self.started + self.timeout - time.monotonic()) * 1000)


def event_of(request: Request) -> dict[str, Any]:
    """Turn an HTTP request into the event that API Gateway makes of it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    raw = request.get_data()
    about = {
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": request.host,
        "domainPrefix": "local",
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.remote_addr or "127.0.0.1",
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": uuid.uuid4().hex,
        "routeKey": f"{request.method} {request.path}",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
        "timeEpoch": int(time.time() * 1000),
    }
    return {
        "version": "2.0",
        "routeKey": about["routeKey"],
        "rawPath": request.path,
        "rawQueryString": request.query_string.decode("latin-1"),
        "headers": headers,
        "requestContext": about,
        **_body(raw, headers.get("content-type", "")),
    }


def _body(raw: bytes, media_type: str) -> dict[str, Any]:
    if not raw:
        return {"isBase64Encoded": False}
    if media_type.strip().lower().startswith(_TEXT_TYPES):
        try:
            return {"body": raw.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass  # what is no text cannot come as text
    return {"body": base64.b64encode(raw).decode("ascii"), "isBase64Encoded": True}


def _plain(status: int, message: str) -> Response:
    """Answer as the gateway does by itself, when no function is started."""
    return Response(json.dumps({"message": message}), status, content_type="application/json")


class QuietRequestHandler(WSGIRequestHandler):
    """No access log: the function logs every request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def gateway(handler: Handler, routes: AbstractSet[tuple[str, str]]) -> "WSGIApplication":
    """Make the application that starts the handler for its routes, and answers all else itself.

    Parameters
    ----------
    handler : Handler
        A function's.
    routes : set of (str, str)
        Method, which may be ``ANY``, and path of each.
    """

    @Request.application
    def application(request: Request) -> Response:
        if routes.isdisjoint({(request.method, request.path), ("ANY", request.path)}):
            return _plain(404, "Not Found")
        request.max_content_length = _MAX_BYTES
        try:
            event = event_of(request)
        except HTTPException as error:
            return _plain(error.code or 500, error.name)
        result = handler(event, Context())
        return Response(result["body"], result["statusCode"], result["headers"])

    return application


def listen(application: "WSGIApplication", host: str, port: int) -> BaseWSGIServer:
    """Make a threaded HTTP server; raise PortError when something listens on the port already."""
    check_port(host, port)
    return make_server(host, port, application, threaded=True, request_handler=QuietRequestHandler)

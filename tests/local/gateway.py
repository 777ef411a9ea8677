"""The gateway of a local run: HTTP requests become events for the real handlers, and their results HTTP responses."""

import base64
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.local.aws import check_port
from tests.support.events import LambdaContext, http_event

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Handler = Callable[[Any, Any], dict[str, Any]]

_in_flight: set[threading.Thread] = set()
"""Threads that handle a request."""

# An HTTP API's limit of a body, and the types that it passes on as text; any other is sent in Base64.
_MAX_BYTES = 10_000_000
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


def event_of(request: Request) -> dict[str, Any]:
    """Return the event that API Gateway makes of an HTTP request."""
    body, is_base64 = _body(request.get_data(), request.headers.get("content-type", ""))
    return http_event(
        method=request.method,
        path=request.path,
        headers=dict(request.headers.items()),
        body=body,
        is_base64=is_base64,
        query=request.query_string.decode("latin-1"),
        source_ip=request.remote_addr or "127.0.0.1",
        request_id=uuid.uuid4().hex,
    )


def _body(raw: bytes, media_type: str) -> tuple[str | None, bool]:
    """Return the event's body and whether it is Base64."""
    if not raw:
        return None, False
    if media_type.strip().lower().startswith(_TEXT_TYPES):
        try:
            return raw.decode(), False
        except UnicodeDecodeError:
            pass  # bytes that are not text cannot be sent as text
    return base64.b64encode(raw).decode("ascii"), True


def _plain(status: int, message: str) -> Response:
    """Respond as the gateway does itself, when no function is invoked."""
    return Response(json.dumps({"message": message}) + "\n", status, content_type="application/json")


class QuietRequestHandler(WSGIRequestHandler):
    """No access log: the function logs every request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


class _RequestHandler(QuietRequestHandler):
    """Responds in JSON to what is not HTTP, and keeps count of requests in flight."""

    default_request_version = "HTTP/1.1"  # with HTTP/0.9, errors would have neither status nor headers
    error_content_type = "application/json"
    error_message_format = '{"message": "%(explain)s"}\n'

    def run_wsgi(self) -> None:
        """Handle a request."""
        _in_flight.add(threading.current_thread())
        try:
            super().run_wsgi()
        finally:
            _in_flight.discard(threading.current_thread())


def gateway(routes: Mapping[str, Handler]) -> "WSGIApplication":
    """Return the application that invokes the handler of a route and responds to everything else itself.

    Parameters
    ----------
    routes : mapping
        Handlers by path, which may have parameters, such as ``{agentId}``. All methods of a path are its handler's.
    """
    patterns = {re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): handler for path, handler in routes.items()}

    @Request.application
    def application(request: Request) -> Response:
        handler = next((found for pattern, found in patterns.items() if pattern.fullmatch(request.path)), None)
        if handler is None:
            return _plain(404, "Not Found")
        request.max_content_length = _MAX_BYTES
        try:
            event = event_of(request)
        except HTTPException as error:
            return _plain(error.code or 500, error.name)
        result = handler(event, LambdaContext())
        # API Gateway adds no line break; a person's terminal needs one.
        body = f"{result['body']}\n" if result["body"] else ""
        return Response(body, result["statusCode"], result["headers"])

    return application


def listen(application: "WSGIApplication", host: str, port: int) -> BaseWSGIServer:
    """Make a threaded HTTP server; raise PortError when something listens on the port already."""
    check_port(host, port)
    return make_server(host, port, application, threaded=True, request_handler=_RequestHandler)


def serve_until_interrupted(server: BaseWSGIServer) -> None:
    """Serve until Ctrl-C, and let the requests in flight finish. Ctrl-C again does not wait for them."""
    with suppress(KeyboardInterrupt):
        # In a thread of its own, because Ctrl-C in the middle of accepting a connection would close it.
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while True:
            time.sleep(0.5)  # not long, because Ctrl-C can reach another thread and not wake this one
    with suppress(KeyboardInterrupt):
        server.shutdown()
        for thread in list(_in_flight):
            thread.join()

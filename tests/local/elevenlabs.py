"""ElevenLabs for a local run: it knows any key, and a voice's id decides how its answer turns out."""

import json
import threading
import time

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests.local.gateway import QuietRequestHandler

_SLOW_SECONDS = 30


def _error(status: int, code: str, message: str) -> Response:
    # As documented; `status` is what older clients read in place of `code`.
    detail = {"type": "error", "code": code, "status": code, "message": message, "request_id": "local"}
    return Response(json.dumps({"detail": detail}), status, content_type="application/json")


OUTCOMES = {
    "invalid-key": (401, "invalid_api_key", "Invalid API key"),
    "no-such-voice": (404, "voice_not_found", "A voice with this id was not found."),
    "no-permission": (401, "missing_permissions", "The API key is missing the permission voices_read."),
    "busy": (429, "system_busy", "We are experiencing heavy traffic."),
    "broken": (500, "internal_error", "Something went wrong."),
}
"""Status, code and message of the answer, by the voice's id; any other voice is there."""


@Request.application
def application(request: Request) -> Response:
    """Answer ``GET /v1/voices/{voice_id}``."""
    _, found, voice_id = request.path.rpartition("/v1/voices/")
    if not found or request.method != "GET":
        return _error(404, "not_found", "Not Found")
    if not request.headers.get("xi-api-key"):
        return _error(401, "needs_authorization", "Neither authorization header nor xi-api-key received.")
    if voice_id == "slow":
        time.sleep(_SLOW_SECONDS)
    if voice_id in OUTCOMES:
        return _error(*OUTCOMES[voice_id])
    return Response(json.dumps({"voice_id": voice_id, "name": "Local voice"}), content_type="application/json")


def start() -> str:
    """Start it in a thread of this process; return its URL."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=QuietRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"

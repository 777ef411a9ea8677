"""ElevenLabs for a local run: it accepts any key, and the id of a voice decides the response."""

import json
import threading
import time

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests.local.gateway import QuietRequestHandler

SLOW_SECONDS = 30


def _error(status: int, code: str, message: str) -> Response:
    # As documented; older clients read `status` instead of `code`.
    detail = {"type": "error", "code": code, "status": code, "message": message, "request_id": "local"}
    return Response(json.dumps({"detail": detail}), status, content_type="application/json")


RESULTS = {
    "invalid-key": (401, "invalid_api_key", "Invalid API key"),
    "no-such-voice": (404, "voice_not_found", "A voice with this id was not found."),
    "no-permission": (401, "missing_permissions", "The API key is missing the permission voices_read."),
    "unusual-activity": (401, "detected_unusual_activity", "Unusual activity was detected."),
    "busy": (429, "system_busy", "We are experiencing heavy traffic."),
    "broken": (500, "internal_error", "Something went wrong."),
}
"""Status, code and message of the response, by the id of the voice. Any other voice is found."""


@Request.application
def application(request: Request) -> Response:
    """Respond to ``GET /v1/voices/{voice_id}``."""
    _, found, voice_id = request.path.rpartition("/v1/voices/")
    if not found or request.method != "GET":
        return _error(404, "not_found", "Not Found")
    if not request.headers.get("xi-api-key"):
        return _error(401, "needs_authorization", "Neither authorization header nor xi-api-key received.")
    if voice_id == "slow":
        time.sleep(SLOW_SECONDS)
    if voice_id in RESULTS:
        return _error(*RESULTS[voice_id])
    return Response(json.dumps({"voice_id": voice_id, "name": "Local voice"}), content_type="application/json")


def start() -> str:
    """Start it in a thread of this process and return its URL."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=QuietRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"

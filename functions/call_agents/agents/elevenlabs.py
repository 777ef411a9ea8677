"""Tries an ElevenLabs key with a voice.

Source: "Get voice" and "Errors" of ElevenLabs' API reference. An error is ``{"detail": {"code", "status", "message",
…}}``; older ones have no ``code``, and 422 has a list in ``detail``. A 4xx of this shape is definite, unless its status
means that a retry can help. Anything else, such as a proxy's page, is treated as transient and retried.
"""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from call_agents.agents.models import ELEVENLABS_VOICE_ID
from call_agents.shared.deadline import run_in_time
from call_agents.shared.errors import ServiceUnavailable

INVALID_KEY = "invalid_key"
VOICE_NOT_FOUND = "voice_not_found"
MISSING_PERMISSION = "missing_permission"
KEY_REFUSED = "key_refused"
"""Any other definite error: payment, quota, unusual activity, a forbidden address."""

_TRANSIENT = frozenset((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS))
"""Client errors that a retry can help against."""

MAX_RESPONSE_BYTES = 1024 * 1024
"""The description of a voice has a few kilobytes."""

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 2, 5, 10
"""Time limits: to connect, between two pieces of a response, and for everything from name lookup to last piece."""

_CODE = re.compile("[a-z_]{1,64}")

_REASONS = {
    (401, "invalid_api_key"): INVALID_KEY,
    (401, "missing_permissions"): MISSING_PERMISSION,
    (403, "missing_permissions"): MISSING_PERMISSION,
    (403, "insufficient_permissions"): MISSING_PERMISSION,
    (400, "voice_not_found"): VOICE_NOT_FOUND,
    (404, "voice_not_found"): VOICE_NOT_FOUND,
    (400, "voice_does_not_exist"): VOICE_NOT_FOUND,
    (404, "voice_does_not_exist"): VOICE_NOT_FOUND,
    (400, "invalid_uid"): VOICE_NOT_FOUND,
    (422, "voice_id"): VOICE_NOT_FOUND,
}
"""Reasons other than `KEY_REFUSED`, by status and by error code or, for 422, by the invalid parameter."""


class _TooLongError(Exception):
    """The response is too large."""


@dataclass(frozen=True)
class ElevenLabs:
    """ElevenLabs' API.

    Parameters
    ----------
    http : PoolManager
        Has timeouts and verifies certificates.
    url : str
        Base URL, without a trailing slash.
    seconds : float
        Time limit of a whole trial.
    """

    http: PoolManager
    url: str
    seconds: float = TOTAL_SECONDS

    def try_voice(self, key: str, voice_id: str) -> str | None:
        """Request a voice with a key.

        Parameters
        ----------
        key : str
            The customer's key; visible ASCII.
        voice_id : str
            Any text. Text that cannot be a voice's id is not sent, so that it cannot change the URL.

        Returns
        -------
        str or None
            None when the key works with the voice; else one of the four reasons above.

        Raises
        ------
        ServiceUnavailable
            When ElevenLabs is busy, failed, timed out or sent an unexpected response: retry later.
        """
        if not ELEVENLABS_VOICE_ID.fullmatch(voice_id):
            return VOICE_NOT_FOUND
        status, body = self._get(f"{self.url}/v1/voices/{voice_id}", key)
        if status == HTTPStatus.OK and isinstance(body, dict) and body.get("voice_id") == voice_id:
            return None
        codes = _codes(body)
        for code in codes:
            if (status, code) in _REASONS:
                return _REASONS[status, code]
        if codes and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _TRANSIENT:
            return KEY_REFUSED
        # These codes are logged, and a response could repeat the key.
        shown = [code for code in codes if key not in code]
        raise ServiceUnavailable(internal=" ".join(["ElevenLabs:", str(status), *shown]))

    def _get(self, url: str, key: str) -> tuple[int, Any]:
        try:
            return run_in_time(lambda: self._request(url, key), self.seconds)
        except (HTTPError, OSError, _TooLongError) as error:
            problem = f"ElevenLabs: {type(error).__name__.lstrip('_')}"
        except ServiceUnavailable as error:
            problem = f"ElevenLabs: {error.internal}"
        # Not chained: the exceptions hold the request.
        raise ServiceUnavailable(internal=problem)

    def _request(self, url: str, key: str) -> tuple[int, Any]:
        # Not kept alive: the connection would be dead after Lambda froze the environment.
        headers = {"xi-api-key": key, "Accept": "application/json", "Connection": "close"}
        # No redirects: they would send the key elsewhere. No retries: the queue does that.
        response = self.http.request("GET", url, headers=headers, redirect=False, retries=False, preload_content=False)
        return response.status, _parsed(_read(response))


def _read(response: BaseHTTPResponse) -> bytes:
    read = bytearray()
    try:
        while chunk := response.read1(65_536, decode_content=False):
            read += chunk
            if len(read) > MAX_RESPONSE_BYTES:
                raise _TooLongError
    finally:
        response.close()
    return bytes(read)


def connect(url: str, roots: str) -> ElevenLabs:
    """Make a client.

    Parameters
    ----------
    url : str
        Base URL, without a trailing slash.
    roots : str
        File of the trusted root certificates.
    """
    http = PoolManager(
        timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS), cert_reqs="CERT_REQUIRED", ca_certs=roots
    )
    return ElevenLabs(http, url)


def _parsed(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None  # the status is logged


def _codes(body: object) -> list[str]:
    """Return the error codes of a response, new format first; only text that looks like a code."""
    detail = body.get("detail") if isinstance(body, dict) else None
    found: list[object] = []
    if isinstance(detail, dict):
        found = [detail.get("code"), detail.get("status")]
    elif isinstance(detail, list) and detail:
        parameters = {_parameter(problem) for problem in detail}
        found = [] if "" in parameters else ["voice_id" if parameters == {"voice_id"} else "validation_error"]
    return list(dict.fromkeys(code for code in found if isinstance(code, str) and _CODE.fullmatch(code)))


def _parameter(problem: object) -> str:
    """Return the last part of a 422's ``loc``, such as ``["path", "voice_id"]``."""
    location = problem.get("loc") if isinstance(problem, dict) else None
    return str(location[-1]) if isinstance(location, list) and location else ""

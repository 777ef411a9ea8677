"""Asks ElevenLabs whether a key opens a voice.

Its answers are as documented: "Get voice" and "Errors" of its API reference. An error is
``{"detail": {"code", "status", "message", …}}``, older ones are without ``code``; 422 has a list in ``detail``.
Only an answer that is certain decides; whatever else comes may pass, so it is asked again.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from agents.errors import ServiceUnavailable

INVALID_KEY = "invalid_key"
VOICE_NOT_FOUND = "voice_not_found"
MISSING_PERMISSION = "missing_permission"

MAX_ANSWER_BYTES = 1024 * 1024
"""A voice is described in some kilobytes."""

CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 2, 5, 10
"""To connect, between two pieces of an answer, and for all of it."""

_VOICE_ID = re.compile("[A-Za-z0-9_-]{1,64}")
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
"""What an answer means, by its status, and its code or what it calls malformed."""


class _TooLongError(Exception):
    """An answer is larger, or takes longer, than any that is expected."""


@dataclass(frozen=True)
class ElevenLabs:
    """ElevenLabs' API.

    Parameters
    ----------
    http : PoolManager
        With time limits for each step; it verifies certificates.
    url : str
        Base of all URLs, without a slash at its end.
    clock : Callable
        Seconds that never go back.
    """

    http: PoolManager
    url: str
    clock: Callable[[], float]

    def try_voice(self, key: str, voice_id: str) -> str | None:
        """Ask for a voice with a key.

        Parameters
        ----------
        key : str
            The customer's; visible ASCII.
        voice_id : str
            Any text. What cannot be the id of a voice is not asked for, so that it cannot change the URL.

        Returns
        -------
        str or None
            None when the key opens the voice; else one of the three reasons above.

        Raises
        ------
        ServiceUnavailable
            When ElevenLabs is busy, failed or timed out, or answered something else: ask again later.
        """
        if not _VOICE_ID.fullmatch(voice_id):
            return VOICE_NOT_FOUND
        status, body = self._get(f"{self.url}/v1/voices/{voice_id}", key)
        if status == HTTPStatus.OK and isinstance(body, dict) and body.get("voice_id") == voice_id:
            return None
        # They are logged; an answer could repeat anything that it was sent.
        codes = [code for code in _codes(body) if key not in code]
        for code in codes:
            if (status, code) in _REASONS:
                return _REASONS[status, code]
        raise ServiceUnavailable(internal=" ".join(["ElevenLabs:", str(status), *codes]))

    def _get(self, url: str, key: str) -> tuple[int, Any]:
        # A connection that is kept would be dead after the function was frozen.
        headers = {"xi-api-key": key, "Accept": "application/json", "Connection": "close"}
        end = self.clock() + ANSWER_SECONDS
        try:
            # No redirect is followed: it would take the key elsewhere. Nothing is retried: the stream does that.
            response = self.http.request(
                "GET", url, headers=headers, redirect=False, retries=False, preload_content=False
            )
            return response.status, _parsed(self._read(response, end))
        except (HTTPError, OSError, _TooLongError) as error:
            problem = f"ElevenLabs: {type(error).__name__.lstrip('_')}"
        # Not chained: the exceptions hold the request.
        raise ServiceUnavailable(internal=problem)

    def _read(self, response: BaseHTTPResponse, end: float) -> bytes:
        read = bytearray()
        try:
            while chunk := response.read1(65_536, decode_content=False):
                read += chunk
                if len(read) > MAX_ANSWER_BYTES or self.clock() > end:
                    raise _TooLongError
        finally:
            response.close()
        return bytes(read)


def connect(url: str, roots: str, clock: Callable[[], float]) -> ElevenLabs:
    """Make a client that verifies certificates and bounds the time of each step.

    Parameters
    ----------
    url : str
        Base of all URLs, without a slash at its end.
    roots : str
        File of the certificates that it is trusted by.
    clock : Callable
        Seconds that never go back.
    """
    http = PoolManager(
        timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS), cert_reqs="CERT_REQUIRED", ca_certs=roots
    )
    return ElevenLabs(http, url, clock)


def _parsed(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None  # the status will be told


def _codes(body: object) -> list[str]:
    """Return an error's codes, the newer first, or what it calls malformed; none that must not be logged."""
    detail = body.get("detail") if isinstance(body, dict) else None
    found: list[object] = []
    if isinstance(detail, dict):
        found = [detail.get("code"), detail.get("status")]
    elif isinstance(detail, list) and detail:
        found = ["voice_id"] if {_place(fault) for fault in detail} == {"voice_id"} else []
    return list(dict.fromkeys(code for code in found if isinstance(code, str) and _CODE.fullmatch(code)))


def _place(fault: object) -> str:
    """Return the last part of a 422's ``loc``, such as ``["path", "voice_id"]``."""
    location = fault.get("loc") if isinstance(fault, dict) else None
    return str(location[-1]) if isinstance(location, list) and location else ""

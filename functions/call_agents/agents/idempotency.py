"""One agent per Idempotency-Key without a table of its own: the agent's id is derived from the key.

Source: IETF draft "The Idempotency-Key HTTP Header Field". A request without the header gets a random key, so that
every request is handled the same way.
"""

import hashlib
import hmac
import re

from call_agents.shared.errors import InvalidHeader
from call_agents.shared.json_values import Json, canonical_json

_ID_DIGITS = 24
_KEY = re.compile("[!-~]{1,255}")


def check_idempotency_key(key: str) -> str:
    """Return the key; raise InvalidHeader unless it is 1 to 255 visible ASCII characters."""
    if not _KEY.fullmatch(key):
        raise InvalidHeader
    return key


def derive_agent_id(workspace_id: str, key: str) -> str:
    """Return the id of the one agent that a key creates in a workspace: 24 lower-case hexadecimal digits.

    The length comes first, so that no other pair of workspace and key gives the same text.
    """
    name = f"{len(workspace_id)}:{workspace_id}:{key}"
    return hashlib.sha256(name.encode()).hexdigest()[:_ID_DIGITS]


def digest(key: str, body: Json) -> str:
    """Return a digest of a body; key order and white space do not matter.

    It is an HMAC with the Idempotency-Key, which is not stored: the body may hold a secret, and someone who can read
    the table must not be able to test guesses of it.
    """
    return hmac.digest(key.encode(), canonical_json(body).encode(), "sha256").hex()

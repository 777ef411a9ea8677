"""One agent for one Idempotency-Key, with no table but the agents' own: the id comes from the key.

After the IETF draft "The Idempotency-Key HTTP Header Field". A request without the header gets a random key, so that
every request takes the same way.
"""

import hashlib
import hmac
import re

from agents.errors import InvalidHeader
from agents.values import Json, meaning

_ID_DIGITS = 24
_KEY = re.compile("[!-~]{1,255}")


def check_idempotency_key(key: str) -> str:
    """Return the value of an ``Idempotency-Key`` header when it is one.

    Raises
    ------
    InvalidHeader
        When it is not 1 to 255 visible ASCII characters.
    """
    if not _KEY.fullmatch(key):
        raise InvalidHeader
    return key


def agent_id(workspace_id: str, key: str) -> str:
    """Derive the id of the one agent that a key creates in a workspace: 24 lower-case hexadecimal digits.

    The length stands before the workspace, so that no other pair of workspace and key reads the same.
    """
    name = f"{len(workspace_id)}:{workspace_id}:{key}"
    return hashlib.sha256(name.encode()).hexdigest()[:_ID_DIGITS]


def digest(key: str, body: Json) -> str:
    """Digest what a body means: the order of members and white space do not count.

    Keyed with the Idempotency-Key, which is stored nowhere: the body may hold a secret, and who reads the table must
    not be able to test guesses of it.
    """
    return hmac.digest(key.encode(), meaning(body).encode(), "sha256").hex()

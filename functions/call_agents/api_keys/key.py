"""API keys: how they are made, hashed and checked. A key itself is never stored.

::

    cca_live_5kJ2mQ9xTb0z_<43 random characters><6 characters of checksum>
    └ kind ─┘└─ key id ─┘

The prefix is for people and secret scanners, the key id is public and for logs, 43 random characters hold 256 bits, and
the CRC-32 lets a mistyped key be refused without a read. Keys of the kind ``test`` are for sample events and local
runs: they are never issued, and a deployed function refuses them.
"""

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from call_agents.shared.errors import InvalidApiKey, MissingApiKey
from call_agents.shared.json_values import Json

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY_ID_LENGTH = 12
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6

ACTIVE = "active"
REVOKED = "revoked"

_FORMAT = re.compile(f"cca_(live|test)_[0-9A-Za-z]{{{KEY_ID_LENGTH}}}_[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}")

RandomText = Callable[[int], str]
"""Returns that many random characters of `ALPHABET`, such as `random_text`."""

Record = dict[str, Json]
"""Attributes of a key's record by name: ``keyHash``, ``keyId``, ``prefix``, ``workspaceId``, ``userId``, ``status``,
``createdAt`` and, when there are any, ``name``, ``expiresAt`` (epoch seconds), ``requestsPerMinute``,
``kilobytesPerMinute``, ``rotatedTo``, ``revokedAt``, and the counters of `rate_limit`."""


@dataclass(frozen=True)
class Caller:
    """Who an API key belongs to.

    Parameters
    ----------
    key_id : str
        Public id of the key, for logs.
    workspace_id : str
        The one workspace that the key gives access to.
    user_id : str
        The key's owner.
    requests_per_minute, kilobytes_per_minute : int or None
        Limits of the key's own; None for those of the deployment.
    """

    key_id: str
    workspace_id: str
    user_id: str
    requests_per_minute: int | None = None
    kilobytes_per_minute: int | None = None


def random_text(length: int) -> str:
    """Return random characters of `ALPHABET` that cannot be guessed."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_key(random_text: RandomText, kind: str = "live") -> str:
    """Return a new API key, which is to be shown once and never stored; kind is ``live``, or ``test`` for samples."""
    head = f"cca_{kind}_{random_text(KEY_ID_LENGTH)}_{random_text(SECRET_LENGTH)}"
    return head + _checksum(head)


def key_prefix(key: str) -> str:
    """Return the part of a key that may be shown: ``cca_live_5kJ2mQ9xTb0z``."""
    return key.rsplit("_", 1)[0]


def key_id(key: str) -> str:
    """Return the public id inside a key: ``5kJ2mQ9xTb0z``."""
    return key.split("_")[2]


def key_hash(key: str) -> str:
    """Return the partition key of a key's record. A plain SHA-256 is enough: 256 random bits cannot be guessed."""
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(head: str) -> str:
    number = zlib.crc32(head.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def check_key(key: str | None, *, allow_test_keys: bool) -> str:
    """Check everything about a key that needs no read.

    Parameters
    ----------
    key : str or None
        Value of the ``x-api-key`` header.
    allow_test_keys : bool
        Whether this is a local run.

    Returns
    -------
    str
        The well-formed key.

    Raises
    ------
    MissingApiKey
        When there is none.
    InvalidApiKey
        When its format or checksum is wrong, or it is a test key and those are not allowed.
    """
    if not key:
        raise MissingApiKey
    form = _FORMAT.fullmatch(key)
    if not form or _checksum(key[:-CHECKSUM_LENGTH]) != key[-CHECKSUM_LENGTH:]:
        raise InvalidApiKey(internal="malformed key")
    if form[1] == "test" and not allow_test_keys:
        raise InvalidApiKey(internal="test key")
    return key


def caller_of(record: Record | None, now: datetime) -> Caller:
    """Return the owner of an active key; a malformed record is treated as an invalid key.

    Parameters
    ----------
    record : Record or None
        The key's record; None when there is none.
    now : datetime
        For the expiry.

    Raises
    ------
    InvalidApiKey
        When the key is unknown, revoked or expired, or its record is malformed.
    """
    if record is None:
        raise InvalidApiKey(internal="unknown key")
    caller = Caller(
        _text(record, "keyId"),
        _text(record, "workspaceId"),
        _text(record, "userId"),
        _limit(record, "requestsPerMinute"),
        _limit(record, "kilobytesPerMinute"),
    )
    if record.get("status") != ACTIVE:
        raise InvalidApiKey(internal="key is not active")
    if "expiresAt" in record and not _is_later(record["expiresAt"], now):
        raise InvalidApiKey(internal="key is expired")
    return caller


def ids_of(record: Record | None) -> dict[str, str]:
    """Return key id and workspace for the log, also of a revoked or expired key."""
    ids = {name: (record or {}).get(name) for name in ("keyId", "workspaceId")}
    return {name: value for name, value in ids.items() if isinstance(value, str)}


def _text(record: Record, attribute: str) -> str:
    value = record.get(attribute)
    if not isinstance(value, str) or not value:
        raise InvalidApiKey(internal=f"malformed key record: {attribute}")
    return value


def _limit(record: Record, attribute: str) -> int | None:
    """Return a limit of the key's own. A malformed one makes the key invalid rather than unlimited."""
    value = record.get(attribute)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise InvalidApiKey(internal=f"malformed key record: {attribute}")
    return value


def _is_later(epoch_seconds: object, now: datetime) -> bool:
    return isinstance(epoch_seconds, int) and not isinstance(epoch_seconds, bool) and epoch_seconds > now.timestamp()

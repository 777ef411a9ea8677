"""API keys: how they are made, read, hashed and checked. A key itself is stored nowhere.

::

    cca_live_5kJ2mQ9xTb0z_<43 random characters><6 characters of checksum>
    └ kind ─┘└─ key id ─┘

The prefix is for people and secret scanners, the key id is public and for logs, 43 characters of 62 kinds hold 256
random bits, and the CRC-32 lets a mistyped or invented key be refused without a read. Keys of the kind ``test`` are for
sample events and local runs: none is ever issued, and a deployed function refuses them.
"""

import hashlib
import re
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.errors import InvalidApiKey, MissingApiKey
from agents.values import from_attribute

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
KEY_ID_LENGTH = 12
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6

ACTIVE = "active"
REVOKED = "revoked"

_FORMAT = re.compile(f"cca_(live|test)_[0-9A-Za-z]{{{KEY_ID_LENGTH}}}_[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}")

RandomText = Callable[[int], str]
"""Gives that many characters of `ALPHABET`, each as likely as the others and not to be guessed."""


@dataclass(frozen=True)
class Caller:
    """Who an API key belongs to.

    Parameters
    ----------
    key_id : str
        Public id of the key, for logs.
    workspace_id : str
        The one workspace that the key opens.
    user_id : str
        The key's owner.
    """

    key_id: str
    workspace_id: str
    user_id: str


def new_key(random_text: RandomText, kind: str = "live") -> str:
    """Make an API key.

    Parameters
    ----------
    random_text : RandomText
        Source of randomness.
    kind : str
        ``live``, or ``test`` for the sample events' key.

    Returns
    -------
    str
        The key. It is to be shown once and never stored.
    """
    head = f"cca_{kind}_{random_text(KEY_ID_LENGTH)}_{random_text(SECRET_LENGTH)}"
    return head + _checksum(head)


def key_prefix(key: str) -> str:
    """Return the part of a key that may be shown: ``cca_live_5kJ2mQ9xTb0z``."""
    return key.rsplit("_", 1)[0]


def key_id(key: str) -> str:
    """Return the public id inside a key: ``5kJ2mQ9xTb0z``."""
    return key.split("_")[2]


def key_hash(key: str) -> str:
    """Return the partition key of a key's record. A plain SHA-256 will do: 256 random bits cannot be guessed."""
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(head: str) -> str:
    number = zlib.crc32(head.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def check_key(key: str | None, *, allow_test_keys: bool) -> str:
    """Check all of a key that can be checked without a read.

    Parameters
    ----------
    key : str or None
        Value of the ``x-api-key`` header.
    allow_test_keys : bool
        Whether this is a local run.

    Returns
    -------
    str
        The key, well formed.

    Raises
    ------
    MissingApiKey
        When there is none.
    InvalidApiKey
        When its form or its checksum is wrong, or it is a test key and those are not allowed.
    """
    if not key:
        raise MissingApiKey
    form = _FORMAT.fullmatch(key)
    if not form or _checksum(key[:-CHECKSUM_LENGTH]) != key[-CHECKSUM_LENGTH:]:
        raise InvalidApiKey(internal="malformed key")
    if form[1] == "test" and not allow_test_keys:
        raise InvalidApiKey(internal="test key")
    return key


def caller_of(item: dict[str, Any] | None, now: datetime) -> Caller:
    """Read who a key belongs to from the key's record; anything odd in it closes the door.

    Parameters
    ----------
    item : dict or None
        The record as DynamoDB gives it, None when there is none.
    now : datetime
        In UTC.

    Returns
    -------
    Caller
        The owner of an active key.

    Raises
    ------
    InvalidApiKey
        When the key is unknown, revoked or expired, or its record is malformed.
    """
    if item is None:
        raise InvalidApiKey(internal="unknown key")
    caller = Caller(_name(item, "keyId"), _name(item, "workspaceId"), _name(item, "userId"))
    if item.get("status") != {"S": ACTIVE}:
        raise InvalidApiKey(internal="key is not active")
    if "expiresAt" in item and not _is_later(from_attribute(item["expiresAt"]), now):
        raise InvalidApiKey(internal="key is expired")
    return caller


def ids_in(item: dict[str, Any] | None) -> dict[str, str]:
    """Return whose key a record is of, for the log: when a key has ended, that is what its customer will ask."""
    return {name: (item or {}).get(name, {}).get("S", "") for name in ("keyId", "workspaceId")}


def _name(item: dict[str, Any], attribute: str) -> str:
    name: str = item.get(attribute, {}).get("S", "")
    if not name:
        raise InvalidApiKey(internal=f"malformed key record: {attribute}")
    return name


def _is_later(epoch_seconds: object, now: datetime) -> bool:
    return isinstance(epoch_seconds, int) and not isinstance(epoch_seconds, bool) and epoch_seconds > now.timestamp()

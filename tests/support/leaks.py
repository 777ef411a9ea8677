"""Looking for secrets in everything that is printed and logged: whole, in part, and encoded."""

import base64
import hashlib
import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache

from call_agents.shared.config import Settings
from tests.support.logs import FUNCTIONS, recorded_output

WINDOW = 8
"""Characters of a secret that give it away."""

LOUD = {
    "LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "POWERTOOLS_DEV": "true",
    "POWERTOOLS_DEBUG": "true",
}
"""Environment variables that ask for everything to be logged."""


def windows(text: str, length: int) -> frozenset[str]:
    """Return all pieces of a text that have a length."""
    return frozenset(text[start : start + length] for start in range(len(text) - length + 1))


@cache
def forms(secret: str) -> frozenset[str]:
    """Return the texts that would give a secret away: pieces of it, its encodings at any offset, its hashes."""
    raw = secret.encode()
    texts = {*windows(secret, WINDOW), *windows(raw.hex(), 2 * WINDOW), *windows(raw.hex().upper(), 2 * WINDOW)}
    for offset, uncertain in ((0, 0), (1, 2), (2, 3)):
        standard = base64.b64encode(b"\0" * offset + raw).decode()[uncertain:].rstrip("=")[:-1]
        for encoded in (standard, standard.replace("+", "-").replace("/", "_")):
            texts |= windows(encoded, WINDOW + 3)
    hashes = (hashlib.sha256(raw).hexdigest(), hashlib.sha1(raw).hexdigest(), hashlib.md5(raw).hexdigest())  # noqa: S324 - looked for
    return frozenset(texts).union(digest[: 2 * WINDOW] for digest in hashes)


def found(secrets: frozenset[str], text: str) -> list[str]:
    """Return which of them a text holds."""
    lengths = {len(form) for form in secrets}
    return sorted(form for length in lengths for form in secrets & windows(text, length))


@contextmanager
def recorded() -> Iterator[io.StringIO]:
    """Record everything that is printed, and everything that any library logs at any level."""
    _renew_frames()
    with recorded_output() as output:
        handler = logging.StreamHandler(output.stream)
        root = logging.getLogger()
        loggers = [root, *(logging.getLogger(function.SERVICE) for function in FUNCTIONS)]
        levels = [logger.level for logger in loggers]
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        for logger in loggers[1:]:
            logger.setLevel(Settings(os.environ).log_level)  # Powertools keeps the level of the first logger of a name
        try:
            with redirect_stderr(output.stream):
                yield output.stream
        finally:
            root.removeHandler(handler)
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            _renew_frames()


def _renew_frames() -> None:
    """Make the next frames read the environment as it is then."""
    for function in FUNCTIONS:
        function.frame.cache_clear()

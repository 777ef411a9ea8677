"""Looking for secrets: as they are, in part and in other clothes, in all that is printed and logged."""

import base64
import contextlib
import hashlib
import io
import logging
from collections.abc import Iterator
from functools import cache

import activate_agent
import create_agent
import reactivate_agent

WINDOW = 8
"""Characters of a secret that give it away, wherever in it they stand."""

LOUD = {
    "LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOG_LEVEL": "DEBUG",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "POWERTOOLS_DEV": "true",
    "POWERTOOLS_DEBUG": "true",
}
"""An environment that asks for everything to be said."""


def windows(text: str, length: int) -> frozenset[str]:
    """Return all pieces of a text of a length."""
    return frozenset(text[start : start + length] for start in range(len(text) - length + 1))


_FUNCTIONS = (create_agent, activate_agent, reactivate_agent)


@cache
def forms(secret: str) -> frozenset[str]:
    """Return the texts that would betray a secret: any piece of it, its encodings wherever they begin, its hashes."""
    raw = secret.encode()
    betrayals = {*windows(secret, WINDOW), *windows(raw.hex(), 2 * WINDOW), *windows(raw.hex().upper(), 2 * WINDOW)}
    for offset, uncertain in ((0, 0), (1, 2), (2, 3)):
        standard = base64.b64encode(b"\0" * offset + raw).decode()[uncertain:].rstrip("=")[:-1]
        for encoded in (standard, standard.replace("+", "-").replace("/", "_")):
            betrayals |= windows(encoded, WINDOW + 3)
    hashes = (hashlib.sha256(raw).hexdigest(), hashlib.sha1(raw).hexdigest(), hashlib.md5(raw).hexdigest())  # noqa: S324 - looked for
    return frozenset(betrayals).union(digest[: 2 * WINDOW] for digest in hashes)


def found(secrets: frozenset[str], text: str) -> list[str]:
    """Return which of them a text holds."""
    lengths = {len(form) for form in secrets}
    return sorted(form for length in lengths for form in secrets & windows(text, length))


def forget_loggers() -> None:
    """Let the next loggers be made from the environment as it then is: Powertools keeps the first of a name."""
    for function in _FUNCTIONS:
        logger = logging.getLogger(function.SERVICE)
        logger.handlers.clear()
        for mark in ("init", "powertools_handler"):
            vars(logger).pop(mark, None)
        function.reporter.cache_clear()


@contextlib.contextmanager
def recorded() -> Iterator[io.StringIO]:
    """Record everything that is printed, and everything that any library logs at any level."""
    stream = io.StringIO()
    everything = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(everything)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            forget_loggers()
            for function in _FUNCTIONS:
                function.reporter()  # it writes to this stream
            yield stream
    finally:
        forget_loggers()
        root.removeHandler(everything)
        root.setLevel(level)

"""Looking for secrets: as they are, in part and in other clothes, in all that is printed and logged."""

import base64
import contextlib
import io
import logging
from collections.abc import Iterator
from functools import cache

import create_agent

SHOWN = 12
"""Characters of a secret that give it away."""


@cache
def forms(secret: str) -> frozenset[str]:
    """Return the texts that would betray a secret: its beginning, and its encodings wherever in a text they begin."""
    raw = secret.encode()
    encoded = {raw.hex(), raw.hex().upper(), secret[::-1]}
    for offset, uncertain in ((0, 0), (1, 2), (2, 3)):
        standard = base64.b64encode(b"\0" * offset + raw).decode()[uncertain:].rstrip("=")[:-1]
        encoded |= {standard, standard.replace("+", "-").replace("/", "_")}
    return frozenset({secret[:SHOWN], *encoded})


def found(secrets: frozenset[str], text: str) -> list[str]:
    """Return which of them a text holds."""
    return [form for form in secrets if form in text]


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
            handler = create_agent.logger().registered_handler
            before = handler.setStream(stream) if isinstance(handler, logging.StreamHandler) else None
            yield stream
            if isinstance(handler, logging.StreamHandler) and before:
                handler.setStream(before)
    finally:
        root.removeHandler(everything)
        root.setLevel(level)

"""Looking for secrets: as they are, in part, and in other clothes."""

import base64
from functools import cache

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

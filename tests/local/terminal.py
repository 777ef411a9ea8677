"""What a person sees in a terminal: colours and shortened log lines. Files and pipes get neither."""

import json
import os
from io import TextIOBase
from typing import Any, TextIO, cast

_GREEN, _YELLOW, _RED, _DIM = 32, 33, 31, 2
_FIRST = ("status", "service", "outcome")
_FOR_MACHINES = {"level", "message", "timestamp", "cold_start"}
"""Fields that are left out, as are those of Lambda, which begin with ``function_``."""


def coloured(text: str, status: int, stream: TextIO) -> str:
    """Return a text in the colour of an HTTP status, if the stream is a terminal."""
    return _styled(text, _GREEN if status < 400 else _YELLOW if status < 500 else _RED, stream)


def _styled(text: str, style: int, stream: TextIO) -> str:
    """Style a text for a terminal, unless ``NO_COLOR`` is set (no-color.org) or the terminal is dumb."""
    is_wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{style}m{text}\x1b[0m" if is_wanted else text


def log_stream(stream: TextIO) -> TextIO:
    """Return the stream for log lines: the stream itself, unless it is a terminal."""
    return cast("TextIO", LogInShort(stream)) if stream.isatty() else stream


class LogInShort(TextIOBase):
    """Writes log lines as a person reads them.

    Parameters
    ----------
    terminal : TextIO
        Where to write.
    """

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._incomplete = ""

    def write(self, text: str) -> int:
        """Write all complete lines, and keep the rest."""
        *lines, self._incomplete = (self._incomplete + text).split("\n")
        for line in lines:
            short = in_short(line, self._terminal)
            if short is not None:
                self._terminal.write(f"{short}\n")
        return len(text)

    def flush(self) -> None:
        """Flush the terminal."""
        self._terminal.flush()


def in_short(line: str, stream: TextIO) -> str | None:
    """Return the line of a request without what only machines read, None for metrics, and any other line as it is."""
    try:
        fields: dict[str, Any] = json.loads(line)
        if "_aws" in fields:
            return None
        status, *first = (fields.pop(name, "") for name in _FIRST)
        named = [
            f"{name}={value}"
            for name, value in fields.items()
            if name not in _FOR_MACHINES and not name.startswith("function_")
        ]
        return f"{coloured(str(status), status, stream)}  {_styled('  '.join([*first, *named]), _DIM, stream)}"
    except (ValueError, AttributeError, TypeError):
        return line

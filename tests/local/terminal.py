"""What a person sees in a terminal: colours, and a function's log lines in short. Files and pipes get neither."""

import json
import os
from io import TextIOBase
from typing import Any, TextIO, cast

_GREEN, _YELLOW, _RED, _DIM = 32, 33, 31, 2
_FIRST = ("status", "service", "outcome")
_FOR_MACHINES = {"level", "message", "timestamp"}
"""Beside the metrics, which begin with a capital letter or ``_``."""


def coloured(text: str, status: int, stream: TextIO) -> str:
    """Return a text in the colour of an HTTP status, as it is to be written to a stream."""
    return _styled(text, _GREEN if status < 400 else _YELLOW if status < 500 else _RED, stream)


def _styled(text: str, style: int, stream: TextIO) -> str:
    """Style a text for a terminal, unless ``NO_COLOR`` has any value (no-color.org) or the terminal is a dumb one."""
    is_wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{style}m{text}\x1b[0m" if is_wanted else text


def log_stream(stream: TextIO) -> TextIO:
    """Return where log lines go to: the stream itself, unless a person looks at it."""
    return cast("TextIO", LogInShort(stream)) if stream.isatty() else stream


class LogInShort(TextIOBase):
    """Writes log lines as a person reads them.

    Parameters
    ----------
    terminal : TextIO
        Where to.
    """

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._begun = ""

    def write(self, text: str) -> int:
        """Write all lines that are whole, and keep the rest."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._terminal.write(f"{in_short(line, self._terminal)}\n")
        return len(text)

    def flush(self) -> None:
        """Flush the terminal."""
        self._terminal.flush()


def in_short(line: str, stream: TextIO) -> str:
    """Return the line of a request without what only machines read; any other line as it is."""
    try:
        fields: dict[str, Any] = json.loads(line)
        status, *first = (fields.pop(name, "") for name in _FIRST)
        named = [f"{name}={value}" for name, value in fields.items() if name[0].islower() and name not in _FOR_MACHINES]
        return f"{coloured(str(status), status, stream)}  {_styled('  '.join([*first, *named]), _DIM, stream)}"
    except (ValueError, AttributeError, TypeError):
        return line

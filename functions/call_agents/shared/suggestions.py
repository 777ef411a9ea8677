"""Suggestions for error messages: which known name was probably meant by an unknown one."""

from collections.abc import Iterable
from itertools import islice

MAX_LENGTH = 64
MAX_CHOICES = 100
MIN_SIMILARITY = 0.75
"""From 0 to 1, as `difflib` measures it: ``11labs`` is close to ``11labs_byo``, ``gpt-5`` is close to nothing."""


def closest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that is most similar to a name, ignoring case; None if none is similar.

    At most 100 choices are compared, and no name longer than 64 characters.
    """
    # Imported here because a valid request, and so most cold starts, never needs it.
    from difflib import get_close_matches  # noqa: PLC0415 - see above

    by_lower_case = {choice.lower(): choice for choice in islice(choices, MAX_CHOICES) if len(choice) <= MAX_LENGTH}
    found = (
        get_close_matches(name.lower(), by_lower_case, n=1, cutoff=MIN_SIMILARITY) if len(name) <= MAX_LENGTH else []
    )
    return by_lower_case[found[0]] if found else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return the end of a message, ``; did you mean gpt-4o?``, or an empty string."""
    choice = closest(name, choices)
    return f"; did you mean {choice}?" if choice else ""

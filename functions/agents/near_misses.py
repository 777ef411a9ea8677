"""What a wrong name was probably meant to be, for the message of an error."""

from collections.abc import Iterable
from itertools import islice

_LONGEST = 64
_MOST = 100
_LIKENESS = 0.75
"""Of two names, from 0 to 1, as `difflib` counts it: ``11labs`` is like ``11labs_byo``, and ``gpt-5`` like none."""


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Find the choice that is most like a name, whatever their case.

    Parameters
    ----------
    name : str
        What was sent, or what was expected.
    choices : Iterable of str
        What was expected, or what was sent; no more than 100 of them are looked at.

    Returns
    -------
    str or None
        The choice; None when none is like the name, or the name is longer than any of ours.
    """
    # Most requests are right, and a cold start need not wait for what only wrong ones take.
    from difflib import get_close_matches  # noqa: PLC0415 - see above

    by_lower_case = {choice.lower(): choice for choice in islice(choices, _MOST) if len(choice) <= _LONGEST}
    found = get_close_matches(name.lower(), by_lower_case, n=1, cutoff=_LIKENESS) if len(name) <= _LONGEST else []
    return by_lower_case[found[0]] if found else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return the end of a message: ``; did you mean gpt-4o?``, or nothing when no choice is like the name."""
    choice = nearest(name, choices)
    return f"; did you mean {choice}?" if choice else ""

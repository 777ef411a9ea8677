"""The last resort against what takes too long: a request ends before Lambda ends the function.

botocore's limits are for each attempt and each piece of an answer. An answer that trickles in, or a service that asks
for long pauses, could still outlive the function; then Lambda would kill the process, and the gateway would answer in a
shape that is not ours. What no signal interrupts is the resolver of names: the template limits that.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import inf
from types import FrameType

ANSWER_SECONDS = 0.5
"""What is kept of the function's time for the answer and its log line."""


class TimeIsUp(BaseException):
    """Not an Exception: botocore would take that for a failed attempt and make another."""


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise TimeIsUp


@cache
def _arm() -> None:
    """Say once what is to be done when the time is up; nothing else in the process uses this signal."""
    signal.signal(signal.SIGALRM, _interrupt)


def milliseconds_left(context: object) -> float:
    """Return what Lambda's context says is left of the function's time; without one that knows it, there is no end."""
    time_left = getattr(context, "get_remaining_time_in_millis", None)
    return inf if time_left is None else time_left()


@contextmanager
def deadline(context: object) -> Iterator[None]:
    """Interrupt what runs inside when the function's time is nearly over.

    Parameters
    ----------
    context : object
        Lambda's context; without one that knows the time, nothing is interrupted. Nor is it in any thread but the main
        one, in which Lambda runs handlers: signals reach no other.

    Raises
    ------
    TimeIsUp
        When it was interrupted, if only on its way out. A write may have been done all the same: the retry with the
        same key finds it.
    """
    seconds = milliseconds_left(context) / 1000 - ANSWER_SECONDS
    if seconds == inf or threading.current_thread() is not threading.main_thread():
        yield
        return
    if seconds <= 0:
        raise TimeIsUp
    _arm()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)

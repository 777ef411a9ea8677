"""The last resort against calls that take too long: a request ends before Lambda ends the function.

botocore's timeouts apply to each attempt and each piece of a response, so a response that arrives very slowly could
outlast the function. Lambda would then kill the process, and the gateway would respond in its own format. No signal
interrupts the name resolver of the C library; the template limits that.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import inf
from types import FrameType

from call_agents.shared.errors import ServiceUnavailable

RESERVED_SECONDS = 0.5
"""Part of the function's time that is kept for the response and the log line."""


def remaining_ms(context: object) -> float:
    """Return the remaining time of the function in ms, or infinity if the context does not know it."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return inf if remaining is None else remaining()


class _TimeIsUp(BaseException):
    """Not an Exception: botocore would treat that as a failed attempt and try again."""


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise _TimeIsUp


@cache
def _install_signal_handler() -> None:
    """Install the SIGALRM handler, once. Nothing else in the process uses SIGALRM."""
    signal.signal(signal.SIGALRM, _interrupt)


@contextmanager
def deadline(context: object) -> Iterator[None]:
    """Interrupt the block shortly before Lambda would end the function.

    Signals reach only the main thread, in which Lambda runs handlers; in other threads nothing is interrupted.

    Raises
    ------
    ServiceUnavailable
        When the time is up. A write may have succeeded; a retry with the same idempotency key finds it.
    """
    seconds = remaining_ms(context) / 1000 - RESERVED_SECONDS
    if seconds == inf or threading.current_thread() is not threading.main_thread():
        yield
        return
    if seconds <= 0:
        raise ServiceUnavailable(internal="out of time")
    _install_signal_handler()
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _TimeIsUp:
        raise ServiceUnavailable(internal="out of time") from None

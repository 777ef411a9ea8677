"""The last resort against calls that take too long: a request ends before Lambda ends the function.

botocore's timeouts apply to each attempt and each piece of a response, so a response that arrives very slowly could
outlast the function. Lambda would then kill the process, and the gateway would respond in its own format.

The work runs in a thread of its own, and when the time is up nobody waits for it any more. It is not interrupted: an
interruption could leave a lock of a connection pool locked for good. Such a deadline works in any thread and on any
system.
"""

import threading
from collections.abc import Callable
from math import inf
from queue import Empty, SimpleQueue
from typing import TypeVar

from call_agents.shared.errors import ServiceUnavailable

RESERVED_SECONDS = 0.5
"""Part of the function's time that is kept for the response and the log line."""

Result = TypeVar("Result")


def remaining_ms(context: object) -> float:
    """Return the remaining time of the function in ms, or infinity if the context does not know it."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return inf if remaining is None else remaining()


def spare_seconds(context: object) -> float:
    """Return the seconds that work may take, or infinity if the context does not know them."""
    return remaining_ms(context) / 1000 - RESERVED_SECONDS


def run_in_time(work: Callable[[], Result], seconds: float) -> Result:
    """Return the result of some work, or raise what it raises.

    Parameters
    ----------
    work : Callable
        Runs in another thread.
    seconds : float
        How long to wait for it, or infinity.

    Raises
    ------
    ServiceUnavailable
        When the time is up. The work goes on, so a write may still succeed. A creation that is repeated with the same
        idempotency key finds it.
    """
    if seconds == inf:
        return work()
    if seconds <= 0:
        raise ServiceUnavailable(internal="out of time")
    results: SimpleQueue[Callable[[], Result]] = SimpleQueue()
    # A daemon: whoever waits no longer must not wait for it at the end of the process either.
    threading.Thread(target=lambda: results.put(_outcome(work)), daemon=True).start()
    try:
        outcome = results.get(timeout=seconds)
    except Empty:
        raise ServiceUnavailable(internal="out of time") from None
    return outcome()


def _outcome(work: Callable[[], Result]) -> Callable[[], Result]:
    """Run the work; return a function that returns its result or raises its error."""
    try:
        result = work()
    except BaseException as raised:  # noqa: BLE001 - it is raised where somebody waits for it
        error = raised

        def fail() -> Result:
            raise error

        return fail
    return lambda: result

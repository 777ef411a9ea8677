"""A request ends before Lambda ends the function, whatever hangs."""

import signal
import threading
import time
from math import inf

import pytest

from call_agents.shared.deadline import RESERVED_SECONDS, deadline, remaining_ms
from call_agents.shared.errors import ServiceUnavailable
from tests.support.events import LambdaContext


def test_a_block_that_hangs_is_interrupted_in_time() -> None:
    started = time.monotonic()

    with pytest.raises(ServiceUnavailable) as caught, deadline(LambdaContext(timeout=RESERVED_SECONDS + 0.1)):
        threading.Event().wait(60)
    assert caught.value.internal == "out of time"
    assert time.monotonic() - started < 30
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_no_retry_takes_the_interruption_for_an_error() -> None:
    def attempt() -> None:
        try:
            threading.Event().wait(60)
        except Exception:  # noqa: BLE001 - as libraries do
            pytest.fail("interrupted by an error that can be retried")

    with pytest.raises(ServiceUnavailable), deadline(LambdaContext(timeout=RESERVED_SECONDS + 0.05)):
        attempt()


def test_without_time_nothing_begins() -> None:
    begun = []

    with pytest.raises(ServiceUnavailable) as caught, deadline(LambdaContext(timeout=RESERVED_SECONDS)):
        begun.append("a write")
    assert caught.value.internal == "out of time"
    assert begun == []


def test_half_a_second_is_reserved() -> None:
    with deadline(LambdaContext(timeout=60)):
        assert 59 < signal.getitimer(signal.ITIMER_REAL)[0] <= 59.5


def test_a_block_that_ends_in_time_is_not_interrupted_later() -> None:
    with deadline(LambdaContext(timeout=RESERVED_SECONDS + 0.05)):
        pass

    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    time.sleep(0.1)


def test_an_error_inside_ends_the_timer_and_is_raised() -> None:
    with pytest.raises(ValueError, match="inside"), deadline(LambdaContext(timeout=60)):
        raise ValueError("inside")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_context_without_a_clock_sets_no_deadline() -> None:
    assert remaining_ms(None) == inf
    with deadline(None):
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_other_threads_have_no_deadline() -> None:
    timers = []

    def run() -> None:
        with deadline(LambdaContext(timeout=60)):
            timers.append(signal.getitimer(signal.ITIMER_REAL))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert timers == [(0, 0)]

"""A request ends before Lambda ends the function, whatever hangs."""

import signal
import threading
import time
from types import SimpleNamespace

import pytest

from deadline import ANSWER_SECONDS, TimeIsUp, deadline


def context(seconds: float) -> SimpleNamespace:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))


def test_what_hangs_is_interrupted_in_time_to_answer() -> None:
    started = time.monotonic()

    with pytest.raises(TimeIsUp), deadline(context(ANSWER_SECONDS + 0.05)):
        threading.Event().wait(60)
    assert time.monotonic() - started < 30


def test_nothing_on_the_way_out_takes_it_for_a_fault_of_its_own() -> None:
    def attempt() -> None:
        try:
            threading.Event().wait(60)
        except Exception:  # noqa: BLE001 - as libraries do
            pytest.fail("interrupted as by an error that can be retried")

    with pytest.raises(TimeIsUp), deadline(context(ANSWER_SECONDS + 0.05)):
        attempt()


def test_without_time_nothing_is_begun() -> None:
    begun = []

    with pytest.raises(TimeIsUp), deadline(context(0.3)):
        begun.append("a write")
    assert begun == []


def test_what_ends_in_time_is_not_interrupted_later() -> None:
    with deadline(context(ANSWER_SECONDS + 0.05)):
        pass

    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    time.sleep(0.1)


def test_an_error_inside_ends_the_watch_and_is_told() -> None:
    with pytest.raises(ValueError, match="inside"), deadline(context(60)):
        raise ValueError("inside")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_context_without_a_clock_sets_no_deadline() -> None:
    with deadline(None):
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_threads_which_no_signal_reaches_go_on_as_they_are() -> None:
    left = []

    def run() -> None:
        with deadline(context(60)):
            left.append(signal.getitimer(signal.ITIMER_REAL))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert left == [(0, 0)]

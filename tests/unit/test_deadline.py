"""A request ends before Lambda ends the function, whatever hangs."""

import threading
import time
from math import inf

import pytest

from call_agents.shared.deadline import RESERVED_SECONDS, remaining_ms, run_in_time, spare_seconds
from call_agents.shared.errors import ServiceUnavailable
from tests.support.events import LambdaContext


def test_work_that_hangs_is_given_up_in_time() -> None:
    started = time.monotonic()

    with pytest.raises(ServiceUnavailable) as caught:
        run_in_time(lambda: threading.Event().wait(60), 0.05)
    assert caught.value.internal == "out of time"
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("seconds", [0, -1])
def test_without_time_nothing_begins(seconds: float) -> None:
    begun: list[str] = []

    with pytest.raises(ServiceUnavailable) as caught:
        run_in_time(lambda: begun.append("a write"), seconds)
    assert caught.value.internal == "out of time"
    assert begun == []


def test_half_a_second_of_the_functions_time_is_reserved() -> None:
    assert RESERVED_SECONDS == 0.5
    assert 59 < spare_seconds(LambdaContext(timeout=60)) <= 59.5
    assert remaining_ms(None) == spare_seconds(None) == inf


@pytest.mark.parametrize("seconds", [inf, 60])
def test_results_and_errors_are_those_of_the_work(seconds: float) -> None:
    def fail() -> None:
        raise TimeoutError("inside")

    assert run_in_time(lambda: "result", seconds) == "result"
    with pytest.raises(TimeoutError, match="inside"):
        run_in_time(fail, seconds)


def test_it_works_in_every_thread() -> None:
    raised: list[ServiceUnavailable] = []

    def run() -> None:
        with pytest.raises(ServiceUnavailable) as caught:
            run_in_time(lambda: threading.Event().wait(60), 0.05)
        raised.append(caught.value)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert [error.internal for error in raised] == ["out of time"]

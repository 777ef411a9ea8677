"""Under load and faults, exactly the agents that were returned are stored."""

import pytest

from tests.resilience import load


@pytest.mark.parametrize("faults", ["0", "0.1"])
def test_returned_agents_are_stored_under_load(faults: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = load.main(["--seconds", "3", "--clients", "8", "--faults", faults])
    printed = capsys.readouterr().out

    assert status == 0, printed
    assert printed.endswith("stored: equal\n")
    assert (", 0 faults injected" in printed) == (faults == "0")


def test_a_different_count_is_noticed() -> None:
    tally = load.Tally()
    tally.note("201", 0.1, "agent-1")
    tally.note("503 service_unavailable", 0.1, None)
    tally.end(created=True)

    assert load.verdict(tally, ["agent-1"]) == "equal"
    assert load.verdict(tally, []) == "NOT EQUAL"
    assert load.verdict(tally, ["agent-1", "agent-2"]) == "NOT EQUAL"
    tally.end(created=False)
    assert load.verdict(tally, ["agent-1"]) == "NOT EQUAL"

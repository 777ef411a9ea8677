"""Alarms are evaluated here as AWS documents it."""

from collections.abc import Sequence

import pytest

from tests.support.alarms import ALARM, INSUFFICIENT_DATA, OK, Math, UnknownExpressionError, judge

RETAINED = "the state before"


@pytest.mark.parametrize(
    ("needed", "points", "missing", "ignore", "breaching", "not_breaching"),
    [  # the tables in "How alarm state is evaluated when data is missing"
        (3, "0-X-X", OK, OK, OK, OK),
        (3, "0----", OK, OK, OK, OK),
        (3, "-----", INSUFFICIENT_DATA, RETAINED, ALARM, OK),
        (3, "0XX-X", ALARM, ALARM, ALARM, ALARM),
        (3, "----X", INSUFFICIENT_DATA, RETAINED, ALARM, OK),
        (3, "X----", ALARM, RETAINED, ALARM, OK),
        (2, "0-X-X", ALARM, ALARM, ALARM, ALARM),
        (2, "00X0X", ALARM, ALARM, ALARM, ALARM),
        (2, "0-X--", OK, OK, ALARM, OK),
        (2, "----0", OK, OK, ALARM, OK),
        (2, "----X", INSUFFICIENT_DATA, RETAINED, ALARM, OK),
    ],
)
def test_missing_data_is_treated_as_in_examples_of_aws(
    needed: int, points: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    expected = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    breaches = [{"0": False, "X": True, "-": None}[point] for point in points]
    alarm = {"EvaluationPeriods": 3, "DatapointsToAlarm": needed}

    assert {name: judge(alarm | {"TreatMissingData": name}, breaches, RETAINED) for name in expected} == expected


ONE = [1.0, 1.0, 0.0, 0.0, None]
TWO = [30.0, None, 0.0, 0.0, 30.0]
THREE = [0.0, 0.0, 20.0, None, 20.0]


@pytest.mark.parametrize(
    ("expression", "missing_operand", "result"),
    [
        ("IF(m1, m2, m3)", None, [30, 0, 20, None, None]),  # AWS's examples in "Using IF expressions"
        ("IF(m1, 5, m3)", None, [5, 5, 20, None, None]),
        ("IF(m1, m2, 5)", None, [30, 0, 5, 5, None]),
        ("m2 > 15 AND m3 >= 20", 0, [0, 0, 0, 0, 1]),
        ("m1 == 0 OR m2 > 15", 0, [1, 0, 1, 1, 1]),
        ("m1 == 0 OR m2 > 15", None, [1, None, 1, 1, None]),
        ("SUM([m1, m2, m3])", None, [31, 1, 20, 0, 50]),
        ("MAX([m1, m2])", None, [30, 1, 0, 0, 30]),
        ("m2 / m1", None, [30, None, None, None, None]),
        ("m1 * m2", 0, [30, 0, 0, 0, 0]),
    ],
)
def test_metric_math(expression: str, missing_operand: float | None, result: Sequence[float | None]) -> None:
    points = [dict(zip(("m1", "m2", "m3"), column, strict=True)) for column in zip(ONE, TWO, THREE, strict=True)]

    assert [Math(at, {"e": expression}, missing_operand).value_of("e") for at in points] == result


@pytest.mark.parametrize(
    "expression", ["FILL(m1, 0)", "SUM(m1)", "AVG([m1])", "m1 ^ m1", "m1 < 1", "1 < m1 < 2", "'1'"]
)
def test_unknown_metric_math_is_an_error(expression: str) -> None:
    with pytest.raises(UnknownExpressionError):
        Math({"m1": 1}, {"e": expression}, None).value_of("e")

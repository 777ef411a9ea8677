"""Evaluates CloudWatch alarms on made-up metrics, by AWS's documentation: "Alarm evaluation", "Using metric math".

Of metric math it knows what the template uses. Everything else is an error.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

Series = Mapping[int, Sequence[float]]
"""The values that were measured in each minute."""

Metrics = Callable[[dict[str, Any]], Series]
"""Finds the series of a metric by its ``Namespace``, ``MetricName`` and ``Dimensions``."""

Point = float | None
"""A datapoint, or None where it is missing."""

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"

EXTRA_POINTS = 2
"""How many points more than the evaluation periods CloudWatch looks at; the number is that of AWS's examples."""

_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "p99": lambda values: sorted(values)[ceil(0.99 * len(values)) - 1],
}
_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.And: lambda left, right: left and right,
    ast.Or: lambda left, right: left or right,
}
_OF_ARRAYS: dict[str, Callable[[Sequence[float]], float]] = {"SUM": sum, "MAX": max}
_BREACHES = {"GreaterThanThreshold": operator.gt, "GreaterThanOrEqualToThreshold": operator.ge}


class UnknownExpressionError(Exception):
    """The evaluator does not know this part of metric math."""


@dataclass(frozen=True)
class Math:
    """Evaluates the expressions of an alarm at one time.

    Parameters
    ----------
    points : Mapping
        The point of each metric, by its id.
    expressions : Mapping
        The expressions, by their ids.
    missing_operand : float or None
        What an operator takes for a series without a point when its other series has one. AWS's documentation says 0.
        Others report that the result has no point either, which is None.
    """

    points: Mapping[str, Point]
    expressions: Mapping[str, str]
    missing_operand: Point

    def value_of(self, name: str) -> Point:
        """Return the point of a metric or an expression."""
        if name in self.points:
            return self.points[name]
        python = re.sub(r"\b(AND|OR)\b", lambda match: match[0].lower(), self.expressions[name])
        return self._value(ast.parse(python, mode="eval").body)

    def _value(self, node: ast.expr) -> Point:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name):
                return self.value_of(name)
            case (
                ast.BinOp(left=left, op=operation, right=right)
                | ast.BoolOp(op=operation, values=[left, right])
                | ast.Compare(left=left, ops=[operation], comparators=[right])
            ):
                return self._operate(operation, left, right)
            case ast.Call(func=ast.Name(id=name), args=[ast.List(elts=elements)]) if name in _OF_ARRAYS:
                present = [value for value in map(self._value, elements) if value is not None]
                return _OF_ARRAYS[name](present) if present else None
            case ast.Call(func=ast.Name(id="IF"), args=[condition, yes, no]):
                return self._choose(self._value(condition), self._value(yes), self._value(no))
        raise UnknownExpressionError(ast.unparse(node))

    def _operate(self, operation: ast.AST, *operands: ast.expr) -> Point:
        if type(operation) not in _OPERATORS:
            raise UnknownExpressionError(type(operation).__name__)
        values = [self._value(operand) for operand in operands]
        # A number is no series, so it makes no point where the series has none.
        if all(
            value is None or isinstance(operand, ast.Constant) for value, operand in zip(values, operands, strict=True)
        ):
            return None
        left, right = (self.missing_operand if value is None else value for value in values)
        if left is None or right is None or (isinstance(operation, ast.Div) and right == 0):
            return None
        return float(_OPERATORS[type(operation)](left, right))

    @staticmethod
    def _choose(condition: Point, yes: Point, no: Point) -> Point:
        if condition is None:
            return None
        return (yes or 0) if condition else no


def states(alarm: dict[str, Any], metrics: Metrics, minutes: int, missing_operand: Point = None) -> list[str]:
    """Return an alarm's state at the end of each minute; CloudWatch evaluates once a minute, whatever the period."""
    period, datapoint = _datapoints(alarm, metrics, missing_operand)
    step = period // 60
    breaches = _BREACHES[alarm["ComparisonOperator"]]
    state, found = INSUFFICIENT_DATA, []
    for minute in range(minutes):
        ends = range(minute - step * (alarm["EvaluationPeriods"] + EXTRA_POINTS - 1), minute + 1, step)
        points = [datapoint(end) for end in ends]
        breaching = [None if point is None else bool(breaches(point, alarm["Threshold"])) for point in points]
        state = judge(alarm, breaching, state)
        found.append(state)
    return found


def _datapoints(alarm: dict[str, Any], metrics: Metrics, missing_operand: Point) -> tuple[int, Callable[[int], Point]]:
    """Return an alarm's period, and a function that returns the datapoint of the period that ends with a minute."""
    if "Metrics" not in alarm:
        return alarm["Period"], cache(_statistic(alarm["Statistic"], alarm["Period"], metrics(alarm)))
    (period,) = {of["MetricStat"]["Period"] for of in alarm["Metrics"] if "MetricStat" in of}
    series = {
        of["Id"]: _statistic(of["MetricStat"]["Stat"], period, metrics(of["MetricStat"]["Metric"]))
        for of in alarm["Metrics"]
        if "MetricStat" in of
    }
    expressions = {of["Id"]: of["Expression"] for of in alarm["Metrics"] if "Expression" in of}
    (result,) = (of["Id"] for of in alarm["Metrics"] if of.get("ReturnData", True))

    def datapoint(end: int) -> Point:
        points = {name: at(end) for name, at in series.items()}
        return Math(points, expressions, missing_operand).value_of(result)

    return period, cache(datapoint)


def _statistic(name: str, period: int, series: Series) -> Callable[[int], Point]:
    """Return a function that returns the statistic of the period that ends with a minute."""

    def at(end: int) -> Point:
        values = [value for minute in range(end - period // 60 + 1, end + 1) for value in series.get(minute, ())]
        return _STATISTICS[name](values) if values else None

    return at


def judge(alarm: dict[str, Any], breaching: Sequence[bool | None], state: str) -> str:
    """Return an alarm's next state.

    Parameters
    ----------
    alarm : dict
        Its properties.
    breaching : sequence of bool or None
        Whether each datapoint breaches, oldest first; None where it is missing.
    state : str
        The state until now.
    """
    periods = alarm["EvaluationPeriods"]
    needed = alarm.get("DatapointsToAlarm", periods)
    existing = [point for point in breaching if point is not None][-periods:]
    filled = periods - len(existing)
    match alarm["TreatMissingData"]:
        case "notBreaching":
            return ALARM if sum(existing) >= needed else OK
        case "breaching":
            return ALARM if sum(existing) + filled >= needed else OK
        case "missing" | "ignore" as treatment:
            if sum(existing) >= needed:
                return ALARM
            if not all(existing):
                return OK
            if treatment == "ignore":
                return state
            # Only breaching points, but too few. An old one suffices.
            old_enough = existing and len(breaching) - breaching.index(True) >= needed
            return ALARM if old_enough else INSUFFICIENT_DATA
    raise ValueError(alarm["TreatMissingData"])

"""A hostile case: data in, the events that are sent out. The members of a case are explained in `cases/README.md`."""

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.conftest import EXAMPLE

FOLDER = Path(__file__).with_name("cases")

REQUEST_MEMBERS = frozenset(
    ("headers", "all_headers", "body", "set", "drop", "replace", "text", "bytes", "base64", "event", "without", "whole")
)
STEP_MEMBERS = REQUEST_MEMBERS | {"times", "parallel", "clock", "faults", "time_left", "expect"}
CASE_MEMBERS = STEP_MEMBERS | {"id", "why", "steps", "environment", "record"}
ANSWER_MEMBERS = frozenset(("status", "code", "faults", "fault_count", "headers", "answered", "max_seconds"))
OUTCOME_MEMBERS = frozenset(
    (
        "statuses",
        "items",
        "agents",
        "replayed",
        "stored",
        "not_stored",
        "absent",
        "calls",
        "unused_faults",
        "log",
        "same_text_as",
    )
)

Case = dict[str, Any]

_PLACEHOLDER = re.compile(r"\{\{([A-Z_]+)\}\}")


def load_cases() -> list[Case]:
    """Read all cases, one to a line."""
    cases = [json.loads(line, parse_float=Decimal) for path in sorted(FOLDER.glob("*.jsonl")) for line in _lines(path)]
    for case in cases:
        _check_members(case)
    return cases


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _check_members(case: Case) -> None:
    """Refuse a case with a member that nothing reads: it would check less than it says."""
    unknown = case.keys() - CASE_MEMBERS
    expect = case.get("expect", {}).keys()
    unknown |= expect - OUTCOME_MEMBERS - (frozenset() if "steps" in case else ANSWER_MEMBERS)
    for step in case.get("steps", []):
        unknown |= (step.keys() - STEP_MEMBERS) | (step["expect"].keys() - ANSWER_MEMBERS)
    for step in steps(case):
        unknown |= step.get("clock", {}).keys() - {"skew", "at"}
        if not step["expect"].keys() & {"status", "statuses"}:
            raise ValueError(f"{case['id']}: a request without a status that is expected")
    if unknown:
        raise ValueError(f"{case['id']}: unknown members {sorted(unknown)}")


def steps(case: Case) -> list[Case]:
    """Return the steps of a case; one without steps is a step itself."""
    own = {name: value for name, value in case.items() if name not in ("steps", "id", "why", "environment", "record")}
    return [{**own, **step} for step in case.get("steps", [{}])]


def _nested(depth: int, inmost: Any) -> Any:
    for _ in range(depth):
        inmost = {"m": inmost}
    return inmost


_GENERATORS: dict[str, Callable[..., Any]] = {
    "$repeat": lambda text, times: text * times,
    "$join": lambda *parts: "".join(parts),
    "$items": lambda item, times: [item] * times,
    "$member": lambda name, value: {name: value},
    "$members": lambda name, times, value: {f"{name}{index:06d}": value for index in range(times)},
    "$nested": _nested,
}


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """Put values in place of ``{{NAME}}`` and of what is to be generated: ``{"$repeat": ["x", 1000]}``."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: names[match[1]], value)
    if isinstance(value, list):
        return [filled(element, names) for element in value]
    if not isinstance(value, dict):
        return value
    content = {filled(name, names): filled(member, names) for name, member in value.items()}
    generator = _GENERATORS.get(next(iter(content), ""))
    return generator(*content.popitem()[1]) if generator else content


def event_of(step: Case, names: Mapping[str, str]) -> Any:
    """Make the event of a step.

    Parameters
    ----------
    step : Case
        Its members say how the event differs from one that creates the API page's example.
    names : Mapping
        Values of the placeholders.
    """
    step = {name: filled(value, names) for name, value in step.items() if name in REQUEST_MEMBERS}
    if "whole" in step:
        return step["whole"]
    about = {
        "requestId": "request-1",
        "stage": "$default",
        "http": {"method": "POST", "path": "/v1/api/agents", "sourceIp": "192.0.2.1"},
    }
    event = {
        "version": "2.0",
        "rawPath": "/v1/api/agents",
        "headers": _headers(step, names),
        "requestContext": about,
        **_body(step),
    }
    for path, value in step.get("event", {}).items():
        _set(event, path.split("."), value)
    for path in step.get("without", []):
        _drop(event, path.split("."))
    return event


def _headers(step: Case, names: Mapping[str, str]) -> Any:
    if "all_headers" in step:
        return step["all_headers"]
    usual = {
        "content-type": "application/json",
        "x-api-key": names["KEY"],
        "x-workspace-id": names["WORKSPACE"],
    }
    return {name: value for name, value in {**usual, **step.get("headers", {})}.items() if value is not None}


def _body(step: Case) -> dict[str, Any]:
    if "bytes" in step:
        return {"body": step["bytes"], "isBase64Encoded": True}
    text = _text(step)
    if step.get("base64"):
        return {"body": base64.b64encode(text.encode()).decode(), "isBase64Encoded": True}
    return {"body": text, "isBase64Encoded": False}


def _text(step: Case) -> str:
    if "text" in step:
        return str(step["text"])
    body = copy.deepcopy(step.get("body", EXAMPLE))
    for pointer, value in step.get("set", {}).items():
        _set(body, pointer.strip("/").split("/"), value)
    for pointer in step.get("drop", []):
        _drop(body, pointer.strip("/").split("/"))
    text = _write(body)
    for old, new in step.get("replace", []):
        if old not in text:
            raise ValueError(f"{old} is not in the body")
        text = text.replace(old, new, 1)
    return text


def _write(body: Any) -> str:
    # Not with the project's own writer, which may rely on there being no member without a name; here there may.
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=lambda number: f"<number {number}>")
    return re.sub('"<number ([^"]*)>"', r"\1", text)


def _set(target: Any, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        target = target[int(name)] if isinstance(target, list) else target.setdefault(name, {})
    target[path[-1]] = value


def _drop(target: Any, path: list[str]) -> None:
    for name in path[:-1]:
        target = target[name]
    del target[path[-1]]


def at(value: Any, pointer: str) -> Any:
    """Return the value at a JSON pointer, or ``…`` when there is none."""
    for name in pointer.strip("/").split("/"):
        if isinstance(value, list):
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return ...
    return value

"""A case of the catalogue, and the events that it sends. `cases/README.md` explains the members of a case."""

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.support.events import http_event
from tests.support.samples import EXAMPLE

FOLDER = Path(__file__).with_name("cases")

REQUEST_MEMBERS = frozenset(
    ("headers", "all_headers", "body", "set", "drop", "replace", "text", "bytes", "base64", "event", "without", "whole")
)
STEP_MEMBERS = REQUEST_MEMBERS | {"times", "parallel", "clock", "faults", "time_left", "expect"}
CASE_MEMBERS = STEP_MEMBERS | {"id", "why", "steps", "environment", "record", "over_http"}
RESPONSE_MEMBERS = frozenset(("status", "code", "errors", "error_count", "headers", "returned", "max_seconds"))
RESULT_MEMBERS = frozenset(
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
    """Read all cases, one per line."""
    cases = [json.loads(line, parse_float=Decimal) for path in sorted(FOLDER.glob("*.jsonl")) for line in _lines(path)]
    for case in cases:
        _check_members(case)
    return cases


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _check_members(case: Case) -> None:
    """Refuse a case with an unknown member, which would check nothing."""
    unknown = case.keys() - CASE_MEMBERS
    expect = case.get("expect", {}).keys()
    unknown |= expect - RESULT_MEMBERS - (frozenset() if "steps" in case else RESPONSE_MEMBERS)
    for step in case.get("steps", []):
        unknown |= (step.keys() - STEP_MEMBERS) | (step["expect"].keys() - RESPONSE_MEMBERS)
    for step in steps(case):
        unknown |= step.get("clock", {}).keys() - {"skew", "at"}
        if not step["expect"].keys() & {"status", "statuses"}:
            raise ValueError(f"{case['id']}: a request without an expected status")
    if unknown:
        raise ValueError(f"{case['id']}: unknown members {sorted(unknown)}")


def steps(case: Case) -> list[Case]:
    """Return the steps of a case. A case without steps is a step itself."""
    own = {
        name: value
        for name, value in case.items()
        if name not in ("steps", "id", "why", "environment", "record", "over_http")
    }
    return [{**own, **step} for step in case.get("steps", [{}])]


def _nested(depth: int, innermost: Any) -> Any:
    for _ in range(depth):
        innermost = {"m": innermost}
    return innermost


_GENERATORS: dict[str, Callable[..., Any]] = {
    "$repeat": lambda text, times: text * times,
    "$join": lambda *parts: "".join(parts),
    "$items": lambda item, times: [item] * times,
    "$member": lambda name, value: {name: value},
    "$members": lambda name, times, value: {f"{name}{index:06d}": value for index in range(times)},
    "$nested": _nested,
}


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """Replace ``{{NAME}}`` and generators such as ``{"$repeat": ["x", 1000]}`` by their values."""
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
    """Return the event of a step, which differs from the API page's example by the members of the step."""
    step = {name: filled(value, names) for name, value in step.items() if name in REQUEST_MEMBERS}
    if "whole" in step:
        return step["whole"]
    event = {**http_event(), "headers": _headers(step, names), **_body(step)}
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
    # Not with the project's own writer, which this tests.
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


def needs_proxy(case: Case) -> bool:
    """Return True when a case needs real HTTP: faults, parallelism, the function's time, calls, or much data."""
    members = {name for step in [case, *case.get("steps", [])] for name in step}
    return bool(members & {"faults", "parallel", "time_left", "over_http"}) or "calls" in case.get("expect", {})

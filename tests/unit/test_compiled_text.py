"""The standard library gets back what the build compiled, only with the same Python, and only for a while."""

import collections
import dataclasses
import re
import sys
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import compiled_text

MODULE = """
import re
from collections import namedtuple
from dataclasses import dataclass
from typing import ForwardRef

@dataclass
class Point:
    x: int
    y: int = 0

Pair = namedtuple("Pair", "first second")
reference = ForwardRef("Point | None")
pattern = re.compile("(?P<word>[a-z]+)-(?P<number>[0-9]+)", re.IGNORECASE)
binary = re.compile(b"[^a-f]+")
scanner = re.Scanner([("[0-9]+", None)])
"""
PATTERNS = 3
"""Patterns in it, that of the scanner included, which has no text and cannot be recorded."""

Load = Callable[[], int]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file for compiled text, and a module in which the standard library compiles some."""
    (tmp_path / "compiles.py").write_text(MODULE, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield tmp_path / "compiled_text.bin"
    forget()


def forget() -> None:
    """Let the next import of the module compile everything."""
    sys.modules.pop("compiles", None)
    re.purge()


def use() -> int:
    """Import the module and use it; return the number of patterns that were parsed."""
    forget()
    parsed = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal parsed
        code = frame.f_code
        parsed += event == "call" and code.co_name == "parse" and code.co_filename.endswith("_parser.py")

    sys.setprofile(note)
    try:
        module: Any = import_module("compiles")
    finally:
        sys.setprofile(None)
    assert module.Point(1) == module.Point(1, 0) != module.Point(2)
    assert repr(module.Point(1)) == "Point(x=1, y=0)"
    assert module.Pair(1, second=2) == (1, 2)
    assert eval(module.reference.__forward_code__, vars(module)) == module.Point | None  # noqa: S307 - its own text
    assert module.pattern.fullmatch("AB-12").groupdict() == {"word": "AB", "number": "12"}
    assert module.pattern.flags == re.compile("x", re.IGNORECASE).flags
    assert module.binary.fullmatch(b"xyz")
    assert not module.binary.fullmatch(b"abc")
    return parsed


def is_replaced() -> bool:
    """Return True when names of the standard library are hidden."""
    hidden = {"exec": dataclasses, "eval": collections, "compile": sys.modules.get("annotationlib", typing)}
    found = {name in vars(module) for name, module in hidden.items()}
    assert len(found) == 1
    return found.pop()


def test_what_was_recorded_is_not_compiled_again(file: Path) -> None:
    assert use() == PATTERNS
    forget()
    compiled_text.record("compiles", file)
    assert not is_replaced()
    end = compiled_text.offer(file)
    try:
        assert is_replaced()
        assert use() == 1
    finally:
        end()

    assert not is_replaced()
    assert use() == PATTERNS


def test_another_text_is_compiled_as_always(file: Path) -> None:
    compiled_text.record("this", file)
    end = compiled_text.offer(file)
    try:
        assert is_replaced()
        assert use() == PATTERNS
    finally:
        end()


@pytest.mark.parametrize("damage", ["missing", "another Python's", "cut off"])
def test_nothing_is_replaced_without_a_proper_file(file: Path, damage: str) -> None:
    compiled_text.record("compiles", file)
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content[:-100] if damage == "cut off" else content.replace(b"cpython", b"another", 1))
    end = compiled_text.offer(file)

    assert not is_replaced()
    end()
    assert use() == PATTERNS


def test_ending_twice_does_no_harm(file: Path) -> None:
    compiled_text.record("compiles", file)
    end = compiled_text.offer(file)
    end()
    end()

    assert use() == PATTERNS

"""Saves a cold start from compiling text that the build has compiled: a quarter of its instructions.

While modules are imported, the standard library compiles text: regular expressions, and what dataclasses, named tuples
and forward references generate. No bytecode file holds the result. So the build imports the function once with Lambda's
Python and writes what came of each text into a file beside this module (`record`). During a cold start the standard
library gets it back by the very text (`offer`).

THIS REPLACES PRIVATE NAMES OF THE STANDARD LIBRARY, so nothing depends on it. A text that is not in the file is
compiled as always. Without the file, with another Python's, or when anything is not as expected, nothing is replaced.
"""

import builtins
import collections
import dataclasses
import marshal
import sys
import typing
from collections.abc import Callable
from importlib import import_module
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

FILE = Path(__file__).with_suffix(".bin")

Codes = dict[tuple[str, str], CodeType]
"""What came of a text that was compiled for ``exec`` or ``eval``."""
Patterns = dict[tuple[str | bytes, int], tuple[Any, ...]]
"""What the engine of regular expressions is called with for a pattern and its flags."""


def offer(file: Path = FILE) -> Callable[[], None]:
    """Give the standard library what the build has compiled; return the function that ends it."""
    try:
        content, version = file.read_bytes(), _version()
        if content.startswith(version):
            return _replace(*marshal.loads(content[len(version) :]))  # noqa: S302 - the build has written it
    except Exception:  # noqa: BLE001, S110 - a slow start is better than none
        pass
    return lambda: None


def record(module: str, file: Path = FILE) -> None:
    """Import a module and write the file. The build runs this in a process of its own."""
    codes, patterns = _Requested(), _Requested()
    end = _replace(codes, patterns)
    import_module(module)
    texts, expressions = list(codes), list(patterns)
    end()
    compiled: tuple[Codes, Patterns] = (
        {(text, mode): builtins.compile(text, "<string>", mode) for text, mode in texts},
        # int: the library has kinds of its own, which cannot be written to a file.
        {(pattern, int(flags)): _engine_arguments(pattern, flags) for pattern, flags in expressions},
    )
    file.write_bytes(_version() + marshal.dumps(compiled))


class _Requested(dict[Any, Any]):
    """Has nothing, and keeps the texts that were looked up."""

    def get(self, key: Any, default: Any = None) -> Any:  # noqa: ANN401 - as in dict
        if isinstance(key[0], str | bytes):
            self[key] = None
        return default


def _pattern_compiler() -> dict[str, Any]:
    """Return the names in the module that compiles regular expressions."""
    return vars(sys.modules["re._compiler"])


def _version() -> bytes:
    """Return what a file begins with: the version of Python, of its bytecode and of its regular expressions."""
    engine = _pattern_compiler()["_sre"]
    return repr((sys.implementation.cache_tag, MAGIC_NUMBER, engine.MAGIC, engine.CODESIZE)).encode()


def _replace(codes: Codes, patterns: Patterns) -> Callable[[], None]:
    """Let the standard library look here before it compiles; return the function that ends it."""
    pattern_compiler = _pattern_compiler()
    compile_pattern, engine = pattern_compiler["compile"], pattern_compiler["_sre"]

    def exec_text(text: str, *scopes: dict[str, Any]) -> None:
        builtins.exec(codes.get((text, "exec"), text), *scopes)  # noqa: S102 - the library's own text

    def eval_text(text: str, *scopes: dict[str, Any]) -> object:
        return builtins.eval(codes.get((text, "eval"), text), *scopes)  # noqa: S307 - the same

    def compile_text(text: str, filename: str, mode: str) -> CodeType:
        return codes.get((text, mode)) or builtins.compile(text, filename, mode)

    def find_pattern(pattern: str | bytes, flags: int = 0) -> object:
        arguments = patterns.get((pattern, flags))
        return engine.compile(*arguments) if arguments else compile_pattern(pattern, flags)

    # In these modules' own names, each hides the built-in one.
    hidden: list[tuple[ModuleType, str, object]] = [
        (dataclasses, "exec", exec_text),
        (collections, "eval", eval_text),
        (sys.modules.get("annotationlib", typing), "compile", compile_text),  # annotationlib from Python 3.14 on
    ]
    for module, name, function in hidden:
        vars(module)[name] = function
    pattern_compiler["compile"] = find_pattern

    def end() -> None:
        for module, name, _ in hidden:
            vars(module).pop(name, None)
        pattern_compiler["compile"] = compile_pattern
        codes.clear()
        patterns.clear()

    return end


def _engine_arguments(pattern: str | bytes, flags: int) -> tuple[Any, ...]:
    """Compile a pattern; return what the engine is called with."""
    pattern_compiler = _pattern_compiler()
    engine = pattern_compiler["_sre"]
    calls: list[tuple[Any, ...]] = []

    class Engine:
        def __getattr__(self, name: str) -> object:
            return getattr(engine, name)

        def compile(self, *arguments: object) -> object:
            calls.append(arguments)
            return engine.compile(*arguments)

    pattern_compiler["_sre"] = Engine()
    try:
        pattern_compiler["compile"](pattern, flags)
    finally:
        pattern_compiler["_sre"] = engine
    ((text, all_flags, code, *others),) = calls
    return (text, int(all_flags), [int(word) for word in code], *others)

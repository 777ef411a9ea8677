"""What in an OpenAPI document breaks callers of an earlier one."""

from collections.abc import Iterator
from typing import Any


def breaking_changes(old: Any, new: Any) -> list[str]:
    """Name what callers relied on and is gone, and what they must send and did not have to."""
    (had, sent), (has, must_send) = _terms(old), _terms(new)
    # What is required within a part that is new itself breaks nobody.
    required = [field for field in must_send - sent if field.rpartition(".")[0] in had]
    return sorted([f"gone: {term}" for term in had - has] + [f"required: {field}" for field in required])


def _terms(document: Any) -> tuple[set[str], set[str]]:
    """Return what callers can rely on, and what they must send."""
    promised, required = set(), set()
    for name, operation in [(f"{m} {p}", it) for p, path in document["paths"].items() for m, it in path.items()]:
        promised.add(name)
        required |= {f"{name}.{parameter['name']}" for parameter in operation["parameters"] if "required" in parameter}
        for field, schema in _fields(document, operation.get("requestBody", {}), f"{name} body"):
            promised |= {field, *(f"{field} = {value}" for value in schema.get("enum", ["any value"]))}
            required |= {f"{field}.{member}" for member in schema.get("required", ())}
        for status, response in operation["responses"].items():
            for field, schema in _fields(document, response, f"{name} {status}"):
                promised |= {field, *(f"{field}.{member}, always" for member in schema.get("required", ()))}
    return promised, required


def _fields(document: Any, schema: Any, path: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield a schema and all within it, each with its path."""
    schema = schema.get("content", {}).get("application/json", {}).get("schema", schema)
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = document["components"]["schemas"][name]
    yield path, schema
    parts = [(f".{member}", part) for member, part in schema.get("properties", {}).items()]
    parts += [(f"|{part.get('$ref', '')}", part) for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))]
    parts += [("[]", schema["items"])] if "items" in schema else []
    for step, part in parts if name not in seen else ():  # a schema can contain itself
        yield from _fields(document, part, path + step, (*seen, name) if name else seen)

"""The OpenAPI document as the law: finds the operation of a request and refuses what the document does not allow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .errors import ApiError

PATH = Path(__file__).with_name("openapi.yaml")
_METHODS = ("get", "post", "put", "patch", "delete")
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document: its id, its success status, its query parameters and its body."""

    name: str
    method: str
    path: str
    query: dict[str, dict[str, Any]]
    required: tuple[str, ...]
    body: dict[str, Any] | None
    statuses: tuple[int, ...]

    def missing(self) -> int:
        """The status for an id that does not exist: 404, where only 400 is documented 400."""
        return 400 if 400 in self.statuses and 404 not in self.statuses else 404


@cache
def load() -> dict[str, Any]:
    """The document as it is."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(PATH.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    return document


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """A node of the document, or what its `$ref` points at."""
    while "$ref" in node:
        reference, node = node["$ref"], load()
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    return node


@cache
def operations() -> list[tuple[re.Pattern[str], dict[str, Operation]]]:
    """Every path of the document as a pattern, those without parameters first, with its operations by method."""
    paths = load()["paths"]
    found = []
    for path in sorted(paths, key=lambda path: (path.count("{"), path)):
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))
        shared = paths[path].get("parameters", [])
        found.append(
            (pattern, {m.upper(): _operation(m, path, shared, paths[path][m]) for m in _METHODS if m in paths[path]})
        )
    return found


def _operation(method: str, path: str, shared: list[dict[str, Any]], node: dict[str, Any]) -> Operation:
    parameters = [resolve(parameter) for parameter in [*shared, *node.get("parameters", [])]]
    query = {}
    for parameter in parameters:
        if parameter["in"] == "query":
            # Value lists that the provider gives in prose stand beside the schema or inside of it.
            values = parameter.get("x-available-values")
            query[parameter["name"]] = resolve(parameter["schema"]) | ({"enum": values} if values else {})
    body = node.get("requestBody")
    return Operation(
        name=node["operationId"],
        method=method.upper(),
        path=path,
        query=query,
        required=tuple(p["name"] for p in parameters if p["in"] == "query" and p.get("required")),
        body=body["content"]["application/json"]["schema"] if body else None,
        statuses=tuple(int(status) for status in node["responses"]),
    )


def find(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation of a request and its path parameters; 404 for an unknown path, 405 for a wrong method."""
    known: set[str] = set()
    for pattern, by_method in operations():
        match = pattern.fullmatch(path)
        if match is None:
            continue
        if method in by_method:
            return by_method[method], match.groupdict()
        known |= set(by_method)
    if known:
        allowed = ", ".join(sorted(known))
        raise ApiError(405, f"Method {method[:20]} is not allowed here, allowed: {allowed}", allowed)
    raise ApiError(404, "Not found")


def check_query(operation: Operation, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """The query parameters in their types; ApiError 400 names the one that is wrong."""
    values: dict[str, Any] = {}
    for name, text in pairs:
        schema = operation.query.get(name)
        if schema is None:
            raise ApiError(400, f"Unknown query parameter '{name[:60]}'")
        if name in values:
            raise ApiError(400, f"Query parameter '{name}' is given twice")
        values[name] = _parameter(name, text, schema)
    for name in operation.required:
        if name not in values:
            raise ApiError(400, f"Query parameter '{name}' is required")
    return values


def _parameter(name: str, text: str, schema: dict[str, Any]) -> Any:
    value: Any = text
    if schema["type"] == "integer":
        if not _INTEGER.fullmatch(text):
            raise ApiError(400, f"{name} must be an integer")
        value = int(text)
        if schema.get("format") == "int32" and not -(2**31) <= value < 2**31:
            raise ApiError(400, f"{name} must be an integer of 32 bits")
    elif schema["type"] == "boolean":
        if text not in ("true", "false"):
            raise ApiError(400, f"{name} must be true or false")
        value = text == "true"
    elif "x-available-values" in schema:
        schema = {**schema, "enum": schema["x-available-values"]}
        # Lists are comma-separated in one string.
        for part in text.split(",") if name.endswith(("Statuses", "Types")) else [text]:
            check(part, schema, name)
        return value
    check(value, schema, name)
    return value


def check(value: Any, schema: dict[str, Any], place: str) -> None:
    """Refuse a JSON value that its schema does not allow, fields it does not know included."""
    schema = resolve(schema)
    kind = schema.get("type")
    if value is None and schema.get("nullable"):
        return
    if not _is_a(value, kind):
        raise ApiError(400, f"{place} must be {'an' if kind in ('array', 'object', 'integer') else 'a'} {kind}")
    allowed = schema.get("enum") or schema.get("x-available-values")
    if allowed and value not in allowed:
        raise ApiError(400, f"{place} must be one of {', '.join(map(str, allowed))}")
    if kind == "string" and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10_000):
        raise ApiError(400, f"{place} has the wrong length")
    if "minimum" in schema and value < schema["minimum"]:
        raise ApiError(400, f"{place} must be at least {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        raise ApiError(400, f"{place} must be at most {schema['maximum']}")
    if kind == "array":
        for position, entry in enumerate(value):
            check(entry, schema["items"], f"{place}[{position}]")
    if kind == "object":
        _check_object(value, schema, place)


def _check_object(value: dict[str, Any], schema: dict[str, Any], place: str) -> None:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            raise ApiError(400, f"{place}.{name} is required")
    for name, entry in value.items():
        if name not in known:
            raise ApiError(400, f"{place}.{name[:60]} is not a known field")
        check(entry, known[name], f"{place}.{name}")


def _is_a(value: Any, kind: str | None) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
    return True

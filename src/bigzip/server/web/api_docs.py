"""The API's documentation as a page, made from its OpenAPI description, without scripts or other hosts."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bigzip.server.web.page import environment

_METHODS: Final = ("get", "post", "put", "delete")
_MAX_DEPTH: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A parameter, or a field of a body."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What can be asked for."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[Field]
    bodies: list[tuple[str, list[Field], str]]
    """Media type, fields, example."""
    answers: list[tuple[str, str, list[Field]]]
    """Status, description, fields."""


def api_page(description: Mapping[str, Any]) -> str:
    """The page for an OpenAPI description."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in description["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = _operation(description, method, path, methods[method])
                groups.setdefault(next(iter(methods[method].get("tags", [])), "other"), []).append(operation)
    return environment.get_template("api.html").render(
        title="API", version=description["info"]["version"], groups=groups
    )


def _operation(whole: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    bodies = operation.get("requestBody", {}).get("content", {})
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        parameters=[
            Field(
                name=parameter["name"],
                kind=_kind(whole, parameter.get("schema", {})),
                required=parameter.get("required", False),
                description=parameter.get("description", parameter.get("schema", {}).get("description", "")),
            )
            for parameter in operation.get("parameters", [])
        ],
        bodies=[
            (media_type, list(_fields(whole, body.get("schema", {}))), _example(body))
            for media_type, body in bodies.items()
        ],
        answers=[
            (status, answer.get("description", ""), list(_fields(whole, _schema_of(answer))))
            for status, answer in operation.get("responses", {}).items()
        ],
    )


def _schema_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    body = answer.get("content", {}).get("application/json", {})
    schema: Mapping[str, Any] = body.get("schema", {})
    return schema


def _example(body: Mapping[str, Any]) -> str:
    example = body.get("example")
    if example is None:
        return ""
    return example if isinstance(example, str) else json.dumps(example, indent=2)


def _fields(whole: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[Field]:
    """The fields of an object, those of objects in it by their paths."""
    schema = _resolved(whole, schema)
    if schema.get("type") == "array" and depth < _MAX_DEPTH:
        yield from _fields(whole, schema.get("items", {}), f"{prefix}[]", depth + 1)
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        known = _resolved(whole, field)
        yield Field(
            name=path,
            kind=_kind(whole, field),
            required=name in schema.get("required", ()),
            description=field.get("description", known.get("description", "") if known.get("type") != "object" else ""),
        )
        if depth < _MAX_DEPTH and known.get("type") in ("object", "array"):
            yield from _fields(whole, known, path, depth + 1)


def _resolved(whole: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    known: Mapping[str, Any] = whole["components"]["schemas"][reference.rpartition("/")[2]]
    return known


def _kind(whole: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolved(whole, schema)
    if "anyOf" in schema:
        return " or ".join(_kind(whole, one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = str(schema.get("format", schema.get("type", "")))
    return f"list of {_kind(whole, schema.get('items', {}))}s" if kind == "array" else kind

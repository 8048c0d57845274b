"""Random JSON Schemas: every keyword that the diff decides, in the shapes people write."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["KEYWORDS", "PATTERNS", "dicts", "histogram", "part", "schema"]

NAMES = ("a", "b", "c", "id", "kind", "note", "x_1", "x_2")
PATTERNS = (
    "^[a-z]+$",
    "^[a-z]*$",
    "^[a-zA-Z]+$",
    "^x_",
    "_",
    "^.{2,4}$",
    r"^\d+$",
    r"^\d{2}-\d{2}$",
    "^(ab|cd)*$",
    "^a",
    "b$",
    "^[^0-9]*$",
    "a|b",
    "^$",
    r"^\w+@\w+\.com$",
    "^(a|b|id|note)$",
    ".",
)
FORMATS = ("date", "date-time", "email", "uri", "uuid")
KINDS = ("null", "boolean", "integer", "number", "string", "array", "object")
SCALARS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    2,
    3,
    5,
    -1,
    1.0,
    0.5,
    2.5,
    10,
    "",
    "a",
    "b",
    "ab",
    "abc",
    "x_1",
    "12",
)

KEYWORDS = frozenset(
    {
        "type",
        "enum",
        "const",
        "required",
        "properties",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "items",
        "prefixItems",
        "contains",
        "minContains",
        "maxContains",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "multipleOf",
        "uniqueItems",
        "pattern",
        "format",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "$ref",
        "$defs",
    }
)


def schema(chance: random.Random, depth: int = 3) -> dict[str, Any]:
    """Return a random schema; one in six refers to definitions, some of them recursive."""
    made = _schema(chance, depth)
    if not isinstance(made, dict):
        made = {"type": "object", "properties": {"a": made}}
    if chance.random() < 0.17:
        _define(made, chance)
    return made


def part(chance: random.Random, depth: int) -> Any:
    """Return a random schema that can stand anywhere in another: it defines nothing."""
    return _schema(chance, depth)


def _define(made: dict[str, Any], chance: random.Random) -> None:
    inner = _schema(chance, 1)
    if chance.random() < 0.4:
        link: Any = {"$ref": "#/$defs/t"}
        inner = {"type": "object", "properties": {"v": inner, "next": link}}
        if chance.random() < 0.5:
            inner["properties"]["kids"] = {"type": "array", "items": link}
        if chance.random() < 0.7:
            inner["required"] = ["v"]
    made["$defs"] = {"t": inner}
    places = [made, *(place for place in dicts(made) if place is not inner)]
    chosen = chance.choice(places)
    if chosen.get("properties"):
        chosen["properties"][chance.choice([*chosen["properties"]])] = {"$ref": "#/$defs/t"}
    elif "$ref" not in chosen:
        made["properties"] = {**made.get("properties", {}), "r": {"$ref": "#/$defs/t"}}


def dicts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the schemas within a schema, itself and the `$defs` included."""
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword, value in schema.items():
        if keyword in ("properties", "patternProperties", "dependentSchemas", "$defs"):
            for inner in value.values():
                yield from dicts(inner)
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for inner in value:
                yield from dicts(inner)
        elif keyword not in ("enum", "const", "default", "required", "dependentRequired"):
            yield from dicts(value)


def _schema(chance: random.Random, depth: int, like: str | None = None) -> Any:
    roll = chance.random() if like is None else 1.0
    if roll < 0.04:
        return chance.random() < 0.75
    if roll < 0.11:
        return {"enum": _few(chance)}
    if roll < 0.15:
        return {"const": chance.choice(SCALARS)}
    kinds = ("object", "object", "array", *KINDS) if depth > 1 else KINDS
    kind = like or chance.choice(kinds)
    made = _OF_KIND[kind](chance, depth) if depth > 0 else {}
    if chance.random() < 0.88:
        made = {"type": kind, **made}
        if chance.random() < 0.08:
            made["type"] = sorted({kind, chance.choice(KINDS)})
    if depth > 0 and chance.random() < 0.3:
        # Parts of another type say nothing, or nothing is left; so most are of the same.
        made.update(_combined(chance, depth, kind if chance.random() < 0.8 else None))
    if chance.random() < 0.05 and "description" not in made:
        made["description"] = "Some words."
    return made


def _few(chance: random.Random) -> list[Any]:
    values: list[Any] = []
    for value in chance.sample(SCALARS, chance.randint(1, 4)):
        if not any(value == other and type(value) is type(other) for other in values):
            values.append(value)
    if chance.random() < 0.1:
        values.append(chance.choice([[], {}, [1], {"a": 1}]))
    return values


def _number(chance: random.Random, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if chance.random() < 0.5:
        made[chance.choice(["minimum", "minimum", "exclusiveMinimum"])] = chance.choice(
            [0, 1, -2, 0.5, 3, 10]
        )
    if chance.random() < 0.5:
        made[chance.choice(["maximum", "maximum", "exclusiveMaximum"])] = chance.choice(
            [1, 3, 5, 9.5, 10, 100]
        )
    if chance.random() < 0.35:
        made["multipleOf"] = chance.choice([1, 2, 3, 5, 0.5, 0.1, 0.01, 2.5])
    return made


def _string(chance: random.Random, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if chance.random() < 0.35:
        made["minLength"] = chance.choice([0, 1, 2, 3])
    if chance.random() < 0.35:
        made["maxLength"] = chance.choice([0, 2, 3, 4, 8])
    if chance.random() < 0.4:
        made["pattern"] = chance.choice(PATTERNS)
    if chance.random() < 0.2:
        made["format"] = chance.choice(FORMATS)
    return made


def _array(chance: random.Random, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if chance.random() < 0.65:
        made["items"] = _schema(chance, depth - 1)
    if chance.random() < 0.2:
        made["prefixItems"] = [_schema(chance, depth - 1) for _ in range(chance.randint(1, 2))]
    if chance.random() < 0.25:
        made["contains"] = _schema(chance, depth - 1)
        if chance.random() < 0.45:
            made["minContains"] = chance.choice([0, 1, 2])
        if chance.random() < 0.45:
            made["maxContains"] = chance.choice([1, 2, 3])
    if chance.random() < 0.3:
        made["minItems"] = chance.choice([0, 1, 2, 3])
    if chance.random() < 0.3:
        made["maxItems"] = chance.choice([1, 2, 3, 5])
    if chance.random() < 0.25:
        made["uniqueItems"] = chance.random() < 0.85
    return made


def _object(chance: random.Random, depth: int) -> dict[str, Any]:
    names = chance.sample(NAMES, chance.randint(0, 4))
    made: dict[str, Any] = {"properties": {name: _schema(chance, depth - 1) for name in names}}
    pool = names if names and chance.random() < 0.9 else list(NAMES)
    if chance.random() < 0.5:
        made["required"] = chance.sample(pool, min(len(pool), chance.randint(1, 2)))
    if chance.random() < 0.4:
        made["additionalProperties"] = (
            False if chance.random() < 0.6 else _schema(chance, depth - 1)
        )
    if chance.random() < 0.14:
        made["patternProperties"] = {chance.choice(PATTERNS): _schema(chance, depth - 1)}
    if chance.random() < 0.12:
        made["propertyNames"] = chance.choice(
            [{"pattern": chance.choice(PATTERNS)}, {"maxLength": 3}, {"enum": ["a", "b", "id"]}]
        )
    if chance.random() < 0.14:
        made["minProperties"] = chance.choice([1, 2])
    if chance.random() < 0.14:
        made["maxProperties"] = chance.choice([1, 2, 3])
    if chance.random() < 0.12:
        made["dependentRequired"] = {chance.choice(NAMES): [chance.choice(NAMES)]}
    if chance.random() < 0.1:
        made["dependentSchemas"] = {chance.choice(NAMES): _schema(chance, depth - 1)}
    return made


def _nothing(chance: random.Random, depth: int) -> dict[str, Any]:
    return {}


_OF_KIND: Mapping[str, Callable[[random.Random, int], dict[str, Any]]] = MappingProxyType(
    {
        "null": _nothing,
        "boolean": _nothing,
        "integer": _number,
        "number": _number,
        "string": _string,
        "array": _array,
        "object": _object,
    }
)


def _combined(chance: random.Random, depth: int, like: str | None) -> dict[str, Any]:
    keyword = chance.choice(["anyOf", "oneOf", "allOf", "not", "if"])
    if keyword == "not":
        return {"not": _schema(chance, depth - 1, like)}
    if keyword == "if":
        made = {"if": _schema(chance, depth - 1, like)}
        if chance.random() < 0.8:
            made["then"] = _schema(chance, depth - 1, like)
        if chance.random() < 0.6:
            made["else"] = _schema(chance, depth - 1, like)
        return made
    return {keyword: [_schema(chance, depth - 1, like) for _ in range(chance.randint(1, 3))]}


def histogram(schema: Any) -> Counter[str]:
    """Return which keywords a schema has, each counted once."""
    return Counter({keyword for inner in dicts(schema) for keyword in inner if keyword in KEYWORDS})

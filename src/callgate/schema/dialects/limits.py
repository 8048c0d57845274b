"""How large strict schemas are, and which tools of a request may be strict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from callgate.schema.dialects.merge import values_of
from callgate.schema.dialects.wires import NO_LIMITS, Limits
from callgate.schema.values import is_array, is_object
from callgate.types import JsonSchema

__all__ = ["NO_SIZE", "Size", "exceeded", "measure"]

_MANY_VALUES = 250

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "tools": "strict tools",
        "optional": "optional properties",
        "unions": "places with several types",
        "properties": "properties",
        "depth": "levels",
        "values": "values of enums",
        "characters": "characters of names and values",
        "long_values": "characters of values in one long enum",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What counts against `Limits`, by the same names."""

    tools: int = 0
    optional: int = 0
    unions: int = 0
    properties: int = 0
    depth: int = 0
    values: int = 0
    characters: int = 0
    long_values: int = 0

    def __add__(self, other: Size) -> Size:
        """Return the size of both together."""
        return Size(**{name: getattr(self, name) + getattr(other, name) for name in _WORDS})


NO_SIZE = Size()
"""Nothing that counts."""


def exceeded(size: Size, limits: Limits) -> str | None:
    """Return the bound that a size exceeds, in words; None if it stays within all.

    Args:
        size: The size of one schema, or of several together.
        limits: The bounds.
    """
    if limits is NO_LIMITS:
        return None
    for name, words in _WORDS.items():
        count, most = getattr(size, name), getattr(limits, name)
        if most is not None and count > most:
            return f"{count} {words}, at most {most} are accepted"
    return None


def measure(schema: JsonSchema) -> Size:
    """Return the size of a compiled schema.

    Optional properties and places with several types count as often as a definition is referred
    to, because a grammar has them that often.

    Args:
        schema: A strict schema in JSON Schema.
    """
    return _Count(schema).size()


class _Count:
    def __init__(self, schema: JsonSchema) -> None:
        self._definitions: JsonSchema = schema.get("$defs", {})
        self._open: set[str] = set()
        self._written: set[str] = set()
        self._root = schema
        self._optional = self._unions = self._properties = self._depth = 0
        self._values = self._characters = self._long = 0

    def size(self) -> Size:
        self._characters = sum(map(len, self._definitions))
        self._visit(self._root, 1, again=False)
        return Size(
            tools=1,
            optional=self._optional,
            unions=self._unions,
            properties=self._properties,
            depth=self._depth,
            values=self._values,
            characters=self._characters,
            long_values=self._long,
        )

    def _visit(self, schema: JsonSchema, depth: int, *, again: bool) -> None:
        if "$ref" in schema:
            self._follow(schema["$ref"].removeprefix("#/$defs/"), depth)
            return
        types = schema.get("type")
        if "anyOf" in schema or is_array(types):
            self._unions += 1
        properties: JsonSchema = schema.get("properties", {})
        self._optional += len(properties) - len(schema.get("required", ()))
        if types in ("object", "array"):
            self._depth = max(self._depth, depth)
        if not again:
            self._properties += len(properties)
            self._characters += sum(map(len, properties))
            self._count_values(schema)
        for inner in _inner(schema):
            self._visit(inner, depth + ("anyOf" not in schema), again=again)

    def _follow(self, name: str, depth: int) -> None:
        if name in self._open:
            return
        self._open.add(name)
        self._visit(self._definitions[name], depth, again=name in self._written)
        self._written.add(name)
        self._open.discard(name)

    def _count_values(self, schema: JsonSchema) -> None:
        if "enum" not in schema and "const" not in schema:
            return
        values = values_of(schema)
        texts = [str(value) for value in values]
        length = sum(map(len, texts))
        self._values += len(values)
        self._characters += length
        if len(values) > _MANY_VALUES:
            self._long = max(self._long, length)


def _inner(schema: JsonSchema) -> Iterator[JsonSchema]:
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", ())
    items: Any = schema.get("items")
    if is_object(items):
        yield items

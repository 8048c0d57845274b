"""One way in which a value may be valid, asked while the value is still being written."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import cached_property
from math import inf
from types import MappingProxyType
from typing import Any

from callgate.schema.stream_words import article, kind_of, listed, same
from callgate.schema.values import is_array, is_object
from callgate.types import JsonSchema

__all__ = ["SCALARS", "Case", "Schemas", "UnclearError"]

Schemas = tuple[JsonSchema, ...]
"""Schemas that hold together."""

SCALARS = MappingProxyType(
    {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
)
"""JSON types by the Python types of whole scalars."""

_KINDS = frozenset({"array", "boolean", "null", "number", "object", "string"})
_COMPARED = {
    "maximum": operator.le,
    "exclusiveMaximum": operator.lt,
    "minimum": operator.ge,
    "exclusiveMinimum": operator.gt,
}
_BOUNDS = {
    "maxItems": "at most {} items",
    "maxLength": "at most {} characters",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "at least {} items",
    "minLength": "at least {} characters",
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
}


class UnclearError(Exception):
    """The schema says something that is not followed here."""


class Case:
    """Plain schemas that hold together.

    Attributes:
        schemas: The schemas.
        kinds: JSON types a value may have; integers are numbers.
        types: What each `type` of the schemas lists.
        options: What each `enum` and `const` of the schemas lists.
    """

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas
        self.types = [frozenset(_listed(schema["type"])) for schema in schemas if "type" in schema]
        self.options: list[list[Any]] = [
            *(schema["enum"] for schema in schemas if "enum" in schema),
            *([schema["const"]] for schema in schemas if "const" in schema),
        ]
        kinds = _KINDS
        for types in self.types:
            kinds &= {"number" if name == "integer" else name for name in types}
        for options in self.options:
            kinds &= {kind_of(option) for option in options}
        self.kinds = kinds
        self._whole = any("integer" in types and "number" not in types for types in self.types)
        self._longest = min(self._numbers("maxLength"), default=inf)
        self._shortest = max(self._numbers("minLength"), default=0)
        self._most_items = min(self._numbers("maxItems"), default=inf)
        self._fewest_items = max(self._numbers("minItems"), default=0)
        self._bounds = [
            (compare, bound)
            for keyword, compare in _COMPARED.items()
            for bound in self._numbers(keyword)
        ]

    def _numbers(self, keyword: str) -> list[Any]:
        values = [schema[keyword] for schema in self.schemas if keyword in schema]
        return [value for value in values if type(value) in (int, float)]

    def plainly(self, kind: type) -> bool:
        """Tell whether every value of a Python type is possible."""
        name = SCALARS[kind]
        if name not in self.kinds or self.options:
            return False
        if name == "string":
            return self._longest == inf and self._shortest == 0
        return name != "number" or not (self._bounds or (self._whole and kind is float))

    @property
    def ample(self) -> float:
        """Up to how many characters any string is possible; -1 if only some strings are."""
        return -1 if self.options or "string" not in self.kinds else self._longest

    def takes(self, value: Any) -> bool:
        """Tell whether a whole scalar is possible."""
        kind = kind_of(value)
        if kind not in self.kinds:
            return False
        if not all(any(same(value, option) for option in options) for options in self.options):
            return False
        if kind == "string":
            return self._shortest <= len(value) <= self._longest
        if kind == "number":
            if self._whole and isinstance(value, float) and not value.is_integer():
                return False
            return all(compare(value, bound) for compare, bound in self._bounds)
        return True

    def begins(self, head: str, length: int) -> bool:
        """Tell whether a string is possible that begins with `head` and has `length` characters."""
        return (
            "string" in self.kinds
            and length <= self._longest
            and all(
                any(isinstance(option, str) and option.startswith(head) for option in options)
                for options in self.options
            )
        )

    def member(self, name: str | None) -> Schemas | None:
        """Return what holds for a member of an object; None for one that is not allowed.

        Args:
            name: Its name, or None for any that is declared nowhere.
        """
        found: list[Any] = []
        for schema in self.schemas:
            if _object(schema, "patternProperties"):
                raise UnclearError
            declared = _object(schema, "properties")
            found.append(
                declared[name] if name in declared else schema.get("additionalProperties", True)
            )
        return _plain(found)

    @cached_property
    def names(self) -> dict[str, Any]:
        """All names that are declared, in their order."""
        return dict.fromkeys(
            name for schema in self.schemas for name in _object(schema, "properties")
        )

    @cached_property
    def closed(self) -> bool:
        """Whether other names are not allowed."""
        patterns = any(_object(schema, "patternProperties") for schema in self.schemas)
        return not patterns and self.member(None) is None

    def item(self, index: int) -> Schemas | None:
        """Return what holds for an item of an array; None for one that is not allowed."""
        if index >= self._most_items:
            return None
        found: list[Any] = []
        for schema in self.schemas:
            first: list[Any] = schema.get("prefixItems", [])
            found.append(first[index] if index < len(first) else schema.get("items", True))
        return _plain(found)

    @cached_property
    def settled(self) -> int:
        """The index from which on all items are alike."""
        first = max((len(schema.get("prefixItems", ())) for schema in self.schemas), default=0)
        return first if self._most_items == inf else max(first, int(self._most_items))

    @cached_property
    def required(self) -> list[str]:
        """Names of members that must be there."""
        return [name for schema in self.schemas for name in schema.get("required", ())]

    def enough(self, holder: Sequence[Any]) -> bool:
        """Tell whether an array has all its items."""
        return len(holder) >= self._fewest_items

    def words(self) -> str:
        """Return what is allowed, for people and models."""
        if self.options:
            return f"one of {listed(self.options[0])}"
        bounds = [
            words.format(value)
            for keyword, words in _BOUNDS.items()
            for value in self._numbers(keyword)
        ]
        kinds = ["integer" if kind == "number" and self._whole else kind for kind in self.kinds]
        types = " or ".join(sorted(map(article, kinds))) if self.kinds < _KINDS else "a value"
        return types + "".join(f", {words}" for words in bounds)


def _object(schema: JsonSchema, keyword: str) -> dict[str, Any]:
    return schema.get(keyword, {})


def _plain(schemas: Sequence[Any]) -> Schemas | None:
    """Return schemas that hold together; None if one of them allows nothing."""
    if any(schema is False for schema in schemas):
        return None
    return tuple(schema for schema in schemas if is_object(schema))


def _listed(types: Any) -> list[str]:
    return types if is_array(types) else [types]

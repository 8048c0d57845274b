"""Values that a schema lists: their types, and the strings that stand for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

from callgate.schema.canonical import canonical
from callgate.schema.dialects.merge import values_of
from callgate.schema.values import is_object

__all__ = ["apart", "fits", "kinds_of", "written"]


def written(values: list[Any]) -> dict[str, Any]:
    """Return the values by strings that stand for them, each for one: JSON text if need be."""
    found = {
        value if isinstance(value, str) else orjson.dumps(value).decode(): value for value in values
    }
    if len(found) == len(values):
        return found
    return {orjson.dumps(value).decode(): value for value in values}


_KINDS: Mapping[type, str] = MappingProxyType(
    {
        bool: "boolean",
        dict: "object",
        float: "number",
        int: "integer",
        list: "array",
        str: "string",
        type(None): "null",
    }
)


def fits(value: Any, types: list[str]) -> bool:
    """Tell whether a value is of one of the types."""
    kind = _KINDS[type(value)]
    return kind in types or (
        "number" in types
        if kind == "integer"
        else "integer" in types and kind == "number" and value.is_integer()
    )


def kinds_of(values: list[Any], types: list[str] | None) -> list[str]:
    """Return the types of values, by the names that the schema uses."""
    kinds = list(dict.fromkeys(_KINDS[type(value)] for value in values))
    if types is not None:
        # 1 fits a number, and 1.0 an integer.
        other = {"integer": "number", "number": "integer"}
        kinds = [kind if kind in types else other[kind] for kind in kinds]
    return [kind for kind in dict.fromkeys(kinds) if kind != "integer" or "number" not in kinds]


def apart(schemas: list[Any]) -> bool:
    """Tell whether all schemas are lists of values, and no value is in two."""
    lists = [values_of(schema) if is_object(schema) else [] for schema in schemas]
    values = [canonical(value) for held in lists for value in held]
    return all(lists) and len(set(values)) == len(values)

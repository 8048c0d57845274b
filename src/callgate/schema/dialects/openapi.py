"""Writes a compiled schema as the OpenAPI 3.0 `Schema` that Gemini's `parameters` are."""

from __future__ import annotations

from typing import Any

from callgate.schema.values import is_array, is_object
from callgate.types import JsonSchema

__all__ = ["as_openapi"]

_NULL = {"type": "null"}


def as_openapi(schema: JsonSchema) -> JsonSchema:
    """Return a compiled schema with types in upper case and null as `nullable`.

    Args:
        schema: A schema of the dialect for Gemini's `parameters`.
    """
    if "anyOf" in schema:
        return _any_of(schema)
    out = {keyword: _inner(keyword, value) for keyword, value in schema.items()}
    types = out["type"]
    if is_array(types):
        out["type"] = next(kind for kind in types if kind != "null")
        out["nullable"] = True
        if "enum" in out:
            out["enum"] = [value for value in out["enum"] if value is not None]
    out["type"] = out["type"].upper()
    return out


def _inner(keyword: str, value: Any) -> Any:
    if keyword == "properties":
        return {name: as_openapi(inner) for name, inner in value.items()}
    return as_openapi(value) if keyword == "items" and is_object(value) else value


def _any_of(schema: JsonSchema) -> JsonSchema:
    """Write alternatives: `any_of` must stand alone, so the first one takes what stood beside."""
    options = [as_openapi(option) for option in schema["anyOf"] if option != _NULL]
    first = options[0]
    if len(options) < len(schema["anyOf"]):
        first["nullable"] = True
    if words := schema.get("description"):
        first["description"] = " - ".join(filter(None, (words, first.get("description"))))
    return first if len(options) == 1 else {"anyOf": options}

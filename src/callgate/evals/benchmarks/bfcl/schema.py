"""BFCL's definitions of functions as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from callgate.evals.benchmarks.bfcl.kinds import Language

__all__ = ["parameters", "schema"]

_TYPES: Mapping[str, str | None] = MappingProxyType(
    {"dict": "object", "float": "number", "double": "number", "tuple": "array", "any": None}
)
"""Type names that JSON Schema has another word for; None for any value."""


def parameters(function: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """Return the schema of a function's arguments.

    Args:
        function: The definition.
        language: Of the function; arguments of Java and JavaScript are source text.
    """
    source: Mapping[str, Any] = function["parameters"]
    if language is Language.PYTHON:
        return {**schema(source), "additionalProperties": False}
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in source["properties"]},
        "required": list(source.get("required", ())),
        "additionalProperties": False,
    }


def schema(source: Mapping[str, Any]) -> dict[str, Any]:
    """Translate BFCL's type names into JSON Schema; what is not needed to check is left out."""
    kept: dict[str, Any] = {
        k: source[k] for k in ("description", "enum", "required") if k in source
    }
    name = source.get("type", "any")
    kind = _TYPES.get(name, name)
    if kind is not None:
        kept["type"] = kind
    if "properties" in source:
        properties: Mapping[str, Any] = source["properties"]
        kept["properties"] = {key: schema(value) for key, value in properties.items()}
    if "items" in source:
        kept["items"] = schema(source["items"])
    return kept

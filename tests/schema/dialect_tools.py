"""Tools with one property, compiled: what is sent for it and what is lost."""

from typing import Any

from callgate.schema.dialects import CompiledTool, compile_tools
from callgate.types import Effect, Tool

EMPTY = {"type": "object", "properties": {}, "additionalProperties": False}


def tool(schema: dict[str, Any], name: str = "t", effect: Effect = Effect.READ) -> Tool:
    return Tool(name=name, description="Does it.", parameters=schema, effect=effect)


def compiled(schema: dict[str, Any], wire: str, strict: bool = False) -> CompiledTool:
    return compile_tools([tool(schema)], wire, strict).tools[0]


def closed(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def of(item: dict[str, Any], wire: str, strict: bool = False) -> dict[str, Any]:
    """A required property, compiled."""
    sent = compiled(closed({"x": item}), wire, strict)
    return (sent.schema["properties"])["x"]


def lost(item: dict[str, Any], wire: str, strict: bool = False) -> list[tuple[str, str, bool]]:
    found = compiled(closed({"x": item}), wire, strict).losses
    return [(loss.keyword, loss.happened.value, loss.narrows) for loss in found if loss.path != "#"]


TREE = {
    "type": "object",
    "properties": {
        "v": {"type": "integer"},
        "next": {"$ref": "#/$defs/Tree", "description": "The next one."},
        "kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
    },
    "required": ["v"],
    "additionalProperties": False,
}
WITH_TREE = closed({"tree": {"$ref": "#/$defs/Tree"}}) | {"$defs": {"Tree": TREE}}

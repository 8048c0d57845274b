"""What a record keeps of a value: its shape, never its content.

Of a string its class of length is kept, of a number its kind; a value that a schema lists is kept
whole, since the schema says it already. Names of properties are kept if the schema declares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["redact"]

_DEEPEST = 32
_MOST = 64  # items of an array or object that are looked at


def redact(value: Any, schema: Any = None, depth: int = 0) -> Any:
    """Return what may be kept of `value`.

    Args:
        value: A JSON value.
        schema: The JSON Schema it was made for; without one nothing is known to be harmless.
        depth: How deep it stands in the whole.

    Returns:
        A value of the same shape. A leaf that was taken out is `{"$redacted": its type}`, with the
        class of its length; null, true and false stay.
    """
    known = _mapping(schema)
    if value is None or isinstance(value, bool) or _listed(value, known):
        return value
    if depth >= _DEEPEST:
        return {"$redacted": "nested"}
    if isinstance(value, Mapping):
        return _object(cast("Mapping[str, Any]", value), known, depth)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        kept = [redact(item, known.get("items"), depth + 1) for item in items[:_MOST]]
        return kept if len(items) <= _MOST else [*kept, {"$redacted": f"{len(items) - _MOST} more"}]
    if isinstance(value, str):
        return {"$redacted": "string", "length": _class(len(value))}
    return {"$redacted": "integer" if isinstance(value, int) else "number"}


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = _mapping(schema.get("properties"))
    kept: dict[str, Any] = {}
    for place, (name, item) in enumerate(value.items()):
        if place >= _MOST:
            kept["$redacted"] = f"{len(value) - _MOST} more"
            break
        if name in properties:
            kept[name] = redact(item, properties[name], depth + 1)
        else:
            # A name that nobody declared may be somebody's name.
            kept[f"${place}"] = redact(item, schema.get("additionalProperties"), depth + 1)
    return kept


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _listed(value: Any, schema: Mapping[str, Any]) -> bool:
    listed: Any = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return isinstance(listed, list) and any(
        type(one) is type(value) and one == value for one in cast("list[Any]", listed)
    )


def _class(length: int) -> str:
    if length == 0:
        return "0"
    least = 1 << (length.bit_length() - 1)
    return str(least) if least == 1 else f"{least}-{2 * least - 1}"

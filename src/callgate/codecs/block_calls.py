"""Calls as other wires accept them: ids of their pattern, arguments as objects.

An id from another provider may have characters or a length that a wire refuses. It is then
replaced by a digest of itself: the same for a call and its result, in every process and turn, and
different for different ids. The id in our own message stays as it came, so nothing has to be
translated back.
"""

from __future__ import annotations

import hashlib
from re import Pattern
from typing import Any, cast

import orjson

__all__ = ["wire_arguments", "wire_id"]

_INVALID = "INVALID_JSON"
"""How Anthropic wants arguments back that are no JSON object."""


def wire_id(own: str, accepted: Pattern[str]) -> str:
    """Return the id of a call on the wire: its own where the wire accepts it.

    Args:
        own: The id as it came, perhaps from another wire.
        accepted: What the wire accepts, in full; it must accept `call_` and 24 hex digits.
    """
    if accepted.fullmatch(own):
        return own
    return f"call_{hashlib.sha256(own.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def wire_arguments(arguments: Any) -> dict[str, Any]:
    """Return a call's arguments as an object; what is none becomes the value of `INVALID_JSON`.

    Args:
        arguments: JSON text or a value, as it came.
    """
    if isinstance(arguments, dict):
        return cast("dict[str, Any]", arguments)
    if not arguments:
        return {}
    try:
        value = orjson.loads(arguments)
    except (orjson.JSONDecodeError, TypeError):
        value = None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {_INVALID: arguments}

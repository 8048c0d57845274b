"""What is kept of an answer: places such as `items.id`, found and cut out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from callgate.schema.values import is_array, is_object

__all__ = ["Kept", "found", "kept", "project"]

Kept = dict[str, Any]
"""What to keep, key by key; an empty one keeps all."""


def kept(places: Iterable[str]) -> Kept:
    """Read places: keys with dots between them; arrays are gone through, `[]` may say so.

    Args:
        places: Such as `total` and `items[].owner.login`.
    """
    tree: Kept = {}
    for place in places:
        here = tree
        for key in _keys(place):
            here = here.setdefault(key, {})
    return tree


def _keys(place: str) -> list[str]:
    return [key for key in place.replace("[]", "").split(".") if key]


def project(value: Any, keep: Kept) -> Any:
    """Return a copy of a JSON value with only what is to be kept."""
    if not keep:
        return value
    if is_array(value):
        return [project(item, keep) for item in value]
    if is_object(value):
        return {key: project(value[key], inner) for key, inner in keep.items() if key in value}
    return value


def found(value: Any, place: str) -> Any:
    """Return what stands at a place; None where there is nothing."""
    for key in _keys(place):
        if not is_object(value):
            return None
        value = value.get(key)
    return value

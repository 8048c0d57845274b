"""Where two schemas differ, keyword by keyword: for people to read, not for the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

import orjson

from callgate.contract.diff.change import Change, Level
from callgate.schema.values import is_array, is_object

__all__ = ["MOST_CHANGES", "alike", "schema_changes"]

MOST_CHANGES = 200
"""Changes that are listed of one schema."""

_SHOWN = 60

_SAID: Mapping[str, Level] = MappingProxyType(
    {
        "$comment": Level.PATCH,
        # `validate` inserts defaults, so another one changes what a call does.
        "default": Level.MINOR,
        "deprecated": Level.MINOR,
        "description": Level.PATCH,
        "examples": Level.PATCH,
        "format": Level.PATCH,
        "title": Level.PATCH,
    }
)
"""Keywords that do not decide what is valid, and what a change to one asks of a version."""

_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONE = (
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)


def schema_changes(before: Any, after: Any, part: str) -> tuple[Change, ...]:
    """Return where two schemas differ.

    Args:
        before: The old schema.
        after: The new one.
        part: What paths begin with, such as `parameters`.
    """
    return tuple(islice(_walk(before, after, f"{part}#"), MOST_CHANGES))


def alike(before: Any, after: Any) -> bool:
    """Tell whether two JSON values are the same text but for the order of names."""
    return _text(before) == _text(after)


def _walk(before: Any, after: Any, path: str) -> Iterator[Change]:
    if alike(before, after):
        return
    if not is_object(before) or not is_object(after):
        yield _changed("schema", path, before, after)
        return
    for keyword in dict.fromkeys([*before, *after]):
        one, other = before.get(keyword), after.get(keyword)
        if keyword in before and keyword in after and alike(one, other):
            continue
        inner = f"{path}/{keyword}"
        if keyword in _NAMED and is_object(one or {}) and is_object(other or {}):
            yield from _walk_named(keyword, one or {}, other or {}, inner)
        elif keyword == "required" and is_array(one or []) and is_array(other or []):
            yield from _required(one or [], other or [], path)
        elif keyword in _MANY and is_array(one) and is_array(other) and len(one) == len(other):
            for place, (first, second) in enumerate(zip(one, other, strict=True)):
                yield from _walk(first, second, f"{inner}/{place}")
        elif keyword in _ONE and is_object(one) and is_object(other):
            yield from _walk(one, other, inner)
        else:
            yield _changed(keyword, inner, one, other, keyword in before, keyword in after)


def _walk_named(
    keyword: str, before: dict[str, Any], after: dict[str, Any], path: str
) -> Iterator[Change]:
    word = "property" if keyword == "properties" else "definition"
    for name in dict.fromkeys([*before, *after]):
        place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in after:
            yield Change(
                kind=f"{word}_removed",
                words=f"{word} {name!r} is gone",
                path=place,
                before=before[name],
            )
        elif name not in before:
            yield Change(
                kind=f"{word}_added", words=f"{word} {name!r} is new", path=place, after=after[name]
            )
        else:
            yield from _walk(before[name], after[name], place)


def _required(before: list[Any], after: list[Any], path: str) -> Iterator[Change]:
    place = f"{path}/required"
    for name in before:
        if name not in after:
            words = f"{name!r} need not be there any more"
            yield Change(kind="required_removed", words=words, path=place, before=name)
    for name in after:
        if name not in before:
            words = f"{name!r} has to be there now"
            yield Change(kind="required_added", words=words, path=place, after=name)


def _changed(
    keyword: str, path: str, before: Any, after: Any, was: bool = True, now: bool = True
) -> Change:
    if not was:
        kind, words = f"{keyword}_added", f"{keyword} is {_shown(after)} now"
    elif not now:
        kind, words = f"{keyword}_removed", f"{keyword} is no longer {_shown(before)}"
    else:
        kind = f"{keyword}_changed"
        words = f"{keyword} was {_shown(before)} and is {_shown(after)} now"
    if keyword == "format":
        words += "; formats are not checked"
    level = _SAID.get(keyword)
    return Change(kind=kind, words=words, level=level, path=path, before=before, after=after)


def _shown(value: Any) -> str:
    text = _text(value).decode("utf-8", "replace")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)

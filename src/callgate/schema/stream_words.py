"""What a string may still become, and what a place allows in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from callgate.schema.problems import shown
from callgate.schema.stream_tokens import begins_number
from callgate.schema.values import is_array

__all__ = ["article", "kind_of", "listed", "may_say", "same"]

_MAX_LISTED = 12
"""Names or options that are listed."""

_WORDS = {"true": "boolean", "false": "boolean", "null": "null", "none": "null"}
_OPENERS = {"{": "object", "[": "array"}
_ARTICLES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


def kind_of(value: Any) -> str:
    """Return the JSON type of a value; an integer is a number."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int() | float():
            return "number"
        case _:
            return "array" if is_array(value) else "object"


def same(value: Any, option: Any) -> bool:
    """Tell whether a scalar is this option; 1 and 1.0 are the same, 1 and true are not."""
    return value == option and kind_of(value) == kind_of(option)


def may_say(text: str, types: Collection[str]) -> bool:
    """Tell whether a string that begins with `text` may be JSON text of one of `types`.

    As `repair` reads it: words in any case, white space around, once more inside a string.
    """
    text = text.strip()
    if not text or text[0] == '"':
        return True
    if text[0] in _OPENERS:
        return _OPENERS[text[0]] in types
    if begins_number(text):
        return "number" in types or "integer" in types
    lower = text.lower()
    return any(word.startswith(lower) and kind in types for word, kind in _WORDS.items())


def article(kind: str) -> str:
    """Return the name of a JSON type as it stands in a sentence."""
    return _ARTICLES[kind]


def listed(names: Sequence[Any]) -> str:
    """Return names or options, the first twelve of them."""
    texts = [shown(name) for name in names[:_MAX_LISTED]]
    more = len(names) - _MAX_LISTED
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")

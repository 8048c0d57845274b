"""Text of others, made safe to show: bounded, without what a reader cannot see.

A model reads characters that no person sees on a screen: a description may carry a second text in
them. Removed are control characters, zero-width and bidirectional marks, tags, and variation
selectors in numbers; joiners stay between letters that are not ASCII, where scripts and emoji use
them.
"""

from __future__ import annotations

import re
from typing import Any, cast

import orjson

__all__ = ["bounded", "clean", "clean_value", "framed", "hides", "hides_in"]

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    # A joiner beside ASCII joins nothing.
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
    # One selector chooses a form; more of them spell something out.
    "|(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]|(?<![^\x00-\x7f])[\ufe00-\ufe0d]"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Control characters stand escaped in JSON text, and nothing else does.
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\[ubf]")


def hides(text: str) -> bool:
    """Tell whether a text holds characters that a person would not see."""
    return (_CONTROL if text.isascii() else _HIDDEN).search(text) is not None


def hides_in(value: Any) -> bool:
    """Tell whether a string or key anywhere in a JSON value holds such characters."""
    text = orjson.dumps(value).decode()
    return hides(text) or _ESCAPED.search(text) is not None


def clean(text: str) -> str:
    """Return a text without the characters that a person would not see."""
    return (_CONTROL if text.isascii() else _HIDDEN).sub("", text)


def bounded(text: str, most: int) -> str:
    """Return a clean text of at most `most` characters, with a mark where it was cut."""
    shown = clean(text[: most * 2])
    return shown if len(shown) <= most and len(text) <= most * 2 else f"{shown[: most - 1]}…"


def clean_value(value: Any) -> Any:
    """Return a JSON value whose strings and keys are clean; the same object if they are already.

    Args:
        value: A JSON value.
    """
    return _cleaned(value) if hides_in(value) else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {clean(key): _cleaned(inner) for key, inner in items}
    if isinstance(value, list):
        return [_cleaned(inner) for inner in cast("list[Any]", value)]
    return value


def framed(text: str, origin: str) -> str:
    """Return a foreign text between marks that name its origin and that it cannot close itself.

    Args:
        text: A clean text.
        origin: Where it is from; a name of ours.
    """
    inner = re.sub(r"<(?=/?\s*from-server)", "&lt;", text, flags=re.IGNORECASE)
    return f'<from-server name="{origin}">{inner}</from-server>'

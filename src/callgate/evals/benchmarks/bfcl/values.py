"""Values that a model wrote as Java or JavaScript source, read by the leaderboard's own rules.

They are narrow on purpose: what a rule does not cover stays the text it was, and the comparison
that follows then fails or succeeds as the official one does. Nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from callgate.evals.benchmarks.bfcl.kinds import Language

__all__ = ["convert"]

Value: TypeAlias = Any
"""A JSON value, or the source text that no rule covered."""

_WHOLE = re.compile(r"-?\d+$")
_LONG = re.compile(r"-?\d+[lL]$")
_BIGINT = re.compile(r"-?\d+n$")
_DECIMAL = re.compile(r"-?\d+(\.\d+)?$")
_DOUBLE = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?$")
_FLOAT = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?[fF]$")

_JAVA_ARRAY = re.compile(r"new\s+\w+\[\]\s*\{(.*?)\}")
_JAVA_LIST_OF = re.compile(r"new\s+ArrayList<\w*>\(Arrays\.asList\((.+?)\)\)")
_JAVA_LIST_ADDS = re.compile(r"new\s+ArrayList<\w*>\(\)\s*\{\{\s*(.+?)\s*\}\}", re.DOTALL)
_JAVA_ADD = re.compile(r"add\((.+?)\)")
_JAVA_LIST_EMPTY = re.compile(r"new\s+ArrayList<\w*>\(\)")
_JAVA_MAP = re.compile(r"new\s+HashMap<.*?>\s*\(\)\s*\{\s*\{?\s*(.*?)\s*\}?\s*\}", re.DOTALL)
_JAVA_PUT = re.compile(r"put\(\"(.*?)\",\s*(.*?)\)")
_JAVA_MAP_EMPTY = re.compile(r"new\s+HashMap<.*?>\s*\(\)")

_JS_ROWS = re.compile(
    r"\[\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\]|\bnew\s+Array\(\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\)"
)
_JS_ROW = re.compile(r"\[(.*?)\]")
_JS_ARRAY = re.compile(r"\[(.*?)\]|\bnew\s+Array\((.*?)\)")
_JS_OBJECT = re.compile(r"\{(.*?)\}")
_JS_PAIR = re.compile(r"([^:]+):\s*(.*?)(?:,\s*(?=[^,]+:)|$)")


def convert(text: str, kind: str, inner: str | None, *, language: Language) -> Value:
    """Return the value of a source text.

    Args:
        text: What the model wrote for the argument.
        kind: The declared type.
        inner: The declared type of members, or None.
        language: Java or JavaScript.
    """
    if language is Language.JAVA:
        return _java(text, kind, inner)
    return _javascript(text, kind, inner)


# ------------------------------------------------------------------ both


def _read(
    pattern: re.Pattern[str], text: str, read: Callable[[str], Value], suffix: int = 0
) -> Value:
    if not pattern.match(text):
        return text
    digits = text.rstrip("\n")
    try:
        return read(digits[: len(digits) - suffix])
    except ValueError:
        # More digits than Python reads.
        return text


def _truth(text: str) -> Value:
    return text == "true" if text in ("true", "false") else text


def _number(text: str) -> Value:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _is_quoted(text: str, quotes: str) -> bool:
    return any(text.startswith(quote) and text.endswith(quote) for quote in quotes)


def _items(text: str) -> list[str]:
    return text.split(",") if text.strip() else []


# ------------------------------------------------------------------ Java


def _java(text: str, kind: str, inner: str | None = None) -> Value:
    match kind:
        case "byte" | "short" | "integer":
            return _read(_WHOLE, text, int)
        case "long":
            return _read(_LONG, text, int, 1)
        case "float":
            return _read(_FLOAT, text, float, 1)
        case "double":
            return _read(_DOUBLE, text, float)
        case "boolean":
            return _truth(text)
        case "Array":
            return _java_array(text, inner)
        case "ArrayList":
            return _java_list(text, inner)
        case "HashMap":
            return _java_map(text)
        case _:
            # A char keeps its quotes, and for the other collections there is no rule.
            return text


def _java_plain(text: str) -> Value:
    """Read a value whose type is not declared."""
    if text in ("true", "false"):
        return text == "true"
    if _is_quoted(text, '"'):
        return text[1:-1]
    if _LONG.match(text):
        return _read(_LONG, text, int, 1)
    return _read(_FLOAT, text, float, 1) if _FLOAT.match(text) else _number(text)


def _java_array(text: str, inner: str | None) -> Value:
    found = _JAVA_ARRAY.search(text)
    if not found:
        return text
    members = [item.strip() for item in found[1].split(",") if item.strip()]
    return [_java(item, inner) if inner else _java_plain(item) for item in members]


def _java_list(text: str, inner: str | None) -> Value:
    if found := _JAVA_LIST_OF.search(text):
        return [_java_member(item, inner) for item in found[1].split(",")]
    if found := _JAVA_LIST_ADDS.search(text):
        return [_java_member(item, inner) for item in _JAVA_ADD.findall(found[1])]
    return [] if _JAVA_LIST_EMPTY.search(text) else text


def _java_member(text: str, inner: str | None) -> Value:
    text = text.strip()
    if inner in ("char", "String"):
        return text[1:-1]
    return _java(text, inner) if inner else _java_plain(text)


def _java_map(text: str) -> Value:
    if found := _JAVA_MAP.search(text):
        return {key: _java_plain(value.strip()) for key, value in _JAVA_PUT.findall(found[1])}
    return {} if _JAVA_MAP_EMPTY.search(text) else text


# ------------------------------------------------------------------ JavaScript


def _javascript(text: str, kind: str, inner: str | None = None) -> Value:
    match kind:
        case "String":
            return text[1:-1] if _is_quoted(text, "\"'") else text
        case "integer":
            return _read(_WHOLE, text, int)
        case "float":
            return _read(_DECIMAL, text, float)
        case "Bigint":
            return _read(_BIGINT, text, int, 1)
        case "Boolean":
            return _truth(text)
        case "array":
            return _javascript_array(text.strip(), inner)
        case "dict":
            return _javascript_object(text.strip())
        case _:
            return text


def _javascript_plain(text: str) -> Value:
    """Read a value whose type is not declared."""
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    return text[1:-1] if _is_quoted(text, "\"'") else _number(text)


def _javascript_array(text: str, inner: str | None) -> Value:
    if rows := _JS_ROWS.match(text):
        first, *others = (row.strip() for row in _JS_ROW.findall(rows[0]))
        return [_javascript_row(row) for row in (first.removeprefix("["), *others)]
    found = _JS_ARRAY.match(text)
    if not found:
        return text
    body = found[1] if found[1] is not None else found[2]
    members = [item.strip() for item in _items(body.strip())]
    if not inner:
        return [_javascript_plain(item) for item in members]
    return [_javascript(item, inner) for item in members]


def _javascript_row(text: str) -> list[Value]:
    return [_javascript_plain(item) for item in text.split(",")]


def _javascript_object(text: str) -> Value:
    if text == "{}":
        return {}
    found = _JS_OBJECT.match(text)
    if not found:
        return text
    pairs = _JS_PAIR.findall(found[1])
    return {key.strip().strip("'\""): _javascript_member(value.strip()) for key, value in pairs}


def _javascript_member(text: str) -> Value:
    if text.startswith("[") and text.endswith("]"):
        return _javascript_array(text, None)
    if text.startswith("{") and text.endswith("}"):
        return _javascript_object(text)
    return _javascript_plain(text.strip("'\""))

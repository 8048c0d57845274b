"""How values are written outside a body: the styles of OpenAPI (RFC 6570), safely encoded.

What would change the meaning of a request instead of being a value in it is refused: dot segments
in a path, line ends in a header, separators in a cookie.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import quote

import orjson

from callgate.errors import ArgumentsError
from callgate.schema.values import is_array, is_object
from callgate.sources.web.operation import Field, Parameter

__all__ = ["cookie_text", "header_text", "path_text", "query_pairs", "scalar"]

_Pairs: TypeAlias = list[tuple[str, str]]

_RESERVED_IN_QUERY = ":/?@!$'()*,;"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_HEADER = re.compile(r"[\x20-\x7e]*")
_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_INSIDE: Mapping[str, str] = MappingProxyType({"spaceDelimited": " ", "pipeDelimited": "|"})
"""What separates the values of a style and is written the same within them."""
_SEPARATORS: Mapping[str, str] = MappingProxyType(
    {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}
)


def scalar(value: Any) -> str:
    """Return one value as text: strings as they are, all else as JSON writes it."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def path_text(parameter: Parameter, value: Any) -> str:
    """Return what stands in the path for a parameter.

    Raises:
        ArgumentsError: The value would leave its place in the path.
    """

    def safe(text: str) -> str:
        if _CONTROLS.search(text):
            raise _refused(parameter, "has control characters, which no path may have")
        return quote(text, safe="")

    name = quote(parameter.name, safe="")
    match parameter.style:
        case "label":
            between = "." if parameter.explode else ","
            written = "." + _joined(value, between, explode=parameter.explode, safe=safe)
        case "matrix":
            written = _matrix(name, value, explode=parameter.explode, safe=safe)
        case "json":
            written = safe(orjson.dumps(value).decode())
        case _:
            written = _joined(value, ",", explode=parameter.explode, safe=safe)
    _check_path(parameter, value, written)
    return written


def _check_path(parameter: Parameter, value: Any, written: str) -> None:
    """Refuse what leads elsewhere: as it is, or for a server that decodes before it looks."""
    if not written:
        raise _refused(parameter, "is empty; it is a part of the path")
    for text in _texts(value):
        # Some servers decode twice.
        once = text.replace("%2e", ".").replace("%2E", ".").replace("\\", "/")
        once = once.replace("%2f", "/").replace("%2F", "/").replace("%5c", "/").replace("%5C", "/")
        if any(part.partition(";")[0] in (".", "..") for part in once.split("/")):
            raise _refused(parameter, "has a segment `.` or `..`, which leads to another path")


def _texts(value: Any) -> Iterable[str]:
    if is_object(value):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif is_array(value):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def query_pairs(parameter: Parameter | Field, value: Any) -> _Pairs:
    """Return names and values, percent-encoded, that stand in a query or form for a parameter.

    Null is left out: it has no form there.

    Raises:
        ArgumentsError: The style of the parameter cannot carry the value.
    """
    keep = _RESERVED_IN_QUERY if getattr(parameter, "reserved", False) else ""

    def safe(text: str) -> str:
        return quote(text, safe=keep)

    name = quote(parameter.name, safe="[]")
    if value is None:
        return []
    if parameter.style == "json":
        return [(name, quote(orjson.dumps(value).decode(), safe=""))]
    mark = None if parameter.explode else _INSIDE.get(parameter.style)
    if mark is not None and any(mark in text for text in _texts(value)):
        raise _refused(parameter, f"has {mark!r} inside, which separates its values here")
    if is_object(value):
        return _object_pairs(parameter, name, value, safe)
    if not is_array(value):
        return [(name, safe(scalar(value)))]
    items = [safe(scalar(item)) for item in value if item is not None]
    if parameter.explode or parameter.style == "deepObject":
        return [(name, item) for item in items]
    return [(name, _SEPARATORS.get(parameter.style, ",").join(items))] if items else []


def _object_pairs(
    parameter: Parameter | Field, name: str, value: dict[str, Any], safe: Callable[[str], str]
) -> _Pairs:
    if parameter.style == "deepObject":
        return list(_deep(name, value, safe))
    held = {key: inner for key, inner in value.items() if inner is not None}
    if parameter.explode and parameter.style == "form":
        return [(safe(key), safe(scalar(inner))) for key, inner in held.items()]
    between = _SEPARATORS.get(parameter.style, ",")
    parts = [part for key, inner in held.items() for part in (safe(key), safe(scalar(inner)))]
    return [(name, between.join(parts))] if parts else []


def _deep(name: str, value: Any, safe: Callable[[str], str]) -> Iterable[tuple[str, str]]:
    if is_object(value):
        for key, inner in value.items():
            yield from _deep(f"{name}[{quote(key, safe='')}]", inner, safe)
    elif is_array(value):
        for inner in value:
            yield from _deep(name, inner, safe)
    elif value is not None:
        yield name, safe(scalar(value))


def header_text(parameter: Parameter, value: Any) -> str:
    """Return what stands in a header for a parameter.

    Raises:
        ArgumentsError: A header cannot carry it.
    """
    if parameter.style == "json":
        text = orjson.dumps(value).decode()
    else:
        text = _joined(value, ",", explode=parameter.explode, safe=str)
    if not _HEADER.fullmatch(text):
        raise _refused(parameter, "has characters that no header carries: use plain ASCII")
    return text


def cookie_text(parameter: Parameter, value: Any) -> str:
    """Return `name=value` as it stands among the cookies.

    Raises:
        ArgumentsError: A cookie cannot carry it.
    """
    if parameter.style == "json":
        pairs = [(parameter.name, quote(orjson.dumps(value).decode(), safe=""))]
    elif is_object(value) and parameter.explode:
        pairs = [(key, scalar(inner)) for key, inner in value.items()]
    elif is_array(value) and parameter.explode:
        pairs = [(parameter.name, scalar(inner)) for inner in value]
    else:
        pairs = [(parameter.name, _joined(value, "%2C", explode=False, safe=str))]
    for name, text in pairs:
        if not _COOKIE.fullmatch(text) or not _COOKIE.fullmatch(name) or "=" in name:
            raise _refused(parameter, "has characters that no cookie carries")
    return "; ".join(f"{name}={text}" for name, text in pairs)


def _joined(value: Any, between: str, *, explode: bool, safe: Callable[[str], str]) -> str:
    if is_object(value):
        pairs = [(safe(key), safe(scalar(inner))) for key, inner in value.items()]
        if explode:
            return between.join(f"{key}={inner}" for key, inner in pairs)
        return ",".join(part for pair in pairs for part in pair)
    if is_array(value):
        return between.join(safe(scalar(inner)) for inner in value)
    return safe(scalar(value))


def _matrix(name: str, value: Any, *, explode: bool, safe: Callable[[str], str]) -> str:
    if explode and is_object(value):
        return "".join(f";{safe(key)}={safe(scalar(inner))}" for key, inner in value.items())
    if explode and is_array(value):
        return "".join(f";{name}={safe(scalar(inner))}" for inner in value)
    return f";{name}={_joined(value, ',', explode=False, safe=safe)}"


def _refused(parameter: Parameter | Field, why: str) -> ArgumentsError:
    return ArgumentsError(f"$.{parameter.argument}: the value {why}.")

"""How arguments become the body of a request."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from callgate.errors import ArgumentsError
from callgate.schema.values import is_array, is_object
from callgate.sources.web.operation import Body, Field
from callgate.sources.web.styles import query_pairs, scalar
from callgate.types import JsonSchema

__all__ = ["FILE_SCHEMA", "Written", "written"]

FILE_SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "description": "A file: its name and its content, as text or as base64.",
        "properties": {
            "name": {"type": "string", "description": "File name with extension."},
            "text": {"type": "string", "description": "Content of a text file."},
            "base64": {"type": "string", "description": "Content of any other file, in base64."},
            "media_type": {"type": "string", "description": "Such as image/png."},
        },
        "additionalProperties": False,
    }
)
"""What a model gives for a file; see `file_schema`."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\/]')
_BOUNDARY = "callgate-a7b1f3c2d9e84f60"


class Written(NamedTuple):
    """A body: its type and its bytes."""

    media_type: str
    data: bytes


def file_schema(description: str = "") -> JsonSchema:
    """Return the schema of a file argument, with its own description."""
    schema = dict(FILE_SCHEMA)
    if description:
        schema["description"] = f"{description} {FILE_SCHEMA['description']}"
    return schema


def written(body: Body, arguments: Mapping[str, Any]) -> Written | None:
    """Return the body that the arguments make; None where none of them is given.

    Raises:
        ArgumentsError: A file is neither text nor base64.
    """
    if body.whole is not None:
        if body.whole not in arguments:
            return None
        return _whole(body, body.whole, arguments[body.whole])
    held = [(part, arguments[part.argument]) for part in body.fields if part.argument in arguments]
    if not held and body.media_type != "application/json":
        return None
    if body.media_type == "application/x-www-form-urlencoded":
        return _form(held)
    if body.media_type == "multipart/form-data":
        return _multipart(held)
    return Written(body.media_type, orjson.dumps({part.name: value for part, value in held}))


def _whole(body: Body, argument: str, value: Any) -> Written:
    if body.file:
        name, media_type, data = _file(argument, value)
        del name
        given = is_object(value) and "media_type" in value
        concrete = "*" not in body.media_type
        return Written(body.media_type if concrete and not given else media_type, data)
    if body.media_type == "application/x-www-form-urlencoded" and is_object(value):
        return _form([(Field(argument=key, name=key), inner) for key, inner in value.items()])
    if body.media_type == "multipart/form-data" and is_object(value):
        return _multipart([(Field(argument=key, name=key), one) for key, one in value.items()])
    if _is_json(body.media_type):
        return Written(body.media_type, orjson.dumps(value))
    return Written(f"{body.media_type}; charset=utf-8", scalar(value).encode())


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


def _form(held: list[tuple[Field, Any]]) -> Written:
    pairs = [pair for part, value in held for pair in query_pairs(part, value)]
    text = "&".join(f"{name}={value}" for name, value in pairs)
    return Written("application/x-www-form-urlencoded", text.encode())


def _multipart(held: list[tuple[Field, Any]]) -> Written:
    parts: list[tuple[str, bytes]] = []
    for part, value in held:
        if value is None:
            continue
        many = is_array(value) and not _is_json(part.media_type)
        parts += [_part(part, item) for item in (value if many else [value])]
    boundary = _boundary(parts)
    chunks = [
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    ]
    data = b"".join([*chunks, f"--{boundary}--\r\n".encode()])
    return Written(f"multipart/form-data; boundary={boundary}", data)


def _boundary(parts: list[tuple[str, bytes]]) -> str:
    """Return a line that is in no part; mostly the same, so that equal calls are equal bytes."""
    boundary = _BOUNDARY
    while any(boundary.encode() in data for _, data in parts):
        boundary += "x"
    return boundary


def _part(part: Field, value: Any) -> tuple[str, bytes]:
    name = _quoted(part.name)
    if part.file:
        file_name, media_type, data = _file(part.argument, value)
        kind = media_type if not part.media_type or "*" in part.media_type else part.media_type
        return f'name="{name}"; filename="{_quoted(file_name)}"\r\nContent-Type: {kind}', data
    if is_object(value) or is_array(value) or _is_json(part.media_type):
        kind = part.media_type or "application/json"
        return f'name="{name}"\r\nContent-Type: {kind}', orjson.dumps(value)
    return f'name="{name}"', scalar(value).encode()


def _quoted(text: str) -> str:
    """Return a name that cannot end its own quotes, as browsers write it."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _file(argument: str, value: Any) -> tuple[str, str, bytes]:
    if not is_object(value):
        value = {"text": scalar(value)}
    name = _UNSAFE.sub("_", str(value.get("name") or "file"))[:200]
    text: Any = value.get("text")
    encoded: Any = value.get("base64")
    if (text is None) == (encoded is None):
        raise ArgumentsError(f"$.{argument}: give a file either `text` or `base64`.")
    kind = value.get("media_type") or ("application/octet-stream" if text is None else "text/plain")
    if not _TOKEN.fullmatch(kind):
        raise ArgumentsError(f"$.{argument}.media_type: {kind[:50]!r} is no media type.")
    if text is not None:
        return name, kind, text.encode()
    try:
        return name, kind, base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ArgumentsError(f"$.{argument}.base64: it is not base64: {exc}.") from exc

"""The hot messages of the Model Context Protocol: `tools/call` and what comes back.

Both eras have one form of these two messages; the newer one lays version, capabilities and client
into every request (`stamp`) and may answer that it needs input first (`Asks`). Pure: sending is the
business of `callgate.sources.mcp`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import orjson

from callgate.codecs.foreign import bounded, clean, clean_value
from callgate.errors import ResultError, ToolFailedError
from callgate.types import Content, FilePart, ImagePart, Status, Text, ToolResult

__all__ = ["KEY", "Asks", "call_params", "read_result", "stamp"]

Json: TypeAlias = Mapping[str, Any]

KEY = "callgate/idempotency-key"
"""Where a request's `_meta` carries the key of its call."""

_VERSION = "io.modelcontextprotocol/protocolVersion"
_CLIENT = "io.modelcontextprotocol/clientInfo"
_ABLE = "io.modelcontextprotocol/clientCapabilities"

_TOLD = 4_000  # characters of an error that a model reads
_BESIDE = 4_000  # characters of a text beside a structured result


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """A server needs input before it can answer.

    Attributes:
        requests: What it asks, by its own keys: `{"method": ..., "params": ...}`.
        state: What it wants back unchanged, if anything.
    """

    requests: Mapping[str, Json]
    state: str | None = None


def call_params(
    name: str,
    arguments: Json,
    *,
    key: str,
    responses: Json | None = None,
    state: str | None = None,
) -> dict[str, Any]:
    """Return the parameters of `tools/call`.

    Args:
        name: The server's own name of the tool.
        arguments: The canonical arguments.
        key: Names the intent to the server: the same for every attempt.
        responses: What earlier requests of the server were answered with, by its keys.
        state: What it wanted back.
    """
    params: dict[str, Any] = {"name": name, "arguments": arguments, "_meta": {KEY: key}}
    if responses:
        params["inputResponses"] = responses
    if state is not None:
        params["requestState"] = state
    return params


def stamp(params: dict[str, Any], *, version: str, client: Json, capabilities: Json) -> None:
    """Lay into a request what the stateless era wants in every one."""
    meta = params.setdefault("_meta", {})
    meta[_VERSION] = version
    meta[_CLIENT] = client
    meta[_ABLE] = capabilities


def read_result(name: str, raw: object, *, promised: bool) -> ToolResult | Asks:
    """Read the result of `tools/call`.

    Args:
        name: Our name of the tool, for errors.
        raw: The `result` of the response.
        promised: Whether the tool declares an `outputSchema`.

    Returns:
        A result whose value is the structured one, a text, or a list of blocks; or what the server
        needs first.

    Raises:
        ToolFailedError: The tool says that it failed.
        ResultError: This is no result of a tool.
    """
    if not isinstance(raw, dict):
        raise ResultError(f"{name}: the server's result is no object.")
    data = cast("dict[str, Any]", raw)
    kind = data.get("resultType", "complete")
    if kind == "input_required":
        return _asks(name, data)
    if kind != "complete":
        shown = bounded(str(kind), 40)
        raise ResultError(f"{name}: the server answered with an unknown kind of result, {shown!r}.")
    blocks = data.get("content", [])
    if not isinstance(blocks, list):
        raise ResultError(f"{name}: `content` of the server's result is no array.")
    content = cast("list[object]", blocks)
    if data.get("isError") is True:
        raise ToolFailedError(f"{name} failed. The server says: {_said(content)}")
    told, parts = _sorted(name, content)
    if "structuredContent" in data:
        value = clean_value(data["structuredContent"])
        body = orjson.dumps(value)
        beside = [Text(text=text) for text in _beside(told, value)]
        return ToolResult(status=Status.OK, value=value, body=body, content=(*beside, *parts))
    if promised:
        raise ResultError(f"{name} declares a structured result and the server sent none.")
    value, body = _value(told)
    return ToolResult(status=Status.OK, value=value, body=body, content=tuple(parts))


def _asks(name: str, data: Json) -> Asks:
    given, state = cast("object", data.get("inputRequests") or {}), data.get("requestState")
    requests = cast("dict[str, object]", given) if isinstance(given, dict) else {"": given}
    if not all(isinstance(one, dict) for one in requests.values()) or not (
        state is None or isinstance(state, str)
    ):
        raise ResultError(f"{name}: the server asks for input in a form that is not readable.")
    return Asks(requests=cast("dict[str, Json]", requests), state=state)


def _said(blocks: list[object]) -> str:
    """Return the words of an error, quoted so that they stay words."""
    texts = [
        str(cast("Json", block).get("text", "")) for block in blocks if isinstance(block, dict)
    ]
    said = bounded("\n".join(text for text in texts if text), _TOLD)
    return orjson.dumps(said).decode() if said else "nothing more."


def _sorted(name: str, blocks: list[object]) -> tuple[list[Any], list[Content]]:
    """Separate what is text, as strings and objects, from images and files."""
    told: list[Any] = []
    parts: list[Content] = []
    for block in blocks:
        if not isinstance(block, dict):
            raise ResultError(f"{name}: a part of the server's result is no object.")
        read = _block(name, cast("Json", block))
        (parts if isinstance(read, ImagePart | FilePart) else told).append(read)
    return told, parts


def _block(name: str, block: Json) -> Any:
    match block:
        case {"type": "text", "text": str(text)}:
            return clean(text)
        case {"type": "image" | "audio", "data": str(data), "mimeType": str(kind)}:
            return _file(name, data, clean(kind))
        case {"type": "resource_link", "uri": str()}:
            return _resource(block)
        case {"type": "resource", "resource": {"uri": str(uri), "blob": str(data), **rest}}:
            kind = clean(str(rest.get("mimeType") or "application/octet-stream"))
            return _file(name, data, kind, label=clean(uri))
        case {"type": "resource", "resource": {"uri": str(), "text": str()} as inner}:
            return _resource(cast("Json", inner))
        case _:
            shown = bounded(str(block.get("type")), 40)
            raise ResultError(f"{name}: a part of the server's result is not readable: {shown!r}.")


def _file(name: str, data: str, kind: str, label: str = "") -> ImagePart | FilePart:
    try:
        content = b64decode(data, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ResultError(f"{name}: a part of the server's result is no base64.") from exc
    if kind.startswith("image/"):
        return ImagePart(media_type=kind, data=content)
    return FilePart(media_type=kind, name=label, data=content)


_SHOWN = ("uri", "name", "title", "description", "mimeType", "size", "text")


def _resource(block: Json) -> dict[str, Any]:
    # A link stays a text: what a model or a provider may fetch is not for the server to say.
    known = {key: block[key] for key in _SHOWN if block.get(key) is not None}
    return {"resource": clean_value(known)}


def _beside(told: list[Any], value: Any) -> list[str]:
    """Return the texts that say more than the structured value; servers repeat it as text."""
    texts = [one if isinstance(one, str) else orjson.dumps(one).decode() for one in told]
    return [bounded(text, _BESIDE) for text in texts if not _repeats(text, value)]


def _repeats(text: str, value: Any) -> bool:
    if isinstance(value, dict) and text in cast("dict[str, Any]", value).values():
        return True
    try:
        return bool(orjson.loads(text) == value)
    except orjson.JSONDecodeError:
        return not text.strip()


def _value(told: list[Any]) -> tuple[Any, bytes]:
    """Return the value and its JSON text: the text of a server that sends JSON as it stands."""
    value: Any = told[0] if len(told) == 1 else told or None
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value), value.encode()
        except orjson.JSONDecodeError:
            pass
    return value, orjson.dumps(value)

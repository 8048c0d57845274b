"""Reading Amazon Bedrock Converse: whole responses.

What a message holds beside text and calls is kept in `Opaque` parts whose data has one key:

- `block`: a whole block, such as signed reasoning or the call and result of a tool that the
  provider runs; it goes back unchanged, at its place;
- `call`: fields of the call that follows;
- `message`: fields of the response, such as `additionalModelResponseFields`, and under `events`
  what of a stream this version does not know; they do not go back.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from callgate.codecs.json_text import (
    excerpt,
    list_of,
    number_of,
    object_of,
    plain,
    text_of,
)
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelStreamError
from callgate.messages import (
    CallPart,
    Message,
    ModelResponse,
    Opaque,
    Part,
    Role,
    StopReason,
    Usage,
)
from callgate.types import Text

__all__ = ["WIRE", "assemble", "is_call", "is_cut", "read_response"]

WIRE = "bedrock"

_OWN_FIELDS = frozenset({"output", "stopReason", "usage", "metrics", "ResponseMetadata"})
_OWN_CALL_FIELDS = frozenset({"type", "toolUseId", "name", "input"})
_STOPS = {
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "guardrail_intervened": StopReason.REFUSAL,
    "content_filtered": StopReason.REFUSAL,
    "refusal": StopReason.REFUSAL,
    "malformed_tool_use": StopReason.ERROR,
    "malformed_model_output": StopReason.ERROR,
    "pause_turn": StopReason.PAUSED,
}
"""All other words mean that the model came to its own end."""
_CUT = frozenset({StopReason.LENGTH, StopReason.REFUSAL, StopReason.ERROR})
_SERVER = "server_tool_use"
_BYTES_DEPTH = 12
"""How deep bytes may lie in a response: an image in a result, nine; arguments have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads blocks; `model` is the one that parts must go back to."""

    model: str
    names: Mapping[str, str]
    truncated: bool

    def opaque(self, kind: str, value: Any) -> Opaque:
        return Opaque(wire=WIRE, model=self.model, data={kind: value})

    def block(self, block: dict[str, Any]) -> Iterator[Part]:
        if "text" in block:
            if text := text_of(block["text"], "text"):
                yield Text(text=text)
        elif is_call(block):
            yield from self.call(object_of(block["toolUse"], "a call"))
        else:
            yield self.opaque("block", block)

    def call(self, call: dict[str, Any]) -> Iterator[Part]:
        fields = {
            name: value
            for name, value in call.items()
            if name not in _OWN_CALL_FIELDS and value is not None
        }
        if fields:
            yield self.opaque("call", fields)
        name = text_of(call.get("name"), "the name of a call")
        identity = text_of(call.get("toolUseId"), "the id of a call")
        if not name or not identity:
            raise ModelStreamError("A call has no name or no id.", details={"data": excerpt(call)})
        given = call.get("input")
        yield CallPart(
            id=identity,
            name=self.names.get(name, name),
            # A stream has their text, a whole response the object.
            arguments=given if isinstance(given, str) else object_of(given, "the input of a call"),
            truncated=self.truncated,
        )


def is_call(block: Mapping[str, Any]) -> bool:
    """Whether a block is a call for us, not one that the provider answers itself."""
    call: Any = block.get("toolUse")
    kind: Any = cast("dict[str, Any]", call).get("type") if isinstance(call, dict) else None
    return "toolUse" in block and kind != _SERVER


def read_response(
    response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
) -> ModelResponse:
    """Read a whole response; see `Codec.decode_response`.

    Raises:
        ModelError: It is not readable.
    """
    return assemble(object_of(_json(plain(response)), "The body"), model=model, names=names)


def is_cut(stop_reason: str) -> bool:
    """Whether an answer that stopped for this reason may hold half a call."""
    return _STOPS.get(stop_reason) in _CUT


def assemble(data: Mapping[str, Any], *, model: str, names: Mapping[str, str]) -> ModelResponse:
    """Make a response of its JSON object.

    Raises:
        ModelStreamError: A field of it is absent or of the wrong type.
    """
    message = object_of(object_of(data.get("output"), "output").get("message"), "message")
    if "content" not in message:
        raise ModelStreamError("The response has no content.", details={"data": excerpt(data)})
    stop = _STOPS.get(text_of(data.get("stopReason"), "stopReason"))
    reader = _Reader(model=model, names=names, truncated=stop in _CUT)
    parts: list[Part] = []
    if fields := {name: value for name, value in data.items() if name not in _OWN_FIELDS}:
        parts.append(reader.opaque("message", fields))
    for item in list_of(message["content"], "content"):
        parts += reader.block(object_of(item, "a block"))
    if stop is None:
        calls = any(isinstance(part, CallPart) for part in parts)
        stop = StopReason.CALLS if calls else StopReason.END
    return ModelResponse(
        message=Message(role=Role.ASSISTANT, parts=tuple(parts)),
        stop=stop,
        usage=_usage(data.get("usage")),
        model=model,
    )


def _usage(data: Any) -> Usage:
    """Return what a response says about tokens; the wire counts cached ones apart.

    Counts decide nothing about the answer, so what cannot be read counts as 0.
    """
    usage = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    cached = number_of(usage.get("cacheReadInputTokens"))
    written = number_of(usage.get("cacheWriteInputTokens"))
    return Usage(
        input=number_of(usage.get("inputTokens")) + written + cached,
        output=number_of(usage.get("outputTokens")),
        cached=cached,
        requests=1,
    )


def _json(value: Any, depth: int = 0) -> Any:
    """Return a value of AWS's own client as it came over the wire: its bytes were base64 there."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if depth == _BYTES_DEPTH:
        return value
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {name: _json(item, depth + 1) for name, item in members}
    if isinstance(value, list):
        return [_json(item, depth + 1) for item in cast("list[Any]", value)]
    return value

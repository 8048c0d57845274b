"""Reading Anthropic Messages: whole responses.

What a message holds beside text and calls is kept in `Opaque` parts whose data has one key:

- `message`: fields of the message, such as `container` or `stop_details`, and under `events` the
  events of a stream that this version does not know; a request takes only the container of them;
- `block`: a whole block, such as signed thinking, a server tool's call or result, or a reference
  to a tool that was found; it goes back unchanged, at its place;
- `text`: fields of the text that follows, such as `citations`;
- `call`: fields of the call that follows, such as the `caller` of a programmatic one;
- `result`: fields of the result of a call, such as `toolset_name`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from callgate.codecs.anthropic_errors import error_in_stream
from callgate.codecs.json_text import excerpt, is_hollow, list_of, number_of, object_of, text_of
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

__all__ = ["WIRE", "Head", "assemble", "dump", "is_cut", "read_response", "read_usage"]

WIRE = "anthropic"

_OWN_FIELDS = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"}
)
_OWN_TEXT_FIELDS = frozenset({"type", "text"})
_OWN_CALL_FIELDS = frozenset({"type", "id", "name", "input"})
_DIRECT = {"type": "direct"}
"""The caller of a usual call; older surfaces do not know the field, so it is left out."""

_STOPS = {
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "refusal": StopReason.REFUSAL,
    "malformed_tool_use": StopReason.ERROR,
    "malformed_model_output": StopReason.ERROR,
    "pause_turn": StopReason.PAUSED,
    "compaction": StopReason.PAUSED,
}
"""All other words mean that the model came to its own end."""
_CUT = frozenset({StopReason.LENGTH, StopReason.REFUSAL, StopReason.ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a response says about itself.

    Attributes:
        model: The model that answered.
        bound: The model that parts must go back to.
        names: Our names of tools by the wire's names.
    """

    model: str
    bound: str
    names: Mapping[str, str]

    @classmethod
    def of(cls, message: Mapping[str, Any], bound: str, names: Mapping[str, str]) -> Head:
        """Read it from a message; `bound` is the model that was asked, if known."""
        model = text_of(message.get("model"), "model")
        return cls(model=model, bound=bound or model, names=names)

    def opaque(self, kind: str, value: Any) -> Opaque:
        """Return a part that is echoed unchanged; the module says what the kinds are."""
        return Opaque(wire=WIRE, model=self.bound, data={kind: value})


def dump(response: Any) -> Any:
    """Return the JSON value of an SDK's object as it came over the wire; others as they are."""
    make = getattr(response, "model_dump", None)
    return response if make is None else make(mode="json", by_alias=True, exclude_unset=True)


def read_response(
    response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
) -> ModelResponse:
    """Read a whole response; see `Codec.decode_response`.

    Raises:
        ModelError: It is an error of the provider, or not readable.
    """
    message = object_of(dump(response), "The body")
    if message.get("type") == "error":
        raise error_in_stream(message)
    if "content" not in message:
        raise ModelStreamError("The response has no content.", details={"data": excerpt(message)})
    return assemble(Head.of(message, model, names), message)


def is_cut(stop_reason: str) -> bool:
    """Whether an answer that stopped for this reason may hold half a call."""
    return _STOPS.get(stop_reason) in _CUT


def assemble(head: Head, message: Mapping[str, Any]) -> ModelResponse:
    """Make a response of its message.

    Raises:
        ModelStreamError: A field of the message is of the wrong type.
    """
    stop = _STOPS.get(text_of(message.get("stop_reason"), "stop_reason"))
    parts: list[Part] = []
    if fields := _strange(message, _OWN_FIELDS):
        parts.append(head.opaque("message", fields))
    for item in list_of(message.get("content"), "content"):
        parts += _block(head, object_of(item, "a block"), truncated=stop in _CUT)
    if stop is None:
        calls = any(isinstance(part, CallPart) for part in parts)
        stop = StopReason.CALLS if calls else StopReason.END
    return ModelResponse(
        message=Message(role=Role.ASSISTANT, parts=tuple(parts)),
        stop=stop,
        usage=read_usage(message.get("usage")),
        model=head.model,
    )


def _strange(values: Mapping[str, Any], own: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in own and value is not None}


def _block(head: Head, block: dict[str, Any], *, truncated: bool) -> Iterator[Part]:
    match block.get("type"):
        case "text":
            fields = _strange(block, _OWN_TEXT_FIELDS)
            text = text_of(block.get("text"), "text")
            if not is_hollow(fields):
                yield head.opaque("text", fields)
            if text:
                yield Text(text=text)
        case "tool_use":
            yield from _call(head, block, truncated=truncated)
        case _:
            yield head.opaque("block", block)


def _call(head: Head, block: dict[str, Any], *, truncated: bool) -> Iterator[Part]:
    fields = _strange(block, _OWN_CALL_FIELDS)
    if fields.get("caller") == _DIRECT:
        del fields["caller"]
    if fields:
        yield head.opaque("call", fields)
    name = text_of(block.get("name"), "the name of a call")
    identity = text_of(block.get("id"), "the id of a call")
    if not name or not identity:
        raise ModelStreamError("A call has no name or no id.", details={"data": excerpt(block)})
    yield CallPart(
        id=identity,
        name=head.names.get(name, name),
        arguments=_arguments(block.get("input")),
        truncated=truncated,
        echo=_echo(head, fields),
    )


def _echo(head: Head, fields: Mapping[str, Any]) -> Opaque | None:
    """Return what the result of a call has to say again: the toolset that the tool is of."""
    toolset = {name: value for name, value in fields.items() if name == "toolset_name"}
    return head.opaque("result", toolset) if toolset else None


def _arguments(value: Any) -> Any:
    # A stream has their text, a whole response the object.
    return value if isinstance(value, str) else object_of(value, "the input of a call")


def read_usage(data: Any) -> Usage:
    """Return what a response says about tokens; the wire counts cached ones apart.

    Counts decide nothing about the answer, so what cannot be read counts as 0.
    """
    usage = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    cached = number_of(usage.get("cache_read_input_tokens"))
    written = number_of(usage.get("cache_creation_input_tokens"))
    return Usage(
        input=number_of(usage.get("input_tokens")) + written + cached,
        output=number_of(usage.get("output_tokens")),
        cached=cached,
        requests=1,
    )

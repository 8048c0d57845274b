"""Reading streams of Anthropic Messages: pieces as they come, then the whole response.

The pieces are put together into the message that a whole response would hold, and that is read by
`anthropic_reading`: a stream and a whole response cannot mean different things. Events that come
out of order are an error, for a call must never be made of pieces of two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from callgate.codecs.anthropic_errors import error_in_stream
from callgate.codecs.anthropic_reading import Head, assemble, is_cut
from callgate.codecs.block_calls import wire_arguments
from callgate.codecs.json_text import excerpt, list_of, object_of, read, text_of
from callgate.codecs.wire import NO_NAMES, Frame
from callgate.errors import ModelError, ModelStreamError
from callgate.messages import CallDelta, ModelEvent, ResponseDone, StopReason, TextDelta

__all__ = ["MessagesDecoder"]

_WHOLE = frozenset({"signature"})
"""String fields that come whole; all others come in pieces."""


class _Block:
    """A block while its pieces come."""

    __slots__ = ("call", "fields", "open", "pieces")

    def __init__(self, fields: dict[str, Any], call: int | None) -> None:
        self.fields = dict(fields)
        self.pieces: dict[str, list[str]] = {}
        self.open = True
        self.call = call

    def add(self, name: str, value: Any) -> None:
        if name == "citation":
            known = list_of(self.fields.get("citations"), "citations")
            self.fields["citations"] = [*known, value]
        elif isinstance(value, str) and name not in _WHOLE:
            # Joined once, so that a long one costs by its length.
            self.pieces.setdefault("input" if name == "partial_json" else name, []).append(value)
        else:
            self.fields[name] = value

    def whole(self) -> dict[str, Any]:
        """Return the block as a whole response would have it, but the input of a call as text."""
        fields = dict(self.fields)
        for name, pieces in self.pieces.items():
            text = "".join(pieces)
            if name != "input":
                first = fields.get(name)
                fields[name] = first + text if isinstance(first, str) else text
            elif text:
                fields[name] = text
        return fields

    def finished(self, *, cut: bool) -> dict[str, Any]:
        """Return the block with the input of a server tool as the object it must go back as."""
        fields = self.whole()
        if self.call is None and isinstance(fields.get("input"), str):
            text: str = fields["input"]
            what = "The input of a server tool"
            fields["input"] = wire_arguments(text) if cut else read(text.encode(), what)
        return fields


class MessagesDecoder:
    """Reads one streamed response; see `StreamDecoder`."""

    def __init__(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> None:
        """Start before the first frame.

        Args:
            model: The model that was asked.
            names: Our names of tools by the wire's names.
        """
        self._model = model
        self._names = names
        self._message: dict[str, Any] | None = None
        self._blocks: list[_Block] = []
        self._calls = 0
        self._strange: list[Any] = []
        self._done = False

    def feed(self, frame: Frame) -> list[ModelEvent]:
        """Take the next event and return what it says.

        If a provider starts its answer over, with a message of another id, the response holds the
        second one only; pieces given out before belong to calls that do not count.

        Raises:
            ModelError: The provider reports an error, or the event is not readable or out of
                order; `details["received"]` holds what had come.
        """
        if self._done:
            return []
        try:
            event = object_of(read(frame.data, "An event of the stream"), "An event")
            return self._event(text_of(event.get("type"), "type") or frame.event, event)
        except ModelError as error:
            error.details = {**error.details, "received": self.received()}
            raise

    def close(self) -> list[ModelEvent]:
        """Say that the stream has ended.

        Raises:
            ModelStreamError: The model had not come to an end.
        """
        if self._done:
            return []
        raise ModelStreamError(
            "The stream ended before the model had finished.",
            details={"received": self.received()},
        )

    def received(self) -> dict[str, Any]:
        """Return what has come so far: `text` and `calls`."""
        blocks = [block.whole() for block in self._blocks]
        texts = (block.get("text") for block in blocks if block.get("type") == "text")
        return {
            "text": "".join(text for text in texts if isinstance(text, str)),
            "calls": [block for block in blocks if block.get("type") == "tool_use"],
        }

    def _event(self, kind: str, event: dict[str, Any]) -> list[ModelEvent]:
        match kind:
            case "content_block_delta":
                return self._delta(event)
            case "content_block_start":
                return self._begin(event)
            case "content_block_stop":
                self._open_block(event).open = False
            case "message_start":
                return self._start(object_of(event.get("message"), "message"))
            case "message_delta":
                self._merge(event)
            case "message_stop":
                return self._end()
            case "error":
                raise error_in_stream(event)
            case "ping":
                pass
            case _:
                self._strange.append(event)
        return []

    def _start(self, message: dict[str, Any]) -> list[ModelEvent]:
        if self._message is not None and self._blocks:
            if self._message.get("id") == message.get("id"):
                raise _disordered("A message begins twice.", message)
            self._blocks.clear()
        self._message = dict(message)
        events: list[ModelEvent] = []
        for block in list_of(message.get("content"), "content"):
            events += self._add(object_of(block, "a block"))
            self._blocks[-1].open = False
        return events

    def _begin(self, event: dict[str, Any]) -> list[ModelEvent]:
        if self._message is None or event.get("index") != len(self._blocks):
            raise _disordered("A block begins out of order.", event)
        return self._add(object_of(event.get("content_block"), "a block"))

    def _add(self, fields: dict[str, Any]) -> list[ModelEvent]:
        if fields.get("type") != "tool_use":
            self._blocks.append(_Block(fields, None))
            text = fields.get("text") if fields.get("type") == "text" else None
            return [TextDelta(text=text)] if text and isinstance(text, str) else []
        self._blocks.append(_Block(fields, self._calls))
        self._calls += 1
        name = text_of(fields.get("name"), "the name of a call")
        given = fields.get("input")
        return [
            CallDelta(
                index=self._calls - 1,
                id=text_of(fields.get("id"), "the id of a call"),
                name=self._names.get(name, name),
                arguments=_text(given) if given else "",
            )
        ]

    def _open_block(self, event: dict[str, Any]) -> _Block:
        index = event.get("index")
        if type(index) is int and 0 <= index < len(self._blocks) and self._blocks[index].open:
            return self._blocks[index]
        raise _disordered("A piece belongs to no open block.", event)

    def _delta(self, event: dict[str, Any]) -> list[ModelEvent]:
        block = self._open_block(event)
        delta = object_of(event.get("delta"), "delta")
        events: list[ModelEvent] = []
        for name, value in delta.items():
            if name == "type":
                continue
            block.add(name, value)
            if not value or not isinstance(value, str):
                continue
            if name == "text":
                events.append(TextDelta(text=value))
            elif name == "partial_json" and block.call is not None:
                events.append(CallDelta(index=block.call, arguments=value))
        return events

    def _merge(self, event: dict[str, Any]) -> None:
        if self._message is None:
            raise _disordered("A message ends that has not begun.", event)
        usage = self._message.get("usage"), event.get("usage")
        told = {name: value for name, value in event.items() if name != "type"}
        told |= object_of(told.pop("delta", None), "delta")
        known = cast("list[dict[str, Any]]", [item for item in usage if isinstance(item, dict)])
        counts = {key: count for item in known for key, count in item.items() if count is not None}
        self._message |= told | {"usage": counts}

    def _end(self) -> list[ModelEvent]:
        message = self._message or {}
        finish = text_of(message.get("stop_reason"), "stop_reason")
        if not finish or any(block.open for block in self._blocks):
            raise ModelStreamError("The message stops before the model had finished.")
        head = Head.of(message, self._model, self._names)
        cut = is_cut(finish)
        message = message | {"content": [block.finished(cut=cut) for block in self._blocks]}
        if self._strange:
            message["events"] = self._strange
        response = assemble(head, message)
        if finish == "tool_use" and response.stop is not StopReason.CALLS:
            raise ModelStreamError("The model stopped to call a tool, but no call has come.")
        self._done = True
        return [ResponseDone(response=response)]


def _text(given: Any) -> str:
    try:
        return orjson.dumps(given).decode()
    except orjson.JSONEncodeError as exc:
        raise ModelStreamError(f"The input of a call cannot be read: {exc}") from exc


def _disordered(what: str, event: Mapping[str, Any]) -> ModelStreamError:
    return ModelStreamError(f"{what} The stream is damaged.", details={"data": excerpt(event)})

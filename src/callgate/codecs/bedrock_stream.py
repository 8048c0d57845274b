"""Reading streams of Amazon Bedrock Converse: pieces as they come, then the whole response.

The pieces are put together into the response that would have come whole, and that is read by
`bedrock_reading`. Texts begin with their first piece, calls with an event of their own; a call
whose events come out of order is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from callgate.codecs.bedrock_errors import error_in_stream
from callgate.codecs.bedrock_reading import assemble, is_call, is_cut
from callgate.codecs.block_calls import wire_arguments
from callgate.codecs.json_text import excerpt, list_of, object_of, read, text_of
from callgate.codecs.wire import NO_NAMES, Frame
from callgate.errors import ModelError, ModelStreamError
from callgate.messages import CallDelta, ModelEvent, ResponseDone, StopReason, TextDelta

__all__ = ["ConverseDecoder"]


class _Block:
    """A block while its pieces come."""

    __slots__ = ("call", "items", "open", "pieces", "start")

    def __init__(self, start: dict[str, Any], call: int | None = None) -> None:
        self.start = start
        self.call = call
        self.open = True
        self.pieces: dict[str, list[str]] = {}
        self.items: dict[str, list[Any]] = {}

    def add(self, name: str, value: Any) -> None:
        # Strings are joined once, so that a long one costs by its length.
        if isinstance(value, str):
            self.pieces.setdefault(name, []).append(value)
        elif isinstance(value, list):
            self.items.setdefault(name, []).extend(cast("list[Any]", value))
        else:
            self.items.setdefault(name, []).append(value)

    def text(self, name: str) -> str:
        return "".join(self.pieces.get(name, ()))

    def whole(self) -> dict[str, Any]:
        """Return the block as a whole response would have it, but the input of a call as text."""
        if "toolUse" in self.start:
            return {"toolUse": {**self.start["toolUse"], "input": self.text("input") or {}}}
        if "toolResult" in self.start:
            content = self.items.get("toolResult", [])
            return {"toolResult": {**self.start["toolResult"], "content": content}}
        if "image" in self.start:
            image = dict(self.start["image"])
            for item in self.items.get("image", ()):
                image |= object_of(item, "an image")
            return {"image": image}
        if "citation" in self.items:
            content = [{"text": self.text("text")}]
            return {"citationsContent": {"content": content, "citations": self.items["citation"]}}
        if self.start or self.items.keys() | self.pieces.keys() - {"text", *_REASONING}:
            texts = {name: self.text(name) for name in self.pieces}
            return {"unknown": {"start": self.start, **texts, **self.items}}
        return self._reasoning() if self.pieces.keys() & _REASONING else {"text": self.text("text")}

    def finished(self, *, cut: bool) -> dict[str, Any]:
        """Return the block with the input of a server's tool as the object it must go back as."""
        block = self.whole()
        if "toolUse" in block and self.call is None and block["toolUse"]["input"]:
            text: str = block["toolUse"]["input"]
            what = "The input of a server's tool"
            block["toolUse"]["input"] = wire_arguments(text) if cut else read(text.encode(), what)
        return block

    def _reasoning(self) -> dict[str, Any]:
        if "redactedContent" in self.pieces:
            return {"reasoningContent": {"redactedContent": self.text("redactedContent")}}
        thought = {"text": self.text("thought")}
        if "signature" in self.pieces:
            thought["signature"] = self.text("signature")
        return {"reasoningContent": {"reasoningText": thought}}


_REASONING = frozenset({"thought", "signature", "redactedContent"})


class ConverseDecoder:
    """Reads one streamed response; see `StreamDecoder`."""

    def __init__(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> None:
        """Start before the first frame.

        Args:
            model: The model that was asked.
            names: Our names of tools by the wire's names.
        """
        self._model = model
        self._names = names
        self._blocks: list[_Block] = []
        self._calls = 0
        self._stop: dict[str, Any] | None = None
        self._metadata: dict[str, Any] | None = None
        self._strange: list[Any] = []
        self._done = False

    def feed(self, frame: Frame) -> list[ModelEvent]:
        """Take the next event and return what it says.

        Raises:
            ModelError: The provider reports an error, or the event is not readable or out of
                order; `details["received"]` holds what had come.
        """
        if self._done:
            return []
        try:
            return self._event(frame.event, read(frame.data, "An event of the stream"))
        except ModelError as error:
            error.details = {**error.details, "received": self.received()}
            raise

    def close(self) -> list[ModelEvent]:
        """Say that the stream has ended; the counts of tokens may be missing.

        Raises:
            ModelStreamError: The model had not come to an end.
        """
        if self._done:
            return []
        try:
            return self._end()
        except ModelError as error:
            error.details = {**error.details, "received": self.received()}
            raise

    def received(self) -> dict[str, Any]:
        """Return what has come so far: `text` and `calls`."""
        blocks = [block.whole() for block in self._blocks]
        return {
            "text": "".join(block.get("text", "") for block in blocks),
            "calls": [block["toolUse"] for block in blocks if is_call(block)],
        }

    def _event(self, name: str, data: Any) -> list[ModelEvent]:
        if name == "error" or name.lower().endswith("exception"):
            raise error_in_stream(name, data)
        event = object_of(data, "An event")
        match name:
            case "contentBlockDelta":
                return self._delta(event)
            case "contentBlockStart":
                return self._begin(event)
            case "contentBlockStop":
                self._block(event).open = False
            case "messageStop":
                self._stop = event
            case "metadata":
                self._metadata = event
            case "messageStart":
                if self._blocks:
                    raise _disordered("A message begins twice.", event)
            case _:
                self._strange.append({name: event})
        if self._stop is None or self._metadata is None:
            return []
        return self._end()

    def _begin(self, event: dict[str, Any]) -> list[ModelEvent]:
        if event.get("contentBlockIndex") != len(self._blocks) or self._stop is not None:
            raise _disordered("A block begins out of order.", event)
        start = object_of(event.get("start"), "start")
        start = {name: object_of(value, "the start of a block") for name, value in start.items()}
        if not is_call(start):
            self._blocks.append(_Block(start))
            return []
        place = self._calls
        self._calls += 1
        self._blocks.append(_Block(start, place))
        call = start["toolUse"]
        name = text_of(call.get("name"), "the name of a call")
        identity = text_of(call.get("toolUseId"), "the id of a call")
        return [CallDelta(index=place, id=identity, name=self._names.get(name, name))]

    def _block(self, event: dict[str, Any]) -> _Block:
        """Return the open block that an event is for; a text begins with its first piece."""
        index = event.get("contentBlockIndex")
        if index == len(self._blocks) and type(index) is int and self._stop is None:
            self._blocks.append(_Block({}))
        if type(index) is int and 0 <= index < len(self._blocks) and self._blocks[index].open:
            return self._blocks[index]
        raise _disordered("A piece belongs to no open block.", event)

    def _delta(self, event: dict[str, Any]) -> list[ModelEvent]:
        block = self._block(event)
        events: list[ModelEvent] = []
        for name, value in object_of(event.get("delta"), "delta").items():
            match name:
                case "text":
                    text = text_of(value, "text")
                    block.add(name, text)
                    events += [TextDelta(text=text)] if text else []
                case "toolUse":
                    events += _input(block, object_of(value, "a call"), event)
                case "reasoningContent":
                    for key, piece in object_of(value, "reasoning").items():
                        block.add("thought" if key == "text" else key, piece)
                case "toolResult":
                    block.add(name, list_of(value, "a result"))
                case _:
                    block.add(name, value)
        return events

    def _end(self) -> list[ModelEvent]:
        if self._stop is None or any(
            block.open and "toolUse" in block.start for block in self._blocks
        ):
            raise ModelStreamError("The stream ended before the model had finished.")
        cut = is_cut(text_of(self._stop.get("stopReason"), "stopReason"))
        content = [block.finished(cut=cut) for block in self._blocks]
        data = {**(self._metadata or {}), **self._stop, "output": {"message": {"content": content}}}
        data.pop("p", None)  # padding
        if self._strange:
            data["events"] = self._strange
        response = assemble(data, model=self._model, names=self._names)
        if data.get("stopReason") == "tool_use" and response.stop is not StopReason.CALLS:
            raise ModelStreamError("The model stopped to call a tool, but no call has come.")
        self._done = True
        return [ResponseDone(response=response)]


def _input(block: _Block, delta: dict[str, Any], event: dict[str, Any]) -> list[ModelEvent]:
    if "toolUse" not in block.start:
        raise _disordered("A piece of a call belongs to none.", event)
    piece = text_of(delta.get("input"), "the input of a call")
    block.add("input", piece)
    return (
        [CallDelta(index=block.call, arguments=piece)] if piece and block.call is not None else []
    )


def _disordered(what: str, event: Mapping[str, Any]) -> ModelStreamError:
    return ModelStreamError(f"{what} The stream is damaged.", details={"data": excerpt(event)})

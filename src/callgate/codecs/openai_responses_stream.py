"""Reading streams of OpenAI Responses: pieces as they come, then the whole response.

An item counts as it stands in its `output_item.done`: what was announced may be partial, pieces
may come twice, and some servers give an item another id in every event. An item that was not
finished there is taken from the last event, which holds the response. Items are known by their
place, and by their id only where a server tells no places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callgate.codecs.json_text import list_of, object_of, read, text_of
from callgate.codecs.openai_errors import error_in_stream
from callgate.codecs.openai_responses_reading import CALLS, NO_INPUTS, assemble, head_of, texts_of
from callgate.codecs.wire import NO_NAMES, Frame
from callgate.errors import ModelError, ModelStreamError
from callgate.messages import CallDelta, ModelEvent, ResponseDone, TextDelta

__all__ = ["ResponsesDecoder"]

_ENDS = frozenset({"response.completed", "response.incomplete", "response.cancelled"})
_TEXT = frozenset({"response.output_text.delta", "response.refusal.delta"})
_ARGUMENTS = frozenset(
    {"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"}
)
_WHOLE_ARGUMENTS: Mapping[str, str] = {
    "response.function_call_arguments.done": "arguments",
    "response.custom_tool_call_input.done": "input",
}
_NEWS = frozenset(
    {"response.created", "response.in_progress", "response.queued", "keepalive", "ping"}
)
"""Events that say nothing that the last one does not say."""


class _Item:
    """An item of the output while its pieces come.

    Attributes:
        place: Where it stands in the output.
        item: As it was announced; once it is finished, as it is.
        finished: Whether it came whole.
        pieces: What has come of its arguments or of its text.
        whole: Its arguments, once they came whole.
        call: Which call of the message it is; -1 for an item of another kind.
    """

    __slots__ = ("call", "finished", "item", "pieces", "place", "whole")

    def __init__(self, place: int) -> None:
        self.place = place
        self.item: dict[str, Any] = {}
        self.finished = False
        self.pieces: list[str] = []
        self.whole = ""
        self.call = -1

    @property
    def kind(self) -> str:
        return text_of(self.item.get("type"), "the type of an item")

    def is_same(self, item: Mapping[str, Any]) -> bool:
        """Whether this one, once finished, is `item`: by its id, else by all it holds."""
        known, new = _identity(self.item), _identity(item)
        return known == new if new[1] else self.item == item

    def best(self) -> dict[str, Any]:
        """Return the item as far as it is known."""
        if self.finished or not self.item:
            return self.item
        field = CALLS.get(self.kind)
        if field:
            arguments = self.whole or "".join(self.pieces) or self.item.get(field)
            return {**self.item, field: arguments, "status": "incomplete"}
        if self.kind == "message" and self.pieces:
            text = {"type": "output_text", "text": "".join(self.pieces)}
            return {**self.item, "content": [text], "status": "incomplete"}
        return self.item


def _identity(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return what an item is and its id; "" for what it does not say."""
    own = item.get("call_id") or item.get("id")
    return text_of(item.get("type"), "the type of an item"), own if isinstance(own, str) else ""


def _checked(value: Any) -> dict[str, Any]:
    item = object_of(value, "an item")
    text_of(item.get("type"), "the type of an item")
    return item


class ResponsesDecoder:
    """Reads one streamed response; see `StreamDecoder`."""

    def __init__(
        self,
        *,
        model: str = "",
        names: Mapping[str, str] = NO_NAMES,
        inputs: Mapping[str, str] = NO_INPUTS,
    ) -> None:
        """Start before the first frame.

        Args:
            model: The model that was asked.
            names: Our names of tools by the wire's names.
            inputs: By our name of a tool, the parameter that the text of a freeform call is.
        """
        self._inputs = inputs
        self._model = model
        self._names = names
        self._items: list[_Item] = []
        self._at: dict[int, _Item] = {}
        self._calls = 0
        self._seen: dict[int, int] = {}
        self._strange: list[dict[str, Any]] = []
        self._done = False

    def feed(self, frame: Frame) -> list[ModelEvent]:
        """Take the next event and return what it says.

        Raises:
            ModelError: The provider reports an error, or the event is not readable;
                `details["received"]` holds what had come.
        """
        if self._done or frame.data.strip() == b"[DONE]":
            return []
        try:
            return self._event(object_of(read(frame.data, "An event"), "An event"), frame.data)
        except ModelError as error:
            error.details = {**error.details, "received": self.received()}
            raise

    def close(self) -> list[ModelEvent]:
        """Say that the stream has ended.

        Raises:
            ModelStreamError: The last event has not come.
        """
        if self._done:
            return []
        raise ModelStreamError(
            "The stream ended before the model had finished.",
            details={"received": self.received()},
        )

    def received(self) -> dict[str, Any]:
        """Return what has come so far: `text`, `calls` and the `events` that are not known."""
        items = [item.best() for item in self._items]
        return {
            "text": "".join(texts_of(item) for item in items),
            "calls": [item for item in items if item.get("type") in CALLS],
            "events": self._strange,
        }

    def _event(self, data: dict[str, Any], raw: bytes) -> list[ModelEvent]:
        kind = text_of(data.get("type"), "the type of an event")
        if self._again(data.get("sequence_number"), raw) or kind in _NEWS:
            return []
        if kind in _ENDS:
            return self._end(object_of(data.get("response"), "response"))
        if kind == "error":
            raise error_in_stream(data.get("error") or data)
        if kind == "response.failed":
            response = object_of(data.get("response"), "response")
            raise error_in_stream(response.get("error") or {"message": "The response has failed."})
        if "output_index" not in data:
            data = self._placed(kind, data)
        if "output_index" in data:
            return self._progress(kind, data)
        self._strange.append(data)
        return []

    def _placed(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """Return an event with the place of its item: llama.cpp's server tells only an id."""
        item = object_of(data.get("item"), "an item")
        own = data.get("item_id") or item.get("call_id") or item.get("id")
        if not isinstance(own, str):
            return data
        for old in reversed(self._items):
            if own in (old.item.get("id"), old.item.get("call_id")):
                return data | {"output_index": old.place}
        if kind != "response.output_item.added":
            return data
        return data | {"output_index": 1 + max((old.place for old in self._items), default=-1)}

    def _again(self, number: Any, raw: bytes) -> bool:
        """Whether an event came before; some servers number none, or all of them alike."""
        if not isinstance(number, int) or number <= 0:
            return False
        before = self._seen.get(number)
        self._seen[number] = hash(raw)
        return before == self._seen[number]

    def _progress(self, kind: str, data: dict[str, Any]) -> list[ModelEvent]:
        """Take an event about one item; those of hosted tools say nothing the item does not."""
        if kind == "response.output_item.added":
            return self._begin(self._item(data, new=True), _checked(data.get("item")))
        if kind == "response.output_item.done":
            return self._finish(self._item(data, new=True), _checked(data.get("item")))
        item = self._item(data)
        if item.finished:
            return []
        if field := _WHOLE_ARGUMENTS.get(kind):
            item.whole = text_of(data.get(field), field)
        elif kind in _TEXT or kind in _ARGUMENTS:
            piece = text_of(data.get("delta"), "delta")
            item.pieces.append(piece)
            if kind in _TEXT:
                return [TextDelta(text=piece)]
            return [CallDelta(index=item.call, arguments=piece)] if item.call >= 0 else []
        return []

    def _item(self, data: Mapping[str, Any], *, new: bool = False) -> _Item:
        index = data["output_index"]
        if not isinstance(index, int) or index < 0:
            raise ModelStreamError(f"An event is about the item {index!r}.")
        item = self._at.get(index)
        if item is None or (new and item.finished and not item.is_same(_checked(data.get("item")))):
            item = self._at[index] = _Item(index)
            self._items.append(item)
        return item

    def _begin(self, item: _Item, value: dict[str, Any]) -> list[ModelEvent]:
        if item.item:
            return []
        item.item = value
        if item.kind not in CALLS:
            return []
        item.call = self._calls
        self._calls += 1
        name = text_of(value.get("name"), "the name of a call")
        known = text_of(value.get("call_id"), "the id of a call")
        come = "".join(item.pieces)
        name = self._names.get(name, name)
        return [CallDelta(index=item.call, id=known, name=name, arguments=come)]

    def _finish(self, item: _Item, value: dict[str, Any]) -> list[ModelEvent]:
        if item.finished:
            return []
        events = self._begin(item, value)
        told = bool(item.pieces)
        item.item = value
        item.finished = True
        field = CALLS.get(item.kind)
        rest = texts_of(value) if field is None else value.get(field)
        if told or not rest or not isinstance(rest, str):
            return events
        if field is None:
            return [*events, TextDelta(text=rest)]
        return [*events, CallDelta(index=item.call, arguments=rest)]

    def _end(self, response: dict[str, Any]) -> list[ModelEvent]:
        if not response:
            raise ModelStreamError("The last event holds no response.")
        events: list[ModelEvent] = []
        finished = [item for item in self._items if item.finished]
        for index, value in enumerate(list_of(response.get("output"), "output")):
            item = _checked(value)
            # An item may have been streamed at another place than it has here.
            if not any(old.is_same(item) for old in finished):
                events += self._finish(self._item({"output_index": index}), item)
        head = head_of(response, self._model, self._names)
        in_order = sorted(self._items, key=lambda item: item.place)
        items = [item.best() for item in in_order]
        more = [head.opaque("event", event) for event in self._strange]
        done = assemble(head, response, items, inputs=self._inputs, more=more)
        self._done = True
        return [*events, ResponseDone(response=done)]

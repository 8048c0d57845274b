"""Reading streams of OpenAI Chat Completions: pieces as they come, then the whole response.

The pieces are put together into the message that a whole response would hold, and that is read by
`openai_chat_reading`: a stream and a whole response cannot mean different things.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from callgate.codecs.json_text import list_of, object_of, read, text_of
from callgate.codecs.openai_chat_reading import WIRE, Head, assemble, read_usage, text_in
from callgate.codecs.openai_errors import error_in_stream
from callgate.codecs.wire import NO_NAMES, Frame
from callgate.errors import ModelError, ModelStreamError
from callgate.messages import CallDelta, ModelEvent, ResponseDone, TextDelta

__all__ = ["ChatDecoder"]

_TOLD_FIELDS = frozenset({"role", "content", "tool_calls"})
_PLACED_CALL_FIELDS = frozenset({"id", "index", "function"})
_NOT_JOINED = frozenset(
    {"id", "type", "name", "format", "role", "index", "signature", "thought_signature"}
)
"""String fields that come whole, perhaps in every chunk; all others come in pieces."""

_DEPTH = 8
"""How deep pieces are joined; what lies deeper comes whole."""


class _Pieces(list[str]):
    """A string that is still growing; joined once, so that a long one costs by its length."""


def _merge(into: dict[str, Any], new: Mapping[str, Any], depth: int = 0) -> None:
    """Add the fields of a delta to what has come before."""
    for name, value in new.items():
        if value is None:
            into.setdefault(name, None)
            continue
        old = into.get(name)
        if isinstance(value, str) and name not in _NOT_JOINED:
            if isinstance(old, _Pieces):
                old.append(value)
            else:
                into[name] = _Pieces([value])
        elif isinstance(value, dict) and depth < _DEPTH:
            inner = into[name] = cast("dict[str, Any]", old) if isinstance(old, dict) else {}
            _merge(inner, cast("dict[str, Any]", value), depth + 1)
        elif isinstance(value, list) and depth < _DEPTH:
            items = into[name] = cast("list[Any]", old) if type(old) is list else []
            _merge_items(items, cast("list[Any]", value), depth + 1)
        else:
            into[name] = value


def _merge_items(items: list[Any], new: list[Any], depth: int) -> None:
    """Add the items of a delta: to the item of the same index and type, else at the end."""
    for item in new:
        if not isinstance(item, dict):
            items.append(item)
            continue
        fields = cast("dict[str, Any]", item)
        target = next((old for old in reversed(items) if _same_item(old, fields)), None)
        if target is None:
            target = dict[str, Any]()
            items.append(target)
        _merge(target, fields, depth)


def _same_item(old: Any, new: dict[str, Any]) -> bool:
    if not isinstance(old, dict) or "index" not in new:
        return False
    known = cast("dict[str, Any]", old)
    return known.get("index") == new["index"] and known.get("type") == new.get("type")


def _settled(value: Any, depth: int = 0) -> Any:
    """Return a copy of what has come, with its growing strings joined."""
    if isinstance(value, _Pieces):
        return "".join(value)
    if depth > 2 * _DEPTH:  # an object and an array are one step of `_merge`; no pieces below
        return value
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {name: _settled(item, depth + 1) for name, item in members}
    if isinstance(value, list):
        return [_settled(item, depth + 1) for item in cast("list[Any]", value)]
    return value


class _GrowingCall:
    """A call while its pieces come."""

    __slots__ = ("arguments", "fields", "id", "name", "object")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.object: dict[str, Any] | None = None
        self.fields: dict[str, Any] = {}

    def add(self, delta: dict[str, Any]) -> tuple[str, bool]:
        """Take a delta; return the arguments in it and whether it named the call."""
        function = dict(object_of(delta.get("function"), "function"))
        arguments = function.pop("arguments", None)
        name = text_of(function.pop("name", None), "the name of a call")
        named = bool(name) and not self.name
        self.name = self.name or name
        self.id = self.id or text_of(delta.get("id"), "the id of a call")
        rest = {key: value for key, value in delta.items() if key not in _PLACED_CALL_FIELDS}
        if function or "function" in delta:
            rest["function"] = function
        _merge(self.fields, rest)
        if isinstance(arguments, dict):
            self.object = cast("dict[str, Any]", arguments)
            return "", named
        piece = text_of(arguments, "the arguments of a call")
        if piece:
            self.arguments.append(piece)
        return piece, named

    def whole(self) -> dict[str, Any]:
        """Return the call as a whole response would have it."""
        fields = _settled(self.fields)
        if "function" in fields:
            arguments: Any = "".join(self.arguments) if self.object is None else self.object
            fields["function"] |= {"name": self.name, "arguments": arguments}
        return {"id": self.id, **fields}


class ChatDecoder:
    """Reads one streamed response; see `StreamDecoder`.

    Attributes:
        done_ends: Whether `[DONE]` ends an answer that gave no reason for its end; some servers
            give none.
    """

    done_ends: ClassVar[bool] = True

    def __init__(
        self, *, model: str = "", names: Mapping[str, str] = NO_NAMES, wire: str = WIRE
    ) -> None:
        """Start before the first frame.

        Args:
            model: The model that was asked.
            names: Our names of tools by the wire's names.
            wire: The wire that parts must go back to; defaults to Chat Completions.
        """
        self._wire = wire
        self._model = model
        self._names = names
        self._head: Head | None = None
        self._fields: dict[str, Any] = {}
        self._parts: list[_Pieces | dict[str, Any]] = []
        self._calls: list[_GrowingCall] = []
        self._place: dict[int, int] = {}
        self._finish: str | None = None
        self._usage: Mapping[str, Any] = {}
        self._events: list[dict[str, Any]] = []
        self._done = False

    def feed(self, frame: Frame) -> list[ModelEvent]:
        """Take the next chunk and return what it says.

        Raises:
            ModelError: The provider reports an error, or the chunk is not readable;
                `details["received"]` holds what had come.
        """
        if self._done:
            return []
        if frame.data.strip() == b"[DONE]":
            return self._end() if self.done_ends else self.close()
        try:
            return self._chunk(
                self._as_chunk(object_of(read(frame.data, "A chunk of the stream"), "A chunk"))
            )
        except ModelError as error:
            error.details = {**error.details, "received": self.received()}
            raise

    def close(self) -> list[ModelEvent]:
        """Say that the stream has ended; some servers send no last `[DONE]`.

        Raises:
            ModelStreamError: The model had not come to an end.
        """
        if self._done:
            return []
        if self._finish is None:
            raise ModelStreamError(
                "The stream ended before the model had finished.",
                details={"received": self.received()},
            )
        return self._end()

    def received(self) -> dict[str, Any]:
        """Return what has come so far: `text`, `calls` and the other fields of the message."""
        text = "".join("".join(part) for part in self._parts if isinstance(part, _Pieces))
        calls = [call.whole() for call in self._calls]
        return {**_settled(self._fields), "text": text, "calls": calls}

    def _keep(self, event: dict[str, Any]) -> None:
        """Keep an event that is none of those that are known."""
        self._events.append(event)

    def _as_chunk(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return a frame's JSON object in the form of Chat Completions; siblings differ here."""
        return data

    def _chunk(self, chunk: dict[str, Any]) -> list[ModelEvent]:
        if error := chunk.get("error"):
            raise error_in_stream(error)
        if self._head is None or not self._head.model:
            self._head = Head.of(chunk, self._model, self._names, self._wire)
        if chunk.get("usage") or chunk.get("x_groq"):
            self._usage = chunk
        events: list[ModelEvent] = []
        for item in list_of(chunk.get("choices"), "choices"):
            choice = object_of(item, "a choice")
            # Several answers are never asked for; a second one must not mix with the first.
            if not choice.get("index"):
                self._delta(object_of(choice.get("delta"), "delta"), events)
                if (finish := choice.get("finish_reason")) is not None:
                    self._finish = text_of(finish, "finish_reason")
        return events

    def _delta(self, delta: dict[str, Any], events: list[ModelEvent]) -> None:
        if (content := delta.get("content")) is not None:
            self._content(content, events)
        if refusal := text_of(delta.get("refusal"), "refusal"):
            events.append(TextDelta(text=refusal))
        for item in list_of(delta.get("tool_calls"), "tool_calls"):
            self._call(object_of(item, "a call"), events)
        if rest := delta.keys() - _TOLD_FIELDS:
            _merge(self._fields, {name: delta[name] for name in rest})

    def _content(self, content: Any, events: list[ModelEvent]) -> None:
        parts = cast("list[Any]", content) if isinstance(content, list) else [content]
        for part in parts:
            text = text_in(part)
            if text is None:
                self._other_part(cast("dict[str, Any]", part))
            elif text:
                last = self._parts[-1] if self._parts else None
                if isinstance(last, _Pieces):
                    last.append(text)
                else:
                    self._parts.append(_Pieces([text]))
                events.append(TextDelta(text=text))

    def _other_part(self, part: dict[str, Any]) -> None:
        last = self._parts[-1] if self._parts else None
        if part.get("type") != "thinking":
            self._parts.append(part)
        elif isinstance(last, dict) and last.get("type") == "thinking":
            # Thoughts come in pieces (Mistral, Cohere); other parts come whole.
            _merge(last, part)
        else:
            new = dict[str, Any]()
            _merge(new, part)
            self._parts.append(new)

    def _call(self, delta: dict[str, Any], events: list[ModelEvent]) -> None:
        if self._finish:
            raise ModelStreamError("A piece of a call came after the end of the answer.")
        place = self._placed(delta)
        call = self._calls[place]
        piece, named = call.add(delta)
        if piece and not call.name:
            # It cannot be told what has been lost before it.
            raise ModelStreamError("Arguments of a call came before its name.")
        if named:
            call.id = call.id or self._known_head().call_id(place)
            name = self._names.get(call.name, call.name)
            events.append(CallDelta(index=place, id=call.id, name=name, arguments=piece))
        elif piece:
            events.append(CallDelta(index=place, arguments=piece))

    def _placed(self, delta: dict[str, Any]) -> int:
        """Return which call a delta belongs to, counted in the order they began."""
        index = delta.get("index")
        place = self._place.get(index) if isinstance(index, int) else len(self._calls) - 1
        if place is None or place < 0 or self._begins(delta, self._calls[place]):
            place = len(self._calls)
            self._calls.append(_GrowingCall())
            if isinstance(index, int):
                self._place[index] = place
        return place

    def _begins(self, delta: dict[str, Any], last: _GrowingCall) -> bool:
        """Whether a delta starts a new call although its index is absent or used already.

        Some servers send whole calls without an index, or all of them with index 0.
        """
        name = object_of(delta.get("function"), "function").get("name")
        if not name or not last.name:
            return False
        own = delta.get("id")
        return own != last.id if own else "index" not in delta

    def _known_head(self) -> Head:
        return self._head or Head.of({}, self._model, self._names, self._wire)

    def _end(self) -> list[ModelEvent]:
        self._done = True
        message = _settled(self._fields)
        message["content"] = self._whole_content()
        message["tool_calls"] = [call.whole() for call in self._calls]
        head = self._known_head()
        more = [head.opaque("event", event) for event in self._events]
        usage = read_usage(self._usage)
        response = assemble(head, message, self._finish or "", usage, more=more)
        return [ResponseDone(response=response)]

    def _whole_content(self) -> Any:
        if any(isinstance(part, dict) for part in self._parts):
            return [
                {"type": "text", "text": "".join(part)}
                if isinstance(part, _Pieces)
                else _settled(part)
                for part in self._parts
            ]
        return "".join("".join(cast("_Pieces", part)) for part in self._parts)

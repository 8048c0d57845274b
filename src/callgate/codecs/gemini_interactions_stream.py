"""Reading streams of Gemini's interactions: steps that begin, grow and end one after the other.

The steps are put together as a whole response would hold them, and read as one is. Indexes must
come in their order: a stream that is shuffled or has lost a step is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from callgate.codecs.gemini_errors import error_in_stream
from callgate.codecs.gemini_interactions_reading import Head, assemble
from callgate.codecs.json_text import excerpt, list_of, object_of, read, text_of
from callgate.codecs.wire import NO_NAMES, Frame
from callgate.errors import ModelError, ModelStreamError
from callgate.messages import CallDelta, ModelEvent, ResponseDone, TextDelta

__all__ = ["InteractionDecoder"]


class _Step:
    """A step while its pieces come."""

    __slots__ = ("_arguments", "_fields", "_texts", "kind")

    def __init__(self, step: dict[str, Any]) -> None:
        self.kind = text_of(step.get("type"), "the type of a step")
        self._fields = dict(step)
        self._arguments: list[str] = []
        # Pieces of the content's texts, by their place.
        self._texts: dict[int, list[str]] = {}

    def add(self, delta: dict[str, Any]) -> str:
        """Take a delta; return the text or the arguments in it."""
        kind = delta.get("type")
        match kind:
            case "text":
                return self._text(text_of(delta.get("text"), "text"))
            case "arguments_delta":
                piece = text_of(delta.get("arguments"), "arguments")
                self._arguments.append(piece)
                return piece
            case "text_annotation_delta":
                self._annotate(list_of(delta.get("annotations"), "annotations"))
            case "thought_signature":
                self._fields["signature"] = delta.get("signature")
            case "thought_summary":
                self._list("summary").append(delta.get("content"))
            case _:
                self._other(delta)
        return ""

    def whole(self) -> dict[str, Any]:
        """Return the step as a whole response would have it."""
        fields = dict(self._fields)
        if self._arguments:
            fields["arguments"] = "".join(self._arguments)
        if self._texts:
            content = list_of(fields["content"], "content")
            fields["content"] = [
                {**item, "text": "".join(self._texts[place])} if place in self._texts else item
                for place, item in enumerate(content)
            ]
        return fields

    def text(self) -> str:
        """Return the text that has come in pieces."""
        return "".join("".join(pieces) for pieces in self._texts.values())

    def _text(self, text: str) -> str:
        content = self._list("content")
        last = len(content) - 1
        if last not in self._texts:
            last += 1
            content.append({"type": "text"})
            self._texts[last] = []
        self._texts[last].append(text)
        return text

    def _annotate(self, annotations: list[Any]) -> None:
        self._text("")
        content = cast("dict[str, Any]", self._list("content")[-1])
        content["annotations"] = [*content.get("annotations", []), *annotations]

    def _other(self, delta: dict[str, Any]) -> None:
        if self.kind == "model_output":
            self._list("content").append(delta)
        else:
            self._fields |= {name: value for name, value in delta.items() if name != "type"}

    def _list(self, name: str) -> list[Any]:
        items = list_of(self._fields.get(name), name)
        self._fields[name] = items
        return items


class InteractionDecoder:
    """Reads one streamed response; see `StreamDecoder`."""

    def __init__(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> None:
        """Start before the first frame.

        Args:
            model: The model that was asked.
            names: Our names of tools by the wire's names.
        """
        self._model = model
        self._names = names
        self._head = Head.of({}, model, names)
        self._steps: list[_Step] = []
        self._open = False
        self._calls = 0
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
            return self._event(object_of(read(frame.data, "An event of the stream"), "An event"))
        except ModelError as error:
            error.details = {**error.details, "received": self.received()}
            raise

    def close(self) -> list[ModelEvent]:
        """Say that the stream has ended.

        Raises:
            ModelStreamError: The interaction had not ended.
        """
        if not self._done:
            raise ModelStreamError(
                "The stream ended before the interaction.", details={"received": self.received()}
            )
        return []

    def received(self) -> dict[str, Any]:
        """Return what has come so far: `text` and `calls`."""
        steps = [step.whole() for step in self._steps]
        return {
            "text": "".join(step.text() for step in self._steps),
            "calls": [step for step in steps if step.get("type") == "function_call"],
        }

    def _event(self, event: dict[str, Any]) -> list[ModelEvent]:
        kind = event.get("event_type")
        match kind:
            case "interaction.created":
                told = object_of(event.get("interaction"), "interaction")
                self._head = Head.of(told, self._model, self._names)
            case "interaction.status_update":
                pass  # the same stands in the last event
            case "step.start":
                return self._start(event)
            case "step.delta":
                return self._delta(event)
            case "step.stop":
                self._placed(event)
                self._open = False
            case "interaction.completed":
                return self._end(object_of(event.get("interaction"), "interaction"))
            case "error":
                raise error_in_stream(event.get("error"))
            case _:
                if error := event.get("error"):
                    raise error_in_stream(error)
                self._strange.append(event)
        return []

    def _start(self, event: dict[str, Any]) -> list[ModelEvent]:
        if self._open or event.get("index") != len(self._steps):
            raise ModelStreamError(
                "A step begins out of its turn.", details={"index": excerpt(event.get("index"))}
            )
        told = object_of(event.get("step"), "step")
        step = _Step(told)
        self._steps.append(step)
        self._open = True
        if step.kind != "function_call":
            return []
        place, self._calls = self._calls, self._calls + 1
        name = text_of(told.get("name"), "the name of a call")
        call_id = text_of(told.get("id"), "the id of a call") or self._head.call_id(place)
        return [CallDelta(index=place, id=call_id, name=self._names.get(name, name))]

    def _delta(self, event: dict[str, Any]) -> list[ModelEvent]:
        step = self._placed(event)
        piece = step.add(object_of(event.get("delta"), "delta"))
        if not piece:
            return []
        if step.kind == "function_call":
            return [CallDelta(index=self._calls - 1, arguments=piece)]
        return [TextDelta(text=piece)] if step.kind == "model_output" else []

    def _placed(self, event: dict[str, Any]) -> _Step:
        if not self._open or event.get("index") != len(self._steps) - 1:
            raise ModelStreamError(
                "A piece of a step comes when its step is not open.",
                details={"index": excerpt(event.get("index"))},
            )
        return self._steps[-1]

    def _end(self, interaction: dict[str, Any]) -> list[ModelEvent]:
        if self._open and interaction.get("status") in ("completed", "requires_action"):
            raise ModelStreamError("The interaction ended within a step.")
        steps = [step.whole() for step in self._steps]
        whole = steps or list_of(interaction.get("steps"), "steps")
        if not self._head.model:
            self._head = Head.of(interaction, self._model, self._names)
        response = assemble(self._head, interaction, whole, self._strange)
        self._done = True
        return [ResponseDone(response=response)]

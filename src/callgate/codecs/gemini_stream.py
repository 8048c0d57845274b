"""Reading streams of Gemini's `generateContent`: a row of responses that each hold a piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callgate.codecs.gemini_errors import error_in_stream
from callgate.codecs.gemini_reading import Gathering, Head, read_usage, wire_form
from callgate.codecs.json_text import excerpt, list_of, object_of, read
from callgate.codecs.wire import NO_NAMES, Frame
from callgate.errors import ModelError, ModelRequestError, ModelStreamError
from callgate.messages import CallDelta, ModelEvent, ModelResponse, ResponseDone, Usage

__all__ = ["GeminiDecoder", "read_response"]

_NO_USAGE = Usage(requests=1)


class _Reading:
    """Takes responses, or chunks of one, and puts them together."""

    def __init__(self, model: str, names: Mapping[str, str]) -> None:
        self._model = model
        self._names = names
        self._usage = _NO_USAGE
        self.gathering: Gathering | None = None

    def add(self, data: Mapping[str, Any]) -> list[ModelEvent]:
        if error := data.get("error"):
            raise error_in_stream(error)
        feedback = object_of(data.get("promptFeedback"), "promptFeedback")
        if reason := feedback.get("blockReason"):
            raise ModelRequestError(
                f"The provider refuses the request: {excerpt(reason)}.",
                details={"reason": excerpt(reason)},
            )
        if data.get("usageMetadata"):
            self._usage = read_usage(data)
        if self.gathering is None:
            self.gathering = Gathering(Head.of(data, self._model, self._names))
        events: list[ModelEvent] = []
        for item in list_of(data.get("candidates"), "candidates"):
            candidate = object_of(item, "a candidate")
            # Several answers are never asked for; a second one must not mix with the first.
            if not candidate.get("index"):
                events += self.gathering.add(candidate)
        return events

    @property
    def finished(self) -> bool:
        return self.gathering is not None and self.gathering.finished

    def response(self, gathering: Gathering) -> ModelResponse:
        return gathering.response(self._usage)


def read_response(
    response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
) -> ModelResponse:
    """Read a whole response; see `Codec.decode_response`.

    Raises:
        ModelError: It is an error of the provider, or not readable.
    """
    data = object_of(wire_form(response), "The body")
    reading = _Reading(model, names)
    reading.add(data)
    if not reading.finished and not data.get("candidates"):
        raise ModelStreamError("The response has no candidates.", details={"data": excerpt(data)})
    assert reading.gathering is not None
    return reading.response(reading.gathering)


class GeminiDecoder:
    """Reads one streamed response; see `StreamDecoder`."""

    def __init__(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> None:
        """Start before the first frame.

        Args:
            model: The model that was asked.
            names: Our names of tools by the wire's names.
        """
        self._reading = _Reading(model, names)
        self._called: set[bytes] = set()
        self._done = False

    def feed(self, frame: Frame) -> list[ModelEvent]:
        """Take the next chunk and return what it says.

        Raises:
            ModelError: The provider reports an error, or the chunk is not readable;
                `details["received"]` holds what had come.
        """
        try:
            chunk = object_of(wire_form(read(frame.data, "A chunk of the stream")), "A chunk")
            events = self._reading.add(chunk)
            self._refuse_twice(frame.data, chunk, events)
        except ModelError as error:
            error.details = {**error.details, "received": self.received()}
            raise
        return events

    def close(self) -> list[ModelEvent]:
        """Say that the stream has ended: this wire has no last event of its own.

        Raises:
            ModelError: The model had not come to an end, or failed.
        """
        if self._done:
            return []
        gathering = self._reading.gathering
        if gathering is None or not gathering.finished:
            raise ModelStreamError(
                "The stream ended before the model had finished.",
                details={"received": self.received()},
            )
        self._done = True
        return [ResponseDone(response=self._reading.response(gathering))]

    def received(self) -> dict[str, Any]:
        """Return what has come so far: `text` and `calls`."""
        gathering = self._reading.gathering
        return {"text": "", "calls": []} if gathering is None else gathering.received()

    def _refuse_twice(
        self, data: bytes, chunk: Mapping[str, Any], events: list[ModelEvent]
    ) -> None:
        """Refuse the same chunk with a call a second time.

        The count of tokens grows with every call, so an equal chunk that has one is no new call.
        """
        if not any(isinstance(event, CallDelta) for event in events):
            return
        usage = object_of(chunk.get("usageMetadata"), "usageMetadata")
        if usage.get("totalTokenCount") and data in self._called:
            raise ModelStreamError("The stream has the same call twice in the same words.")
        self._called.add(data)

"""Reads what a recorded provider answered, whole or in pieces, with the codec of its wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from callgate.codecs import Frame
from callgate.errors import ModelError
from callgate.messages import ModelEvent, ModelResponse, ResponseDone
from callgate.testing.exchanges.form import Form, objects, payloads
from callgate.testing.exchanges.records import Exchange, Json

__all__ = ["Outcome", "Reading", "fed", "meaning", "read_answer", "words"]

Outcome: TypeAlias = ModelResponse | ModelError
"""What an answer is read as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An exchange as it was read.

    Attributes:
        exchange: The exchange.
        form: The form of its wire.
        data: The bytes of a stream; empty for a whole response.
        frames: The frames of a stream, as far as it could be cut into frames.
        events: What the decoder said to the stream in one piece.
        outcome: What it was read as.
        reported: The words of an error that the provider reports in the answer; None if none.
    """

    exchange: Exchange
    form: Form
    data: bytes = b""
    frames: tuple[Frame, ...] = ()
    events: tuple[ModelEvent, ...] = ()
    outcome: Outcome
    reported: str | None = None


def read_answer(exchange: Exchange, form: Form) -> Reading:
    """Read the answer of an exchange that the provider did not refuse."""
    if not exchange.streamed:
        try:
            outcome: Outcome = form.codec.decode_response(exchange.value, model=exchange.model)
        except ModelError as exc:
            outcome = exc
        reported = next(_reports([exchange.value]), None)
        return Reading(exchange=exchange, form=form, outcome=outcome, reported=reported)
    data = form.data(exchange)
    events, outcome = fed(exchange, form, [data])
    frames = _frames(form, data)
    return Reading(
        exchange=exchange,
        form=form,
        data=data,
        frames=frames,
        events=tuple(events),
        outcome=outcome,
        reported=next(_reports(payloads(frames)), None),
    )


def fed(
    exchange: Exchange, form: Form, chunks: Iterable[bytes]
) -> tuple[list[ModelEvent], Outcome]:
    """Read a stream that comes in some chunks; returns what was said and what it came to."""
    framer, decoder = form.codec.framer(), form.codec.decoder(model=exchange.model)
    events: list[ModelEvent] = []
    try:
        for chunk in chunks:
            for frame in framer.feed(chunk):
                events += decoder.feed(frame)
        events += decoder.close()
    except ModelError as exc:
        return events, exc
    done = cast("ResponseDone", events[-1])
    return events, done.response


def meaning(outcome: Outcome) -> tuple[Any, ...]:
    """Return all that an outcome says, for comparing two of them."""
    if isinstance(outcome, ModelError):
        return type(outcome), outcome.message, outcome.retry_after
    return outcome.message.parts, outcome.stop, outcome.usage, outcome.model


def _frames(form: Form, data: bytes) -> tuple[Frame, ...]:
    try:
        return tuple(form.codec.framer().feed(data))
    except ModelError:
        return ()


def _reports(bodies: Iterable[Any]) -> Iterator[str]:
    for body in bodies:
        if isinstance(body, dict):
            fields = cast("Json", body)
            for one in objects([fields, fields.get("response")]):
                if one.get("error") or one.get("type") == "error":
                    yield words(one)


def words(body: Any) -> str:
    """Return the message in the body of an error; empty if it has none in a place we know."""
    match body:
        case str():
            return body
        case [first, *_]:
            return words(first)
        case {"error": inner} if inner:
            return words(inner)
        case {"message": str(text)} | {"Message": str(text)} | {"detail": str(text)}:
            return text
        case _:
            return ""

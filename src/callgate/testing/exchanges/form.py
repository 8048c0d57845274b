"""What a replay must know about one wire beside its codec: where things stand in recorded JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import orjson

from callgate.codecs import Codec, Frame
from callgate.messages import Message
from callgate.testing.exchanges.records import Exchange, Json
from callgate.types import Tool

__all__ = [
    "CALL",
    "PLAIN",
    "TEXT",
    "THOUGHT",
    "Block",
    "Declared",
    "Form",
    "NotComparableError",
    "Turn",
    "joined",
    "listed",
    "objects",
    "payloads",
    "sse",
    "start_of_turn",
    "without",
]

Block: TypeAlias = tuple[str, Any]
"""A piece of what a model said: its kind, and the wire's JSON for it."""

TEXT, CALL, THOUGHT = "text", "call", "thought"
PLAIN = frozenset({TEXT, CALL})
"""Kinds that every wire has; all others are one wire's own and must come back unchanged."""


class NotComparableError(Exception):
    """Something is of a form that cannot be compared; the text is the reason that is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What became of one answer of a model in a later request.

    Attributes:
        said: The messages with what the model said; empty where the provider keeps them.
        results: The results of its calls.
    """

    said: tuple[Json, ...]
    results: tuple[Json, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A definition of a tool in a recorded request.

    Attributes:
        tool: The tool that it defines; None for what is no function of the client.
        expected: The fields that must be written for it.
        extra: Fields that may be written beside.
        fields: What is said about the tool beside name, description and schema.
    """

    tool: Tool | None
    expected: Json
    extra: frozenset[str] = frozenset()
    fields: Json


class Form(Protocol):
    """One wire, as recordings have it."""

    @property
    def codec(self) -> Codec:
        """The codec that is tried."""
        ...

    def data(self, exchange: Exchange) -> bytes:
        """Return the bytes of a recorded stream."""
        ...

    def answered(self, body: Json) -> list[Json]:
        """Return what the model said in a whole response, as messages of the wire."""
        ...

    def streamed(self, frames: Sequence[Frame]) -> Iterator[str]:
        """Yield the kinds that a stream holds and that are not plain."""
        ...

    def blocks(self, messages: Sequence[Json]) -> list[Block]:
        """Return the pieces of messages of the model, in order."""
        ...

    def normal(self, kind: str, block: Any) -> Any:
        """Return a piece without what clients change when they send it back."""
        ...

    def own_calls(self, bodies: Sequence[Json]) -> frozenset[str]:
        """Return the ids of calls that the provider answered itself in the same response.

        Args:
            bodies: The whole response, or the events of a stream.
        """
        ...

    def turn(self, before: Json, after: Json, message: Message) -> Turn | None:
        """Find an answer and the results of its calls in a later request; None if it is not there.

        Args:
            before: The request that was answered.
            after: The later request.
            message: The answer.
        """
        ...

    def results(self, turn: Turn, message: Message, model: str) -> tuple[list[Any], list[Any]]:
        """Return the results as we write them and as they were accepted, both comparable.

        Raises:
            NotComparableError: A result is of a form that our messages do not have.
        """
        ...

    def declared(self, request: Json) -> Iterator[Declared]:
        """Yield the definitions of tools in a request."""
        ...

    def defined(self, declared: Declared, tool: Tool) -> Json:
        """Return the fields that we write for a tool."""
        ...


def objects(value: Any) -> list[Json]:
    """Return the objects in a list; whatever is not a list of objects has none."""
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Json", item) for item in items if isinstance(item, dict)]


def sse(exchange: Exchange) -> bytes:
    """Return the bytes of a stream of server-sent events, recorded as text or event by event."""
    if exchange.answer == "response_sse":
        return cast("str", exchange.value).encode("utf-8", "surrogatepass")
    return b"".join(map(_event, exchange.value))


def _event(chunk: Any) -> bytes:
    match chunk:
        case str():
            return b"data: " + chunk.encode() + b"\n\n"
        case {"type": str(kind)}:
            return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(chunk) + b"\n\n"
        case _:
            return b"data: " + orjson.dumps(chunk) + b"\n\n"


def payloads(frames: Sequence[Frame]) -> Iterator[Json]:
    """Yield the JSON objects of frames; others, such as `[DONE]`, are passed over."""
    for frame in frames:
        try:
            value: Any = orjson.loads(frame.data)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict):
            yield cast("Json", value)


def joined(blocks: Sequence[Block]) -> list[Block]:
    """Return pieces with neighbouring texts as one and without empty ones; texts are `str`."""
    found: list[Block] = []
    for kind, block in blocks:
        if kind != TEXT:
            found.append((kind, block))
        elif block:
            before = found.pop()[1] if found and found[-1][0] == TEXT else ""
            found.append((TEXT, before + block))
    return found


def listed(value: Any) -> list[Json]:
    """Return what recordings hold as an array or, where one client left it out, as one object."""
    return objects([value] if isinstance(value, dict) else value)


def start_of_turn(
    before: Sequence[Json], after: Sequence[Json], *, is_answer: Sequence[bool]
) -> int | None:
    """Return where an answer stands in a later request; None if nowhere.

    Args:
        before: The messages of the request that was answered.
        after: Those of the later request.
        is_answer: For each of the latter, whether it has the calls of the answer.
    """
    place = len(before)
    if place < len(after) and is_answer[place]:
        return place
    return next((at for at in reversed(range(len(after))) if is_answer[at]), None)


def without(fields: Mapping[str, Any], *names: str) -> Json:
    """Return fields but for some."""
    return {name: value for name, value in fields.items() if name not in names}

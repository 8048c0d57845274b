"""One tool loop that every client runs: two calls at once, one of which fails, then words."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

from callgate import Answer, Gate, Principal, Source, ToolFailedError, ToolResult, tool
from callgate.codecs.bedrock_events import event_message
from callgate.messages import ModelEvent, TextDelta
from callgate.testing import FakeSource
from callgate.types import ImagePart, Status
from tests.agents.provider import Reply, Request, serving

ANA = Principal(id="ana", tenant="acme")
QUESTION = "What do tea and gold cost?"
ANSWER = "Tea costs 2.50; gold is not for sale."
HALVES = ("Tea costs 2.50; ", "gold is not for sale.")
TEA, GOLD = {"item": "tea"}, {"item": "gold"}
TEA_TEXT, GOLD_TEXT = '{"item": "tea"}', '{"item": "gold"}'
PRICED = "250"
REFUSED = "Gold is not for sale."

DESCRIPTION = "Tell what an item costs, in cents."
PARAMETERS = {
    "type": "object",
    "properties": {"item": {"type": "string", "description": "What is sold."}},
    "required": ["item"],
    "additionalProperties": False,
}


@tool(effect="read", cheap=True)
def price(item: str) -> int:
    """Tell what an item costs, in cents.

    Args:
        item: What is sold.
    """
    if item == "gold":
        raise ToolFailedError(REFUSED)
    return {"tea": 250}[item]


PIXEL = b"\x89PNG\xff\xfe\x00"
"""Not text in any encoding, so that bytes and base64 cannot be mixed up unseen."""


def gallery() -> FakeSource:
    """Return a source whose `price` answers with an image."""
    shown = ImagePart(media_type="image/png", data=PIXEL)
    return FakeSource({"price": ToolResult(status=Status.OK, body=b'"see"', content=(shown,))})


@dataclass(frozen=True, kw_only=True)
class Played:
    """What a server was asked, and what came of it.

    Attributes:
        requests: What the server received, in order.
        answers: What the gate answered, in order.
        shown: What was streamed of the last response.
    """

    requests: Sequence[Request]
    answers: Sequence[Answer]
    shown: str

    @property
    def said(self) -> tuple[Any, ...]:
        """What the model said at the end, in the form of the wire."""
        return self.answers[-1].said

    @property
    def bodies(self) -> list[Any]:
        return [request.body for request in self.requests]


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to use a client.

    Attributes:
        ask: Takes the server's address, the conversation and the tools; returns the response, or
            its pieces; may be awaited or iterated asynchronously, as the client has it.
        asked: The messages that the conversation begins with.
        wire: The wire that tools are written for.
        told: Whether the gate is told the wire of a whole response.
        pieces: Whether `ask` returns pieces.
        awaits: Whether the program awaits although the client cannot.
        own: Returns the client's own message in a response; by default the answer's `said` goes on.
    """

    ask: Callable[[str, list[Any], list[Any]], Any]
    asked: Sequence[Any]
    wire: str
    told: bool = False
    pieces: bool = False
    awaits: bool = False
    own: Callable[[Any], list[Any]] | None = None


class _Talk:
    """A conversation with a model by way of a client."""

    def __init__(self, way: Way, url: str, gate: Gate) -> None:
        self.way = way
        self.gate = gate
        self.wire = way.wire if way.told or way.pieces else None
        self.ask = partial(way.ask, url)
        self.messages: list[Any] = list(way.asked)
        self.texts: list[str] = []
        self.answers: list[Answer] = []

    def offered(self) -> list[Any]:
        self.texts.clear()
        return list(self.gate.tools(ANA, wire=self.way.wire))

    def show(self, event: ModelEvent) -> None:
        if isinstance(event, TextDelta):
            self.texts.append(event.text)

    def over(self, response: Any, answer: Answer) -> bool:
        own = self.way.own
        self.answers.append(answer)
        self.messages += answer.said if own is None else own(response)
        self.messages += answer.messages
        return not answer.answered

    def blocking(self) -> None:
        while True:
            response = self.ask(self.messages, self.offered())
            if self.way.pieces:
                answer = self.gate.answer_stream_blocking(
                    response, ANA, wire=self.way.wire, on_event=self.show
                )
            else:
                answer = self.gate.answer_blocking(response, ANA, wire=self.wire)
            if self.over(response, answer):
                return

    async def awaiting(self) -> None:
        while True:
            response = self.ask(self.messages, self.offered())
            if self.way.pieces:
                answer = await self.gate.answer_stream(
                    response, ANA, wire=self.way.wire, on_event=self.show
                )
            else:
                response = await response
                answer = await self.gate.answer(response, ANA, wire=self.wire)
            if self.over(response, answer):
                return


async def played(way: Way, *replies: Reply, source: Source | None = None) -> Played:
    """Run the loop against a server that gives `replies`; what blocks, in a thread."""
    gate = Gate([source or price])
    async with serving(*replies) as server:
        talk = _Talk(way, server.url.removesuffix("/v1"), gate)
        if way.awaits or iscoroutinefunction(way.ask) or isasyncgenfunction(way.ask):
            await talk.awaiting()
            await gate.close()
        else:
            await asyncio.to_thread(talk.blocking)
            await asyncio.to_thread(gate.close_blocking)
        assert server.replies == []
        return Played(requests=server.requests, answers=talk.answers, shown="".join(talk.texts))


def named_events(*payloads: dict[str, Any], key: str = "type") -> Reply:
    """Return a stream whose events have names."""
    pieces = [f"event: {one[key]}\ndata: {json.dumps(one)}\n\n".encode() for one in payloads]
    return Reply(headers={"content-type": "text/event-stream"}, pieces=tuple(pieces))


def binary_events(*named: tuple[str, dict[str, Any]]) -> Reply:
    """Return a stream as AWS has it."""
    pieces = [
        event_message(
            {":message-type": "event", ":event-type": name, ":content-type": "application/json"},
            json.dumps(one).encode(),
        )
        for name, one in named
    ]
    kind = "application/vnd.amazon.eventstream"
    return Reply(headers={"content-type": kind}, pieces=tuple(pieces))


def lines(*payloads: dict[str, Any]) -> Reply:
    """Return a stream of one JSON value a line."""
    pieces = [json.dumps(one).encode() + b"\n" for one in payloads]
    return Reply(headers={"content-type": "application/x-ndjson"}, pieces=tuple(pieces))

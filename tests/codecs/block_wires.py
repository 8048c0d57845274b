"""The wires of blocks, Anthropic Messages and Bedrock Converse, and what was recorded of them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from callgate.codecs import Anthropic, Bedrock, Frame
from callgate.codecs.bedrock_events import event_message
from callgate.messages import ModelEvent, ModelResponse
from tests.codecs.recorded import Exchange, exchanges, response_of

Event = tuple[str, Any]


def sse(events: Iterable[Event]) -> bytes:
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data)) for name, data in events
    )


def binary(events: Iterable[Event]) -> bytes:
    return b"".join(
        event_message({":message-type": "event", ":event-type": name}, orjson.dumps(data))
        for name, data in events
    )


@dataclass(frozen=True)
class Wire:
    codec: Anthropic | Bedrock
    file: str
    fixtures: str

    def encoded(self, events: Iterable[Event]) -> bytes:
        return sse(events) if isinstance(self.codec, Anthropic) else binary(events)

    def events_of(self, item: Exchange) -> list[Event]:
        """The events of a recorded stream."""
        if "response_events" in item:
            return [(event["event"], event["payload"]) for event in item["response_events"]]
        lines = item["response_sse"].splitlines()
        datas = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
        return [(data["type"], data) for data in datas]

    def fixture_events(self, item: Exchange) -> list[Event]:
        if isinstance(self.codec, Anthropic):
            return [(chunk["type"], chunk) for chunk in item["chunks"]]
        return [pair for chunk in item["chunks"] for pair in chunk.items()]

    def stream_bytes(self, item: Exchange) -> bytes:
        if "response_sse" in item:
            return item["response_sse"].encode()
        return self.encoded(self.events_of(item))

    def events(self, chunks: Iterable[bytes]) -> list[ModelEvent]:
        framer, decoder = self.codec.framer(), self.codec.decoder()
        got = [
            event for part in chunks for frame in framer.feed(part) for event in decoder.feed(frame)
        ]
        return [*got, *decoder.close()]

    def streamed(self, events: Iterable[Event]) -> ModelResponse:
        return response_of(self.events([self.encoded(events)]))

    def told(self, *events: Event) -> list[ModelEvent]:
        """What a decoder says to events, without an end."""
        decoder = self.codec.decoder()
        return [
            said for name, data in events for said in decoder.feed(Frame(name, orjson.dumps(data)))
        ]

    def decoded(self, item: Exchange) -> ModelResponse:
        if "response" in item:
            return self.codec.decode_response(item["response"])
        return response_of(self.events([self.stream_bytes(item)]))

    def answered(self, folder: Path) -> list[Exchange]:
        return [item for item in exchanges(folder, self.file) if item["status"] == 200]

    def streams(self, folder: Path) -> list[Exchange]:
        return [
            item
            for item in self.answered(folder)
            if item.keys() & {"response_sse", "response_events"}
        ]

    def of_fixtures(self, folder: Path) -> Iterator[Exchange]:
        items = exchanges(folder, "fixtures_vercel_ai")
        yield from (item for item in items if item["wire"] == self.fixtures)


ANTHROPIC = Wire(codec=Anthropic(), file="anthropic_messages", fixtures="anthropic.messages")
BEDROCK = Wire(codec=Bedrock(), file="bedrock_converse", fixtures="bedrock.converse")
WIRES = (ANTHROPIC, BEDROCK)


def whole(response: ModelResponse) -> tuple[Any, ...]:
    return response.message.parts, response.stop, response.usage, response.model


def value_of(arguments: Any) -> Any:
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def calls(response: ModelResponse) -> list[tuple[str, str, Any]]:
    return [(call.id, call.name, value_of(call.arguments)) for call in response.message.calls]

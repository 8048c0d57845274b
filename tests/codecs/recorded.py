"""Recorded exchanges with real providers, and how they are read."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callgate.codecs import Frame, StreamDecoder
from callgate.codecs.sse import EventStream
from callgate.messages import ModelEvent, ModelResponse, ResponseDone

FILES = ("openai_chat", "openai_compatible_chat")

Exchange = dict[str, Any]


def exchanges(folder: Path, name: str) -> list[Exchange]:
    with gzip.open(folder / "exchanges" / f"{name}.jsonl.gz") as lines:
        return [json.loads(line) for line in lines]


def answered(folder: Path) -> Iterator[Exchange]:
    """All exchanges that the provider answered with 200."""
    for name in FILES:
        yield from (item for item in exchanges(folder, name) if item["status"] == 200)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[start : start + size] for start in range(0, len(data), size))


def frames(chunks: Iterator[bytes]) -> Iterator[Frame]:
    stream = EventStream()
    for chunk in chunks:
        yield from stream.feed(chunk)


def events(decoder: StreamDecoder, chunks: Iterator[bytes]) -> list[ModelEvent]:
    got = [event for frame in frames(chunks) for event in decoder.feed(frame)]
    return [*got, *decoder.close()]


def response_of(got: list[ModelEvent]) -> ModelResponse:
    assert isinstance(got[-1], ResponseDone)
    return got[-1].response

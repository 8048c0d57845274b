"""What the official clients of providers give and take where that differs from the wire.

They hand out a stream as objects of their own, and AWS's client takes bytes where the wire has
base64.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import orjson

from callgate.codecs.json_text import EXCERPT, excerpt, plain
from callgate.codecs.wire import Codec, Frame
from callgate.errors import ModelStreamError
from callgate.messages import ModelEvent, ModelResponse, ResponseDone

__all__ = ["ChunkReader", "as_sent"]

Json: TypeAlias = dict[str, Any]

_AWS = "bedrock"
_FILES = frozenset({"image", "document", "video", "audio"})
"""Blocks of Bedrock whose source may hold bytes."""


class ChunkReader:
    """Reads a streamed response that a client has already cut into chunks."""

    def __init__(self, codec: Codec, names: Mapping[str, str]) -> None:
        """Start before the first chunk.

        Args:
            codec: The wire of the stream.
            names: Our names of tools by the wire's names.
        """
        self._wire = codec.wire
        self._decoder = codec.decoder(names=names)
        self._response: ModelResponse | None = None

    def feed(self, chunk: Any) -> Sequence[ModelEvent]:
        """Take the next chunk, a client's object or the same as a dict, and return what it says.

        Raises:
            ModelError: The provider reports an error, or the chunk is not readable.
        """
        return self._kept(self._decoder.feed(_frame(chunk, self._wire)))

    def close(self) -> Sequence[ModelEvent]:
        """Say that the stream has ended, and return what that says.

        Raises:
            ModelStreamError: The response is not complete.
        """
        return self._kept(self._decoder.close())

    @property
    def response(self) -> ModelResponse:
        """The whole response, once the stream was closed."""
        assert self._response is not None
        return self._response

    def _kept(self, events: Sequence[ModelEvent]) -> Sequence[ModelEvent]:
        for event in events:
            if isinstance(event, ResponseDone):
                self._response = event.response
        return events


def as_sent(messages: Sequence[Json], wire: str) -> tuple[Json, ...]:
    """Return messages of a wire as its official client takes them.

    Args:
        messages: As the codec of the wire writes them.
        wire: The name of the wire.
    """
    if wire != _AWS:
        return tuple(messages)
    return tuple(
        message | {"content": [_with_bytes(block) for block in message["content"]]}
        for message in messages
    )


def _frame(chunk: Any, wire: str) -> Frame:
    """Return a chunk as the frame it was made of."""
    event, data = "", plain(chunk)
    if wire == _AWS and isinstance(data, dict) and len(cast("Json", data)) == 1:
        # AWS's client puts an event under its name.
        ((event, data),) = cast("Json", data).items()
    try:
        return Frame(event, orjson.dumps(data, default=_base64))
    except orjson.JSONEncodeError as exc:
        raise ModelStreamError(
            f"A {type(chunk).__name__} is no chunk of a stream: {exc}",
            details={"data": excerpt(repr(chunk)[:EXCERPT])},
        ) from exc


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _with_bytes(block: Json) -> Json:
    """Return a block of Bedrock with its base64 turned into bytes; nothing of a tool's is."""
    match block:
        case {"toolResult": {"content": [*content]} as result}:
            return {"toolResult": result | {"content": [_with_bytes(item) for item in content]}}
        case {"reasoningContent": {"redactedContent": str(text)}}:
            return {"reasoningContent": {"redactedContent": b64decode(text)}}
        case _:
            return {
                kind: _file(value) if kind in _FILES else value for kind, value in block.items()
            }


def _file(value: Json) -> Json:
    match value:
        case {"source": {"bytes": str(text)}}:
            return value | {"source": {"bytes": b64decode(text)}}
        case _:
            return value

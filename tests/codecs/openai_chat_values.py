"""Responses and chunks of Chat Completions, as short as a test can write them."""

from typing import Any

import orjson

from callgate.codecs import Frame, by_name
from callgate.messages import (
    ModelEvent,
    ModelResponse,
    Opaque,
    ResponseDone,
)

CODEC = by_name("openai")
HEAD = {"id": "r1", "created": 7, "model": "m-2026"}
Json = dict[str, Any]


def call(arguments: Any = "{}", id: Any = "c1", name: str = "add", **more: Any) -> Json:
    function = {"name": name, "arguments": arguments}
    return {"id": id, "type": "function", "function": function, **more}


def whole(message: Json, finish: str | None = "stop", **more: Any) -> Json:
    return {**HEAD, "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


def read(message: Json, finish: str | None = "stop", **more: Any) -> ModelResponse:
    return CODEC.decode_response(whole(message, finish, **more))


def chunk(delta: Json, finish: str | None = None, **more: Any) -> Frame:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return Frame("", orjson.dumps({**HEAD, "choices": [choice], **more}))


DONE = Frame("", b"[DONE]")


def stream(*frames: Frame) -> list[ModelEvent]:
    decoder = CODEC.decoder()
    got = [event for frame in frames for event in decoder.feed(frame)]
    return [*got, *decoder.close()]


def last(*frames: Frame) -> ModelResponse:
    event = stream(*frames)[-1]
    assert isinstance(event, ResponseDone)
    return event.response


def opaque(kind: str, value: Any) -> Opaque:
    return Opaque(wire="openai", model="m-2026", data={kind: value})

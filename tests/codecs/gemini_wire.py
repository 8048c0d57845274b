"""Responses, chunks and messages on the wire of Gemini's `generateContent`."""

from typing import Any

import orjson

from callgate.codecs import Frame, by_name
from callgate.messages import Message, ModelEvent, ModelResponse, Opaque, Part, ResponseDone, Role
from callgate.types import Tool

CODEC = by_name("gemini")
MODEL = "gemini-3-pro"
HEAD = {"responseId": "r1", "modelVersion": MODEL}
Json = dict[str, Any]


def candidate(*parts: Any, finish: str | None = "STOP", **more: Any) -> Json:
    told = {} if finish is None else {"finishReason": finish}
    return {"content": {"role": "model", "parts": list(parts)}, **told, **more}


def read(*parts: Any, finish: str | None = "STOP", **more: Any) -> ModelResponse:
    return CODEC.decode_response({**HEAD, "candidates": [candidate(*parts, finish=finish, **more)]})


def chunk(*parts: Any, finish: str | None = None, **more: Any) -> Frame:
    return Frame(
        "", orjson.dumps({**HEAD, "candidates": [candidate(*parts, finish=finish)], **more})
    )


def stream(*frames: Frame) -> list[ModelEvent]:
    decoder = CODEC.decoder()
    got = [event for frame in frames for event in decoder.feed(frame)]
    return [*got, *decoder.close()]


def last(*frames: Frame) -> ModelResponse:
    event = stream(*frames)[-1]
    assert isinstance(event, ResponseDone)
    return event.response


def call(name: str = "add", **more: Any) -> Json:
    return {"functionCall": {"name": name, "args": {"a": 1}, **more}}


def opaque(kind: str, value: Any, model: str = MODEL) -> Opaque:
    return Opaque(wire="gemini", model=model, data={kind: value})


def said(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


TOOL = Tool(name="add", description="Add.", parameters={"type": "object"})

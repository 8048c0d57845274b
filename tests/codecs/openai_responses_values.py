"""Responses and their items, as short as a test can write them."""

from typing import Any

from callgate.codecs import by_name
from callgate.messages import (
    ModelResponse,
    Opaque,
)

CODEC = by_name("openai_responses")
Json = dict[str, Any]


def call(arguments: Any = '{"a":1}', call_id: str = "c1", **more: Any) -> Json:
    fields = {"type": "function_call", "call_id": call_id, "name": "add", "arguments": arguments}
    return fields | more


def message(*content: Json, **more: Any) -> Json:
    return {"type": "message", "role": "assistant", "content": list(content)} | more


def text(value: str, **more: Any) -> Json:
    return {"type": "output_text", "text": value} | more


def whole(*output: Json, **more: Any) -> Json:
    head = {"id": "r1", "object": "response", "created_at": 7, "model": "m", "status": "completed"}
    return head | {"output": list(output)} | more


def read(*output: Json, **more: Any) -> ModelResponse:
    return CODEC.decode_response(whole(*output, **more))


def ours(kind: str, value: Any) -> Opaque:
    return Opaque(wire="openai_responses", model="m", data={kind: value})

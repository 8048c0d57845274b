"""One short answer of every provider, whole and streamed, as its wire has it."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from callgate.codecs.bedrock_events import event_message
from tests.agents.provider import Reply, events, whole

TEXT = [{"type": "text", "text": "hello"}]


class Wire(NamedTuple):
    """How a provider answers `hello`, and the paths that it is asked at."""

    whole: Reply
    stream: Reply
    path: str
    stream_path: str


def _sse(*payloads: dict[str, Any], key: str = "type") -> Reply:
    pieces = [f"event: {one[key]}\ndata: {json.dumps(one)}\n\n".encode() for one in payloads]
    return Reply(headers={"content-type": "text/event-stream"}, pieces=tuple(pieces))


def _binary(*named: tuple[str, dict[str, Any]]) -> Reply:
    pieces = [
        event_message({":message-type": "event", ":event-type": name}, json.dumps(one).encode())
        for name, one in named
    ]
    kind = "application/vnd.amazon.eventstream"
    return Reply(headers={"content-type": kind}, pieces=tuple(pieces))


def _lines(*payloads: dict[str, Any]) -> Reply:
    pieces = [json.dumps(one).encode() + b"\n" for one in payloads]
    return Reply(headers={"content-type": "application/x-ndjson"}, pieces=tuple(pieces))


_CHAT = {"id": "r", "model": "m"}
_CHAT_WIRE = Wire(
    whole({**_CHAT, "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}),
    events(
        {**_CHAT, "choices": [{"delta": {"content": "hello"}, "finish_reason": "stop"}]},
        b"[DONE]",
    ),
    "/v1/chat/completions",
    "/v1/chat/completions",
)

_ITEM = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "hello"}],
}
_RESPONSE = {"object": "response", "status": "completed", "model": "m", "output": [_ITEM]}
_MESSAGE = {"id": "r", "type": "message", "role": "assistant", "model": "m"}
_USED = {"input_tokens": 1, "output_tokens": 1}
_CANDIDATE = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}
    ],
    "modelVersion": "m",
}
_INTERACTION = {"id": "r", "status": "completed", "model": "m"}
_BEDROCK = {"inputTokens": 1, "outputTokens": 1}
_OLLAMA = {"model": "m", "message": {"role": "assistant", "content": "hello"}}
_ENDED = {"done": True, "done_reason": "stop"}

WIRES: Mapping[str, Wire] = MappingProxyType(
    {
        "openai": _CHAT_WIRE,
        "mistral": _CHAT_WIRE,
        "openai_responses": Wire(
            whole(_RESPONSE),
            _sse({"type": "response.completed", "response": _RESPONSE}),
            "/v1/responses",
            "/v1/responses",
        ),
        "anthropic": Wire(
            whole({**_MESSAGE, "content": TEXT, "stop_reason": "end_turn", "usage": _USED}),
            _sse(
                {"type": "message_start", "message": {**_MESSAGE, "content": [], "usage": _USED}},
                {
                    "type": "content_block_start",
                    "index": 0,
                    "content_block": {"type": "text", "text": ""},
                },
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": "hello"},
                },
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": _USED},
                {"type": "message_stop"},
            ),
            "/v1/messages",
            "/v1/messages",
        ),
        "gemini": Wire(
            whole(_CANDIDATE),
            events(_CANDIDATE),
            "/v1beta/models/m:generateContent",
            "/v1beta/models/m:streamGenerateContent?alt=sse",
        ),
        "gemini_interactions": Wire(
            whole({**_INTERACTION, "steps": [{"type": "model_output", "content": TEXT}]}),
            _sse(
                {
                    "event_type": "step.start",
                    "index": 0,
                    "step": {"type": "model_output", "content": []},
                },
                {
                    "event_type": "step.delta",
                    "index": 0,
                    "delta": {"type": "text", "text": "hello"},
                },
                {"event_type": "step.stop", "index": 0},
                {"event_type": "interaction.completed", "interaction": _INTERACTION},
                key="event_type",
            ),
            "/v1beta/interactions",
            "/v1beta/interactions",
        ),
        "bedrock": Wire(
            whole(
                {
                    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
                    "stopReason": "end_turn",
                    "usage": _BEDROCK,
                }
            ),
            _binary(
                ("messageStart", {"role": "assistant"}),
                ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hello"}}),
                ("contentBlockStop", {"contentBlockIndex": 0}),
                ("messageStop", {"stopReason": "end_turn"}),
                ("metadata", {"usage": _BEDROCK}),
            ),
            "/model/m/converse",
            "/model/m/converse-stream",
        ),
        "cohere": Wire(
            whole(
                {
                    "id": "r",
                    "message": {"role": "assistant", "content": TEXT},
                    "finish_reason": "COMPLETE",
                }
            ),
            _sse(
                {"type": "message-start", "id": "r", "delta": {"message": {"role": "assistant"}}},
                {
                    "type": "content-delta",
                    "index": 0,
                    "delta": {"message": {"content": {"text": "hello"}}},
                },
                {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
            ),
            "/v2/chat",
            "/v2/chat",
        ),
        "ollama": Wire(
            whole({**_OLLAMA, **_ENDED}),
            _lines({**_OLLAMA, "done": False}, {"model": "m", **_ENDED}),
            "/api/chat",
            "/api/chat",
        ),
    }
)

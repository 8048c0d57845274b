"""Chat Completions and its siblings (Mistral, Cohere, Ollama) in recordings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from callgate.codecs import Codec, Frame
from callgate.codecs.json_text import is_hollow
from callgate.messages import Message, ResultPart, Role
from callgate.testing.exchanges.form import (
    CALL,
    PLAIN,
    TEXT,
    THOUGHT,
    Block,
    Declared,
    NotComparableError,
    Turn,
    joined,
    listed,
    objects,
    payloads,
    sse,
    start_of_turn,
    without,
)
from callgate.testing.exchanges.records import Exchange, Json
from callgate.testing.exchanges.spelling import filled, value_of
from callgate.types import Tool

__all__ = ["ChatForm", "declared_functions"]

_TAGS = re.compile(r"<think>\n(.*?)\n</think>\s*(.*)", re.DOTALL)
_REASONING = ("reasoning_content", "reasoning")
_NOT_SAID = frozenset({"role", "content", "tool_calls", "prefix", *_REASONING})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatForm:
    """A wire whose messages have `content` and `tool_calls`; see `Form`.

    Attributes:
        codec: The codec that is tried.
        lines: Whether a stream is JSON lines instead of server-sent events.
    """

    codec: Codec
    lines: bool = False

    def data(self, exchange: Exchange) -> bytes:
        """Return the bytes of a recorded stream."""
        if self.lines and exchange.answer == "chunks":
            return b"".join(orjson.dumps(chunk) + b"\n" for chunk in exchange.value)
        return sse(exchange)

    def answered(self, body: Json) -> list[Json]:
        """Return the message of the first choice, or the only message."""
        choice = next(iter(objects(body.get("choices"))), body)
        return objects([choice.get("message")])

    def streamed(self, frames: Sequence[Frame]) -> Iterator[str]:
        """Yield the fields of messages that are not plain, once each."""
        seen = set(PLAIN)
        for event in payloads(frames):
            for choice in objects(event.get("choices")):
                for kind, _ in self.blocks(objects([choice.get("delta")])):
                    if kind not in seen:
                        seen.add(kind)
                        yield kind

    def blocks(self, messages: Sequence[Json]) -> list[Block]:
        """Return thoughts, other fields, the content and the calls: fields have no order."""
        return [block for message in messages for block in _blocks(message)]

    def normal(self, kind: str, block: Any) -> Any:
        """Return a call with the value of its arguments and without what has its default."""
        if kind != CALL:
            return block
        function = filled(block.get("function") or {})
        call = without(filled(block), "type", "index", "function")
        return call | function | {"arguments": value_of(function.get("arguments") or "{}")}

    def own_calls(self, bodies: Sequence[Json]) -> frozenset[str]:
        """Return none: on these wires every call is for the client."""
        return frozenset()

    def turn(self, before: Json, after: Json, message: Message) -> Turn | None:
        """Find the message with the calls, and the results behind it."""
        sent = objects(after.get("messages"))
        same = [_calls(item, "id") == [call.id for call in message.calls] for item in sent]
        if not any(same):  # some servers give no ids
            same = [_calls(item, "name") == [call.name for call in message.calls] for item in sent]
        start = start_of_turn(objects(before.get("messages")), sent, is_answer=same)
        if start is None:
            return None
        end = start + 1
        while end < len(sent) and sent[end].get("role") == "tool":
            end += 1
        return Turn(said=(sent[start],), results=tuple(sent[start + 1 : end]))

    def results(self, turn: Turn, message: Message, model: str) -> tuple[list[Any], list[Any]]:
        """Return messages of role tool; see `Form.results`."""
        parts = [
            ResultPart(
                call_id=one.get("tool_call_id") or "",
                name=one.get("tool_name") or one.get("name") or "",
                text=_text(one.get("content")),
            )
            for one in turn.results
        ]
        ours = self.codec.encode_message(Message(role=Role.TOOL, parts=tuple(parts)), model=model)
        return [_result(one) for one in ours], [_result(one) for one in turn.results]

    def declared(self, request: Json) -> Iterator[Declared]:
        """Yield the tools; see `Form.declared`."""
        for one in listed(request.get("tools")):
            yield declared_functions(one.get("function"))

    def defined(self, declared: Declared, tool: Tool) -> Json:
        """Return the fields of the function."""
        return self.codec.encode_tools([tool])[0]["function"]


def declared_functions(function: Any) -> Declared:
    """Return the definition of a function with `parameters`, or of something else."""
    match function:
        case {"name": str(name)}:
            fields = cast("Json", function)
        case _:
            return Declared(tool=None, expected={}, fields={})
    parameters: Json = fields.get("parameters") or {"type": "object", "properties": {}}
    names = ("name", "description", "parameters")
    return Declared(
        tool=Tool(name=name, description=fields.get("description") or "", parameters=parameters),
        expected={key: fields[key] for key in names if fields.get(key)},
        # `strict` and the like are wishes for one provider, not part of our tools.
        extra=frozenset({"type", "strict", "parameters"}),
        fields={},
    )


def _calls(message: Json, name: str) -> list[str] | None:
    """Return the ids or names of the calls in a message of the model; None for another's."""
    if message.get("role") != "assistant":
        return None
    calls = objects(message.get("tool_calls"))
    return [(filled(call) | filled(call.get("function") or {})).get(name, "") for call in calls]


def _blocks(message: Json) -> list[Block]:
    said = _content(message.get("content"))
    thoughts = [
        (THOUGHT, message[name])
        for name in _REASONING
        if message.get(name) and isinstance(message[name], str)
    ][:1]
    if said and said[0][0] == TEXT and (found := _TAGS.fullmatch(said[0][1])):
        said = joined([(THOUGHT, found[1]), (TEXT, found[2]), *said[1:]])
    fields = [
        (name, {"id": value.get("id")} if name == "audio" else value)
        for name, value in sorted(message.items())
        if name not in _NOT_SAID and not is_hollow(value)
    ]
    calls = [(CALL, call) for call in objects(message.get("tool_calls"))]
    return [*thoughts, *fields, *said, *calls]


def _content(content: Any) -> list[Block]:
    if isinstance(content, str):
        return joined([(TEXT, content)])
    return joined(
        [
            (TEXT, part["text"]) if part.get("type") == "text" else (part.get("type", ""), part)
            for part in objects(content)
        ]
    )


def _text(content: Any) -> str:
    parts = _content(content)
    if any(kind != TEXT for kind, _ in parts):
        raise NotComparableError("a result that is not text")
    return "".join(text for _, text in parts)


def _result(message: Json) -> Json:
    fields = filled(without(message, "name", "tool_name"))
    return fields | {"content": _text(message.get("content"))}

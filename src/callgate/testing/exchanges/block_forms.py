"""Anthropic Messages and Bedrock Converse in recordings: messages are lists of blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, cast

import orjson

from callgate.codecs import Anthropic, Bedrock, Frame
from callgate.codecs.bedrock_events import event_message
from callgate.messages import Message, Opaque, Part, ResultPart, Role
from callgate.testing.exchanges.form import (
    CALL,
    PLAIN,
    TEXT,
    THOUGHT,
    Block,
    Declared,
    Turn,
    objects,
    payloads,
    sse,
    start_of_turn,
    without,
)
from callgate.testing.exchanges.records import Exchange, Json
from callgate.testing.exchanges.spelling import filled
from callgate.types import Tool

__all__ = ["AnthropicForm", "BedrockForm"]

_OPEN, _CLOSE = "<think>\n", "\n</think>"


def _found(
    before: Json, after: Json, message: Message, calls: Callable[[Json], Iterable[str]]
) -> tuple[Json, Json] | None:
    """Return the message with the calls of an answer and the one behind it."""
    sent = objects(after.get("messages"))
    wanted = {call.id for call in message.calls}
    place = start_of_turn(
        objects(before.get("messages")),
        sent,
        is_answer=[item.get("role") == "assistant" and set(calls(item)) >= wanted for item in sent],
    )
    if place is None:
        return None
    return sent[place], sent[place + 1] if place + 1 < len(sent) else {}


# --- Anthropic ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicForm:
    """Anthropic Messages; see `Form`."""

    codec: Anthropic = field(default_factory=Anthropic)

    def data(self, exchange: Exchange) -> bytes:
        """Return the bytes of a recorded stream."""
        return sse(exchange)

    def answered(self, body: Json) -> list[Json]:
        """Return the response, which is a message."""
        return [body]

    def streamed(self, frames: Sequence[Frame]) -> Iterator[str]:
        """Yield the types of the blocks of the first answer in a stream of one or more."""
        kinds: list[str] = []
        events = payloads(frames)
        for event in takewhile(lambda event: event.get("type") != "message_stop", events):
            match event:
                case {"type": "message_start"}:
                    kinds.clear()  # an answer that starts over counts from its second start
                case {"type": "content_block_start", "content_block": {"type": str(kind)}}:
                    kinds.append(_KINDS.get(kind, kind))
                case _:
                    pass
        yield from (kind for kind in kinds if kind not in PLAIN)

    def blocks(self, messages: Sequence[Json]) -> list[Block]:
        """Return the blocks of content."""
        return [block for message in messages for block in _blocks(message.get("content"))]

    def normal(self, kind: str, block: Any) -> Any:
        """Return a block without its cache mark and what has its default."""
        fields = filled(without(block, "cache_control"))
        return without(fields, "caller") if fields.get("caller") == _DIRECT else fields

    def own_calls(self, bodies: Sequence[Json]) -> frozenset[str]:
        """Return none: the provider's own calls are blocks of another type."""
        return frozenset()

    def turn(self, before: Json, after: Json, message: Message) -> Turn | None:
        """Find the message with the calls, and the results in the next one."""
        found = _found(before, after, message, _call_ids)
        if found is None:
            return None
        said, replied = found
        results = [b for b in objects(replied.get("content")) if b.get("type") == "tool_result"]
        return Turn(said=(said,), results=tuple(results))

    def results(self, turn: Turn, message: Message, model: str) -> tuple[list[Any], list[Any]]:
        """Return blocks of results; see `Form.results`."""
        parts: list[Part] = []
        for one in turn.results:
            content = _result(one).get("content", "")
            if not isinstance(content, str):
                # Blocks that our results do not have go through as they are.
                fields = {"result": {"content": content}}
                parts.append(Opaque(wire=self.codec.wire, model=model, data=fields))
                content = ""
            parts.append(
                ResultPart(
                    call_id=one["tool_use_id"],
                    name="",
                    text=content,
                    error=bool(one.get("is_error")),
                )
            )
        written = self.codec.encode_message(
            Message(role=Role.TOOL, parts=tuple(parts)), model=model
        )
        ours = [block for item in written for block in objects(item["content"])]
        return list(map(_result, ours)), list(map(_result, turn.results))

    def declared(self, request: Json) -> Iterator[Declared]:
        """Yield the tools; see `Form.declared`."""
        for one in objects(request.get("tools")):
            if one.get("type", "custom") != "custom" or "input_schema" not in one:
                yield Declared(tool=None, expected={}, fields={})
                continue
            tool = Tool(
                name=one["name"],
                description=one.get("description") or "",
                parameters=one["input_schema"],
            )
            yield Declared(
                tool=tool,
                expected={
                    key: value for key, value in one.items() if key != "description" or value
                },
                fields=without(one, "name", "description", "input_schema"),
            )

    def defined(self, declared: Declared, tool: Tool) -> Json:
        """Return the definition, with all that was said about the tool beside."""
        (written,) = Anthropic(tool_fields={tool.name: declared.fields}).encode_tools([tool])
        return written


_DIRECT = {"type": "direct"}
_KINDS = {"tool_use": CALL, "thinking": THOUGHT, "redacted_thinking": THOUGHT}


def _blocks(content: Any) -> list[Block]:
    if isinstance(content, str):
        return [(TEXT, {"type": "text", "text": content})] if content else []
    return [
        (_KINDS.get(kind, kind), block)
        for block in objects(content)
        for kind in (str(block.get("type")),)
        if kind != "text" or block.get("text")
    ]


def _call_ids(message: Json) -> Iterator[str]:
    for block in objects(message.get("content")):
        if block.get("type") == "tool_use":
            yield block.get("id", "")


def _result(block: Json) -> Json:
    """Return a result without its cache mark and defaults; one text stands for itself."""
    fields = filled(without(block, "cache_control"))
    if fields.get("is_error") is False:
        del fields["is_error"]
    match fields.get("content"):
        case [{"type": "text", "text": str(text), **rest}] if not set(rest) - {"cache_control"}:
            return fields | {"content": text}
        case _:
            return fields


# --- Bedrock --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockForm:
    """Bedrock Converse; see `Form`."""

    codec: Bedrock = field(default_factory=Bedrock)

    def data(self, exchange: Exchange) -> bytes:
        """Return the events of a recorded stream as the binary stream they came in."""
        return b"".join(
            event_message({":message-type": "event", ":event-type": name}, orjson.dumps(payload))
            for name, payload in _events(exchange)
        )

    def answered(self, body: Json) -> list[Json]:
        """Return the message of the output."""
        output = body.get("output")
        return objects([cast("Json", output).get("message") if isinstance(output, dict) else None])

    def streamed(self, frames: Sequence[Frame]) -> Iterator[str]:
        """Yield the kinds of pieces that are not plain, once each."""
        seen: set[str] = set()
        for event in payloads(frames):
            pieces = objects([event.get("start"), event.get("delta")])
            kinds = set(map(_kind, pieces)) - PLAIN - {""}
            yield from sorted(kinds - seen)
            seen |= kinds

    def blocks(self, messages: Sequence[Json]) -> list[Block]:
        """Return the blocks of content."""
        return [
            (_kind(block), block)
            for message in messages
            for block in objects(message.get("content"))
            if block.get("text") != ""
        ]

    def normal(self, kind: str, block: Any) -> Any:
        """Return a block; reasoning that a client wrote as text in tags is reasoning."""
        text = block.get("text")
        if kind == THOUGHT and isinstance(text, str):
            thought = text.removeprefix(_OPEN).removesuffix(_CLOSE)
            return {"reasoningContent": {"reasoningText": {"text": thought}}}
        return filled(block)

    def own_calls(self, bodies: Sequence[Json]) -> frozenset[str]:
        """Return calls of the provider's own tools, which AWS's client does not tell apart."""
        said = [item for body in bodies for item in self.answered(body)]
        begun: Json = {"content": [body.get("start") for body in bodies]}
        return frozenset(
            block["toolUse"].get("toolUseId", "")
            for kind, block in self.blocks([*said, begun])
            if kind == _SERVER
        )

    def turn(self, before: Json, after: Json, message: Message) -> Turn | None:
        """Find the message with the calls, and the results in the next one."""
        found = _found(before, after, message, _tool_use_ids)
        if found is None:
            return None
        said, replied = found
        results = [b["toolResult"] for b in objects(replied.get("content")) if "toolResult" in b]
        return Turn(said=(said,), results=tuple(results))

    def results(self, turn: Turn, message: Message, model: str) -> tuple[list[Any], list[Any]]:
        """Return the results; see `Form.results`."""
        parts: list[Part] = []
        for one in turn.results:
            content = objects(one.get("content"))
            text = content[0].get("text") if len(content) == 1 else None
            if text is None:
                # Blocks that our results do not have go through as they are.
                fields = {"result": {"content": content}}
                parts.append(Opaque(wire=self.codec.wire, model=model, data=fields))
            error = one.get("status") == "error"
            identity = one["toolUseId"]
            parts.append(ResultPart(call_id=identity, name="", text=text or "", error=error))
        written = self.codec.encode_message(
            Message(role=Role.TOOL, parts=tuple(parts)), model=model
        )
        ours = [block["toolResult"] for item in written for block in objects(item["content"])]
        default = {"status": "success"}
        return [default | one for one in ours], [default | one for one in turn.results]

    def declared(self, request: Json) -> Iterator[Declared]:
        """Yield the tools; see `Form.declared`."""
        config = request.get("toolConfig")
        tools = cast("Json", config).get("tools") if isinstance(config, dict) else None
        for one in objects(tools):
            if "toolSpec" not in one:
                yield Declared(tool=None, expected={}, fields={})
                continue
            spec = one["toolSpec"]
            tool = Tool(
                name=spec["name"],
                description=spec.get("description") or "",
                parameters=spec["inputSchema"]["json"],
            )
            fields = without(spec, "name", "description", "inputSchema")
            yield Declared(tool=tool, expected=spec, fields=fields)

    def defined(self, declared: Declared, tool: Tool) -> Json:
        """Return the specification, with all that was said about the tool beside."""
        (written,) = Bedrock(tool_fields={tool.name: declared.fields}).encode_tools([tool])
        return written["toolSpec"]


_SERVER = "server_tool_use"


def _events(exchange: Exchange) -> Iterator[tuple[str, Any]]:
    for item in objects(exchange.value):
        if exchange.answer == "response_events":
            yield str(item.get("event")), item.get("payload")
        else:
            yield from item.items()


def _kind(block: Json) -> str:
    match block:
        case {"toolUse": {"type": "server_tool_use"}}:
            return _SERVER
        case {"toolUse": _}:
            return CALL
        case {"text": str(text)}:
            return THOUGHT if text.startswith(_OPEN) and text.endswith(_CLOSE) else TEXT
        case {"reasoningContent": _}:
            return THOUGHT
        case _:
            return next(iter(block), "")


def _tool_use_ids(message: Json) -> Iterator[str]:
    for block in objects(message.get("content")):
        if "toolUse" in block:
            yield block["toolUse"].get("toolUseId", "")

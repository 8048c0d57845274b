"""Gemini's `generateContent` and its interactions in recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from callgate.codecs import Codec, Frame, Gemini, GeminiInteractions
from callgate.codecs.gemini_history import read_conversation
from callgate.codecs.gemini_reading import wired
from callgate.errors import ModelError
from callgate.messages import Message, ModelRequest, ResultPart, Role
from callgate.testing.exchanges.chat_form import declared_functions
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
from callgate.testing.exchanges.spelling import base64_alphabet, filled, value_of
from callgate.types import Tool

__all__ = ["GeminiForm", "InteractionsForm"]

_SIGNATURE = "thoughtSignature"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiForm:
    """Gemini's `generateContent`; see `Form`."""

    codec: Codec = field(default_factory=Gemini)

    def data(self, exchange: Exchange) -> bytes:
        """Return the bytes of a recorded stream."""
        return sse(exchange)

    def answered(self, body: Json) -> list[Json]:
        """Return the content of the first candidate."""
        candidates = objects(body.get("candidates"))
        return objects([candidates[0].get("content")]) if candidates else []

    def streamed(self, frames: Sequence[Frame]) -> Iterator[str]:
        """Yield the kinds of parts that are not plain, once each."""
        contents = [content for event in payloads(frames) for content in self.answered(event)]
        yield from sorted({kind for kind, _ in self.blocks(contents)} - PLAIN)

    def blocks(self, messages: Sequence[Json]) -> list[Block]:
        """Return the parts; the signature of a part stands before it as a piece of its own."""
        parts = [part for item in messages for part in objects(wired(item).get("parts"))]
        return joined([block for part in parts for block in _blocks(part)])

    def normal(self, kind: str, block: Any) -> Any:
        """Return a part; base64 in one alphabet, a call without empty arguments."""
        if kind == _SIGNATURE:
            return base64_alphabet(block)
        return filled(block) if kind == CALL else _spelled(block)

    def own_calls(self, bodies: Sequence[Json]) -> frozenset[str]:
        """Return none: the provider's own calls are parts of another kind."""
        return frozenset()

    def turn(self, before: Json, after: Json, message: Message) -> Turn | None:
        """Find the content with the calls, and the results in the next one."""
        sent = objects(wired(after.get("contents")))
        wanted = [(call.name, value_of(call.arguments)) for call in message.calls]
        start = start_of_turn(
            objects(before.get("contents")),
            sent,
            is_answer=[_calls(item) == wanted for item in sent],
        )
        if start is None:
            return None
        replied = sent[start + 1] if start + 1 < len(sent) else {}
        results = [part for part in objects(replied.get("parts")) if "functionResponse" in part]
        return Turn(said=(sent[start],), results=tuple(results))

    def results(self, turn: Turn, message: Message, model: str) -> tuple[list[Any], list[Any]]:
        """Return the responses of functions; see `Form.results`.

        Results without ids answer the calls of their names, so both are written together.
        """
        contents = [*turn.said, {"role": "user", "parts": list(turn.results)}]
        try:
            messages = read_conversation({"contents": contents}, model=model)
        except ModelError as exc:
            raise NotComparableError("a result that shows something of the provider's own") from exc
        body = self.codec.encode_request(ModelRequest(messages=messages), model=model)
        ours = [part for item in body["contents"][1:] for part in item["parts"]]
        return list(map(_response, ours)), list(map(_response, turn.results))

    def declared(self, request: Json) -> Iterator[Declared]:
        """Yield the tools; see `Form.declared`."""
        for group in listed(wired(request.get("tools"))):
            if "functionDeclarations" not in group:
                yield Declared(tool=None, expected={}, fields={})
            for one in objects(group.get("functionDeclarations")):
                schema = one.get("parametersJsonSchema") or one.get("parameters")
                found = declared_functions(one | {"parameters": schema})
                expected = without(found.expected, "parameters")
                if schema:
                    expected["parametersJsonSchema"] = schema
                extra = frozenset({"parametersJsonSchema"})
                yield Declared(tool=found.tool, expected=expected, extra=extra, fields={})

    def defined(self, declared: Declared, tool: Tool) -> Json:
        """Return the declaration of the function."""
        return self.codec.encode_tools([tool])[0]["functionDeclarations"][0]


def _blocks(part: Json) -> Iterator[Block]:
    rest = without(part, _SIGNATURE)
    if _SIGNATURE in part:
        yield _SIGNATURE, part[_SIGNATURE]
    if "functionCall" in rest:
        yield CALL, rest["functionCall"]
    elif rest.get("thought"):
        yield THOUGHT, rest
    elif isinstance(rest.get("text"), str) and len(rest) == 1:
        yield TEXT, rest["text"]
    elif rest:
        yield next(iter(rest)), rest


def _calls(content: Json) -> list[tuple[str, Any]] | None:
    if content.get("role") != "model":
        return None
    calls = [
        part["functionCall"] for part in objects(content.get("parts")) if "functionCall" in part
    ]
    return [(call.get("name", ""), call.get("args") or {}) for call in calls]


def _spelled(value: Any) -> Any:
    match value:
        case {"inlineData": {"data": str(data), **rest}, **more}:
            return more | {"inlineData": rest | {"data": base64_alphabet(data)}}
        case _:
            return value


def _response(part: Json) -> Any:
    """Return a result: which call it answers, what it says, and what it shows."""
    fields = part.get("functionResponse")
    if not isinstance(fields, dict):
        return part
    found = cast("Json", fields)
    response: Any = found.get("response")
    match response:
        case {"error": inner, **rest} | {"output": inner, **rest} if not rest:
            response = inner
        case _:
            pass
    shown = [_spelled(one) for one in objects(found.get("parts"))]
    return filled({"id": found.get("id"), "name": found.get("name"), "parts": shown}) | {
        "response": value_of(response)
    }


# --- interactions ---------------------------------------------------------------------------


def _text(result: Any) -> str:
    if not isinstance(result, str):
        raise NotComparableError("a result that is not text")
    return result


_STEPS: Mapping[str, str] = {"function_call": CALL, "model_output": TEXT, "thought": THOUGHT}


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionsForm:
    """Gemini's interactions, which the provider keeps: a later request holds results only."""

    codec: Codec = field(default_factory=GeminiInteractions)

    def data(self, exchange: Exchange) -> bytes:
        """Return the bytes of a recorded stream."""
        return sse(exchange)

    def answered(self, body: Json) -> list[Json]:
        """Return the steps."""
        return objects(body.get("steps"))

    def streamed(self, frames: Sequence[Frame]) -> Iterator[str]:
        """Yield the types of steps that are not plain."""
        for event in payloads(frames):
            match event:
                case {"event_type": "step.start", "step": {"type": str(kind)}}:
                    if _STEPS.get(kind, kind) not in PLAIN:
                        yield _STEPS.get(kind, kind)
                case _:
                    pass

    def blocks(self, messages: Sequence[Json]) -> list[Block]:
        """Return the steps."""
        return [
            (_STEPS.get(kind, kind), step) for step in messages for kind in (step.get("type", ""),)
        ]

    def normal(self, kind: str, block: Any) -> Any:
        """Return a step."""
        return filled(block)

    def own_calls(self, bodies: Sequence[Json]) -> frozenset[str]:
        """Return none: the provider's own calls are steps of another type."""
        return frozenset()

    def turn(self, before: Json, after: Json, message: Message) -> Turn | None:
        """Find the steps with the calls, where the client sends them, and the results."""
        sent = objects(after.get("input"))
        ids = {call.id for call in message.calls}
        places = [
            at
            for at, step in enumerate(sent)
            if step.get("type") == "function_result" and step.get("call_id") in ids
        ]
        if not places:
            return None
        known = 0 if after.get("previous_interaction_id") else len(objects(before.get("input")))
        window = sent[known : places[-1] + 1]
        return Turn(
            said=tuple(
                one for one in window if one.get("type") not in ("function_result", "user_input")
            ),
            results=tuple(sent[at] for at in places),
        )

    def results(self, turn: Turn, message: Message, model: str) -> tuple[list[Any], list[Any]]:
        """Return the steps of results; see `Form.results`."""
        parts = [
            ResultPart(
                call_id=one.get("call_id", ""),
                name=one.get("name", ""),
                text=_text(one.get("result")),
                error=bool(one.get("is_error")),
            )
            for one in turn.results
        ]
        ours = self.codec.encode_message(Message(role=Role.TOOL, parts=tuple(parts)), model=model)
        return list(map(filled, ours)), list(map(filled, turn.results))

    def declared(self, request: Json) -> Iterator[Declared]:
        """Yield the tools; see `Form.declared`."""
        for one in objects(request.get("tools")):
            yield declared_functions(one if one.get("type") == "function" else None)

    def defined(self, declared: Declared, tool: Tool) -> Json:
        """Return the definition."""
        return self.codec.encode_tools([tool])[0]

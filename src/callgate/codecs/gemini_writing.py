"""Writing Gemini's `generateContent`: tools and messages as JSON values.

What a message has that this wire has no place for is refused, never left out. Three things are
arranged, because the provider insists:

- what the system says, wherever it stands, becomes the one `systemInstruction`;
- all results of a turn stand in one content, in the order of the calls: calls without ids have
  nothing else that tells their results apart;
- images and files of results stand within the result where the model reads them there (Gemini 3
  and later, some types), else in a content after all results.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import orjson

from callgate.codecs.gemini_reading import WIRE, is_own_id
from callgate.codecs.names import wire_name
from callgate.errors import ModelRequestError
from callgate.messages import CallPart, Message, Opaque, Part, ResultPart, Role
from callgate.types import Content, FilePart, ImagePart, Text, Tool

__all__ = [
    "Turn",
    "gemini_name",
    "generation",
    "is_for",
    "object_arguments",
    "write_calling",
    "write_contents",
    "write_tools",
    "written_results",
]

Json: TypeAlias = dict[str, Any]

_OWN_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_GENERATION = re.compile(r"gemini-(\d+)")
_WITHIN_RESULTS = frozenset(
    {"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"}
)
_MODES = {"none": "NONE", "required": "ANY"}


def gemini_name(name: str) -> str:
    """Return the name of a tool on this wire, which takes dots, colons and 128 characters."""
    beyond_others = len(name) > 64 or "." in name or ":" in name
    return name if beyond_others and _OWN_NAME.fullmatch(name) else wire_name(name)


def generation(model: str) -> int:
    """Return the generation of a model, such as 3 for `gemini-3-flash-preview`; 0 if unknown."""
    found = _GENERATION.search(model)
    return int(found[1]) if found else 0


def is_for(part: Opaque, model: str) -> bool:
    """Whether a part may be sent to a model: it is bound to it, or either is not known."""
    return not model or part.model in ("", model)


def write_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Return the one `tools` item that holds all definitions; empty for no tools."""
    return [{"functionDeclarations": [_declaration(tool) for tool in tools]}] if tools else []


def _declaration(tool: Tool) -> Json:
    declaration: Json = {"name": gemini_name(tool.name)}
    if tool.description:
        declaration["description"] = tool.description
    return declaration | {"parametersJsonSchema": tool.parameters}


def write_calling(choice: str, *, validated: bool = False) -> dict[str, Any]:
    """Return `functionCallingConfig`; empty for the provider's default.

    Args:
        choice: `auto`, `none`, `required` or the name of one tool.
        validated: Whether calls keep to their schemas also where the choice is free.
    """
    if choice == "auto":
        return {"mode": "VALIDATED"} if validated else {}
    if mode := _MODES.get(choice):
        return {"mode": mode}
    return {"mode": "ANY", "allowedFunctionNames": [gemini_name(choice)]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is held back while a turn's results may still come, and what the system said.

    Attributes:
        system: Parts of the `systemInstruction`.
        calls: Ids of the last calls, in their order.
        results: Results by the id of their call.
        shown: Images and files of the results, for after them.
    """

    system: tuple[Json, ...] = ()
    calls: tuple[str, ...] = ()
    results: tuple[tuple[str, Json], ...] = ()
    shown: tuple[Json, ...] = ()


def write_contents(
    messages: Iterable[Message], model: str, turn: Turn
) -> tuple[list[dict[str, Any]], Turn]:
    """Return what is written of `messages`, and what is held back after them.

    Args:
        messages: Part of a conversation, in order.
        model: The model that will read them; empty keeps parts bound to any model.
        turn: What was held back before them.

    Raises:
        ModelRequestError: The wire has no place for a part of a message.
    """
    written: list[Json] = []
    for message in messages:
        if message.role is Role.TOOL:
            turn = _with_results(turn, message, model)
            continue
        if message.role is Role.SYSTEM:
            turn = replace(turn, system=(*turn.system, *map(_said, message.parts)))
            continue
        written += written_results(turn)
        # Results may follow several messages of the assistant.
        before = () if turn.results or message.role is Role.USER else turn.calls
        calls = (*before, *(call.id for call in message.calls))
        turn = Turn(system=turn.system, calls=calls)
        content = _content(message, model)
        if content["parts"]:
            written.append(content)
    return written, turn


def written_results(turn: Turn) -> list[dict[str, Any]]:
    """Return the contents that hold the results of a turn: one, and one for images and files."""
    place = {call: index for index, call in enumerate(turn.calls)}
    ordered = sorted(turn.results, key=lambda result: place.get(result[0], len(place)))
    parts = ([part for _, part in ordered], list(turn.shown))
    return [{"role": "user", "parts": part} for part in parts if part]


def _with_results(turn: Turn, message: Message, model: str) -> Turn:
    results, shown = list(turn.results), list(turn.shown)
    for part in message.parts:
        if not isinstance(part, ResultPart):
            raise ModelRequestError(
                f"A {type(part).__name__} has no place in a message of role tool."
            )
        function: Json = {} if is_own_id(part.call_id) else {"id": part.call_id}
        function["name"] = gemini_name(part.name)
        function["response"] = {"error" if part.error else "output": part.text}
        within = [item for item in part.content if _is_within(item, model)]
        if within:
            function["parts"] = [_said(item) for item in within]
        results.append((part.call_id, {"functionResponse": function}))
        after = [_said(item) for item in part.content if item not in within]
        if after:
            shown += ({"text": f"Content of the result of {part.name}:"}, *after)
    return replace(turn, results=tuple(results), shown=tuple(shown))


def _is_within(item: Content, model: str) -> bool:
    return (
        generation(model) >= 3 and not isinstance(item, Text) and item.media_type in _WITHIN_RESULTS
    )


def _content(message: Message, model: str) -> Json:
    if message.role is Role.USER:
        return {"role": "user", "parts": [_said(part) for part in message.parts]}
    written = _Answer(model)
    for part in message.parts:
        written.add(part)
    return {"role": "model", "parts": written.parts}


def _said(part: Part) -> Json:
    match part:
        case Text():
            return {"text": part.text}
        case ImagePart() | FilePart():
            return _file(part)
        case Opaque(wire="gemini", data={"part": whole}):
            return whole
        case _:
            raise ModelRequestError(
                f"A {type(part).__name__} has no place in the content of a message."
            )


def _file(part: ImagePart | FilePart) -> Json:
    if part.data:
        data = b64encode(part.data).decode()
        return {"inlineData": {"mimeType": part.media_type, "data": data}}
    return {"fileData": {"mimeType": part.media_type, "fileUri": part.url}}


class _Answer:
    """Puts the parts of an assistant message back as the wire had them."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._next: dict[str, Json] = {}
        self.parts: list[Json] = []

    def add(self, part: Part) -> None:
        match part:
            case Text():
                self.parts.append({"text": part.text, **self._next.pop("text", {})})
            case CallPart():
                self._call(part)
            case Opaque():
                if part.wire == WIRE and is_for(part, self._model):
                    self._opaque(cast("Json", part.data))
            case _:
                self.parts.append(_said(part))

    def _call(self, part: CallPart) -> None:
        function: Json = {} if is_own_id(part.id) else {"id": part.id}
        function |= {"name": gemini_name(part.name), "args": object_arguments(part)}
        fields = self._next.pop("call", {})
        function |= fields.get("functionCall", {})
        self.parts.append({**fields, "functionCall": function})

    def _opaque(self, data: Json) -> None:
        for kind, value in data.items():
            match kind:
                case "part":
                    self.parts.append(value)
                case "text" | "call":
                    self._next[kind] = value
                case "candidate":
                    pass  # about the answer, not of it
                case _:
                    raise ModelRequestError(f"The wire {WIRE} has no opaque part {kind!r}.")


def object_arguments(call: CallPart) -> Any:
    """Return the arguments of a call as the object that this wire wants.

    Raises:
        ModelRequestError: They are none.
    """
    value: Any = call.arguments
    if isinstance(value, str):
        try:
            value = orjson.loads(value or "{}")
        except orjson.JSONDecodeError:
            value = None
    if isinstance(value, dict):
        return cast("Json", value)
    raise ModelRequestError(
        f"The arguments of the call {call.id} of {call.name} are no JSON object; "
        "this wire sends objects only.",
        details={"call": call.id, "name": call.name},
    )

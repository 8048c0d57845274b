"""Writing Anthropic Messages: tools and messages as JSON values.

What a message has that this wire has no place for is refused, never left out. Arranged is what the
API insists on: see `turns`; empty texts and messages, which it refuses, are left out.

Beside what reading makes (see `anthropic_reading`), a program may put `Opaque` parts with these
keys into messages:

- `block`: a whole block of any type, such as `search_result` or `container_upload`;
- `mark`: fields for the block before it, such as `cache_control`;
- `result`: fields for the result that follows, such as `content` with `tool_reference` blocks.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

from callgate.codecs.anthropic_reading import WIRE
from callgate.codecs.block_calls import wire_arguments, wire_id
from callgate.codecs.names import wire_name
from callgate.codecs.turns import Written
from callgate.errors import ModelRequestError
from callgate.messages import CallPart, Message, Opaque, Part, ResultPart, Role
from callgate.types import FilePart, ImagePart, Text, Tool

__all__ = ["is_result", "write_choice", "write_message", "write_tool"]

Json: TypeAlias = dict[str, Any]

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_WORDS = {"auto": "auto", "none": "none", "required": "any"}
_NEXT = frozenset({"text", "call", "result"})


def write_tool(tool: Tool, more: Mapping[str, Any]) -> Json:
    """Return the definition of a tool.

    Args:
        tool: The tool.
        more: Fields of the wire that our tools do not have, such as `strict` or `cache_control`.
    """
    definition: Json = {"name": wire_name(tool.name)}
    if tool.description:
        definition["description"] = tool.description
    definition["input_schema"] = tool.parameters
    if tool.examples:
        definition["input_examples"] = [dict(example.arguments) for example in tool.examples]
    return definition | dict(more)


def write_choice(choice: str, *, parallel: bool) -> Json:
    """Return `tool_choice`."""
    word = _WORDS.get(choice)
    written: Json = {"type": word} if word else {"type": "tool", "name": wire_name(choice)}
    if not parallel and word != "none":
        written["disable_parallel_tool_use"] = True
    return written


def is_result(block: Json) -> bool:
    """Whether a block is the result of one of our calls."""
    return block.get("type") == "tool_result"


def write_message(message: Message, model: str) -> Written:
    """Return a message as blocks.

    Args:
        message: Any message.
        model: The model that will read it; empty keeps parts bound to any model.

    Raises:
        ModelRequestError: The wire has no place for a part of it.
    """
    written = _Blocks(model)
    for part in message.parts:
        written.add(part, message.role)
    blocks = tuple(written.blocks)
    match message.role:
        case Role.SYSTEM:
            # Text stands beside the conversation; what changes the tools has its place within.
            return Written(
                role="system",
                blocks=tuple(block for block in blocks if block.get("type") != "text"),
                system=tuple(block for block in blocks if block.get("type") == "text"),
            )
        case Role.ASSISTANT:
            return Written(role="assistant", blocks=blocks, notes=written.notes)
        case _:
            return Written(role="user", blocks=blocks)


class _Blocks:
    """Puts the parts of a message back where the wire had them."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._next: dict[str, Json] = {}
        self.blocks: list[Json] = []
        self.notes: Json = {}

    def add(self, part: Part, role: Role) -> None:
        if isinstance(part, Opaque):
            if part.wire == WIRE and (not self._model or part.model in ("", self._model)):
                self._opaque(cast("dict[str, Any]", part.data))
            return
        match part:
            case Text():
                more = self._next.pop("text", {})
                if part.text.strip():
                    self.blocks.append({"type": "text", "text": part.text, **more})
            case CallPart() if role is Role.ASSISTANT:
                self.blocks.append(_call(part) | self._next.pop("call", {}))
            case ResultPart() if role is Role.TOOL:
                if part.echo is not None:
                    self.add(part.echo, role)
                self.blocks.append(_result(part) | self._next.pop("result", {}))
            case ImagePart() | FilePart() if role is Role.USER:
                self.blocks.append(_content(part))
            case _:
                raise ModelRequestError(
                    f"A {type(part).__name__} has no place in a message of role {role.value}."
                )

    def _opaque(self, data: Mapping[str, Any]) -> None:
        for kind, value in data.items():
            if kind in _NEXT:
                self._next[kind] = value
            elif kind == "block":
                self.blocks.append(value)
            elif kind == "mark":
                if self.blocks:
                    self.blocks[-1] = self.blocks[-1] | value
            elif kind == "message":
                self._message(value)
            else:
                raise ModelRequestError(f"The wire {WIRE} has no opaque part {kind!r}.")

    def _message(self, fields: Mapping[str, Any]) -> None:
        container: Any = fields.get("container")
        if isinstance(container, dict):
            self.notes["container"] = cast("dict[str, Any]", container).get("id")


# --- calls and results ----------------------------------------------------------------------


def _call(part: CallPart) -> Json:
    return {
        "type": "tool_use",
        "id": wire_id(part.id, _ID),
        "name": wire_name(part.name),
        "input": wire_arguments(part.arguments),
    }


def _result(part: ResultPart) -> Json:
    result: Json = {"type": "tool_result", "tool_use_id": wire_id(part.call_id, _ID)}
    text = part.text if part.text.strip() else ""
    more = [
        _content(item)
        for item in part.content
        # The text of a result holds its texts already.
        if not (isinstance(item, Text) and item.text in part.text)
    ]
    if part.error:
        result["is_error"] = True
        text = text or "The call failed."
    if more:
        result["content"] = [*_texts(text), *more]
    elif text:
        result["content"] = text
    return result


def _texts(text: str) -> Iterable[Json]:
    return [{"type": "text", "text": text}] if text else []


# --- what is not text -----------------------------------------------------------------------


def _content(part: Text | ImagePart | FilePart) -> Json:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return {"type": "image", "source": _source(part)}
        case _:
            return _document(part)


def _source(part: ImagePart | FilePart) -> Json:
    if part.url:
        return {"type": "url", "url": part.url}
    data = b64encode(part.data).decode()
    return {"type": "base64", "media_type": part.media_type, "data": data}


def _document(part: FilePart) -> Json:
    document: Json = {"type": "document"}
    if part.name:
        document["title"] = part.name
    if part.media_type == "application/pdf":
        return document | {"source": _source(part)}
    if part.media_type.startswith("text/") and not part.url:
        try:
            text = part.data.decode()
        except UnicodeDecodeError as exc:
            raise ModelRequestError(f"The file {part.name!r} is not UTF-8 text.") from exc
        return document | {"source": {"type": "text", "media_type": "text/plain", "data": text}}
    raise ModelRequestError(
        f"This wire carries no file of type {part.media_type}"
        f"{' by reference' if part.url else ''} ({part.name or 'unnamed'})."
    )

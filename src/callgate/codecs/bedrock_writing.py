"""Writing Amazon Bedrock Converse: tools and messages as JSON values.

What a message has that this wire has no place for is refused, never left out. Arranged is what the
API insists on: see `turns`; empty texts and messages, which it refuses, are left out.

Beside what reading makes (see `bedrock_reading`), a program may put `Opaque` parts with these keys
into messages:

- `block`: a whole block of any type, such as `guardContent` or a `cachePoint`;
- `result`: fields for the result that follows.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from callgate.codecs.bedrock_reading import WIRE
from callgate.codecs.block_calls import wire_arguments, wire_id
from callgate.codecs.names import wire_name
from callgate.codecs.turns import Written
from callgate.errors import ModelRequestError
from callgate.messages import CallPart, Message, Opaque, Part, ResultPart, Role
from callgate.types import FilePart, ImagePart, Text, Tool

__all__ = ["is_result", "write_choice", "write_message", "write_tool"]

Json: TypeAlias = dict[str, Any]

_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_WITHIN = frozenset({"toolAddition", "toolRemoval"})
_NEXT = frozenset({"call", "result"})
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_VIDEOS = {
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/x-matroska": "mkv",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_SOUNDS = {
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "audio/x-wav": "wav",
}
_NAME = re.compile(r"[^a-zA-Z0-9 ()\[\]-]+")
"""What the name of a document may not hold."""


def write_tool(tool: Tool, more: Mapping[str, Any]) -> Json:
    """Return the definition of a tool.

    Args:
        tool: The tool.
        more: Fields of the wire that our tools do not have, such as `strict`.
    """
    definition: Json = {"name": wire_name(tool.name)}
    if tool.description:
        definition["description"] = tool.description
    definition["inputSchema"] = {"json": tool.parameters}
    return {"toolSpec": definition | dict(more)}


def write_choice(choice: str) -> Json:
    """Return `toolChoice` for `required` or the name of a tool; `none` has no word here."""
    return {"any": {}} if choice == "required" else {"tool": {"name": wire_name(choice)}}


def is_result(block: Json) -> bool:
    """Whether a block of a user's message is the result of one of our calls."""
    return "toolResult" in block


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
                blocks=tuple(block for block in blocks if block.keys() & _WITHIN),
                system=tuple(block for block in blocks if not block.keys() & _WITHIN),
            )
        case Role.ASSISTANT:
            return Written(role="assistant", blocks=blocks)
        case _:
            return Written(role="user", blocks=blocks)


class _Blocks:
    """Puts the parts of a message back where the wire had them."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._next: dict[str, Json] = {}
        self.blocks: list[Json] = []

    def add(self, part: Part, role: Role) -> None:
        match part:
            case Opaque():
                if part.wire == WIRE and (not self._model or part.model in ("", self._model)):
                    self._opaque(cast("dict[str, Any]", part.data))
            case Text():
                if part.text.strip():
                    self.blocks.append({"text": part.text})
            case CallPart() if role is Role.ASSISTANT:
                self.blocks.append({"toolUse": _call(part) | self._next.pop("call", {})})
            case ResultPart() if role is Role.TOOL:
                self.blocks.append({"toolResult": _result(part) | self._next.pop("result", {})})
            case FilePart(media_type=kind) if role is Role.USER and kind in _SOUNDS:
                sound = {"format": _SOUNDS[kind], "source": _source(part)}
                self.blocks.append({"audio": sound})  # results have no place for sound
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
                if "unknown" not in value:
                    self.blocks.append(value)
            elif kind != "message":
                raise ModelRequestError(f"The wire {WIRE} has no opaque part {kind!r}.")


def _call(part: CallPart) -> Json:
    return {
        "toolUseId": wire_id(part.id, _ID),
        "name": wire_name(part.name),
        "input": wire_arguments(part.arguments),
    }


def _result(part: ResultPart) -> Json:
    content: list[Json] = []
    if part.text.strip():
        content.append({"text": part.text})
    content += [
        _content(item)
        for item in part.content
        # The text of a result holds its texts already.
        if not (isinstance(item, Text) and item.text in part.text)
    ]
    return {
        "toolUseId": wire_id(part.call_id, _ID),
        "content": content or [{"text": "(nothing)"}],
        "status": "error" if part.error else "success",
    }


# --- what is not text -----------------------------------------------------------------------


def _content(part: Text | ImagePart | FilePart) -> Json:
    match part:
        case Text():
            return {"text": part.text}
        case ImagePart():
            form = part.media_type.removeprefix("image/")
            return {"image": {"format": "jpeg" if form == "jpg" else form, "source": _source(part)}}
        case _:
            return _file(part)


def _file(part: FilePart) -> Json:
    if form := _VIDEOS.get(part.media_type):
        return {"video": {"format": form, "source": _source(part)}}
    if form := _DOCUMENTS.get(part.media_type):
        name = _NAME.sub("-", part.name)[:200] or "document"
        return {"document": {"format": form, "name": name, "source": _source(part)}}
    raise ModelRequestError(
        f"This wire carries no file of type {part.media_type} ({part.name or 'unnamed'})."
    )


def _source(part: ImagePart | FilePart) -> Json:
    if not part.url:
        return {"bytes": b64encode(part.data).decode()}
    if part.url.startswith("s3://"):
        return {"s3Location": {"uri": part.url}}
    raise ModelRequestError(f"This wire takes references to S3 only, not {part.url[:200]}.")

"""OpenAI Responses in recordings: what is said is a list of items, not of messages."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from callgate.codecs import Codec, Frame, OpenAIResponses
from callgate.messages import Message, ResultPart, Role
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
    objects,
    payloads,
    sse,
    without,
)
from callgate.testing.exchanges.records import Exchange, Json
from callgate.testing.exchanges.spelling import filled, value_of
from callgate.types import Content, FilePart, ImagePart, Text, Tool

__all__ = ["ItemsForm"]

_KINDS: Mapping[str, str] = {
    "function_call": CALL,
    "custom_tool_call": CALL,
    "message": TEXT,
    "reasoning": THOUGHT,
}
_SEARCH = "tool_search_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsForm:
    """OpenAI Responses and the servers that speak it; see `Form`."""

    codec: Codec = field(default_factory=OpenAIResponses)

    def data(self, exchange: Exchange) -> bytes:
        """Return the bytes of a recorded stream."""
        return sse(exchange)

    def answered(self, body: Json) -> list[Json]:
        """Return the items of the output."""
        return objects(body.get("output"))

    def streamed(self, frames: Sequence[Frame]) -> Iterator[str]:
        """Yield the types of items that are not plain."""
        for event in payloads(frames):
            match event:
                case {"type": "response.output_item.done", "item": {"type": str(kind)}}:
                    if _KINDS.get(kind, kind) not in PLAIN:
                        yield _KINDS.get(kind, kind)
                case _:
                    pass

    def blocks(self, messages: Sequence[Json]) -> list[Block]:
        """Return the items; an item without a type is a message."""
        return [
            (_KINDS.get(kind, kind), item)
            for item in messages
            for kind in (item.get("type", "message"),)
            if kind != "message" or item.get("content")
        ]

    def normal(self, kind: str, block: Any) -> Any:
        """Return an item without ids and states, which clients leave out.

        One client names the paths of a tool search `queries` and gives it an id, one writes a
        namespace that is the tool's own name, one puts the response's id before that of a call.
        """
        item = without(filled(block), "id", "status", "type" if kind == TEXT else "")
        if kind == TEXT:
            return item | {"content": _said(item["content"])}
        if block.get("type") == _SEARCH:
            item = without(item, "call_id")
        if "arguments" in item:
            item["arguments"] = _paths(value_of(item["arguments"]), block.get("type"))
        if item.get("namespace") == item.get("name"):
            item = without(item, "namespace")
        if "call_id" in item:
            item["call_id"] = _bare(item["call_id"])
        if "tools" in item:
            item["tools"] = [filled(tool) for tool in objects(item["tools"])]
        return item

    def own_calls(self, bodies: Sequence[Json]) -> frozenset[str]:
        """Return none: the provider's own calls are items of another type."""
        return frozenset()

    def turn(self, before: Json, after: Json, message: Message) -> Turn | None:
        """Find the items up to the last result, without empty messages of the client's own."""
        sent = objects(after.get("input"))
        ids = {_bare(call.id) for call in message.calls}
        ours = [_bare(item.get("call_id") or "") in ids for item in sent]
        ends = [at for at, item in enumerate(sent) if ours[at] and _is_result(item)]
        if not ends:
            return None
        start = _start(objects(before.get("input")), sent, ours)
        window = sent[start : ends[-1] + 1]
        return Turn(
            said=tuple(item for item in window if not _is_result(item)),
            results=tuple(item for item in window if _is_result(item)),
        )

    def results(self, turn: Turn, message: Message, model: str) -> tuple[list[Any], list[Any]]:
        """Return the outputs of calls; see `Form.results`."""
        calls = {_bare(call.id): call for call in message.calls}
        parts: list[ResultPart] = []
        for one in turn.results:
            call = calls.get(_bare(one.get("call_id", "")))
            text, content = _shown(one.get("output"))
            parts.append(
                ResultPart(
                    call_id=one.get("call_id", ""),
                    name="",
                    text=text,
                    content=content,
                    echo=call.echo if call else None,
                )
            )
        ours = self.codec.encode_message(Message(role=Role.TOOL, parts=tuple(parts)), model=model)
        return [_result(one) for one in ours], [_result(one) for one in turn.results]

    def declared(self, request: Json) -> Iterator[Declared]:
        """Yield the tools, those of namespaces too; see `Form.declared`."""
        for one in objects(request.get("tools")):
            within = objects(one.get("tools")) if one.get("type") == "namespace" else [one]
            for tool in within:
                yield declared_functions(tool if tool.get("type") == "function" else None)

    def defined(self, declared: Declared, tool: Tool) -> Json:
        """Return the definition."""
        return self.codec.encode_tools([tool])[0]


def _bare(call_id: str) -> str:
    return call_id.rpartition(":")[2]


def _is_result(item: Json) -> bool:
    return "output" in item and str(item.get("type")).endswith("_call_output")


def _start(known: list[Json], sent: list[Json], ours: list[bool]) -> int:
    """Return where the answer begins in the items that were sent."""
    if known and sent[: len(known)] == known:
        return len(known)
    # What was asked is a text, is kept by the provider, or was written in another way.
    start = ours.index(True)
    while start and not _is_asked(sent[start - 1]):
        start -= 1
    return start


def _is_asked(item: Json) -> bool:
    return item.get("role", "assistant") != "assistant" or _is_result(item)


def _said(content: Any) -> Any:
    """Return the text of a message; what is not text is kept beside."""
    if isinstance(content, str):
        return content
    parts = objects(content)
    texts = [part.get("text") for part in parts]
    if all(isinstance(text, str) for text in texts):
        return "".join(cast("list[str]", texts))
    return [filled(part) for part in parts]


def _paths(arguments: Any, kind: Any) -> Any:
    if kind == _SEARCH and isinstance(arguments, dict):
        return list(cast("Json", arguments).values())
    return arguments


def _result(item: Json) -> Json:
    """Return a result without ids and states; `auto` is the default detail of an image."""
    output: Any = item.get("output")
    if not isinstance(output, str):
        output = [
            without(part, "detail") if part.get("detail") == "auto" else part
            for part in objects(output)
        ]
    return without(filled(item), "id", "status") | {"output": output}


# --- what a result shows --------------------------------------------------------------------


def _shown(output: Any) -> tuple[str, tuple[Content, ...]]:
    """Return the text and the content of a result.

    Raises:
        NotComparableError: Our results do not have this form.
    """
    if isinstance(output, str):
        return output, ()
    parts = objects(output)
    text = ""
    if parts and parts[0].get("type") == "input_text":
        text, parts = parts[0]["text"], parts[1:]
    return text, tuple(map(_content, parts))


def _content(part: Json) -> Content:
    match part:
        case {"type": "input_text", "text": str(text)}:
            return Text(text=text)
        case {"type": "input_image", "image_url": str(url)}:
            return _image(url)
        case {"type": "input_file", "file_data": str(url), **rest}:
            media_type, data = _held(url)
            return FilePart(media_type=media_type, data=data, name=str(rest.get("filename", "")))
        case {"type": "input_file", "file_url": str(url)}:
            return FilePart(media_type="", url=url)
        case _:
            raise NotComparableError("a result that shows something of the provider's own")


def _image(url: str) -> ImagePart:
    if not url.startswith("data:"):
        return ImagePart(media_type="", url=url)
    media_type, data = _held(url)
    return ImagePart(media_type=media_type, data=data)


def _held(url: str) -> tuple[str, bytes]:
    """Return the type and the bytes that a data URL holds."""
    head, _, text = url.removeprefix("data:").partition(",")
    try:
        return head.removesuffix(";base64"), b64decode(text, validate=True)
    except NotBase64:
        raise NotComparableError("a result that holds no base64") from None

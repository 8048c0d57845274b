"""Writing OpenAI Chat Completions: tools and messages as JSON values and as bytes.

What a message has that this wire has no place for is refused, never left out. Two things are
arranged, because providers insist:

- images and files of tool results follow in a user message after the last result of the turn;
- an assistant message with calls and no text has `content: null`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from callgate.codecs.encoder import dumped
from callgate.codecs.names import wire_name
from callgate.codecs.openai_chat_reading import WIRE
from callgate.errors import ModelRequestError
from callgate.messages import CallPart, Message, Opaque, Part, ResultPart, Role
from callgate.types import FilePart, ImagePart, Text, Tool

__all__ = [
    "CHAT",
    "Form",
    "Writer",
    "arranged",
    "data_url",
    "image_url",
    "write_choice",
    "write_file",
    "write_message",
    "write_tools",
]

Json: TypeAlias = dict[str, Any]
Writer: TypeAlias = Callable[[Message, str], tuple[list[Json], list[Json]]]
"""Returns the wire's messages for one of ours, and those that must wait until after the results
of the turn; the second argument is the model that will read them."""

_SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_WORDS = frozenset({"auto", "none", "required"})


def write_tools(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """Return the definitions of tools in their order."""
    return [_tool(tool) for tool in tools]


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": wire_name(tool.name)}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function | {"parameters": tool.parameters}}


def write_choice(choice: str) -> Any:
    """Return `tool_choice`: a word, or the one tool that must be called."""
    if choice in _WORDS:
        return choice
    return {"type": "function", "function": {"name": wire_name(choice)}}


def arranged(
    messages: Iterable[Message], model: str, waiting: Iterable[Json] = (), *, write: Writer
) -> tuple[list[Json], list[Json]]:
    """Return what is written of `messages`, and what has to wait until the turn's last result.

    Args:
        messages: Part of a conversation, in order.
        model: The model that will read them; empty keeps parts bound to any model.
        waiting: What still waits from the messages before.
        write: Writes one message.

    Raises:
        ModelRequestError: The wire has no place for a part of a message.
    """
    written: list[Json] = []
    later = list(waiting)
    for message in messages:
        if later and message.role is not Role.TOOL:
            written += later
            later = []
        now, new = write(message, model)
        written += now
        later += new
    return written, later


def image_url(part: ImagePart) -> str:
    """Return where an image is, or a URL that holds it."""
    return part.url or data_url(part.media_type, part.data)


def data_url(media_type: str, data: bytes) -> str:
    """Return bytes as a URL that holds them."""
    return f"data:{media_type};base64,{b64encode(data).decode()}"


def write_file(part: FilePart) -> dict[str, Any]:
    """Return a file as a part of the content of a message.

    Raises:
        ModelRequestError: It is given by reference.
    """
    if not part.data:
        raise ModelRequestError(
            f"This wire carries no file by reference ({part.name or part.media_type}): "
            "give its bytes."
        )
    if form := _SOUNDS.get(part.media_type):
        sound = {"data": b64encode(part.data).decode(), "format": form}
        return {"type": "input_audio", "input_audio": sound}
    file = {"filename": part.name or "file", "file_data": data_url(part.media_type, part.data)}
    return {"type": "file", "file": file}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the siblings of Chat Completions write in a way of their own.

    Attributes:
        wire: The wire whose opaque parts are written.
        file: Writes a file in the content of a message.
        call_id: Returns the id of a call as the wire can carry it.
    """

    wire: str = WIRE
    file: Callable[[FilePart], Json] = write_file
    call_id: Callable[[str], str] = str


CHAT = Form()
"""Chat Completions itself."""


def write_message(
    message: Message, model: str, form: Form = CHAT
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the wire's messages, and those that must wait until after the results of the turn.

    Args:
        message: Any message.
        model: The model that will read it; empty keeps parts bound to any model.
        form: What a sibling of the wire writes in its own way.

    Raises:
        ModelRequestError: The wire has no place for a part of it.
    """
    match message.role:
        case Role.ASSISTANT:
            return [_assistant(message, model, form)], []
        case Role.TOOL:
            return _results(message, form)
        case _:
            return [{"role": message.role.value, "content": _content(message.parts, form)}], []


# --- what people and the system say ---------------------------------------------------------


def _content(parts: Iterable[Part], form: Form) -> Any:
    written = [_content_part(part, form) for part in parts]
    if not written:
        return ""
    if len(written) == 1 and written[0].get("type") == "text":
        return written[0]["text"]
    return written


def _content_part(part: Part, form: Form) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": image_url(part)}}
        case FilePart():
            return form.file(part)
        case Opaque(wire=form.wire, data={"content": content}):
            return content
        case _:
            raise ModelRequestError(
                f"A {type(part).__name__} has no place in the content of a message."
            )


# --- what tools answer ----------------------------------------------------------------------


def _results(message: Message, form: Form) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    results: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for part in message.parts:
        if not isinstance(part, ResultPart):
            raise ModelRequestError(
                f"A {type(part).__name__} has no place in a message of role tool."
            )
        call_id = form.call_id(part.call_id)
        results.append({"role": "tool", "tool_call_id": call_id, "content": part.text})
        if part.content:
            shown.append({"type": "text", "text": f"Content of the result of {call_id}:"})
            shown += [_content_part(item, form) for item in part.content]
    return results, [{"role": "user", "content": shown}] if shown else []


# --- what the model said --------------------------------------------------------------------


def _assistant(message: Message, model: str, form: Form) -> dict[str, Any]:
    written = _Assistant(model, form)
    for part in message.parts:
        written.add(part)
    return written.message()


class _Assistant:
    """Puts the parts of an assistant message back where the wire had them."""

    def __init__(self, model: str, form: Form) -> None:
        self._model = model
        self._form = form
        self._fields: dict[str, Any] = {}
        self._content: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []
        self._for_next_call: dict[str, Any] = {}
        self._refusal = ""

    def add(self, part: Part) -> None:
        match part:
            case Text():
                # The text of a refusal was said once; its twin is for other wires.
                if part.text != self._refusal:
                    self._content.append({"type": "text", "text": part.text})
            case CallPart():
                self._call(part)
            case Opaque():
                if part.wire == self._form.wire and self._model in ("", part.model):
                    self._opaque(cast("dict[str, Any]", part.data))
            case _:
                raise ModelRequestError(
                    f"A {type(part).__name__} has no place in what an assistant says."
                )

    def message(self) -> dict[str, Any]:
        content: Any = self._content or None
        if len(self._content) == 1 and self._content[0].get("type") == "text":
            content = self._content[0]["text"]
        if content is None and not self._calls and not self._refusal:
            content = ""
        message = {"role": "assistant", "content": content, **self._fields}
        if self._refusal:
            message["refusal"] = self._refusal
        if self._calls:
            message["tool_calls"] = self._calls
        return message

    def _call(self, part: CallPart) -> None:
        text = part.arguments if isinstance(part.arguments, str) else dumped(part.arguments)
        function = {
            "name": wire_name(part.name),
            "arguments": text if isinstance(text, str) else text.decode(),
        }
        extra = self._for_next_call
        self._for_next_call = {}
        function |= extra.get("function", {})
        call = {
            "id": self._form.call_id(part.id),
            "type": "function",
            **extra,
            "function": function,
        }
        self._calls.append(call)

    def _opaque(self, data: Mapping[str, Any]) -> None:
        for kind, value in data.items():
            match kind:
                case "message":
                    self._fields |= _echoed(value)
                case "content":
                    self._content.append(value)
                case "call":
                    self._for_next_call = value
                case "tool_call":
                    self._calls.append(value)
                case "refusal":
                    self._refusal = value
                case "event":
                    pass  # it was said by the stream, not by the model
                case _:
                    raise ModelRequestError(
                        f"The wire {self._form.wire} has no opaque part {kind!r}."
                    )


def _echoed(fields: dict[str, Any]) -> dict[str, Any]:
    audio: Any = fields.get("audio")
    if not isinstance(audio, dict):
        return fields
    # Sound goes back by its id only.
    return fields | {"audio": {"id": cast("dict[str, Any]", audio).get("id")}}

"""Reading requests of Gemini's `generateContent`: conversations that others have written.

Calls that stand there without ids get ours, from their place in the conversation; results without
ids answer the first call of their name that has no answer yet.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from callgate.codecs.gemini_reading import WIRE, Gathering, Head, read_usage, wired
from callgate.codecs.json_text import excerpt, list_of, object_of, text_of
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelStreamError
from callgate.messages import CallPart, Message, Opaque, Part, ResultPart, Role
from callgate.types import Content, FilePart, ImagePart, Text

__all__ = ["read_conversation"]


def read_conversation(
    request: Mapping[str, Any], *, model: str = "", names: Mapping[str, str] = NO_NAMES
) -> tuple[Message, ...]:
    """Return the messages of a request, what the system says first.

    Args:
        request: The body: `contents` and perhaps `systemInstruction`, in either spelling.
        model: The model that parts with signatures are bound to.
        names: Our names of tools by the wire's names, where they differ.

    Raises:
        ModelStreamError: It is no such request.
    """
    data = object_of(wired(dict(request)), "The request")
    reading = _Conversation(model, names)
    system = object_of(data.get("systemInstruction"), "systemInstruction")
    if system:
        reading.messages.append(_message(Role.SYSTEM, _said(_parts(system))))
    for item in list_of(data.get("contents"), "contents"):
        reading.add(object_of(item, "a content"))
    return tuple(reading.messages)


class _Conversation:
    """Messages so far, and the calls that wait for their results."""

    def __init__(self, model: str, names: Mapping[str, str]) -> None:
        self._model = model
        self._names = names
        self._waiting: list[CallPart] = []
        self.messages: list[Message] = []

    def add(self, content: Mapping[str, Any]) -> None:
        if content.get("role") == "model":
            self._answer(content)
            return
        parts = _parts(content)
        results = [self._result(part["functionResponse"]) for part in parts if _is_result(part)]
        said = _said([part for part in parts if not _is_result(part)])
        if results:
            self.messages.append(_message(Role.TOOL, results))
        if said or not results:
            self.messages.append(_message(Role.USER, said))

    def _answer(self, content: Mapping[str, Any]) -> None:
        # The place in the conversation takes the part of the response's id.
        head = Head(
            seed=("history", str(len(self.messages))),
            model=self._model,
            bound=self._model,
            names=self._names,
        )
        gathering = Gathering(head)
        gathering.add({"content": content})
        message = gathering.response(read_usage({})).message
        if not (self.messages and self.messages[-1].role is Role.ASSISTANT):
            self._waiting.clear()
        self._waiting += message.calls
        self.messages.append(message)

    def _result(self, value: Any) -> ResultPart:
        function = object_of(value, "functionResponse")
        wire_name = text_of(function.get("name"), "the name of a result")
        name = self._names.get(wire_name, wire_name)
        text, error = _outcome(object_of(function.get("response"), "response"))
        return ResultPart(
            call_id=self._answered(text_of(function.get("id"), "the id of a result"), name),
            name=name,
            text=text,
            content=tuple(_shown(part) for part in _parts(function)),
            error=error,
        )

    def _answered(self, call_id: str, name: str) -> str:
        """Return the id of the call that a result answers, and let that call wait no longer."""
        for call in self._waiting:
            if call.id == call_id or (not call_id and call.name == name):
                self._waiting.remove(call)
                return call.id
        return call_id


def _said(parts: Sequence[dict[str, Any]]) -> list[Part]:
    return [_content(part) or _opaque(part) for part in parts]


def _opaque(part: dict[str, Any]) -> Part:
    # What people say is bound to no model.
    return Opaque(wire=WIRE, model="", data={"part": part})


def _message(role: Role, parts: Sequence[Part]) -> Message:
    return Message(role=role, parts=tuple(parts))


def _parts(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [object_of(part, "a part") for part in list_of(content.get("parts"), "parts")]


def _is_result(part: Mapping[str, Any]) -> bool:
    return "functionResponse" in part


def _outcome(response: dict[str, Any]) -> tuple[str, bool]:
    """Return the text of a result, and whether it is an error."""
    if response.keys() == {"error"}:
        return _text(response["error"]), True
    return _text(response["output"] if response.keys() == {"output"} else response), False


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _content(part: Mapping[str, Any]) -> Content | None:
    """Return text, an image or a file; None for what is something else or has more to it."""
    match part:
        case {"text": str(text)} if len(part) == 1:
            return Text(text=text)
        case {"inlineData": {"mimeType": str(kind), "data": str(data)}} if len(part) == 1:
            return _file(kind, data=_bytes(data))
        case {"fileData": {"mimeType": str(kind), "fileUri": str(uri)}} if len(part) == 1:
            return _file(kind, url=uri)
        case _:
            return None


def _shown(part: Mapping[str, Any]) -> Content:
    content = _content(part)
    if content is None:
        raise ModelStreamError(
            "A result shows something that is no text, image or file.",
            details={"data": excerpt(part)},
        )
    return content


def _file(media_type: str, *, data: bytes = b"", url: str = "") -> Content:
    kind = ImagePart if media_type.startswith("image/") else FilePart
    return kind(media_type=media_type, data=data, url=url)


def _bytes(text: str) -> bytes:
    # Both alphabets of base64 are accepted here, as the provider does.
    plain = text.replace("+", "-").replace("/", "_").rstrip("=")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (NotBase64, ValueError) as exc:
        raise ModelStreamError(
            f"Inline data is not base64: {exc}", details={"data": excerpt(text)}
        ) from exc

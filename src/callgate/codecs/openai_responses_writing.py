"""Writing OpenAI Responses: tools and messages as the items of a request.

What a message has that this wire has no place for is refused, never left out. Parts that belong to
this wire go back as they came, each where it stood: reasoning directly before its call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from callgate.codecs.block_calls import wire_id
from callgate.codecs.encoder import dumped
from callgate.codecs.names import wire_name
from callgate.codecs.openai_chat_writing import data_url, image_url
from callgate.codecs.openai_responses_reading import CALLS, WIRE
from callgate.errors import ModelRequestError
from callgate.messages import CallPart, Message, Opaque, Part, ResultPart, Role
from callgate.types import FilePart, ImagePart, Text, Tool

__all__ = ["ToolOptions", "write_choice", "write_message", "write_tools"]

Json: TypeAlias = dict[str, Any]

_WORDS = frozenset({"auto", "none", "required"})
_CALL_ID = re.compile(r".{1,64}", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """What this wire can say about a tool that our contract does not.

    Attributes:
        strict: Whether the provider holds the model to the schema; it then wants every property
            required. False by default, for what the field's absence means depends on the schema.
        defer: Whether the definition is shown only once a tool search has found it.
        namespace: The group it is listed in; empty for none.
        callers: Who may call it, such as `programmatic`; empty for the provider's default.
        unattended: Whether the model goes on without waiting for the result (`async`).
        freeform: The `format` of a custom tool, whose input is text instead of JSON; None for a
            tool with arguments.
        parameter: The parameter of our tool that the freeform text is. Empty leaves the text as it
            is, which is no object of arguments. The pieces of a stream are the bare text.
    """

    strict: bool = False
    defer: bool = False
    namespace: str = ""
    callers: tuple[str, ...] = ()
    unattended: bool = False
    freeform: Mapping[str, Any] | None = None
    parameter: str = ""


_PLAIN = ToolOptions()


def write_tools(
    tools: Iterable[Tool], options: Mapping[str, ToolOptions], namespaces: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the definitions of tools in their order.

    Args:
        tools: The tools. Those of one namespace are listed where its first one stands.
        options: What else is said about a tool, by its name.
        namespaces: Descriptions of the namespaces, by their names.
    """
    written: list[dict[str, Any]] = []
    groups: dict[str, list[dict[str, Any]]] = {}
    for tool in tools:
        chosen = options.get(tool.name, _PLAIN)
        definition = _tool(tool, chosen)
        name = chosen.namespace
        if not name:
            written.append(definition)
        elif name in groups:
            groups[name].append(definition)
        else:
            groups[name] = [definition]
            about = namespaces.get(name, name)
            group = {"type": "namespace", "name": name, "description": about}
            written.append(group | {"tools": groups[name]})
    return written


def _tool(tool: Tool, options: ToolOptions) -> Json:
    definition: Json = {"name": wire_name(tool.name)}
    if tool.description:
        definition["description"] = tool.description
    if options.freeform is None:
        rest = {"parameters": tool.parameters, "strict": options.strict}
        definition = {"type": "function", **definition, **rest}
    else:
        definition = {"type": "custom", **definition, "format": options.freeform}
    if options.defer:
        definition["defer_loading"] = True
    if options.callers:
        definition["allowed_callers"] = list(options.callers)
    if options.unattended:
        definition["async"] = True
    return definition


def write_choice(
    choice: str, options: Mapping[str, ToolOptions], allowed: tuple[str, ...] | None = None
) -> Any:
    """Return `tool_choice`: a word, the one tool that must be called, or those that may be.

    Args:
        choice: `auto`, `none`, `required` or the name of a tool.
        options: What else is said about a tool, by its name.
        allowed: The names of the tools that may be called; None for all.
    """
    if choice not in _WORDS:
        return _named(choice, options)
    if choice == "none" or allowed is None:
        return choice
    tools = [_named(name, options) for name in allowed]
    return {"type": "allowed_tools", "mode": choice, "tools": tools}


def _named(name: str, options: Mapping[str, ToolOptions]) -> Json:
    freeform = options.get(name, _PLAIN).freeform is not None
    return {"type": "custom" if freeform else "function", "name": wire_name(name)}


def write_message(message: Message, model: str) -> tuple[list[Json], list[Json]]:
    """Return the items of a message; nothing has to wait.

    Args:
        message: Any message.
        model: The model that will read it; empty keeps parts bound to any model.

    Raises:
        ModelRequestError: The wire has no place for a part of it.
    """
    if message.role is Role.ASSISTANT:
        return _Assistant(model).items(message), []
    return list(_said(message, model)), []


def _is_ours(part: Opaque, model: str) -> bool:
    return part.wire == WIRE and model in ("", part.model)


# --- what people, the system and tools say --------------------------------------------------


def _said(message: Message, model: str) -> list[Json]:
    items: list[Json] = []
    content: list[Json] = []
    for part in message.parts:
        match part:
            case ResultPart():
                items.append(_result(part, model))
            case Opaque(data={"item": item}):
                if _is_ours(part, model):
                    items += _message(message.role, content)
                    content = []
                    items.append(item)
            case _:
                content.append(_content_part(part))
    if content or not items:
        items += _message(message.role, content, always=True)
    return items


def _message(role: Role, content: list[Json], *, always: bool = False) -> list[Json]:
    if not content and not always:
        return []
    if role is Role.TOOL:
        raise ModelRequestError("A message of role tool holds results only.")
    only = content[0] if len(content) == 1 else {}
    value: Any = only["text"] if only.get("type") == "input_text" else content
    return [{"role": role.value, "content": value or ""}]


def _content_part(part: Part) -> Json:
    match part:
        case Text():
            return {"type": "input_text", "text": part.text}
        case ImagePart():
            return {"type": "input_image", "image_url": image_url(part), "detail": "auto"}
        case FilePart():
            return _file(part)
        case Opaque(wire="openai_responses", data={"content": content}):
            return content
        case _:
            raise ModelRequestError(
                f"A {type(part).__name__} has no place in the content of a message."
            )


def _file(part: FilePart) -> Json:
    if part.media_type.startswith("audio/"):
        raise ModelRequestError(f"This wire carries no sound ({part.name or part.media_type}).")
    if not part.data:
        return {"type": "input_file", "file_url": part.url}
    url = data_url(part.media_type, part.data)
    return {"type": "input_file", "filename": part.name or "file", "file_data": url}


def _result(part: ResultPart, model: str) -> Json:
    item: Json = {"type": "function_call_output", "call_id": wire_id(part.call_id, _CALL_ID)}
    if part.echo and part.echo.wire == WIRE:
        # The caller is a program in the model's own reasoning; the kind of call is not bound.
        item["type"] = f"{part.echo.data.get('type', 'function_call')}_output"
        if "caller" in part.echo.data and _is_ours(part.echo, model):
            item["caller"] = part.echo.data["caller"]
    return item | {"output": _output(part)}


def _output(part: ResultPart) -> Any:
    # The text of a result already holds the texts of its content.
    shown = [
        item for item in part.content if not (isinstance(item, Text) and item.text in part.text)
    ]
    if not shown:
        return part.text
    first = [{"type": "input_text", "text": part.text}] if part.text else []
    return first + [_content_part(item) for item in shown]


# --- what the model said --------------------------------------------------------------------


def _input(arguments: Any) -> Any:
    """Return the text of a freeform call, which may stand in the one parameter of our tool."""
    if not isinstance(arguments, dict):
        return arguments
    fields = cast("dict[str, Any]", arguments)
    values = list(fields.values())
    return values[0] if len(values) == 1 and isinstance(values[0], str) else fields


class _Assistant:
    """Puts the parts of an assistant message back into the items they came from."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._items: list[Json] = []
        self._open: list[Json] | None = None
        self._for_next_text: Json = {}
        self._for_next_call: Json = {}
        self._refusal: str | None = None

    def items(self, message: Message) -> list[Json]:
        for part in message.parts:
            match part:
                case Text():
                    self._text(part.text)
                case CallPart():
                    self._call(part)
                case Opaque():
                    if _is_ours(part, self._model):
                        self._opaque(part.data)
                case _:
                    raise ModelRequestError(
                        f"A {type(part).__name__} has no place in what an assistant says."
                    )
        return self._items

    def _text(self, text: str) -> None:
        if text == self._refusal:
            # The text of a refusal was said once; its twin is for other wires.
            self._refusal = None
        elif self._open is None:
            self._items.append({"role": "assistant", "content": text})
        else:
            fields: Json = {"annotations": [], **self._for_next_text}
            self._open.append({"type": "output_text", "text": text, **fields})
        self._for_next_text = {}

    def _call(self, part: CallPart) -> None:
        self._open = None
        echoed: Json = dict(part.echo.data) if part.echo and part.echo.wire == WIRE else {}
        kind = echoed.pop("type", "function_call")
        if part.echo and not _is_ours(part.echo, self._model):
            echoed.pop("caller", None)
        given = _input(part.arguments) if kind == "custom_tool_call" else part.arguments
        given = given if isinstance(given, str) else dumped(given).decode()
        call = {"type": kind, "call_id": wire_id(part.id, _CALL_ID)}
        call |= {"name": wire_name(part.name), CALLS[kind]: given}
        self._items.append({**call, **self._for_next_call, **echoed})
        self._for_next_call = {}

    def _opaque(self, data: Mapping[str, Any]) -> None:
        for kind, value in data.items():
            match kind:
                case "item":
                    self._open = None
                    self._items.append(value)
                case "message":
                    self._open = []
                    message = {"type": "message", "role": "assistant", "content": self._open}
                    self._items.append({**message, **value})
                case "call":
                    self._for_next_call = value
                case "text":
                    self._for_next_text = value
                case "content" | "refusal":
                    self._content(kind, value)
                case "event":
                    pass  # it was said by the stream, not by the model
                case _:
                    raise ModelRequestError(f"The wire {WIRE} has no opaque part {kind!r}.")

    def _content(self, kind: str, value: Any) -> None:
        if self._open is None:
            raise ModelRequestError(f"The {kind} of a message stands outside of one.")
        if kind == "content":
            self._open.append(value)
        else:
            self._refusal = value
            self._open.append({"type": "refusal", "refusal": value})

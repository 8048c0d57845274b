"""Reading OpenAI Responses: the items of a whole response become the parts of a message.

Every item keeps its place. What our parts have no place for is kept in `Opaque` parts whose data
has one key:

- `item`: a whole item, such as reasoning, a search or a program; goes back as it came;
- `message`: the fields of a message, such as `id` and `phase`; the texts after it are its content;
- `text`: fields of the text that follows, such as annotations;
- `content`: one part of the content that is not text;
- `refusal`: the text of a refusal; the `Text` part after it holds the same for readers;
- `call`: fields of the call that follows, such as `id` and `async`;
- `event`: an event of a stream that belongs to no item; never sent.

What must come back with the result of a call (its kind and its caller) stands in `CallPart.echo`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

from callgate.codecs.json_text import (
    excerpt,
    is_hollow,
    list_of,
    number_of,
    object_of,
    plain,
    text_of,
)
from callgate.codecs.openai_chat_reading import Head
from callgate.codecs.openai_errors import error_in_stream
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelStreamError
from callgate.messages import (
    CallPart,
    Message,
    ModelResponse,
    Opaque,
    Part,
    Role,
    StopReason,
    Usage,
)
from callgate.types import Text

__all__ = ["CALLS", "NO_INPUTS", "WIRE", "assemble", "head_of", "read_response", "texts_of"]

WIRE = "openai_responses"

CALLS: Mapping[str, str] = {"function_call": "arguments", "custom_tool_call": "input"}
"""The items that are calls of our tools, and where each has what the tool is given."""

_ECHOED = ("namespace", "caller")
_OWN_CALL_FIELDS = frozenset({"type", "call_id", "name", "arguments", "input", *_ECHOED})
_OWN_MESSAGE_FIELDS = frozenset({"type", "role", "content"})
_FINISHED = ("", "completed")


NO_INPUTS: Mapping[str, str] = MappingProxyType({})
"""No tool takes freeform text."""


def head_of(data: Mapping[str, Any], model: str, names: Mapping[str, str]) -> Head:
    """Return what a response says about itself."""
    return Head.of({**data, "created": data.get("created_at")}, model, names, WIRE)


def read_response(
    response: Any,
    *,
    model: str = "",
    names: Mapping[str, str] = NO_NAMES,
    inputs: Mapping[str, str] = NO_INPUTS,
) -> ModelResponse:
    """Read a whole response; see `Codec.decode_response`.

    Args:
        response: A JSON object, or an SDK's object.
        model: The model that was asked.
        names: Our names of tools by the wire's names.
        inputs: By our name of a tool, the parameter that the text of a freeform call is.

    Raises:
        ModelError: It is an error of the provider, or not readable.
    """
    data = object_of(plain(response), "The body")
    if "output" not in data and not data.get("error"):
        raise ModelStreamError("The response has no output.", details={"data": excerpt(data)})
    items = (object_of(item, "an item") for item in list_of(data.get("output"), "output"))
    return assemble(head_of(data, model, names), data, items, inputs=inputs)


def assemble(
    head: Head,
    data: Mapping[str, Any],
    items: Iterable[Mapping[str, Any]],
    *,
    inputs: Mapping[str, str] = NO_INPUTS,
    more: Iterable[Part] = (),
) -> ModelResponse:
    """Make a response of its items.

    Args:
        head: What the response says about itself.
        data: The response, for its status, its error and its usage.
        items: The items of its output, in order.
        inputs: By our name of a tool, the parameter that the text of a freeform call is.
        more: Parts that stand after those of the items.

    Raises:
        ModelError: The provider reports an error, or an item is not readable.
    """
    status = text_of(data.get("status"), "status")
    if data.get("error") or status == "failed":
        raise error_in_stream(data.get("error") or {"message": "The response has failed."})
    parts: list[Part] = []
    for place, item in enumerate(items):
        parts += _item(head, place, item, finished=status in _FINISHED)
    parts = [_with_parameter(part, inputs) for part in parts]
    parts += more
    return ModelResponse(
        message=Message(role=Role.ASSISTANT, parts=tuple(parts)),
        stop=_stop(data, status, parts),
        usage=_usage(data),
        model=head.model,
    )


def _stop(data: Mapping[str, Any], status: str, parts: list[Part]) -> StopReason:
    if status == "incomplete":
        details = object_of(data.get("incomplete_details"), "incomplete_details")
        filtered = details.get("reason") == "content_filter"
        return StopReason.REFUSAL if filtered else StopReason.LENGTH
    if status not in _FINISHED:  # queued, in progress or cancelled: nothing was answered
        return StopReason.ERROR
    if any(isinstance(part, CallPart) for part in parts):
        return StopReason.CALLS
    refused = any(isinstance(part, Opaque) and "refusal" in part.data for part in parts)
    return StopReason.REFUSAL if refused else StopReason.END


def _usage(data: Mapping[str, Any]) -> Usage:
    usage = _members(data.get("usage"))
    return Usage(
        input=number_of(usage.get("input_tokens")),
        output=number_of(usage.get("output_tokens")),
        cached=number_of(_members(usage.get("input_tokens_details")).get("cached_tokens")),
        requests=1,
    )


def _members(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _item(head: Head, place: int, item: Mapping[str, Any], *, finished: bool) -> Iterator[Part]:
    # SDK objects have null for every field that is absent; null means the same on this wire.
    given = {name: value for name, value in item.items() if value is not None}
    kind = text_of(given.get("type"), "the type of an item")
    if kind in CALLS:
        yield from _call(head, place, given, finished=finished)
    elif kind == "message":
        yield head.opaque("message", _others(given, _OWN_MESSAGE_FIELDS))
        yield from _content(head, given.get("content"))
    else:
        yield head.opaque("item", given)


def _others(values: Mapping[str, Any], own: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in own}


def _call(head: Head, place: int, item: Mapping[str, Any], *, finished: bool) -> Iterator[Part]:
    kind = item["type"]
    if fields := _others(item, _OWN_CALL_FIELDS):
        yield head.opaque("call", fields)
    name = text_of(item.get("name"), "the name of a call")
    status = item.get("status")
    yield CallPart(
        id=_call_id(item) or head.call_id(place),
        name=head.names.get(name, name),
        arguments=_arguments(kind, item.get(CALLS[kind])),
        truncated=status == "incomplete" or not (finished or status == "completed"),
        echo=_echo(head, item),
    )


def _with_parameter(part: Part, inputs: Mapping[str, str]) -> Part:
    """Return a freeform call with its text as the parameter of our tool, if it is known."""
    if not (isinstance(part, CallPart) and part.name in inputs and part.echo):
        return part
    if part.echo.data.get("type") != "custom_tool_call":
        return part
    return replace(part, arguments={inputs[part.name]: part.arguments})


def _call_id(item: Mapping[str, Any]) -> str:
    return text_of(item.get("call_id"), "the id of a call") or text_of(item.get("id"), "an id")


def _arguments(kind: str, value: Any) -> Any:
    if kind == "custom_tool_call":
        return text_of(value, "the input of a call")
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    return text_of(value, "the arguments of a call") or "{}"


def _echo(head: Head, item: Mapping[str, Any]) -> Opaque | None:
    echoed = {name: item[name] for name in _ECHOED if name in item}
    if item["type"] != "function_call":
        echoed["type"] = item["type"]
    return Opaque(wire=WIRE, model=head.bound, data=echoed) if echoed else None


def _content(head: Head, content: Any) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(text=content)
        return
    for item in list_of(content, "content"):
        part = object_of(item, "a part of the content")
        match part.get("type"):
            case "output_text":
                yield from _text(head, part)
            case "refusal":
                refusal = text_of(part.get("refusal"), "refusal")
                yield head.opaque("refusal", refusal)
                yield Text(text=refusal)
            case _:
                yield head.opaque("content", part)


def _text(head: Head, part: Mapping[str, Any]) -> Iterator[Part]:
    fields = {
        name: value
        for name, value in part.items()
        if name not in ("type", "text") and not is_hollow(value)
    }
    if fields:
        yield head.opaque("text", fields)
    yield Text(text=text_of(part.get("text"), "text"))


def texts_of(item: Mapping[str, Any]) -> str:
    """Return the text of an item that is a message, refusals included; "" for any other."""
    if item.get("type") != "message":
        return ""
    content = item.get("content")
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    found = (_members(part).get("text") or _members(part).get("refusal") for part in parts)
    return "".join(text for text in found if isinstance(text, str))

"""The prompts of a small local model.

It first decides: each reply is one call, and that all is known is a call too, of `answer`. This
conversation only grows at its end, tools first and then the messages in order, so that a runtime
that remembers a prefix reads a turn's new messages only. Each result is followed by the request and
the question what to do next: without it a small model goes on calling tools when it knows all that
was asked.

The answer itself is written apart, from the question and the results alone: among signatures and
instructions a small model loses sight of both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from callgate.messages import Message, ResultPart, Role
from callgate.types import JsonSchema, Tool

__all__ = [
    "ANSWER_PARAMETERS",
    "OPEN",
    "VERSION",
    "answer_name",
    "call_text",
    "excuse",
    "holds",
    "preamble",
    "render",
    "signature",
    "tell",
    "wanted",
]

VERSION = "local/1"
"""Changes whenever the text below does: figures measured under one version hold for it only."""

OPEN = "<|im_start|>assistant\n"
_END = "<|im_end|>\n"
ANSWER_PARAMETERS: JsonSchema = {"type": "object", "properties": {}}

_TASK = (
    "You answer the user's request by calling functions. Each reply is exactly one function call."
    " Use values from the request or from earlier results; look up codes and names you do not know."
    " Use as few calls as possible."
)
_PLAIN = "You are a helpful assistant."
_NEXT = (
    "Request: {request}\nIf the results hold everything the request asks for, and everything it"
    " asks to do is done, call {answer}. If not, make the next call."
)
_FAILED = "Request: {request}\nThis call failed. Read why, then make another call."
_EMPTY = "Request: {request}\nNothing was found. Try another call, or say so with {answer}."
_EXCUSE = (
    "Your only sources are these functions: {names}. None of them can look up what the user asks."
    " Tell the user in one sentence that you cannot; do not make up facts."
)
_TELL = (
    "Question: {request}\nData from tools:\n{found}\n"
    "State the answer in one sentence with the value."
)
_HOLDS = (
    "Question: {request}\nData: {found}\nCopy the part of the data that answers the question."
    " If no part does, write missing."
)
_WANTED = (
    "\nDoes this request ask to use {tool} ({description}), which was not called yet?"
    " Reply yes or no."
)
_NOTHING = frozenset({"", "[]", "{}", "null"})
EXAMPLES = 2
"""Examples shown of each tool."""
RESULT_CHARACTERS = 1600
"""A longer result is cut: reading it would take a minute and push the request out of sight."""

WORDS: Mapping[str, str] = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict",
    "array": "list",
}


def answer_name(tools: Sequence[Tool]) -> str:
    """Return the name of the function that gives the answer; never that of a tool."""
    taken = {tool.name for tool in tools}
    return next(
        n
        for n in ("answer", "final_answer", *map("answer_{}".format, range(len(taken) + 1)))
        if n not in taken
    )


def preamble(tools: Sequence[Tool], messages: Sequence[Message]) -> str:
    """Return the system part: the task, the functions, then the system messages."""
    own = "\n\n".join(_safe(message.text) for message in messages if message.role is Role.SYSTEM)
    if not tools:
        return _said("system", own or _PLAIN)
    functions = "\n\n".join(map(signature, (*tools, _answer(answer_name(tools)))))
    parts = (_TASK, "Functions:", _safe(functions), own)
    return _said("system", "\n\n".join(filter(None, parts)))


def render(message: Message, *, request: str, answer: str) -> str:
    """Return one message after the preamble; a system message is part of that and gives nothing.

    Args:
        message: The message.
        request: What the user asked last.
        answer: The name of the function that gives the answer; empty without tools.
    """
    match message.role:
        case Role.SYSTEM:
            return ""
        case Role.USER:
            return _said("user", _safe(message.text))
        case Role.ASSISTANT:
            return _said("assistant", _safe("\n".join(_spoken(message, answer))))
        case Role.TOOL:
            return _said("user", _results(message, request, answer))


def tell(request: str, found: Sequence[tuple[str, str]]) -> str:
    """Return the prompt of the answer.

    Args:
        request: What the user asked.
        found: The calls made for it, as text, each with its result.
    """
    lines = "\n".join(f"- {call} -> {_cut(result)}" for call, result in found)
    text = _TELL.format(request=request, found=lines)
    return _said("system", "You answer from data.") + _said("user", _safe(text))


def holds(request: str, found: Sequence[tuple[str, str]]) -> str:
    """Return the prompt that asks for the part of the results that answers; `missing` for none."""
    text = _HOLDS.format(request=request, found="\n".join(_cut(result) for _, result in found))
    return _said("system", "You find values in data.") + _said("user", _safe(text))


def excuse(request: str, tools: Sequence[Tool]) -> str:
    """Return the prompt of the answer to a request that no tool can serve."""
    names = ", ".join(tool.name for tool in tools)
    return _said("system", _safe(_EXCUSE.format(names=names))) + _said("user", _safe(request))


def wanted(prompt: str, tool: Tool) -> str:
    """Return a prompt that asks, yes or no, whether the request wants a tool to be used."""
    first = tool.description.strip().splitlines()[0].rstrip(".") if tool.description.strip() else ""
    remark = _safe(_WANTED.format(tool=tool.name, description=first))
    return f"{prompt.removesuffix(_END)}{remark}{_END}"


def _spoken(message: Message, answer: str) -> list[str]:
    if message.calls:
        return [call_text(part.name, part.arguments) for part in message.calls]
    return [f"{answer}()", message.text] if answer else [message.text]


def call_text(name: str, arguments: Any) -> str:
    """Return a call in the form in which the model writes it."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return f"{name}({arguments})"
    members = (f"{key}={_json(value)}" for key, value in arguments.items())
    return f"{name}({', '.join(members)})"


def _results(message: Message, request: str, answer: str) -> str:
    results = [part for part in message.parts if isinstance(part, ResultPart)]
    shown = "\n".join(f"<tool_response>\n{_cut(part.text)}\n</tool_response>" for part in results)
    failed = any(part.error for part in results)
    empty = all(part.text.strip() in _NOTHING for part in results)
    ending = _FAILED if failed else _EMPTY if empty else _NEXT
    return f"{_safe(shown)}\n{ending.format(request=_safe(request), answer=answer)}"


def _cut(text: str) -> str:
    if len(text) <= RESULT_CHARACTERS:
        return text
    return f"{text[:RESULT_CHARACTERS]} ... ({len(text) - RESULT_CHARACTERS} more characters)"


def _said(role: str, text: str) -> str:
    return f"<|im_start|>{role}\n{text}{_END}"


def _safe(text: str) -> str:
    """Keep a text from ending its own message: control tokens are spelled so that they are none."""
    return text.replace("<|", "< |")


def _answer(name: str) -> Tool:
    return Tool(
        name=name,
        description="Give the user the final answer.",
        parameters=ANSWER_PARAMETERS,
    )


def signature(tool: Tool) -> str:
    """Return a tool as a Python signature with its documentation."""
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    required = set(tool.parameters.get("required", ()))
    ordered = sorted(properties, key=lambda name: name not in required)
    members = [_member(name, properties[name], name in required) for name in ordered]
    lines = [f"{tool.name}({', '.join(members)})", *_indented(tool.description)]
    lines += [
        f"  {name}: {' '.join(text.split())}"
        for name in ordered
        if (text := _described(properties[name]))
    ]
    lines += [
        f"  Example: {call_text(tool.name, example.arguments)}"
        for example in tool.examples[:EXAMPLES]
    ]
    return "\n".join(lines)


def _member(name: str, schema: Any, required: bool) -> str:
    default = "" if required else f" = {_json(_object(schema).get('default'))}"
    return f"{name}: {_kind(schema)}{default}"


def _described(schema: Any) -> str:
    return _object(schema).get("description", "")


def _indented(text: str) -> list[str]:
    return [f"  {line.strip()}" for line in text.splitlines() if line.strip()]


def _kind(source: Any, depth: int = 3) -> str:
    schema = _object(source)
    if depth == 0:
        return "Any"
    if "enum" in schema:
        return " | ".join(map(_json, schema["enum"]))
    if "const" in schema:
        return _json(schema["const"])
    options: list[Any] = schema.get("anyOf") or schema.get("oneOf") or []
    kinds = schema.get("type")
    if isinstance(kinds, list):
        options = [{**schema, "type": kind} for kind in cast("list[str]", kinds)]
    if options:
        return " | ".join(dict.fromkeys(_kind(option, depth) for option in options))
    return _one_kind(schema, depth)


def _one_kind(schema: Mapping[str, Any], depth: int) -> str:
    kind = schema.get("type", "")
    if kind == "array" and "items" in schema:
        return f"list[{_kind(schema['items'], depth - 1)}]"
    if kind == "object" and schema.get("properties"):
        members = schema["properties"].items()
        inner = (f"{_json(name)}: {_kind(value, depth - 1)}" for name, value in members)
        return f"{{{', '.join(inner)}}}"
    if schema.get("format") in {"date", "date-time", "time"}:
        return schema["format"]
    return WORDS.get(kind, "Any")


def _object(schema: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", schema) if isinstance(schema, dict) else {}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

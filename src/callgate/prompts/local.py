"""The prompt of a small local model: compact Python signatures, then the conversation.

Every reply is one call; the text for the user is a call too, of `answer`. The text only grows at
its end, tools first and then the messages in order, so that a runtime that remembers a prefix reads
a turn's new messages only. Each result is followed by the request and the question what to do next:
without it a small model goes on calling tools when it knows all that was asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from callgate.messages import CallPart, Message, ResultPart, Role, Text
from callgate.types import JsonSchema, Tool

__all__ = [
    "ANSWER_PARAMETERS",
    "OPEN",
    "VERSION",
    "answer_name",
    "preamble",
    "render",
    "signature",
    "unsuitable",
    "wanted",
]

VERSION = "local/1"
"""Changes whenever the text below does: figures measured under one version hold for it only."""

OPEN = "<|im_start|>assistant\n"
_END = "<|im_end|>\n"
ANSWER_PARAMETERS: JsonSchema = {
    "type": "object",
    "properties": {
        "text": {
            "type": "string",
            "maxLength": 1200,
            "description": "What the user is told.",
        }
    },
    "required": ["text"],
}

_TASK = (
    "You answer the user's request by calling functions. Each reply is exactly one function call."
    " Use values from the request or from earlier results; look up codes and names you do not know."
    " Use as few calls as possible."
)
_PLAIN = "You are a helpful assistant."
_NEXT = (
    "Request: {request}\nIf the results hold everything the request asks for, and everything it asks"
    " to do is done, call {answer}. If not, make the next call."
)
_FAILED = "Request: {request}\nThis call failed. Read why, then make another call."
_EMPTY = "Request: {request}\nNothing was found. Try another call, or say so with {answer}."
_UNSUITABLE = "\n(No function can look this up. Tell the user that you cannot, in one sentence.)"
_WANTED = (
    "\nDoes this request ask to use {tool} ({description}), which was not called yet?"
    " Reply yes or no."
)
_NOTHING = frozenset({"", "[]", "{}", "null"})
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


def unsuitable(prompt: str) -> str:
    """Return a prompt that ends in a user message, with the remark that no function fits it."""
    return _remarked(prompt, _UNSUITABLE)


def wanted(prompt: str, tool: Tool) -> str:
    """Return a prompt that asks, yes or no, whether the request wants a tool to be used."""
    first = tool.description.strip().splitlines()[0].rstrip(".") if tool.description.strip() else ""
    return _remarked(prompt, _safe(_WANTED.format(tool=tool.name, description=first)))


def _remarked(prompt: str, remark: str) -> str:
    return f"{prompt.removesuffix(_END)}{remark}{_END}"


def _spoken(message: Message, answer: str) -> list[str]:
    if message.calls:
        return [_call(part) for part in message.calls]
    text = message.text
    return [f"{answer}(text={json.dumps(text, ensure_ascii=False)})" if answer else text]


def _call(part: CallPart) -> str:
    arguments = part.arguments
    if not isinstance(arguments, dict):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return f"{part.name}({arguments})"
    members = (f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in arguments.items())
    return f"{part.name}({', '.join(members)})"


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
        name=name, description="Give the user the final answer.", parameters=ANSWER_PARAMETERS
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
    return "\n".join(lines)


def _member(name: str, schema: Any, required: bool) -> str:
    kind = _kind(schema)
    if required:
        return f"{name}: {kind}"
    default = schema.get("default") if isinstance(schema, dict) else None
    return f"{name}: {kind} = {json.dumps(default, ensure_ascii=False)}"


def _described(schema: Any) -> str:
    return schema.get("description", "") if isinstance(schema, dict) else ""


def _indented(text: str) -> list[str]:
    return [f"  {line.strip()}" for line in text.splitlines() if line.strip()]


def _kind(schema: Any, depth: int = 3) -> str:
    if not isinstance(schema, dict) or depth == 0:
        return "Any"
    if "enum" in schema:
        return " | ".join(json.dumps(option, ensure_ascii=False) for option in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " | ".join(dict.fromkeys(_kind(option, depth) for option in options))
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return " | ".join(_kind({**schema, "type": kind}, depth) for kind in kinds)
    if kinds == "array" and "items" in schema:
        return f"list[{_kind(schema['items'], depth - 1)}]"
    if kinds == "object" and schema.get("properties"):
        inner = (f"{json.dumps(k)}: {_kind(v, depth - 1)}" for k, v in schema["properties"].items())
        return "{" + ", ".join(inner) + "}"
    return (
        schema.get("format")
        if schema.get("format") in {"date", "date-time"}
        else WORDS.get(kinds, "Any")
    )

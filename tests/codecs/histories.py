"""Recorded conversations as our messages, and what each wire insists on in a request."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from callgate.codecs import by_name
from callgate.codecs.gemini_history import read_conversation
from callgate.messages import Message, Opaque, Part, ResultPart, Role
from callgate.types import Text
from tests.codecs.recorded import exchanges

Json = dict[str, Any]

# ------------------------------------------------------------------ recorded conversations


def _chat(wire: str) -> Callable[[Json, str], Iterator[Message]]:
    """OpenAI Chat Completions, Mistral and Cohere."""

    def answered(item: Json, model: str) -> Message:
        choice = {"message": item, "finish_reason": "stop"}
        whole = choice if wire == "cohere" else {"choices": [choice]}
        return by_name(wire).decode_response(whole, model=model).message

    def read(request: Json, model: str) -> Iterator[Message]:
        for item in request["messages"]:
            role = Role("system" if item["role"] == "developer" else item["role"])
            if role is Role.ASSISTANT:
                yield answered(item, model)
            elif role is Role.TOOL:
                name, text = item.get("name", ""), _texts(item["content"])
                yield _said(role, ResultPart(call_id=item["tool_call_id"], name=name, text=text))
            else:
                content = item["content"]
                parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
                yield _said(role, *(_chat_part(wire, part, model) for part in parts))

    return read


def _chat_part(wire: str, part: Json, model: str) -> Part:
    if part["type"] == "text":
        return Text(text=part["text"])
    return Opaque(wire=wire, model=model, data={"content": part})


def _responses(request: Json, model: str) -> Iterator[Message]:
    items = request["input"]
    output: list[Json] = []
    for item in [{"role": "user", "content": items}] if isinstance(items, str) else items:
        kind, role = item.get("type", "message"), item.get("role")
        if kind == "message" and role == "assistant":
            text = item["content"]
            said = [{"type": "output_text", "text": text}] if isinstance(text, str) else text
            output.append(item | {"type": "message", "content": said})
            continue
        if kind != "message" and kind != "function_call_output":
            output.append(item)
            continue
        if output:
            yield _items(output, model)
            output = []
        if kind == "message":
            content = item["content"]
            shown = content if isinstance(content, str) else orjson.dumps(content).decode()
            yield _said(Role.USER if role == "user" else Role.SYSTEM, Text(text=shown))
        else:
            text = str(item["output"])
            yield _said(Role.TOOL, ResultPart(call_id=item["call_id"], name="", text=text))
    if output:
        yield _items(output, model)


def _items(output: list[Json], model: str) -> Message:
    whole: Json = {"output": output, "status": "completed", "model": model}
    return by_name("openai_responses").decode_response(whole, model=model).message


def _texts(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


def _blocks(wire: str) -> Callable[[Json, str], Iterator[Message]]:
    """Anthropic Messages and Bedrock Converse."""

    def read(request: Json, model: str) -> Iterator[Message]:
        for item in request["messages"]:
            content = item["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            if item["role"] == "assistant":
                yield _block_answer(wire, blocks, model)
                continue
            results = [block for block in blocks if _is_result(block)]
            if results:
                yield _said(Role.TOOL, *map(_block_result, results))
            if rest := [block for block in blocks if not _is_result(block)]:
                yield _said(Role.USER, *(_block_part(wire, block, model) for block in rest))

    return read


def _block_answer(wire: str, blocks: list[Json], model: str) -> Message:
    message = {"role": "assistant", "content": blocks}
    if wire == "anthropic":
        response: Json = message | {"type": "message", "stop_reason": "end_turn", "usage": {}}
    else:
        response = {"output": {"message": message}, "stopReason": "end_turn", "usage": {}}
    return by_name(wire).decode_response(response, model=model).message


def _is_result(block: Json) -> bool:
    return block.get("type") == "tool_result" or "toolResult" in block


def _block_result(block: Json) -> ResultPart:
    inner = block.get("toolResult", block)
    failed = inner.get("is_error") or inner.get("status") == "error"
    call_id = inner.get("tool_use_id") or inner["toolUseId"]
    text = _texts(inner.get("content"))
    return ResultPart(call_id=call_id, name="", text=text, error=bool(failed))


def _block_part(wire: str, block: Json, model: str) -> Part:
    if block.get("type", "text") == "text" and "text" in block:
        return Text(text=block["text"])
    return Opaque(wire=wire, model=model, data={"block": block})


def _gemini(request: Json, model: str) -> Iterator[Message]:
    yield from read_conversation(request, model=model)


def _said(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


FILES: dict[str, tuple[str, Callable[[Json, str], Iterator[Message]]]] = {
    "openai_chat": ("openai", _chat("openai")),
    "openai_compatible_chat": ("openai", _chat("openai")),
    "openai_responses": ("openai_responses", _responses),
    "openai_compatible_responses": ("openai_responses", _responses),
    "mistral_chat": ("mistral", _chat("mistral")),
    "cohere_chat_v2": ("cohere", _chat("cohere")),
    "anthropic_messages": ("anthropic", _blocks("anthropic")),
    "bedrock_converse": ("bedrock", _blocks("bedrock")),
    "gemini_generate_content": ("gemini", _gemini),
}
"""The recordings whose histories are read here: their wire and their reader."""


_KEPT_THERE = frozenset({"previous_response_id", "conversation"})
"""A conversation whose beginning the provider keeps is not whole."""


def histories(folder: Path, name: str) -> Iterator[tuple[str, str, tuple[Message, ...]]]:
    """The id, the model and the conversation of each request that a provider accepted."""
    _, read = FILES[name]
    for item in exchanges(folder, name):
        if item["status"] == 200 and _KEPT_THERE.isdisjoint(item["request"]):
            model = item["model"] or ""
            yield item["id"], model, tuple(read(item["request"], model))


# ------------------------------------------------------------------ what a wire insists on


def broken_rules(wire: str, body: Json) -> list[str]:
    """What a provider would refuse in a request; empty for a request that is well."""
    return _RULES[wire](body)


def _chat_rules(body: Json) -> list[str]:
    """Results stand directly after the message with their calls, each one once."""
    broken: list[str] = []
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            call_id = _result_id(message)
            if call_id not in waiting:
                broken.append(f"result {call_id} without a call")
            else:
                waiting.remove(call_id)
            continue
        broken += [f"call {call_id} without a result" for call_id in waiting]
        calls = message.get("tool_calls") or []
        broken += [f"arguments {call}" for call in calls if not _is_object(call)]
        waiting = [_call_id(call) for call in calls]
    return broken + [f"call {call_id} without a result" for call_id in waiting]


def _result_id(message: Json) -> str:
    # Ollama has no ids, only names.
    return message.get("tool_call_id") or message.get("tool_name") or message["name"]


def _call_id(call: Json) -> str:
    return call.get("id") or call["function"]["name"]


def _is_object(call: Json) -> bool:
    arguments = call["function"]["arguments"]
    value = orjson.loads(arguments) if isinstance(arguments, str) else arguments
    return isinstance(value, dict)


def _block_rules(body: Json) -> list[str]:
    """Users and assistants take turns; results come first in the message after their calls."""
    broken: list[str] = []
    waiting: list[str] = []
    seen: Counter[str] = Counter()
    for place, message in enumerate(body["messages"]):
        if message["role"] != ("user", "assistant")[place % 2]:
            broken.append(f"message {place} is of {message['role']}")
        results = [
            _block_result(block).call_id for block in message["content"] if _is_result(block)
        ]
        kinds = [_is_result(block) for block in message["content"]]
        if sorted(results) != sorted(waiting) or kinds != sorted(kinds, reverse=True):
            broken.append(f"results {results} for the calls {waiting}")
        calls = [block.get("toolUse", block) for block in message["content"] if _is_call(block)]
        waiting = [call.get("id") or call["toolUseId"] for call in calls]
        broken += ["arguments" for call in calls if not isinstance(call["input"], dict)]
        broken += ["empty text" for block in message["content"] if block.get("text") == ""]
        seen.update(waiting)
    broken += [f"id {call_id} twice" for call_id, count in seen.items() if count > 1]
    return broken + [f"no result of {call_id}" for call_id in waiting]


def _is_call(block: Json) -> bool:
    return block.get("type") == "tool_use" or "toolUse" in block


def _gemini_rules(body: Json) -> list[str]:
    """Calls are followed by as many results of the same names; calls of a turn are signed."""
    broken: list[str] = []
    waiting: list[str] = []
    contents = body["contents"]
    if contents and contents[0]["role"] != "user":
        broken.append("the model begins")
    for content in contents:
        results = [
            part["functionResponse"] for part in content["parts"] if "functionResponse" in part
        ]
        names = [result["name"] for result in results]
        if content["role"] == "user" and names != waiting:
            broken.append(f"results {names} for the calls {waiting}")
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        broken += ["arguments" for call in calls if not isinstance(call["args"], dict)]
        waiting = [] if results else waiting + [call["name"] for call in calls]
    return broken + [f"no result of {name}" for name in waiting]


def unsigned(body: Json) -> list[str]:
    """The first calls of the current turn's steps that have no signature."""
    said = [
        place
        for place, content in enumerate(body["contents"])
        if content["role"] == "user"
        and not all("functionResponse" in part for part in content["parts"])
    ]
    firsts = [
        next((part for part in content["parts"] if "functionCall" in part), None)
        for content in body["contents"][said[-1] if said else 0 :]
    ]
    return [str(part) for part in firsts if part and "thoughtSignature" not in part]


def _item_rules(calls: str, results: str, items: str) -> Callable[[Json], list[str]]:
    """OpenAI Responses and Gemini's interactions: a result for every call, after it."""

    def check(body: Json) -> list[str]:
        waiting: list[str] = []
        broken: list[str] = []
        for item in body[items]:
            if item.get("type") == calls:
                waiting.append(item.get("call_id") or item["id"])
            elif item.get("type") == results:
                if item["call_id"] in waiting:
                    waiting.remove(item["call_id"])
                else:
                    broken.append(f"result {item['call_id']} without a call")
        return broken + [f"no result of {call_id}" for call_id in waiting]

    return check


_RULES: dict[str, Callable[[Json], list[str]]] = {
    "openai": _chat_rules,
    "mistral": _chat_rules,
    "cohere": _chat_rules,
    "ollama": _chat_rules,
    "anthropic": _block_rules,
    "bedrock": _block_rules,
    "gemini": _gemini_rules,
    "gemini_interactions": _item_rules("function_call", "function_result", "input"),
    "openai_responses": _item_rules("function_call", "function_call_output", "input"),
}
WIRES = tuple(_RULES)

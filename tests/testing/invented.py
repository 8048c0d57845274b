"""Invented exchanges, one pair per wire: a model calls `add` and reads its result."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from callgate.testing.exchanges import Exchange, Report, Tally, read, replay
from callgate.testing.exchanges.report import Check

Json = dict[str, Any]

SCHEMA: Json = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
FUNCTION: Json = {"name": "add", "description": "Add one.", "parameters": SCHEMA}


def sse(*events: Json) -> str:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events)


def record(wire: str, **fields: Any) -> Json:
    return {"id": "first", "wire": wire, "model": "m", "status": 200, "headers": {}, **fields}


def pair(wire: str, request: Json, answer: Json, calls: list[Json], after: Json) -> list[Json]:
    first = record(wire, request=request, response=answer, expected_calls=calls, followup_id="then")
    return [first, record(wire, request=after, response=answer) | {"id": "then"}]


def chat(wire: str = "openai.chat", **said: Any) -> list[Json]:
    user = {"role": "user", "content": "2 + 1?"}
    function = {"name": "add", "arguments": '{"a": 2}'}
    call = {"id": "abc123def", "type": "function", "function": function}
    message = {"role": "assistant", "content": "Let me see.", "tool_calls": [call]}
    answer = {
        "id": "r",
        "model": "m",
        "choices": [{"index": 0, "message": message | said, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    tools = [{"type": "function", "function": FUNCTION}]
    result = {"role": "tool", "tool_call_id": "abc123def", "content": "3"}
    return pair(
        wire,
        {"messages": [user], "tools": tools},
        answer,
        [{"id": "abc123def", **function}],
        {"messages": [user, message, result]},
    )


def cohere() -> list[Json]:
    first, then = chat("cohere.chat_v2")
    message = first["response"]["choices"][0]["message"]
    plan = {key: value for key, value in message.items() if key != "content"}
    first["response"] = {
        "id": "r",
        "finish_reason": "TOOL_CALL",
        "message": plan | {"tool_plan": "I add."},
    }
    then["request"]["messages"][1] = plan
    return [first, then | {"response": first["response"]}]


def ollama() -> list[Json]:
    call = {"function": {"name": "add", "arguments": {"a": 2}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    user = {"role": "user", "content": "2 + 1?"}
    answer = {"model": "m", "message": message, "done": True, "done_reason": "stop"}
    result = {"role": "tool", "tool_name": "add", "content": "3"}
    return pair(
        "ollama.chat",
        {"messages": [user], "tools": [{"type": "function", "function": FUNCTION}]},
        answer,
        [{"id": None, **call["function"]}],
        {"messages": [user, message, result]},
    )


def anthropic() -> list[Json]:
    user = {"role": "user", "content": "2 + 1?"}
    thought = {"type": "thinking", "thinking": "Add.", "signature": "c2ln"}
    call = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 2}}
    content = [thought, {"type": "text", "text": "Let me see."}, call]
    answer = {
        "id": "r",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    tool = {"name": "add", "description": "Add one.", "input_schema": SCHEMA}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "is_error": False,
        "content": [{"type": "text", "text": "3", "cache_control": {"type": "ephemeral"}}],
    }
    said = {"role": "assistant", "content": content}
    return pair(
        "anthropic.messages",
        {"messages": [user], "tools": [tool, {"type": "web_search_20250305", "name": "w"}]},
        answer,
        [{"id": "toolu_1", "name": "add", "arguments": {"a": 2}}],
        {"messages": [user, said, {"role": "user", "content": [result]}]},
    )


def bedrock() -> list[Json]:
    user = {"role": "user", "content": [{"text": "2 + 1?"}]}
    thought = {"reasoningContent": {"reasoningText": {"text": "Add."}}}
    call = {"toolUseId": "t1", "name": "add", "input": {"a": 2}}
    own = {"toolUse": call | {"toolUseId": "s1", "name": "interpret", "type": "server_tool_use"}}
    content = [thought, {"text": "Let me see."}, own, {"toolUse": call}]
    answer = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    }
    spec = {"name": "add", "description": "Add one.", "inputSchema": {"json": SCHEMA}}
    said = [{"text": "<think>\nAdd.\n</think>"}, *content[1:]]
    result = {"toolResult": {"toolUseId": "t1", "content": [{"text": "3"}]}}
    return pair(
        "bedrock.converse",
        {
            "messages": [user],
            "toolConfig": {"tools": [{"toolSpec": spec}, {"cachePoint": {"type": "default"}}]},
        },
        answer,
        [
            {"id": "s1", "name": "interpret", "arguments": {"a": 2}},
            {"id": "t1", "name": "add", "arguments": {"a": 2}},
        ],
        {
            "messages": [
                user,
                {"role": "assistant", "content": said},
                {"role": "user", "content": [result]},
            ]
        },
    )


def responses() -> list[Json]:
    user = {"role": "user", "content": "2 + 1?"}
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"}
    said = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
    }
    call = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "add",
        "arguments": '{"a": 2}',
        "status": "completed",
    }
    output = [thought, said, call]
    answer = {"id": "r", "object": "response", "model": "m", "status": "completed"}
    answer |= {"output": output, "usage": {"input_tokens": 3, "output_tokens": 2}}
    sent = [
        {"type": "reasoning", "summary": [], "encrypted_content": "e"},
        {"role": "assistant", "content": "Let me see."},
        {key: call[key] for key in ("type", "call_id", "name", "arguments")},
        {"type": "function_call_output", "call_id": "call_1", "output": "3"},
    ]
    function = {"type": "function", **FUNCTION}
    tools = [function, {"type": "web_search"}]
    tools.append({"type": "namespace", "name": "n", "tools": [function | {"name": "less"}]})
    return pair(
        "openai.responses",
        {"input": [user], "tools": tools},
        answer,
        [{"id": "call_1", "name": "add", "arguments": '{"a": 2}'}],
        {"input": [user, *sent]},
    )


def gemini() -> list[Json]:
    user = {"role": "user", "parts": [{"text": "2 + 1?"}]}
    call = {"functionCall": {"name": "add", "args": {"a": 2}}, "thoughtSignature": "c2ln+/8="}
    code = {"executableCode": {"language": "PYTHON", "code": "2 + 1"}}
    parts = [code, {"text": "Let me see."}, call]
    answer = {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 5},
        "modelVersion": "m",
        "responseId": "r",
    }
    sent = {
        "function_call": {"name": "add", "args": {"a": 2}, "id": "made_up"},
        "thought_signature": "c2ln-_8",
    }
    result = {"functionResponse": {"name": "add", "id": "made_up", "response": {"output": 3}}}
    said = [code, {"text": "Let me "}, {"text": "see."}, sent]
    declared = {"name": "add", "description": "Add one.", "parametersJsonSchema": SCHEMA}
    bare = {"name": "now", "description": "The time."}
    return pair(
        "gemini.generate_content",
        {
            "contents": [user],
            "tools": [{"functionDeclarations": [declared, bare]}, {"googleSearch": {}}],
        },
        answer,
        [{"id": None, "name": "add", "arguments": {"a": 2}}],
        {
            "contents": [
                user,
                {"role": "model", "parts": said},
                {"role": "user", "parts": [result]},
            ]
        },
    )


def interactions() -> list[Json]:
    call = {"type": "function_call", "id": "c1", "name": "add", "arguments": {"a": 2}}
    thought = {"type": "thought", "signature": "c2ln"}
    answer = {
        "id": "r",
        "object": "interaction",
        "model": "m",
        "status": "requires_action",
        "steps": [thought, call],
        "usage": {"total_tokens": 5},
    }
    result = {"type": "function_result", "call_id": "c1", "name": "add", "result": "3"}
    tools = [{"type": "function", **FUNCTION}, {"type": "google_search"}]
    return pair(
        "gemini.interactions",
        {"input": "2 + 1?", "tools": tools},
        answer,
        [{"id": "c1", "name": "add", "arguments": {"a": 2}}],
        {"input": [result], "previous_interaction_id": "r"},
    )


PAIRS = {
    "openai.chat": chat,
    "mistral.chat": lambda: chat("mistral.chat"),
    "cohere.chat_v2": cohere,
    "ollama.chat": ollama,
    "anthropic.messages": anthropic,
    "bedrock.converse": bedrock,
    "openai.responses": responses,
    "gemini.generate_content": gemini,
    "gemini.interactions": interactions,
}


def written(file: Path, records: Iterable[Json]) -> Path:
    """Write records as JSON lines, compressed if the name says so."""
    data = "".join(f"{json.dumps(item)}\n" for item in records).encode()
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return file


def replayed(folder: Path, records: Iterable[Json], *, seed: int = 1) -> Report:
    return replay([read(written(folder / "recorded.jsonl", records))], seed=seed)


def tally(report: Report, check: Check) -> Tally:
    (checks,) = report.wires.values()
    return checks[check]


def counts(report: Report) -> dict[str, tuple[int, int]]:
    """Checked and mismatches of the only wire, by check."""
    (checks,) = report.wires.values()
    return {check.value: (one.checked, one.mismatches) for check, one in checks.items()}


def exchange(folder: Path, one: Json) -> Exchange:
    return read(written(folder / "one.jsonl", [one])).exchanges[0]


STREAMS: dict[str, list[Json]] = {
    "anthropic.messages": [
        {"type": "message_start", "message": {"id": "r", "model": "m", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "later", "x": 1}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"type": "message_stop"},
    ],
    "bedrock.converse": [
        {"messageStart": {"role": "assistant"}},
        {
            "contentBlockDelta": {
                "contentBlockIndex": 0,
                "delta": {"reasoningContent": {"text": "Add."}},
            }
        },
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}}},
    ],
    "openai.responses": [
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {"type": "later_call", "id": "x"},
        },
        {
            "type": "response.completed",
            "response": {
                "id": "r",
                "model": "m",
                "status": "completed",
                "output": [{"type": "later_call", "id": "x"}],
            },
        },
    ],
    "gemini.generate_content": [
        {
            "candidates": [
                {
                    "content": {"role": "model", "parts": [{"text": "Add.", "thought": True}]},
                    "finishReason": "STOP",
                }
            ]
        }
    ],
    "gemini.interactions": [
        {"event_type": "interaction.created", "interaction": {"id": "r", "model": "m"}},
        {"event_type": "step.start", "index": 0, "step": {"type": "later", "x": 1}},
        {"event_type": "step.stop", "index": 0},
        {
            "event_type": "interaction.completed",
            "interaction": {"id": "r", "status": "completed", "usage": {}},
        },
    ],
}
"""A stream per wire with a part of a kind that only this wire has."""

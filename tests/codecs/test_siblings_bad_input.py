"""What no model should send, on every wire that shares the reading of Chat Completions."""

from typing import Any

import orjson
import pytest

from callgate.codecs import Codec, by_name
from callgate.errors import ModelError, ModelStreamError
from callgate.messages import CallPart, ModelEvent, ResponseDone

Json = dict[str, Any]
LONG = "n" * 1_000_000


def whole(wire: str, name: str, arguments: Any) -> Json:
    function = {"name": name, "arguments": arguments}
    message = {"role": "assistant", "tool_calls": [{"id": "c", "function": function}]}
    match wire:
        case "openai_responses":
            item = {"type": "function_call", "call_id": "c", **function}
            return {"object": "response", "status": "completed", "output": [item]}
        case "cohere":
            return {"message": message, "finish_reason": "TOOL_CALL"}
        case "ollama":
            return {"message": message, "done": True}
        case _:
            return {"choices": [{"message": message, "finish_reason": "tool_calls"}]}


def streamed(wire: str, name: str, arguments: Any) -> list[Json]:
    data = whole(wire, name, arguments)
    if wire == "ollama":
        return [data]
    if wire == "openai_responses":
        done = {"type": "response.output_item.done", "output_index": 0, "item": data["output"][0]}
        return [done, {"type": "response.completed", "response": data}]
    message = data["message"] if wire == "cohere" else data["choices"][0]["message"]
    (call,) = message["tool_calls"]
    if wire == "cohere":
        start = {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": call}}}
        return [start, {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}]
    delta = {"tool_calls": [call | {"index": 0, "type": "function"}]}
    return [{"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}]


def data_of(wire: str, events: list[Json]) -> bytes:
    if wire == "ollama":
        return b"".join(orjson.dumps(event) + b"\n" for event in events)
    return b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)


def events(codec: Codec, data: bytes) -> list[ModelEvent]:
    framer, decoder = codec.framer(), codec.decoder()
    got = [event for frame in framer.feed(data) for event in decoder.feed(frame)]
    return [*got, *decoder.close()]


WIRES = ["openai", "openai_responses", "cohere", "mistral", "ollama"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_name_of_a_million_letters_is_a_name(wire: str):
    codec = by_name(wire)
    arguments: Any = {} if wire == "ollama" else "{}"
    expected = CallPart(id="c", name=LONG, arguments=arguments)
    assert codec.decode_response(whole(wire, LONG, arguments)).message.calls == (expected,)
    *_, last = events(codec, data_of(wire, streamed(wire, LONG, arguments)))
    assert isinstance(last, ResponseDone)
    assert last.response.message.calls == (expected,)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("arguments", [7, True, ["a"]])
def test_arguments_that_are_no_text_and_no_object_are_refused(wire: str, arguments: Any):
    codec = by_name(wire)
    with pytest.raises(ModelStreamError, match="arguments"):
        codec.decode_response(whole(wire, "add", arguments))
    with pytest.raises(ModelStreamError, match="arguments"):
        events(codec, data_of(wire, streamed(wire, "add", arguments)))


@pytest.mark.parametrize("wire", WIRES)
def test_bytes_that_are_not_utf_8_are_refused_wherever_they_stand(wire: str):
    codec = by_name(wire)
    data = data_of(wire, streamed(wire, "add", {} if wire == "ollama" else "{}"))
    refused = 0
    for place in range(len(data) + 1):
        try:
            calls = response_calls(events(codec, data[:place] + b"\xff" + data[place:]))
        except ModelError:
            refused += 1
            continue
        assert [call.name for call in calls] in (["add"], [])
    assert refused > len(data) // 2


def response_calls(got: list[ModelEvent]) -> tuple[CallPart, ...]:
    assert isinstance(got[-1], ResponseDone)
    return got[-1].response.message.calls

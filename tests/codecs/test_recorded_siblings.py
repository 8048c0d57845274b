"""Every recorded exchange on OpenAI Responses, Mistral, Cohere and Ollama, both directions.

Each test states how many it has checked, so that none can pass by looking at nothing.

Calls, cuts of streams, history and tools are compared by the replay in tests/testing; here stands
what else there is to a recording.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from callgate.codecs import Codec, by_name, detect
from callgate.errors import ModelError, ModelRequestError, RateLimitedError
from callgate.messages import (
    Message,
    ModelEvent,
    ModelResponse,
    Opaque,
    ResultPart,
    Role,
)
from tests.codecs.recorded import Exchange, exchanges, response_of

FILES = {
    "openai_responses": "openai_responses",
    "openai_compatible_responses": "openai_responses",
    "mistral_chat": "mistral",
    "cohere_chat_v2": "cohere",
    "ollama_chat": "ollama",
}
Json = dict[str, Any]


def events(codec: Codec, chunks: Iterator[bytes]) -> list[ModelEvent]:
    framer, decoder = codec.framer(), codec.decoder()
    got = [event for chunk in chunks for f in framer.feed(chunk) for event in decoder.feed(f)]
    return [*got, *decoder.close()]


def cut(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[start : start + size] for start in range(0, len(data), size))


def decoded(codec: Codec, item: Exchange, size: int = 4096) -> ModelResponse:
    if "response" in item:
        return codec.decode_response(item["response"])
    return response_of(events(codec, cut(item["response_sse"].encode(), size)))


def answered(folder: Path, name: str) -> list[Exchange]:
    return [item for item in exchanges(folder, name) if item["status"] == 200]


def streams(folder: Path) -> Iterator[tuple[Codec, Exchange]]:
    for name, wire in FILES.items():
        for item in answered(folder, name):
            if "response_sse" in item:
                yield by_name(wire), item


def value(arguments: Any) -> Any:
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def said(raw: Json) -> tuple[str, int, int, str]:
    """The text, the tokens and the model of a whole response, read in the simplest way."""
    usage = raw.get("usage") or {}
    if "output" in raw:
        parts = [part for item in raw["output"] for part in item.get("content") or []]
        text = "".join(part["text"] for part in parts if part["type"] == "output_text")
        return text, usage.get("input_tokens", 0), usage.get("output_tokens", 0), raw["model"]
    if "choices" in raw:
        text = raw["choices"][0]["message"]["content"]
        return text, usage["prompt_tokens"], usage["completion_tokens"], raw["model"]
    if "done" in raw:
        tokens = raw["prompt_eval_count"], raw["eval_count"]
        return raw["message"]["content"], *tokens, raw["model"]
    text = "".join(part["text"] for part in raw["message"].get("content") or [])
    return text, usage["tokens"]["input_tokens"], usage["tokens"]["output_tokens"], ""


def test_text_usage_and_model_are_those_of_the_response(data_dir: Path):
    checked = 0
    for name, wire in FILES.items():
        for item in answered(data_dir, name):
            if "response" in item:
                response = decoded(by_name(wire), item)
                usage = response.usage
                got = response.message.text, usage.input, usage.output, response.model
                assert got == said(item["response"]), item["id"]
                checked += 1
    assert checked == 204


def test_a_response_is_known_by_its_form(data_dir: Path):
    checked = 0
    for name, wire in FILES.items():
        for item in answered(data_dir, name):
            if "response" in item:
                found = detect(item["response"])
                assert found is not None
                assert found.wire == ("openai" if wire == "mistral" else wire)
                checked += 1
    assert checked == 204


# ------------------------------------------------------------------ streams


def told(response: ModelResponse) -> tuple[Any, ...]:
    """What a response means without encrypted reasoning, which is another in every event."""
    parts = [
        {**part.data["item"], "encrypted_content": None}
        if isinstance(part, Opaque) and "item" in part.data
        else part
        for part in response.message.parts
    ]
    return parts, response.stop, response.usage, response.model


def test_a_streamed_response_is_the_one_that_its_last_event_holds(data_dir: Path):
    codec, checked = by_name("openai_responses"), 0
    for _, item in streams(data_dir):
        lines = item["response_sse"].splitlines()
        last = [line for line in lines if line.startswith('data: {"type":"response.completed"')]
        if last:
            whole = codec.decode_response(json.loads(last[0].removeprefix("data: "))["response"])
            assert told(decoded(codec, item)) == told(whole), item["id"]
            checked += 1
    assert checked == 72


# ------------------------------------------------------------------ what is sent back


def test_encrypted_reasoning_goes_back_to_its_model_only_and_before_its_call(data_dir: Path):
    codec, checked = by_name("openai_responses"), 0
    for item in answered(data_dir, "openai_responses"):
        response = decoded(codec, item)
        thoughts = [
            part.data["item"]
            for part in response.message.parts
            if isinstance(part, Opaque) and part.data.get("item", {}).get("encrypted_content")
        ]
        if thoughts and response.message.calls:
            own = codec.encode_message(response.message, model=response.model)
            other = codec.encode_message(response.message, model="another")
            assert [one for one in own if one["type"] == "reasoning"] == thoughts
            kinds = [one["type"] for one in own]
            assert kinds.index("reasoning") < kinds.index("function_call")
            assert not any(one.get("type") == "reasoning" for one in other)
            assert [one["call_id"] for one in other if one.get("type") == "function_call"] == [
                call.id for call in response.message.calls
            ]
            checked += 1
    assert checked == 40


# ------------------------------------------------------------------ errors


def test_recorded_errors_are_of_the_right_kind_and_keep_the_providers_words(data_dir: Path):
    checked = 0
    for name, wire in FILES.items():
        for item in exchanges(data_dir, name):
            if item["status"] == 200:
                continue
            body = item["response"]
            error = by_name(wire).decode_error(item["status"], item["headers"], orjson.dumps(body))
            assert type(error) is (RateLimitedError if item["status"] == 429 else ModelRequestError)
            assert not error.retryable
            assert (body.get("error") or body)["message"][:200] in error.message
            assert error.details["status"] == item["status"]
            checked += 1
    assert checked == 12


# ------------------------------------------------------------------ hand-made fixtures

WIRES = {
    "openai.responses": "openai_responses",
    "openai_compatible.responses": "openai_responses",
    "cohere.chat_v2": "cohere",
    "mistral.chat": "mistral",
    "openai.chat": "openai",
    "openai_compatible.chat": "openai",
}


def fixture(codec: Codec, item: Exchange) -> ModelResponse:
    if "response" in item:
        return codec.decode_response(item["response"])
    if "chunks" in item:
        lines = (c if isinstance(c, str) else json.dumps(c) for c in item["chunks"])
        data = "".join(f"data: {line}\n\n" for line in lines)
    else:
        data = item["response_sse"]
    return response_of(events(codec, cut(data.encode(), 37)))


def test_fixtures_of_responses_are_read_and_nothing_in_them_is_lost(data_dir: Path):
    checked, errors = 0, list[str]()
    for item in exchanges(data_dir, "fixtures_vercel_ai"):
        if item["wire"] not in WIRES:
            continue
        codec = by_name(WIRES[item["wire"]])
        if "choices" in item.get("response", {}):
            codec = codec if codec.wire == "mistral" else by_name("openai")
        try:
            response = fixture(codec, item)
        except ModelRequestError as error:
            errors.append(error.message[:21])
            continue
        checked += 1
        if codec.wire == "openai_responses" and "response" in item:
            written = codec.encode_message(response.message)
            given = item["response"]["output"]
            assert [one["type"] for one in written] == [one["type"] for one in given]
            for one, raw in zip(written, given, strict=True):
                if raw["type"] not in ("message", "function_call", "custom_tool_call"):
                    assert one == {key: value for key, value in raw.items() if value is not None}
    assert checked == 128
    assert errors == ["The provider answered"] * 4


def test_what_programs_call_is_kept_with_its_caller(data_dir: Path):
    codec = by_name("openai_responses")
    items = {
        item["name"]: item
        for item in exchanges(data_dir, "fixtures_vercel_ai")
        if "programmatic-tool-calling" in item["source"]["file"] and "response" in item
    }
    found = [
        response.message
        for item in items.values()
        if item["wire"] == "openai.responses"
        for response in [codec.decode_response(item["response"])]
    ]
    called = [message for message in found if message.calls]
    assert len(called) == 2
    for message in called:
        (call,) = message.calls
        assert call.echo is not None
        assert call.echo.data["caller"]["type"] == "program"
        assert not call.truncated
        result = ResultPart(call_id=call.id, name=call.name, text="5", echo=call.echo)
        (written,) = codec.encode_message(Message(role=Role.TOOL, parts=(result,)))
        assert written == {
            "type": "function_call_output",
            "call_id": call.id,
            "caller": call.echo.data["caller"],
            "output": "5",
        }


# ------------------------------------------------------------------ damaged streams


def read(codec: Codec, data: bytes) -> ModelResponse | None:
    """What a damaged stream is read as; None if it is refused."""
    try:
        return response_of(events(codec, iter([data])))
    except ModelError:
        return None


def called(response: ModelResponse) -> list[tuple[str, str, Any]]:
    return [(call.id, call.name, value(call.arguments)) for call in response.message.calls]


def test_a_stream_cut_anywhere_or_damaged_is_refused_or_read_rightly(data_dir: Path):
    chance = random.Random(20261122)
    checked = refused = 0
    for codec, item in streams(data_dir):
        data = item["response_sse"].encode()
        expected = called(decoded(codec, item))
        for _ in range(6):
            place = chance.randrange(len(data))
            for damaged in (data[:place], data[:place] + b"\xff" + data[place:]):
                response = read(codec, damaged)
                checked += 1
                if response is None:
                    refused += 1
                else:
                    assert called(response) == expected, item["id"]
    assert checked == 73 * 12
    assert refused > checked // 3


def test_events_twice_or_in_another_order_are_refused_or_read_rightly(data_dir: Path):
    chance = random.Random(20261122)
    checked = 0
    for codec, item in streams(data_dir):
        if codec.wire != "openai_responses":
            continue
        expected = called(decoded(codec, item))
        whole = [part for part in item["response_sse"].split("\n\n") if part.strip()]
        doubled = [part for part in whole for _ in range(chance.choice([1, 1, 2]))]
        mixed = chance.sample(whole, len(whole))
        for parts in (doubled, mixed):
            response = read(codec, "".join(f"{part}\n\n" for part in parts).encode())
            assert response is not None
            assert called(response) == expected, item["id"]
            checked += 1
    assert checked == 144

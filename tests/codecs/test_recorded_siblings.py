"""Every recorded exchange on OpenAI Responses, Mistral, Cohere and Ollama, both directions.

Each test states how many it has checked, so that none can pass by looking at nothing.
"""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.codecs import Codec, by_name, detect
from callgate.errors import ModelError, ModelRequestError, RateLimitedError
from callgate.messages import (
    CallDelta,
    Message,
    ModelEvent,
    ModelResponse,
    Opaque,
    ResultPart,
    Role,
    TextDelta,
)
from callgate.types import Tool
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


@pytest.mark.parametrize(
    ("name", "exchanged", "called"),
    [
        ("openai_responses", 232, 149),
        ("openai_compatible_responses", 9, 3),
        ("mistral_chat", 26, 19),
        ("cohere_chat_v2", 9, 9),
        ("ollama_chat", 1, 0),
    ],
)
def test_the_calls_are_those_that_the_official_client_read(
    data_dir: Path, name: str, exchanged: int, called: int
):
    codec = by_name(FILES[name])
    checked = 0
    for item in answered(data_dir, name):
        calls = decoded(codec, item).message.calls
        got = [(call.id, call.name, value(call.arguments)) for call in calls]
        expected = [
            (call["id"], call["name"], value(call["arguments"]))
            for call in item.get("expected_calls") or []
        ]
        assert got == expected, item["id"]
        assert not any(call.truncated for call in calls)
        checked += len(expected)
    assert (len(answered(data_dir, name)), checked) == (exchanged, called)


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


def meaning(response: ModelResponse) -> tuple[Any, ...]:
    return response.message.parts, response.stop, response.usage, response.model


@pytest.mark.parametrize("size", [1, 7, 37, 1_000_000])
def test_a_stream_means_the_same_however_it_is_cut(data_dir: Path, size: int):
    checked = 0
    for codec, item in streams(data_dir):
        assert meaning(decoded(codec, item, size)) == meaning(decoded(codec, item)), item["id"]
        checked += 1
    assert checked == 73


@pytest.mark.parametrize("wire", ["openai_responses", "cohere"])
def test_random_cuts_of_a_stream_change_nothing(data_dir: Path, wire: str):
    found = [item for codec, item in streams(data_dir) if codec.wire == wire]
    longest = max(found, key=lambda item: len(item.get("expected_calls") or []))
    codec, data = by_name(wire), longest["response_sse"].encode()
    expected = meaning(decoded(codec, longest))

    @settings(max_examples=30)
    @given(st.lists(st.integers(0, len(data)), max_size=40))
    def check(places: list[int]):
        bounds = [0, *sorted(places), len(data)]
        chunks = (data[a:b] for a, b in itertools.pairwise(bounds))
        assert meaning(response_of(events(codec, chunks))) == expected

    check()


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


def test_the_pieces_of_a_stream_add_up_to_its_response(data_dir: Path):
    for codec, item in streams(data_dir):
        got = events(codec, cut(item["response_sse"].encode(), 512))
        message = response_of(got).message
        text = "".join(event.text for event in got if isinstance(event, TextDelta))
        pieces = [event for event in got if isinstance(event, CallDelta)]
        assert text == message.text
        assert [(event.id, event.name) for event in pieces if event.name] == [
            (call.id, call.name) for call in message.calls
        ]
        for place, call in enumerate(message.calls):
            arguments = "".join(event.arguments for event in pieces if event.index == place)
            assert (arguments or "{}") == call.arguments


# ------------------------------------------------------------------ what is sent back

ASCII = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014", "''\"\"--")
"""What the recorder has done to the requests."""


def normal(item: Json) -> Json:
    """What an item means: absent, null and empty are one; clients leave out ids and states.

    One client names the paths of a tool search `queries` and gives it an id, one writes a
    namespace that is the tool's own name, one puts the response's id before that of a call.
    """
    kept = {name: value for name, value in item.items() if value not in (None, "", [])}
    kind = kept.get("type")
    for name in ("id", "status", *(("call_id",) if kind == "tool_search_call" else ())):
        kept.pop(name, None)
    if "arguments" in kept:
        given = value(kept["arguments"])
        kept["arguments"] = list(given.values()) if kind == "tool_search_call" else given
    if kept.get("namespace") == kept.get("name"):
        kept.pop("namespace", None)
    if "call_id" in kept:
        kept["call_id"] = kept["call_id"].rpartition(":")[2]
    if kind == "message":
        kept["content"] = [part["text"].translate(ASCII) for part in kept["content"]]
    if kind == "tool_search_output":
        kept["tools"] = [{k: v for k, v in tool.items() if v is not None} for tool in kept["tools"]]
    return kept


def exchanged_items(first: Json, then: Json) -> list[Json]:
    """What the client added up to the last result, but for empty messages of its own."""
    asked = first["input"]
    new: list[Json] = then["input"]
    if not then.get("previous_response_id") and new[: len(asked)] == asked:
        new = new[len(asked) :]
    elif isinstance(asked, str):
        new = new[1:]
    end = max(place for place, item in enumerate(new) if item.get("type") == OUTPUT)
    return [item for item in new[: end + 1] if item.get("type") or item["content"]]


OUTPUT = "function_call_output"


@pytest.mark.parametrize(
    ("name", "pairs", "unpaired"),
    [("openai_responses", 90, 1), ("openai_compatible_responses", 3, 0)],
)
def test_items_are_sent_back_as_the_provider_accepted_them(
    data_dir: Path, name: str, pairs: int, unpaired: int
):
    codec = by_name("openai_responses")
    items = exchanges(data_dir, name)
    by_id = {item["id"]: item for item in items}
    checked = skipped = 0
    for item in items:
        then = by_id.get(item.get("followup_id") or "")
        if then is None:
            skipped += bool(item.get("followup_id"))
            continue
        sent = exchanged_items(item["request"], then["request"])
        answers = [one for one in sent if one.get("type") == OUTPUT]
        calls = [one for one in sent if one.get("type") != OUTPUT]
        results = Message(
            role=Role.TOOL,
            parts=tuple(
                ResultPart(call_id=one["call_id"], name="", text=one["output"]) for one in answers
            ),
        )
        assert codec.encode_message(results) == answers
        message = decoded(codec, item).message
        written = list(map(normal, codec.encode_message(message)))
        expected = list(map(normal, calls))
        if not any(one.get("type") == "tool_search_output" for one in calls):
            # Some clients leave out what the search has found; the provider takes both.
            written = [one for one in written if one["type"] != "tool_search_output"]
        if calls:  # where the provider keeps the conversation, only results are sent
            assert written == expected, item["id"]
        checked += 1
    assert (checked, skipped) == (pairs, unpaired)


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


def chat_normal(message: Json) -> Json:
    kept = {name: value for name, value in message.items() if value not in (None, "", [], False)}
    if "tool_calls" in kept:
        kept["tool_calls"] = [
            {"id": call["id"], "name": call["function"]["name"]}
            | {"arguments": value(call["function"]["arguments"])}
            for call in kept["tool_calls"]
        ]
    kept.pop("tool_plan", None)  # Cohere's own; no client of these recordings sent it back
    return kept


@pytest.mark.parametrize(("name", "pairs"), [("mistral_chat", 8), ("cohere_chat_v2", 3)])
def test_messages_are_sent_back_as_the_provider_accepted_them(
    data_dir: Path, name: str, pairs: int
):
    codec = by_name(FILES[name])
    items = exchanges(data_dir, name)
    by_id = {item["id"]: item for item in items}
    checked = 0
    for item in items:
        if item.get("followup_id"):
            new = by_id[item["followup_id"]]["request"]["messages"]
            new = new[len(item["request"]["messages"]) :]
            sent = [new[0], *itertools.takewhile(lambda one: one["role"] == "tool", new[1:])]
            results = Message(
                role=Role.TOOL,
                parts=tuple(
                    ResultPart(call_id=one["tool_call_id"], name="", text=one["content"])
                    for one in sent[1:]
                ),
            )
            message = decoded(codec, item).message
            written = codec.encode_message(message) + codec.encode_message(results)
            assert list(map(chat_normal, written)) == list(map(chat_normal, sent)), item["id"]
            checked += 1
    assert checked == pairs


def tools_of(request: Json) -> Iterator[Json]:
    for one in request.get("tools") or []:
        yield from one["tools"] if one.get("type") == "namespace" else [one]


def test_tools_are_written_as_the_provider_accepted_them(data_dir: Path):
    checked = skipped = 0
    for name, wire in FILES.items():
        codec = by_name(wire)
        for item in answered(data_dir, name):
            for one in tools_of(item["request"]):
                function = one.get("function", one)
                if "parameters" not in function:
                    skipped += 1  # a tool of the provider's own
                    continue
                expected = {
                    key: function[key]
                    for key in ("name", "description", "parameters")
                    if function.get(key)
                }
                tool = Tool(**{"description": "", "parameters": {}} | expected)
                (written,) = codec.encode_tools([tool])
                assert written["type"] == "function"
                got = written.get("function", written)
                assert {key: got[key] for key in expected} == expected
                assert got.keys() - expected.keys() <= {"type", "strict", "parameters"}
                checked += 1
    assert (checked, skipped) == (321, 34)


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

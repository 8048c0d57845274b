"""Every recorded exchange on the wire of OpenAI Chat Completions is read without loss and back."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.codecs import by_name
from callgate.errors import ModelRequestError, RateLimitedError
from callgate.messages import CallDelta, Message, ModelResponse, ResultPart, Role, TextDelta
from callgate.types import Tool
from tests.codecs.recorded import (
    FILES,
    Exchange,
    answered,
    cut,
    events,
    exchanges,
    response_of,
)

CODEC = by_name("openai")


def decoded(item: Exchange, size: int = 4096) -> ModelResponse:
    if "response" in item:
        return CODEC.decode_response(item["response"])
    chunks = cut(item["response_sse"].encode(), size)
    return response_of(events(CODEC.decoder(), chunks))


def calls(response: ModelResponse) -> list[tuple[str, str, Any]]:
    return [(call.id, call.name, json.loads(call.arguments)) for call in response.message.calls]


@pytest.mark.parametrize("name", FILES)
def test_the_calls_are_those_that_the_official_client_read(data_dir: Path, name: str):
    items = [item for item in exchanges(data_dir, name) if item["status"] == 200]
    for item in items:
        got = calls(decoded(item))
        expected = [
            # Gemini's compatible endpoint gives no id; then ours stands.
            (call["id"] or got[place][0], call["name"], json.loads(call["arguments"]))
            for place, call in enumerate(item.get("expected_calls") or [])
        ]
        assert got == expected, item["id"]
    assert len(items) >= 48


def test_text_usage_and_model_are_those_of_the_response(data_dir: Path):
    for item in answered(data_dir):
        if "response" not in item:
            continue
        raw, response = item["response"], decoded(item)
        message = raw["choices"][0]["message"]
        assert response.message.text == (message.get("content") or "")
        assert response.model == raw["model"]
        assert response.usage.input == raw["usage"]["prompt_tokens"]
        assert response.usage.output == raw["usage"]["total_tokens"] - response.usage.input


def streams(folder: Path) -> list[Exchange]:
    return [item for item in answered(folder) if "response_sse" in item]


def whole(item: Exchange) -> tuple[Any, ...]:
    response = decoded(item)
    return response.message.parts, response.stop, response.usage, response.model


@pytest.mark.parametrize("size", [1, 7, 37, 1_000_000])
def test_a_stream_means_the_same_however_it_is_cut(data_dir: Path, size: int):
    for item in streams(data_dir):
        response = decoded(item, size)
        got = response.message.parts, response.stop, response.usage, response.model
        assert got == whole(item), item["id"]


def test_random_cuts_of_a_stream_change_nothing(data_dir: Path):
    longest = max(streams(data_dir), key=lambda item: len(item.get("expected_calls") or []))
    data = longest["response_sse"].encode()
    expected = whole(longest)

    @settings(max_examples=30)
    @given(st.lists(st.integers(0, len(data)), max_size=40))
    def check(places: list[int]):
        bounds = [0, *sorted(places), len(data)]
        chunks = (data[a:b] for a, b in itertools.pairwise(bounds))
        response = response_of(events(CODEC.decoder(), chunks))
        got = response.message.parts, response.stop, response.usage, response.model
        assert got == expected

    check()


def test_the_pieces_of_a_stream_add_up_to_its_response(data_dir: Path):
    for item in streams(data_dir):
        got = events(CODEC.decoder(), cut(item["response_sse"].encode(), 512))
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


def normal(message: dict[str, Any]) -> dict[str, Any]:
    """What a message means: absent, null and empty are one; arguments are the value of their text.

    One client wrote the arguments' JSON anew, one put Groq's `reasoning` into the content between
    tags; we send both back as they came.
    """
    fields = {name: value for name, value in message.items() if value not in (None, "", [])}
    if "tool_calls" in fields:
        fields["tool_calls"] = [
            call | {"function": call["function"] | {"arguments": json.loads(text)}}
            for call in fields["tool_calls"]
            for text in (call["function"]["arguments"],)
        ]
    thought = re.fullmatch(r"<think>\n(.*)\n</think>", str(fields.get("content")), re.DOTALL)
    if thought and "reasoning" not in fields:
        fields |= {"content": None, "reasoning": thought[1]}
    return {name: value for name, value in fields.items() if value is not None}


def turn(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The model's message and the results that follow it, without what the client added."""
    end = next(
        (place for place, item in enumerate(messages[1:], 1) if item["role"] != "tool"), None
    )
    return messages[:end]


def test_history_is_sent_back_as_the_provider_accepted_it(data_dir: Path):
    checked = 0
    for name in FILES:
        items = exchanges(data_dir, name)
        by_id = {item["id"]: item for item in items}
        for item in items:
            if item.get("followup_id"):
                asked = len(item["request"]["messages"])
                sent = turn(by_id[item["followup_id"]]["request"]["messages"][asked:])
                message = decoded(item).message
                results = Message(
                    role=Role.TOOL,
                    parts=tuple(
                        ResultPart(call_id=one["tool_call_id"], name="", text=one["content"])
                        for one in sent[1:]
                    ),
                )
                written = CODEC.encode_message(message) + CODEC.encode_message(results)
                assert list(map(normal, written)) == list(map(normal, sent)), item["id"]
                checked += 1
    assert checked == 87


def test_tools_are_written_as_the_provider_accepted_them(data_dir: Path):
    checked = 0
    for item in answered(data_dir):
        for one in item["request"].get("tools") or []:
            if one["type"] != "function":
                continue  # a tool of the provider's own
            function = one["function"]
            tool = Tool(
                name=function["name"],
                description=function.get("description") or "",
                parameters=function["parameters"],
            )
            # `strict` and the like are wishes for one provider, not part of our tools.
            expected = {
                key: function[key]
                for key in ("name", "description", "parameters")
                if function.get(key)
            }
            (written,) = CODEC.encode_tools([tool])
            assert written["type"] == "function"
            assert {key: value for key, value in written["function"].items() if value} == expected
            checked += 1
    assert checked > 500


# ------------------------------------------------------------------ errors


def test_recorded_errors_are_of_the_right_kind_and_keep_the_providers_words(data_dir: Path):
    checked = 0
    for name in FILES:
        for item in exchanges(data_dir, name):
            if item["status"] == 200:
                continue
            headers = item.get("headers") or {}
            body = orjson.dumps(item["response"])
            error = CODEC.decode_error(item["status"], headers, body)
            assert type(error) is (RateLimitedError if item["status"] == 429 else ModelRequestError)
            assert item["response"]["error"]["message"][:200] in error.message
            assert error.details["status"] == item["status"]
            assert error.details.get("request_id") == headers.get("x-request-id")
            checked += 1
    assert checked == 18

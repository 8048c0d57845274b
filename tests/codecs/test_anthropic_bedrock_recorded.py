"""Every recorded exchange of Anthropic Messages and Bedrock Converse is read without loss.

Calls, cuts of streams, history and tools are compared by the replay in tests/testing; here stands
what else there is to a recording.
"""

import random
import re
from pathlib import Path
from typing import Any, TypeGuard

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.codecs import by_name, detect
from callgate.errors import ModelError, ModelRequestError
from callgate.messages import (
    CallPart,
    Opaque,
    Part,
)
from tests.codecs.block_wires import ANTHROPIC, BEDROCK, WIRES, Event, Wire, calls
from tests.codecs.recorded import Exchange, exchanges, response_of

BOTH = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.codec.wire)


@BOTH
def test_a_response_is_known_by_its_shape(data_dir: Path, wire: Wire):
    assert by_name(wire.codec.wire) == wire.codec
    for item in wire.answered(data_dir):
        if "response" in item:
            assert detect(item["response"]) == wire.codec


def test_text_model_and_usage_are_those_of_the_response_of_anthropic(data_dir: Path):
    for item in ANTHROPIC.answered(data_dir):
        if "response" not in item:
            continue
        raw, response = item["response"], ANTHROPIC.decoded(item)
        usage = raw["usage"]
        texts = [block["text"] for block in raw["content"] if block["type"] == "text"]
        assert response.message.text == "".join(texts)
        assert response.model == raw["model"]
        assert response.usage.output == usage["output_tokens"]
        assert response.usage.cached == usage.get("cache_read_input_tokens", 0)
        assert response.usage.input == response.usage.cached + usage["input_tokens"] + usage.get(
            "cache_creation_input_tokens", 0
        )


def test_text_and_usage_are_those_of_the_response_of_bedrock(data_dir: Path):
    for item in BEDROCK.answered(data_dir):
        if "response" not in item:
            continue
        raw, response = item["response"], BEDROCK.decoded(item)
        blocks = raw["output"]["message"]["content"]
        assert response.message.text == "".join(block.get("text", "") for block in blocks)
        usage = response.usage
        assert usage.input + usage.output == raw["usage"]["totalTokens"]


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(("wire", "count"), [(ANTHROPIC, 10), (BEDROCK, 6)])
def test_recorded_errors_are_of_the_right_kind_and_keep_the_providers_words(
    data_dir: Path, wire: Wire, count: int
):
    items = [item for item in exchanges(data_dir, wire.file) if item["status"] != 200]
    for item in items:
        headers = item.get("headers") or {}
        error = wire.codec.decode_error(item["status"], headers, orjson.dumps(item["response"]))
        told = item["response"].get("error") or item["response"]
        assert type(error) is ModelRequestError
        assert told["message"] in error.message
        assert error.details["status"] == item["status"]
        assert error.details.get("type") == told.get("type")
        assert error.details.get("request_id") == item["response"].get("request_id")
        assert error.details.get("retry") == ({"x-should-retry": False} if headers else {}).get(
            "x-should-retry"
        )
    assert len(items) == count


def test_rate_limits_of_recorded_answers_are_told(data_dir: Path):
    checked = 0
    for item in exchanges(data_dir, ANTHROPIC.file):
        headers = item.get("headers") or {}
        if "anthropic-ratelimit-tokens-reset" in headers:
            error = ANTHROPIC.codec.decode_error(429, headers, b"{}")
            limits = {name: value for name, value in headers.items() if "ratelimit" in name}
            assert error.details["limits"] == limits
            wait = headers.get("retry-after")
            assert error.retry_after == (None if wait is None else float(wait))
            checked += 1
    assert checked == 98


# ------------------------------------------------------------------ fixtures of another client


def types_of_the_first_answer(events: list[Event]) -> list[str]:
    """The types of all blocks of the first answer in a stream of one or more."""
    types: list[str] = []
    for name, data in events:
        if name == "message_start":
            types.clear()
        elif name == "content_block_start":
            types.append(data["content_block"]["type"])
        elif name == "message_stop":
            break
    return types


def test_fixtures_of_anthropic_are_read_and_keep_what_is_unknown(data_dir: Path):
    checked = 0
    for item in ANTHROPIC.of_fixtures(data_dir):
        if "chunks" in item:
            events = ANTHROPIC.fixture_events(item)
            types = types_of_the_first_answer(events)
            parts = ANTHROPIC.streamed(events).message.parts
        else:
            types = [block["type"] for block in item["response"]["content"]]
            parts = ANTHROPIC.codec.decode_response(item["response"]).message.parts
        opaque = [part.data["block"]["type"] for part in parts if is_block(part)]
        assert opaque == [one for one in types if one not in ("text", "tool_use")], item["name"]
        assert sum(isinstance(part, CallPart) for part in parts) == types.count("tool_use")
        checked += 1
    assert checked == 60


def test_fixtures_of_bedrock_are_read_and_keep_what_is_unknown(data_dir: Path):
    checked = 0
    for item in BEDROCK.of_fixtures(data_dir):
        text = str(item)
        if "chunks" in item:
            response = BEDROCK.streamed(BEDROCK.fixture_events(item))
        else:
            response = BEDROCK.codec.decode_response(item["response"])
        kinds = {
            next(iter(part.data["block"])) for part in response.message.parts if is_block(part)
        }
        assert kinds == ({"reasoningContent"} if "reasoningContent" in text else set())
        assert len(response.message.calls) == text.count("'toolUseId'")
        checked += 1
    assert checked == 23


def is_block(part: Part) -> TypeGuard[Opaque]:
    return isinstance(part, Opaque) and "block" in part.data


def test_an_answer_that_starts_over_counts_from_its_second_start(data_dir: Path):
    (item,) = [
        item
        for item in ANTHROPIC.of_fixtures(data_dir)
        if item["name"] == "spliced-message-start.chunks.txt"
    ]
    response = ANTHROPIC.streamed(ANTHROPIC.fixture_events(item))
    assert calls(response) == [("toolu_second", "test-tool", {"value": "Sparkle Day"})]


# ------------------------------------------------------------------ damage


def outcome(wire: Wire, chunks: list[bytes]) -> list[tuple[str, str, Any]] | None:
    """The calls a damaged stream is read as; None for an error."""
    try:
        response = response_of(wire.events(chunks))
    except ModelError:
        return None
    return [(call.id, call.name, call.arguments) for call in response.message.calls]


@BOTH
def test_a_stream_cut_short_is_an_error_or_whole(data_dir: Path, wire: Wire):
    items = wire.streams(data_dir)

    @settings(max_examples=100)
    @given(st.sampled_from(items), st.floats(0, 1))
    def check(item: Exchange, share: float):
        data = wire.stream_bytes(item)
        expected = [
            (call.id, call.name, call.arguments) for call in wire.decoded(item).message.calls
        ]
        assert outcome(wire, [data[: int(share * len(data))]]) in (None, expected)

    check()


def disordered(events: list[Event], seed: int) -> list[Event]:
    """Events with one of them, not a piece of a block, doubled, dropped or moved."""
    draw = random.Random(seed)
    events = list(events)
    pieces = ("content_block_delta", "contentBlockDelta")
    places = [place for place, (name, _) in enumerate(events) if name not in pieces]
    place = draw.choice(places)
    match draw.randrange(3):
        case 0:
            events.insert(draw.randrange(len(events) + 1), events[place])
        case 1:
            del events[place]
        case _:
            event = events.pop(place)
            events.insert(draw.randrange(len(events) + 1), event)
    return events


@BOTH
def test_events_out_of_order_never_make_a_wrong_call(data_dir: Path, wire: Wire):
    items = wire.streams(data_dir)

    @settings(max_examples=150)
    @given(st.sampled_from(items), st.integers(0, 2**32))
    def check(item: Exchange, seed: int):
        expected = [
            (call.id, call.name, call.arguments) for call in wire.decoded(item).message.calls
        ]
        got = outcome(wire, [wire.encoded(disordered(wire.events_of(item), seed))])
        assert got is None or all(call in expected for call in got)

    check()


def payload_places(data: bytes) -> list[int]:
    """The places of a stream that are within JSON, not in the words around it."""
    return [
        place
        for line in re.finditer(rb"^data:(.*)$", data, re.MULTILINE)
        for place in range(*line.span(1))
    ]


def input_of(event: Event) -> str | None:
    """The piece of a call's arguments in an event."""
    name, data = event
    if name == "content_block_delta":
        return data["delta"].get("partial_json")
    return data["delta"].get("toolUse", {}).get("input") if name == "contentBlockDelta" else None


@BOTH
def test_pieces_that_come_twice_are_never_put_into_another_call(data_dir: Path, wire: Wire):
    # The wires do not number their pieces: to see one twice is left to the check of arguments.
    items = [item for item in wire.streams(data_dir) if item.get("expected_calls")]

    @settings(max_examples=100)
    @given(st.sampled_from(items), st.integers(0, 2**32))
    def check(item: Exchange, seed: int):
        events = wire.events_of(item)
        places = [place for place, event in enumerate(events) if input_of(event)]
        place = random.Random(seed).choice(places)
        doubled = [*events[: place + 1], *events[place:]]
        twice = input_of(events[place]) or ""
        expected = wire.decoded(item).message.calls
        try:
            got = wire.streamed(doubled).message.calls
        except ModelError:  # a piece of a server's call
            return
        assert [(call.id, call.name) for call in got] == [(call.id, call.name) for call in expected]
        changed = [
            (call.arguments, other.arguments)
            for call, other in zip(expected, got, strict=True)
            if call != other
        ]
        for before, after in changed:
            assert len(after) == len(before) + len(twice)
        assert len(changed) <= 1

    check()


@BOTH
def test_damaged_bytes_are_an_error_or_change_no_call(data_dir: Path, wire: Wire):
    items = wire.streams(data_dir)

    @settings(max_examples=100)
    @given(st.sampled_from(items), st.floats(0, 1), st.sampled_from([b"\xff", b"\xc3", b"\x00"]))
    def check(item: Exchange, share: float, byte: bytes):
        data = wire.stream_bytes(item)
        places = payload_places(data) if wire is ANTHROPIC else range(len(data))
        place = places[int(share * (len(places) - 1))]
        damaged = data[:place] + byte + data[place + 1 :]
        expected = [
            (call.id, call.name, call.arguments) for call in wire.decoded(item).message.calls
        ]
        assert outcome(wire, [damaged]) in (None, expected)

    check()


STRANGE = st.sampled_from([None, True, 7, -1, 1.5, "", "x", [], [None], {}, {"type": None}])


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values within a JSON value."""
    found = [at] if at else []
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        found += [path for key, item in members for path in paths(item, (*at, key))]
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    copy = orjson.loads(orjson.dumps(value))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return copy


@BOTH
def test_values_of_any_type_anywhere_are_an_error_or_a_response(data_dir: Path, wire: Wire):
    items = wire.answered(data_dir)
    fixtures = [item for item in wire.of_fixtures(data_dir) if "chunks" in item]

    @settings(max_examples=200)
    @given(st.sampled_from([*items, *fixtures]), st.integers(0, 2**32), STRANGE)
    def check(item: Exchange, seed: int, new: Any):
        draw = random.Random(seed)
        try:
            if "response" in item:
                path = draw.choice(paths(item["response"]))
                response = wire.codec.decode_response(replaced(item["response"], path, new))
            else:
                events = wire.fixture_events(item) if "chunks" in item else wire.events_of(item)
                place = draw.randrange(len(events))
                name, data = events[place]
                data = replaced(data, draw.choice(paths(data)), new)
                response = wire.streamed([*events[:place], (name, data), *events[place + 1 :]])
        except ModelError:
            return
        assert all(call.name and call.id for call in response.message.calls)
        wire.codec.encode_message(response.message)

    check()

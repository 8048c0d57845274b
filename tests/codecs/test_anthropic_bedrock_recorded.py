"""Every recorded exchange of Anthropic Messages and Bedrock Converse is read without loss."""

import itertools
import random
import re
from pathlib import Path
from typing import Any, TypeGuard

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.codecs import Anthropic, Bedrock, by_name, detect
from callgate.errors import ModelError, ModelRequestError
from callgate.messages import (
    CallDelta,
    CallPart,
    Message,
    Opaque,
    Part,
    ResultPart,
    Role,
    StopReason,
    TextDelta,
)
from callgate.types import Tool
from tests.codecs.block_wires import ANTHROPIC, BEDROCK, WIRES, Event, Wire, calls, value_of, whole
from tests.codecs.recorded import Exchange, cut, exchanges, response_of

BOTH = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.codec.wire)


def for_us(wire: Wire, item: Exchange) -> list[tuple[str, str, Any]]:
    """The calls the official client read, without those the provider answered itself.

    AWS's client does not tell the two apart; to run the others would be wrong.
    """
    answered = (item.get("response") or {}).get("output", {}).get("message", {}).get("content", [])
    own = {
        block["toolUse"]["toolUseId"]
        for block in (answered if wire is BEDROCK else [])
        if block.get("toolUse", {}).get("type") == "server_tool_use"
    }
    return [
        (call["id"], call["name"], value_of(call["arguments"]))
        for call in item.get("expected_calls") or []
        if call["id"] not in own
    ]


@pytest.mark.parametrize(
    ("wire", "exchanges_with_200", "with_calls"), [(ANTHROPIC, 242, 164), (BEDROCK, 83, 57)]
)
def test_the_calls_are_those_that_the_official_client_read(
    data_dir: Path, wire: Wire, exchanges_with_200: int, with_calls: int
):
    checked = found = 0
    for item in wire.answered(data_dir):
        response = wire.decoded(item)
        assert calls(response) == for_us(wire, item), item["id"]
        assert (response.stop is StopReason.CALLS) == bool(calls(response))
        checked += 1
        found += len(response.message.calls)
    assert (checked, found) == (exchanges_with_200, with_calls)


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


# ------------------------------------------------------------------ streams


@pytest.mark.parametrize("size", [1, 7, 37, 1_000_000])
@pytest.mark.parametrize(("wire", "count"), [(ANTHROPIC, 43), (BEDROCK, 1)])
def test_a_stream_means_the_same_however_it_is_cut(
    data_dir: Path, wire: Wire, count: int, size: int
):
    items = wire.streams(data_dir)
    for item in items:
        response = response_of(wire.events(cut(wire.stream_bytes(item), size)))
        assert whole(response) == whole(wire.decoded(item)), item["id"]
    assert len(items) == count


@BOTH
def test_random_cuts_of_a_stream_change_nothing(data_dir: Path, wire: Wire):
    longest = max(wire.streams(data_dir), key=lambda item: len(item.get("expected_calls") or []))
    data = wire.stream_bytes(longest)
    expected = whole(wire.decoded(longest))

    @settings(max_examples=30)
    @given(st.lists(st.integers(0, len(data)), max_size=40))
    def check(places: list[int]):
        bounds = [0, *sorted(places), len(data)]
        chunks = [data[a:b] for a, b in itertools.pairwise(bounds)]
        assert whole(response_of(wire.events(chunks))) == expected

    check()


@BOTH
def test_the_pieces_of_a_stream_add_up_to_its_response(data_dir: Path, wire: Wire):
    for item in wire.streams(data_dir):
        got = wire.events(cut(wire.stream_bytes(item), 512))
        message = response_of(got).message
        text = "".join(event.text for event in got if isinstance(event, TextDelta))
        pieces = [event for event in got if isinstance(event, CallDelta)]
        assert text == message.text
        assert [(event.id, event.name) for event in pieces if event.name] == [
            (call.id, call.name) for call in message.calls
        ]
        for place, call in enumerate(message.calls):
            arguments = "".join(event.arguments for event in pieces if event.index == place)
            assert value_of(arguments or "{}") == value_of(call.arguments)


# ------------------------------------------------------------------ what is sent back


def accepted(wire: Wire, block: dict[str, Any]) -> dict[str, Any]:
    """A block as the provider accepted it, without its cache mark and with defaults spelt ours."""
    if wire is ANTHROPIC:
        block = {name: value for name, value in block.items() if name != "cache_control"}
        match block:
            case {"type": "tool_result"}:
                content = block["content"]
                if isinstance(content, list) and [part["type"] for part in content] == ["text"]:
                    block["content"] = content[0]["text"]
                return {name: value for name, value in block.items() if (name, value) != NO_ERROR}
            case _:
                return block
    match block:
        case {"toolResult": dict(result)}:
            return {"toolResult": {"status": "success"} | result}
        case {"text": str(text)} if text.startswith("<think>\n"):
            # The client wrote unsigned reasoning as text; we send it back as it came.
            thought = text.removeprefix("<think>\n").removesuffix("\n</think>")
            return {"reasoningContent": {"reasoningText": {"text": thought}}}
        case _:
            return block


NO_ERROR = ("is_error", False)


def results_of(wire: Wire, blocks: list[dict[str, Any]]) -> Message:
    """The results as the program that was recorded had them."""
    parts: list[ResultPart | Opaque] = []
    for block in blocks:
        if wire is ANTHROPIC:
            identity, content, error = block["tool_use_id"], block["content"], block.get("is_error")
            text = content if isinstance(content, str) else content[0].get("text")
            if text is None:  # references to tools
                parts.append(
                    Opaque(wire="anthropic", model="", data={"result": {"content": content}})
                )
        else:
            result = block["toolResult"]
            identity, error = result["toolUseId"], result.get("status") == "error"
            text = result["content"][0].get("text")
            if text is None:
                fields = {"content": result["content"]}
                parts.append(Opaque(wire="bedrock", model="", data={"result": fields}))
        parts.append(ResultPart(call_id=identity, name="", text=text or "", error=bool(error)))
    return Message(role=Role.TOOL, parts=tuple(parts))


@pytest.mark.parametrize(("wire", "pairs", "unpaired"), [(ANTHROPIC, 79, 1), (BEDROCK, 23, 0)])
def test_history_is_sent_back_as_the_provider_accepted_it(
    data_dir: Path, wire: Wire, pairs: int, unpaired: int
):
    items = exchanges(data_dir, wire.file)
    by_id = {item["id"]: item for item in items}
    checked = alone = 0
    for item in items:
        if not item.get("followup_id"):
            continue
        if item["followup_id"] not in by_id:
            alone += 1
            continue
        asked = len(item["request"]["messages"])
        said, replied, *_ = by_id[item["followup_id"]]["request"]["messages"][asked:]
        is_result = "tool_use_id" if wire is ANTHROPIC else "toolResult"
        results = [block for block in replied["content"] if is_result in block]
        assert replied["content"][: len(results)] == results
        (first,) = wire.codec.encode_message(wire.decoded(item).message)
        (second,) = wire.codec.encode_message(results_of(wire, results))
        assert first["role"] == said["role"]
        assert first["content"] == [accepted(wire, block) for block in said["content"]], item["id"]
        assert second["role"] == replied["role"]
        assert second["content"] == [accepted(wire, block) for block in results], item["id"]
        checked += 1
    assert (checked, alone) == (pairs, unpaired)


def test_tools_are_written_as_anthropic_accepted_them(data_dir: Path):
    checked = servers = 0
    for item in ANTHROPIC.answered(data_dir):
        definitions = item["request"].get("tools") or []
        for one in definitions:
            if "type" in one:
                assert Anthropic(server_tools=(one,)).encode_tools([]) == [one]
                servers += 1
                continue
            own = ("name", "description", "input_schema")
            tool = Tool(
                name=one["name"],
                description=one["description"],
                parameters=one["input_schema"],
            )
            more = {key: value for key, value in one.items() if key not in own}
            codec = Anthropic(tool_fields={tool.name: more})
            assert [
                {key: value for key, value in one.items() if key != "description" or value}
            ] == codec.encode_tools([tool])
            checked += 1
    assert (checked, servers) == (311, 49)


def test_tools_are_written_as_bedrock_accepted_them(data_dir: Path):
    checked = others = 0
    for item in BEDROCK.answered(data_dir):
        for one in item["request"].get("toolConfig", {}).get("tools", []):
            if "toolSpec" not in one:
                assert Bedrock(server_tools=(one,)).encode_tools([]) == [one]
                others += 1
                continue
            spec = one["toolSpec"]
            tool = Tool(
                name=spec["name"],
                description=spec.get("description", ""),
                parameters=spec["inputSchema"]["json"],
            )
            own = ("name", "description", "inputSchema")
            more = {key: value for key, value in spec.items() if key not in own}
            assert Bedrock(tool_fields={tool.name: more}).encode_tools([tool]) == [one]
            checked += 1
    assert (checked, others) == (100, 8)


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

from typing import Any

import orjson
import pytest

from callgate.codecs import Anthropic, Frame
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelStreamError,
    ModelUnavailableError,
    RateLimitedError,
)
from callgate.messages import (
    CallDelta,
    CallPart,
    ModelEvent,
    ModelResponse,
    Opaque,
    Part,
    StopReason,
    TextDelta,
    Usage,
)
from callgate.types import Text
from tests.codecs.block_wires import ANTHROPIC, Event, whole
from tests.codecs.recorded import response_of

CODEC = Anthropic()
MODEL = "claude-opus-5-5"
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s1g"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}


def message(*content: object, stop: str | None = "end_turn", **fields: object) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
        **fields,
    }


def opaque(**data: object) -> Opaque:
    return Opaque(wire="anthropic", model=MODEL, data=data)


def read(*content: object, stop: str | None = "end_turn", **fields: object) -> ModelResponse:
    return CODEC.decode_response(message(*content, stop=stop, **fields))


def parts(*content: object, **fields: object) -> tuple[Part, ...]:
    return CODEC.decode_response(message(*content) | fields).message.parts


# ------------------------------------------------------------------ whole responses


def test_blocks_keep_their_order_and_their_signatures():
    search = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"q": "x"}}
    strange = {"type": "of_tomorrow", "anything": [None]}
    redacted = {"type": "redacted_thinking", "data": "AAA="}
    text = {"type": "text", "text": "So"}
    assert parts(THOUGHT, redacted, text, search, strange, CALL) == (
        opaque(block=THOUGHT),
        opaque(block=redacted),
        Text(text="So"),
        opaque(block=search),
        opaque(block=strange),
        CallPart(id="toolu_1", name="add", arguments={"a": 1}),
    )


def test_citations_stay_with_their_text_and_hollow_ones_go():
    cited = [{"type": "char_location", "cited_text": "x"}]
    assert parts(
        {"type": "text", "text": "a", "citations": cited},
        {"type": "text", "text": "b", "citations": []},
        {"type": "text", "text": "c", "citations": None},
        {"type": "text", "text": ""},
    ) == (opaque(text={"citations": cited}), Text(text="a"), Text(text="b"), Text(text="c"))


def test_a_programmatic_caller_is_kept_and_a_direct_one_says_nothing():
    caller = {"type": "code_execution_20260120", "tool_id": "srv_1"}
    call = CallPart(id="toolu_1", name="add", arguments={"a": 1})
    assert parts(CALL | {"caller": caller}) == (opaque(call={"caller": caller}), call)
    assert parts(CALL | {"caller": {"type": "direct"}}) == (call,)
    assert parts(CALL | {"caller": None}) == (call,)


def test_fields_of_the_message_are_kept():
    container = {"id": "container_1", "expires_at": "2026-11-22T10:00:00Z"}
    assert parts(container=container, stop_details=None) == (
        opaque(message={"container": container}),
    )


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        ("end_turn", StopReason.END),
        ("stop_sequence", StopReason.END),
        ("of_tomorrow", StopReason.END),
        (None, StopReason.END),
        ("max_tokens", StopReason.LENGTH),
        ("model_context_window_exceeded", StopReason.LENGTH),
        ("refusal", StopReason.REFUSAL),
        ("pause_turn", StopReason.PAUSED),
        ("compaction", StopReason.PAUSED),
        ("malformed_tool_use", StopReason.ERROR),
    ],
)
def test_every_reason_to_stop_has_its_meaning(word: str | None, stop: StopReason):
    assert read({"type": "text", "text": "x"}, stop=word).stop is stop


@pytest.mark.parametrize(
    ("word", "stop", "truncated"),
    [
        ("tool_use", StopReason.CALLS, False),
        ("end_turn", StopReason.CALLS, False),
        ("max_tokens", StopReason.LENGTH, True),
        ("refusal", StopReason.REFUSAL, True),
        ("malformed_tool_use", StopReason.ERROR, True),
        ("pause_turn", StopReason.PAUSED, False),
    ],
)
def test_calls_of_an_answer_that_was_cut_are_marked(word: str, stop: StopReason, truncated: bool):
    response = read(CALL, stop=word)
    assert response.stop is stop
    assert [call.truncated for call in response.message.calls] == [truncated]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage(requests=1)),
        ("many", Usage(requests=1)),
        (
            {
                "input_tokens": 1,
                "cache_creation_input_tokens": 10,
                "cache_read_input_tokens": 100,
                "output_tokens": 7,
            },
            Usage(input=111, output=7, cached=100, requests=1),
        ),
        ({"input_tokens": None, "output_tokens": "x"}, Usage(requests=1)),
    ],
)
def test_cached_tokens_count_as_input(usage: object, expected: Usage):
    assert read(usage=usage).usage == expected


def test_names_and_the_model_that_was_asked_are_used():
    response = CODEC.decode_response(
        message(THOUGHT, CALL), model="claude-alias", names={"add": "math.add"}
    )
    assert response.model == MODEL
    assert response.message.parts == (
        Opaque(wire="anthropic", model="claude-alias", data={"block": THOUGHT}),
        CallPart(id="toolu_1", name="math.add", arguments={"a": 1}),
    )


class SdkMessage:
    """A response object of the official client, as far as we use it."""

    def model_dump(self, **wishes: Any) -> dict[str, Any]:
        assert wishes == {"mode": "json", "by_alias": True, "exclude_unset": True}
        return message({"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}})


def test_an_object_of_the_official_client_is_read_as_it_came():
    fallback = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    assert CODEC.decode_response(SdkMessage()).message.parts == (opaque(block=fallback),)


@pytest.mark.parametrize(
    "response",
    [
        [],
        {},
        {"type": "message", "role": "assistant"},
        message() | {"content": "text"},
        message("text"),
        message({"type": "text", "text": 1}),
        message(CALL | {"input": [1]}),
        message(CALL | {"name": ""}),
        message(CALL | {"id": None}),
        message(CALL | {"name": 7}),
        message() | {"stop_reason": 7},
        message() | {"model": 7},
    ],
)
def test_what_is_not_readable_is_an_error(response: object):
    with pytest.raises(ModelStreamError):
        CODEC.decode_response(response)


def test_an_error_in_place_of_a_message_is_raised_as_one():
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(ModelUnavailableError, match="Overloaded"):
        CODEC.decode_response(body)


@pytest.mark.parametrize(
    ("response", "owned"),
    [
        (message(), True),
        (message() | {"type": "error"}, False),
        (message() | {"role": "user"}, False),
        (message() | {"content": "x"}, False),
        ({"choices": []}, False),
    ],
)
def test_a_message_of_an_assistant_is_ours(response: dict[str, Any], owned: bool):
    assert CODEC.owns(response) is owned


# ------------------------------------------------------------------ streams

BEGIN: Event = ("message_start", {"type": "message_start", "message": message(stop=None)})
STOP: Event = ("message_stop", {"type": "message_stop"})


def begin(index: int, **block: object) -> Event:
    data = {"type": "content_block_start", "index": index, "content_block": block}
    return ("content_block_start", data)


def piece(index: int, kind: str, **delta: object) -> Event:
    data = {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}
    return ("content_block_delta", data)


def end(index: int) -> Event:
    return ("content_block_stop", {"type": "content_block_stop", "index": index})


def ended(stop: str, usage: object = None, **more: object) -> Event:
    delta = {"stop_reason": stop, "stop_sequence": None}
    return ("message_delta", {"type": "message_delta", "delta": delta, "usage": usage, **more})


def call_events(index: int, *pieces: str) -> list[Event]:
    block: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
    deltas = [piece(index, "input_json_delta", partial_json=text) for text in pieces]
    return [begin(index, **block), *deltas, end(index)]


def stream(*events: Event) -> ModelResponse:
    return ANTHROPIC.streamed(events)


def test_a_stream_is_read_piece_by_piece():
    got = ANTHROPIC.events(
        [
            ANTHROPIC.encoded(
                [
                    BEGIN,
                    ("ping", {"type": "ping"}),
                    begin(0, type="thinking", thinking="", signature=""),
                    piece(0, "thinking_delta", thinking="h"),
                    piece(0, "thinking_delta", thinking="m"),
                    piece(0, "signature_delta", signature="s1g"),
                    end(0),
                    begin(1, type="text", text="S"),
                    piece(1, "text_delta", text=""),
                    piece(1, "text_delta", text="o"),
                    end(1),
                    *call_events(2, "", '{"a"', ": 1}"),
                    ended("tool_use", {"output_tokens": 9}),
                    STOP,
                ]
            )
        ]
    )
    assert got[:-1] == [
        TextDelta(text="S"),
        TextDelta(text="o"),
        CallDelta(index=0, id="toolu_1", name="add"),
        CallDelta(index=0, arguments='{"a"'),
        CallDelta(index=0, arguments=": 1}"),
    ]
    assert whole(response_of(got)) == (
        (
            opaque(block=THOUGHT),
            Text(text="So"),
            CallPart(id="toolu_1", name="add", arguments='{"a": 1}'),
        ),
        StopReason.CALLS,
        Usage(input=3, output=9, requests=1),
        MODEL,
    )


def test_a_call_without_pieces_has_the_input_of_its_start():
    given = begin(0, type="tool_use", id="toolu_1", name="add", input={"a": 1})
    got = ANTHROPIC.told(BEGIN, given, end(0), ended("tool_use"), STOP)
    assert got[0] == CallDelta(index=0, id="toolu_1", name="add", arguments='{"a":1}')
    assert stream(BEGIN, *call_events(0, ""), ended("tool_use"), STOP).message.parts == (
        CallPart(id="toolu_1", name="add", arguments={}),
    )


def test_a_server_tools_input_goes_back_as_the_object_it_was():
    server = begin(0, type="server_tool_use", id="srv_1", name="web_search", input={})
    pieces = [piece(0, "input_json_delta", partial_json=text) for text in ('{"q":', '"x"}')]
    response = stream(BEGIN, server, *pieces, end(0), ended("pause_turn"), STOP)
    block = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"q": "x"}}
    assert (response.message.parts, response.stop) == ((opaque(block=block),), StopReason.PAUSED)


def test_pieces_of_every_kind_are_kept():
    citation = {"type": "char_location"}
    response = stream(
        BEGIN,
        begin(0, type="text", text="", citations=None),
        piece(0, "text_delta", text="a"),
        piece(0, "citations_delta", citation=citation),
        piece(0, "citations_delta", citation=citation),
        end(0),
        begin(1, type="compaction", content=None),
        piece(1, "compaction_delta", content="sum"),
        piece(1, "compaction_delta", content="mary", level=2),
        end(1),
        ("of_tomorrow", {"type": "of_tomorrow", "index": 1}),
        ended("end_turn", context_management={"applied_edits": []}),
        STOP,
    )
    assert response.message.parts == (
        opaque(
            message={
                "context_management": {"applied_edits": []},
                "events": [{"type": "of_tomorrow", "index": 1}],
            }
        ),
        opaque(text={"citations": [citation, citation]}),
        Text(text="a"),
        opaque(block={"type": "compaction", "content": "summary", "level": 2}),
    )


def test_a_message_may_come_with_all_its_content_at_once():
    start: Event = (
        "message_start",
        {"type": "message_start", "message": message(THOUGHT, CALL, stop="tool_use")},
    )
    got = ANTHROPIC.told(start, STOP, BEGIN, STOP)
    assert got[:-1] == [CallDelta(index=0, id="toolu_1", name="add", arguments='{"a":1}')]
    assert stream(start, STOP).message.parts == (
        opaque(block=THOUGHT),
        CallPart(id="toolu_1", name="add", arguments={"a": 1}),
    )


def test_the_name_of_an_event_stands_in_for_its_type():
    frames = [BEGIN, begin(0, type="text", text="x"), end(0), ended("end_turn"), STOP]
    untyped: list[Event] = [
        (name, {key: value for key, value in data.items() if key != "type"})
        for name, data in frames
    ]
    assert stream(*untyped).message.text == "x"


def test_our_names_stand_in_the_pieces_too():
    decoder = CODEC.decoder(model="m", names={"add": "math.add"})
    got: list[ModelEvent] = []
    for name, data in [BEGIN, *call_events(0, "{}"), ended("tool_use"), STOP]:
        got += decoder.feed(Frame(name, orjson.dumps(data)))
    assert [event.name for event in got if isinstance(event, CallDelta)] == ["math.add", ""]
    assert decoder.close() == []


def test_an_input_nested_too_deep_is_an_error():
    start = b'{"type":"content_block_start","index":0,"content_block":%s}'
    block = b'{"type":"tool_use","id":"a","name":"add","input":{"a":' + b"[" * 600 + b"]" * 600
    decoder = CODEC.decoder()
    decoder.feed(Frame(BEGIN[0], orjson.dumps(BEGIN[1])))
    with pytest.raises(ModelStreamError, match="cannot be read"):
        decoder.feed(Frame("content_block_start", start % (block + b"}}")))


def half_a_search() -> list[Event]:
    return [begin(0, type="server_tool_use"), piece(0, "x", partial_json="{"), end(0)]


def test_a_server_tools_input_that_was_cut_by_the_limit_is_kept():
    response = stream(BEGIN, *half_a_search(), ended("max_tokens"), STOP)
    block = {"type": "server_tool_use", "input": {"INVALID_JSON": "{"}}
    assert (response.message.parts, response.stop) == ((opaque(block=block),), StopReason.LENGTH)


@pytest.mark.parametrize(
    "events",
    [
        [begin(0, type="text", text="x")],
        [ended("end_turn")],
        [BEGIN, begin(1, type="text", text="")],
        [BEGIN, begin(0, type="text", text=""), begin(0, type="text", text="")],
        [BEGIN, piece(0, "text_delta", text="x")],
        [BEGIN, begin(0, type="text", text=""), piece(-1, "text_delta", text="x")],
        [BEGIN, begin(0, type="text", text=""), end(0), piece(0, "text_delta", text="x")],
        [BEGIN, begin(0, type="text", text=""), end(0), end(0)],
        [BEGIN, begin(0, type="text", text="x"), BEGIN],
        [BEGIN, STOP],
        [STOP],
        [BEGIN, begin(0, type="text", text="x"), ended("end_turn"), STOP],
        [BEGIN, ended("tool_use"), STOP],
        [BEGIN, ("ping", [])],
        [BEGIN, *half_a_search(), ended("end_turn"), STOP],
    ],
)
def test_events_out_of_order_are_an_error(events: list[Event]):
    with pytest.raises(ModelStreamError) as caught:
        ANTHROPIC.told(*events)
    assert set(caught.value.details["received"]) == {"text", "calls"}


def test_a_stream_that_just_ends_is_an_error_that_holds_what_had_come():
    events = [BEGIN, begin(0, type="text", text="x"), end(0), *call_events(1, '{"a')]
    with pytest.raises(ModelStreamError, match="ended before") as caught:
        stream(*events)
    assert caught.value.details["received"] == {
        "text": "x",
        "calls": [{"type": "tool_use", "id": "toolu_1", "name": "add", "input": '{"a'}],
    }


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, ModelUnavailableError),
        ({"type": "rate_limit_error", "message": "slow"}, RateLimitedError),
        ({"type": "invalid_request_error", "message": "no"}, ModelRequestError),
        ({"type": "of_tomorrow", "message": "?"}, ModelUnavailableError),
        ("gone", ModelUnavailableError),
    ],
)
def test_an_error_inside_a_stream_is_of_its_kind(told: object, kind: type[ModelError]):
    with pytest.raises(kind) as caught:
        ANTHROPIC.told(BEGIN, ("error", {"type": "error", "error": told}))
    assert type(caught.value) is kind
    assert caught.value.details["received"] == {"text": "", "calls": []}


def test_a_name_of_a_megabyte_is_read_as_it_came():
    name = "x" * 1_000_000
    assert parts(CALL | {"name": name}) == (CallPart(id="toolu_1", name=name, arguments={"a": 1}),)

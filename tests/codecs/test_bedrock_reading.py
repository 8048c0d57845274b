from typing import Any

import orjson
import pytest

from callgate.codecs import Bedrock, Frame
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
from tests.codecs.block_wires import BEDROCK, Event, whole
from tests.codecs.recorded import response_of

CODEC = Bedrock()
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s1g"}}}
CALL = {"toolUseId": "tooluse_1", "name": "add", "input": {"a": 1}}
SERVER = CALL | {"type": "server_tool_use"}


def answer(*content: object, stop: object = "end_turn", **fields: object) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": stop,
        "usage": {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8},
        "metrics": {"latencyMs": 1},
        **fields,
    }


def opaque(**data: object) -> Opaque:
    return Opaque(wire="bedrock", model="", data=data)


def parts(*content: object, **fields: object) -> tuple[Part, ...]:
    return CODEC.decode_response(answer(*content) | fields).message.parts


# ------------------------------------------------------------------ whole responses


def test_blocks_keep_their_order_and_their_signatures():
    redacted = {"reasoningContent": {"redactedContent": "AAA="}}
    run = {"toolResult": {"toolUseId": "tooluse_1", "content": [{"json": {}}]}}
    assert parts(
        THOUGHT,
        redacted,
        {"text": "So", "type": "text"},
        {"toolUse": SERVER},
        run,
        {"toolUse": CALL},
    ) == (
        opaque(block=THOUGHT),
        opaque(block=redacted),
        Text(text="So"),
        opaque(block={"toolUse": SERVER}),
        opaque(block=run),
        CallPart(id="tooluse_1", name="add", arguments={"a": 1}),
    )


def test_fields_of_a_call_and_of_the_response_are_kept():
    call = CALL | {"type": "tool_use", "of_tomorrow": 1, "nothing": None}
    fields = {"additionalModelResponseFields": {"x": 1}, "trace": {}}
    assert parts({"text": ""}, {"toolUse": call}, ResponseMetadata={}, **fields) == (
        opaque(message=fields),
        opaque(call={"of_tomorrow": 1}),
        CallPart(id="tooluse_1", name="add", arguments={"a": 1}),
    )


def test_what_awss_own_client_made_bytes_of_is_written_as_it_came():
    redacted = {"reasoningContent": {"redactedContent": b"dot"}}
    assert parts(redacted) == (opaque(block={"reasoningContent": {"redactedContent": "ZG90"}}),)


def test_arguments_may_be_nested_deep():
    deep: Any = 1
    for _ in range(600):
        deep = [deep]
    (call,) = parts({"toolUse": CALL | {"input": {"a": deep}}})
    assert call == CallPart(id="tooluse_1", name="add", arguments={"a": deep})


@pytest.mark.parametrize(
    ("word", "stop", "truncated"),
    [
        ("tool_use", StopReason.CALLS, False),
        ("end_turn", StopReason.CALLS, False),
        (None, StopReason.CALLS, False),
        ("max_tokens", StopReason.LENGTH, True),
        ("model_context_window_exceeded", StopReason.LENGTH, True),
        ("guardrail_intervened", StopReason.REFUSAL, True),
        ("content_filtered", StopReason.REFUSAL, True),
        ("malformed_tool_use", StopReason.ERROR, True),
        ("malformed_model_output", StopReason.ERROR, True),
        ("pause_turn", StopReason.PAUSED, False),
    ],
)
def test_every_reason_to_stop_has_its_meaning(word: object, stop: StopReason, truncated: bool):
    response = CODEC.decode_response(answer({"toolUse": CALL}, stop=word))
    assert response.stop is stop
    assert [call.truncated for call in response.message.calls] == [truncated]


def test_an_answer_without_calls_ends():
    assert CODEC.decode_response(answer({"text": "x"}, stop="stop_sequence")).stop is StopReason.END


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage(requests=1)),
        (
            {
                "inputTokens": 1,
                "cacheWriteInputTokens": 10,
                "cacheReadInputTokens": 100,
                "outputTokens": 7,
            },
            Usage(input=111, output=7, cached=100, requests=1),
        ),
    ],
)
def test_cached_tokens_count_as_input(usage: object, expected: Usage):
    assert CODEC.decode_response(answer(usage=usage)).usage == expected


def test_names_and_the_model_that_was_asked_are_used():
    response = CODEC.decode_response(
        answer(THOUGHT, {"toolUse": CALL}), model="us.amazon.nova", names={"add": "math.add"}
    )
    assert response.model == "us.amazon.nova"
    assert response.message.parts == (
        Opaque(wire="bedrock", model="us.amazon.nova", data={"block": THOUGHT}),
        CallPart(id="tooluse_1", name="math.add", arguments={"a": 1}),
    )


@pytest.mark.parametrize(
    "response",
    [
        [],
        {},
        {"output": {"message": {}}},
        answer() | {"output": []},
        answer("text"),
        answer({"text": 1}),
        answer({"toolUse": [1]}),
        answer({"toolUse": CALL | {"input": [1]}}),
        answer({"toolUse": CALL | {"name": ""}}),
        answer({"toolUse": CALL | {"toolUseId": None}}),
        answer() | {"stopReason": 7},
    ],
)
def test_what_is_not_readable_is_an_error(response: object):
    with pytest.raises(ModelStreamError):
        CODEC.decode_response(response)


@pytest.mark.parametrize(
    ("response", "owned"),
    [
        (answer(), True),
        ({"output": {}}, False),
        ({"stopReason": "end_turn", "output": []}, False),
    ],
)
def test_a_response_of_converse_is_ours(response: dict[str, Any], owned: bool):
    assert CODEC.owns(response) is owned


# ------------------------------------------------------------------ streams

BEGIN: Event = ("messageStart", {"role": "assistant", "p": "abc"})
COUNTS: Event = (
    "metadata",
    {"usage": {"inputTokens": 3, "outputTokens": 9}, "metrics": {}, "p": "a"},
)
CALL_START = {"toolUse": {"toolUseId": "tooluse_1", "name": "add"}}


def begin(index: object, **start: object) -> Event:
    return ("contentBlockStart", {"contentBlockIndex": index, "start": start, "p": "abc"})


def piece(index: object, **delta: object) -> Event:
    return ("contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abc"})


def end(index: object) -> Event:
    return ("contentBlockStop", {"contentBlockIndex": index, "p": "abc"})


def ended(stop: str, **more: object) -> Event:
    return ("messageStop", {"stopReason": stop, "p": "abc", **more})


def call_events(index: int, *pieces: str) -> list[Event]:
    deltas = [piece(index, toolUse={"input": text}) for text in pieces]
    return [begin(index, **CALL_START), *deltas, end(index)]


def stream(*events: Event) -> ModelResponse:
    return BEDROCK.streamed(events)


def test_a_stream_is_read_piece_by_piece():
    events = [
        BEGIN,
        piece(0, reasoningContent={"text": "h"}),
        piece(0, reasoningContent={"text": "m"}),
        piece(0, reasoningContent={"signature": "s1g"}),
        end(0),
        piece(1, text="S"),
        piece(1, text=""),
        piece(1, text="o"),
        end(1),
        *call_events(2, "", '{"a"', ": 1}"),
        ended("tool_use"),
        COUNTS,
    ]
    got = BEDROCK.events([BEDROCK.encoded(events)])
    assert got[:-1] == [
        TextDelta(text="S"),
        TextDelta(text="o"),
        CallDelta(index=0, id="tooluse_1", name="add"),
        CallDelta(index=0, arguments='{"a"'),
        CallDelta(index=0, arguments=": 1}"),
    ]
    assert whole(response_of(got)) == (
        (
            opaque(block=THOUGHT),
            Text(text="So"),
            CallPart(id="tooluse_1", name="add", arguments='{"a": 1}'),
        ),
        StopReason.CALLS,
        Usage(input=3, output=9, requests=1),
        "",
    )


def test_the_counts_may_come_before_the_end_or_never():
    text = [BEGIN, piece(0, text="x"), end(0)]
    before = stream(*text, COUNTS, ended("end_turn"))
    never = stream(*text, ended("end_turn"))
    assert (before.message.text, before.usage.output) == ("x", 9)
    assert (never.message.text, never.usage.output) == ("x", 0)


def test_what_comes_after_the_end_is_not_read():
    events = [BEGIN, piece(0, text="x"), ended("end_turn"), COUNTS, piece(0, text="y")]
    assert stream(*events).message.text == "x"


def test_a_call_without_pieces_has_no_arguments():
    assert stream(BEGIN, *call_events(0, ""), ended("tool_use"), COUNTS).message.parts == (
        CallPart(id="tooluse_1", name="add", arguments={}),
    )


def test_pieces_of_every_kind_are_kept():
    result = {"toolUseId": "tooluse_1", "type": "nova_code_interpreter_result", "status": "success"}
    response = stream(
        BEGIN,
        begin(0, toolUse={key: SERVER[key] for key in ("toolUseId", "name", "type")}),
        piece(0, toolUse={"input": '{"a":'}),
        piece(0, toolUse={"input": " 1}"}),
        end(0),
        begin(1, toolResult=result),
        piece(1, toolResult=[{"json": {"stdOut": "1"}}]),
        end(1),
        piece(2, text="cited"),
        piece(2, citation={"title": "t"}),
        end(2),
        piece(3, reasoningContent={"redactedContent": "AAA="}),
        begin(4, image={"format": "png"}),
        piece(4, image={"source": {"bytes": "ZG90"}}),
        piece(5, ofTomorrow="a"),
        piece(5, ofTomorrow="b"),
        piece(6, reasoningContent={"text": "unsigned"}),
        end(7),
        begin(8, toolUse={key: SERVER[key] for key in ("toolUseId", "name", "type")}),
        end(8),
        begin(9, later={}),
        ("ofTomorrow", {"x": 1}),
        ended("end_turn", additionalModelResponseFields={"y": 2}),
        COUNTS,
    )
    assert response.message.parts == (
        opaque(
            message={
                "additionalModelResponseFields": {"y": 2},
                "events": [{"ofTomorrow": {"x": 1}}],
            }
        ),
        opaque(block={"toolUse": SERVER}),
        opaque(block={"toolResult": {**result, "content": [{"json": {"stdOut": "1"}}]}}),
        opaque(
            block={
                "citationsContent": {
                    "content": [{"text": "cited"}],
                    "citations": [{"title": "t"}],
                }
            }
        ),
        opaque(block={"reasoningContent": {"redactedContent": "AAA="}}),
        opaque(block={"image": {"format": "png", "source": {"bytes": "ZG90"}}}),
        opaque(block={"unknown": {"start": {}, "ofTomorrow": "ab"}}),
        opaque(block={"reasoningContent": {"reasoningText": {"text": "unsigned"}}}),
        opaque(block={"toolUse": SERVER | {"input": {}}}),
        opaque(block={"unknown": {"start": {"later": {}}}}),
    )


def test_our_names_stand_in_the_pieces_too():
    decoder = CODEC.decoder(model="m", names={"add": "math.add"})
    got: list[ModelEvent] = []
    for name, data in [BEGIN, *call_events(0, "{}"), ended("tool_use"), COUNTS]:
        got += decoder.feed(Frame(name, orjson.dumps(data)))
    assert [event.name for event in got if isinstance(event, CallDelta)] == ["math.add", ""]
    assert decoder.close() == []


def test_a_servers_input_that_was_cut_by_the_limit_is_kept():
    half = [begin(0, toolUse=SERVER), piece(0, toolUse={"input": "{"}), end(0)]
    response = stream(BEGIN, *half, ended("max_tokens"), COUNTS)
    block = {"toolUse": SERVER | {"input": {"INVALID_JSON": "{"}}}
    assert (response.message.parts, response.stop) == ((opaque(block=block),), StopReason.LENGTH)


@pytest.mark.parametrize(
    "events",
    [
        [BEGIN, begin(1)],
        [BEGIN, begin(None)],
        [BEGIN, begin(0), begin(0)],
        [BEGIN, ended("end_turn"), begin(0)],
        [BEGIN, ended("end_turn"), piece(0, text="x")],
        [BEGIN, piece(1, text="x")],
        [BEGIN, piece(None, text="x")],
        [BEGIN, piece(False, text="x")],
        [BEGIN, piece(-1, text="x")],
        [BEGIN, piece(0, text="x"), end(0), piece(0, text="x")],
        [BEGIN, piece(0, text="x"), end(0), end(0)],
        [BEGIN, piece(0, text="x"), BEGIN],
        [BEGIN, piece(0, toolUse={"input": "{}"})],
        [BEGIN, begin(0, **CALL_START), ended("tool_use"), COUNTS],
        [BEGIN, ended("tool_use"), COUNTS],
        [BEGIN, ("messageStop", [])],
        [
            BEGIN,
            begin(0, toolUse=SERVER),
            piece(0, toolUse={"input": "{"}),
            ended("end_turn"),
            COUNTS,
        ],
    ],
)
def test_events_out_of_order_are_an_error(events: list[Event]):
    with pytest.raises(ModelStreamError) as caught:
        BEDROCK.told(*events)
    assert set(caught.value.details["received"]) == {"text", "calls"}


def test_a_stream_that_just_ends_is_an_error_that_holds_what_had_come():
    events = [BEGIN, piece(0, text="x"), end(0), *call_events(1, '{"a')]
    with pytest.raises(ModelStreamError, match="ended before") as caught:
        stream(*events)
    assert caught.value.details["received"] == {
        "text": "x",
        "calls": [{"toolUseId": "tooluse_1", "name": "add", "input": '{"a'}],
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", RateLimitedError),
        ("modelStreamErrorException", ModelUnavailableError),
        ("internalServerException", ModelUnavailableError),
        ("serviceUnavailableException", ModelUnavailableError),
        ("validationException", ModelRequestError),
        ("ofTomorrowException", ModelUnavailableError),
        ("error", ModelUnavailableError),
    ],
)
def test_an_exception_inside_a_stream_is_of_its_kind(name: str, kind: type[ModelError]):
    with pytest.raises(kind, match="because") as caught:
        BEDROCK.told(BEGIN, piece(0, text="x"), (name, {"message": "because"}))
    assert type(caught.value) is kind
    assert caught.value.details["type"] == name
    assert caught.value.details["received"] == {"text": "x", "calls": []}

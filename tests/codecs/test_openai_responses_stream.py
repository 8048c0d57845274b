import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.codecs import Frame
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
    Part,
    ResponseDone,
    StopReason,
    TextDelta,
)
from callgate.types import Text
from tests.codecs.openai_responses_values import CODEC, Json, call, message, ours, text, whole

# ------------------------------------------------------------------ streams


def event(kind: str, **fields: Any) -> Frame:
    return Frame(kind, orjson.dumps({"type": kind, **fields}))


def added(index: int, item: Json, **more: Any) -> Frame:
    return event("response.output_item.added", output_index=index, item=item, **more)


def done(index: int, item: Json, **more: Any) -> Frame:
    return event("response.output_item.done", output_index=index, item=item, **more)


def piece(index: int, delta: str, **more: Any) -> Frame:
    kind = "response.function_call_arguments.delta"
    return event(kind, output_index=index, delta=delta, **more)


def words(index: int, delta: str) -> Frame:
    return event("response.output_text.delta", output_index=index, content_index=0, delta=delta)


def completed(*output: Json, **more: Any) -> Frame:
    return event("response.completed", response=whole(*output, **more))


def stream(*frames: Frame) -> list[ModelEvent]:
    decoder = CODEC.decoder(names={"add": "sum"})
    got = [one for frame in frames for one in decoder.feed(frame)]
    return [*got, *decoder.close()]


def parts(*frames: Frame) -> tuple[Part, ...]:
    last = stream(*frames)[-1]
    assert isinstance(last, ResponseDone)
    return last.response.message.parts


SUM = CallPart(id="c1", name="sum", arguments='{"a":1}')


def test_text_and_calls_are_given_out_as_they_come():
    said = message(text("hi"), id="msg_1")
    got = stream(
        event("response.created", response=whole(status="in_progress")),
        added(0, message(id="msg_1")),
        event("response.content_part.added", output_index=0, part=text("")),
        words(0, "h"),
        words(0, "i"),
        done(0, said),
        added(1, call("")),
        piece(1, '{"a"'),
        piece(1, ":1}"),
        event("response.function_call_arguments.done", output_index=1, arguments='{"a":1}'),
        done(1, call()),
        words(1, "late"),
        completed(said, call()),
        Frame("", b"[DONE]"),
        completed(),
    )
    assert got[:-1] == [
        TextDelta(text="h"),
        TextDelta(text="i"),
        CallDelta(index=0, id="c1", name="sum"),
        CallDelta(index=0, arguments='{"a"'),
        CallDelta(index=0, arguments=":1}"),
    ]
    end = got[-1]
    assert isinstance(end, ResponseDone)
    whole_response = CODEC.decode_response(whole(said, call()), names={"add": "sum"})
    assert end.response.message.parts == whole_response.message.parts


def test_freeform_input_is_given_out_as_it_comes():
    item = {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": ""}
    kind = "response.custom_tool_call_input"
    got = stream(
        added(0, item),
        event(f"{kind}.delta", output_index=0, delta="SELECT "),
        event(f"{kind}.delta", output_index=0, delta="1"),
        event(f"{kind}.done", output_index=0, input="SELECT 1"),
        done(0, item | {"input": "SELECT 1"}),
        completed(),
    )
    pieces = [one.arguments for one in got if isinstance(one, CallDelta)]
    assert pieces == ["", "SELECT ", "1"]
    assert isinstance(got[-1], ResponseDone)
    assert got[-1].response.message.calls[0].arguments == "SELECT 1"


def test_items_that_come_whole_are_given_out_whole():
    thought = {"type": "reasoning", "id": "rs_1"}
    said = message(text("hi"))
    got = stream(done(0, thought), done(1, said), done(2, call()), completed())
    assert got[:-1] == [
        TextDelta(text="hi"),
        CallDelta(index=0, id="c1", name="sum"),
        CallDelta(index=0, arguments='{"a":1}'),
    ]


def test_items_that_only_the_last_event_holds_are_given_out_too():
    got = stream(completed(message(text("hi")), call({"a": 1})))
    assert got[:-1] == [TextDelta(text="hi"), CallDelta(index=0, id="c1", name="sum")]
    assert isinstance(got[-1], ResponseDone)
    assert got[-1].response.message.calls == (CallPart(id="c1", name="sum", arguments={"a": 1}),)


def test_an_item_counts_as_it_was_finished_not_as_it_was_announced():
    announced = {"type": "reasoning", "id": "a", "encrypted_content": "partial"}
    finished = {"type": "reasoning", "id": "b", "encrypted_content": "whole"}
    last = {"type": "reasoning", "id": "c", "encrypted_content": "another"}
    assert parts(added(0, announced), done(0, finished), completed(last)) == (
        ours("item", finished),
    )


def test_an_item_that_nobody_finished_is_marked():
    got = parts(
        added(0, call("")),
        piece(0, '{"a":1}'),
        added(1, call("", "c2")),
        event("response.function_call_arguments.done", output_index=1, arguments='{"a":2}'),
        added(2, call('{"a":3}', "c3")),
        added(3, message(id="m1")),
        words(3, "hi"),
        added(4, message(id="m2")),
        words(5, "for nobody"),
        completed(),
    )
    assert [part for part in got if isinstance(part, CallPart | Text)] == [
        CallPart(id="c1", name="sum", arguments='{"a":1}', truncated=True),
        CallPart(id="c2", name="sum", arguments='{"a":2}', truncated=True),
        CallPart(id="c3", name="sum", arguments='{"a":3}', truncated=True),
        Text(text="hi"),
    ]


def test_pieces_that_come_before_their_call_are_given_out_with_it():
    got = stream(
        piece(0, '{"a"'), added(0, call("")), piece(0, ":1}"), done(0, call()), completed()
    )
    assert got[:-1] == [
        CallDelta(index=0, id="c1", name="sum", arguments='{"a"'),
        CallDelta(index=0, arguments=":1}"),
    ]


def test_an_event_that_comes_twice_counts_once():
    got = stream(
        added(0, call(""), sequence_number=1),
        added(0, call(""), sequence_number=1),
        piece(0, '{"a":1}', sequence_number=2),
        piece(0, '{"a":1}', sequence_number=2),
        done(0, call(), sequence_number=3),
        done(0, call(), sequence_number=4),
        completed(call()),
    )
    assert [one.arguments for one in got if isinstance(one, CallDelta)] == ["", '{"a":1}']
    assert isinstance(got[-1], ResponseDone)
    assert got[-1].response.message.calls == (SUM,)


def test_servers_that_number_no_event_lose_none():
    frames = [words(0, "a"), words(0, "a")]
    numbered = [event("response.output_text.delta", output_index=0, delta="a", sequence_number=0)]
    got = stream(added(0, message()), *frames, *numbered, *numbered, completed())
    assert [one.text for one in got if isinstance(one, TextDelta)] == ["a", "a", "a", "a"]


def test_items_that_all_have_one_place_are_told_apart():
    got = parts(
        added(0, call("", "c1")),
        done(0, call("{}", "c1")),
        added(0, call("", "c2")),
        done(0, call("{}", "c2")),
        completed(call("{}", "c1"), call("{}", "c2")),
    )
    assert [part.id for part in got if isinstance(part, CallPart)] == ["c1", "c2"]


def test_items_without_an_id_are_told_apart_by_what_they_hold():
    first, second = {"type": "mystery", "n": 1}, {"type": "mystery", "n": 2}
    got = parts(done(0, first), done(0, first), done(0, second), completed(first, second))
    assert got == (ours("item", first), ours("item", second))


def test_an_item_streamed_at_another_place_than_it_has_in_the_end_is_one():
    got = parts(done(3, call()), completed({"type": "reasoning", "id": "rs"}, call()))
    assert got == (ours("item", {"type": "reasoning", "id": "rs"}), SUM)


def test_an_unknown_event_is_kept_and_never_sent():
    strange = {"type": "response.new", "n": 1}
    got = stream(event("response.new", n=1), event("keepalive"), completed(message(text("hi"))))
    assert isinstance(got[-1], ResponseDone)
    kept = got[-1].response.message
    assert kept.parts[-1] == ours("event", strange)
    (sent,) = CODEC.encode_message(kept)
    assert sent["content"] == [text("hi", annotations=[])]


def test_a_stream_that_is_cut_keeps_what_has_come():
    decoder = CODEC.decoder()
    frames = (
        added(0, message()),
        words(0, "hi"),
        added(1, call("")),
        piece(1, '{"a"'),
        event("new"),
    )
    for frame in frames:
        decoder.feed(frame)
    with pytest.raises(ModelStreamError) as caught:
        decoder.close()
    assert caught.value.details["received"] == {
        "text": "hi",
        "calls": [call('{"a"', status="incomplete")],
        "events": [{"type": "new"}],
    }


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (event("error", code="server_error", message="x"), ModelUnavailableError),
        (event("error", error={"code": "rate_limit_exceeded"}), RateLimitedError),
        (
            event("response.failed", response={"error": {"code": "insufficient_quota"}}),
            ModelRequestError,
        ),
        (event("response.failed", response={}), ModelUnavailableError),
        (event("response.completed"), ModelStreamError),
        (event("response.completed", response={"output": 7}), ModelStreamError),
        (event("response.output_item.done", output_index="x", item={}), ModelStreamError),
        (event("response.output_item.done", output_index=-1, item={}), ModelStreamError),
        (event("response.output_text.delta", output_index=0, delta=7), ModelStreamError),
        (Frame("", b"{"), ModelStreamError),
        (Frame("", b'"x"'), ModelStreamError),
        (Frame("", b'{"type":"\xff"}'), ModelStreamError),
        (Frame("", b'{"type":7}'), ModelStreamError),
    ],
)
def test_an_error_inside_a_stream_keeps_what_has_come(frame: Frame, kind: type[ModelError]):
    decoder = CODEC.decoder()
    decoder.feed(added(0, message()))
    decoder.feed(words(0, "hi"))
    with pytest.raises(ModelError) as caught:
        decoder.feed(frame)
    assert type(caught.value) is kind
    assert caught.value.details["received"]["text"] == "hi"


def test_a_response_that_was_stopped_or_given_up_says_so():
    for kind, status, stop in (
        ("response.incomplete", "incomplete", StopReason.LENGTH),
        ("response.cancelled", "cancelled", StopReason.ERROR),
    ):
        last = stream(event(kind, response=whole(call(), status=status)))[-1]
        assert isinstance(last, ResponseDone)
        assert last.response.stop is stop
        assert last.response.message.calls[0].truncated


def test_long_arguments_cost_by_their_length():
    def seconds(count: int) -> float:
        decoder = CODEC.decoder()
        decoder.feed(added(0, call("")))
        frame, end = piece(0, "x" * 8), completed()
        start = time.process_time()
        for _ in range(count):
            decoder.feed(frame)
        decoder.feed(end)
        return time.process_time() - start

    small = min(seconds(1_000) for _ in range(3))
    assert min(seconds(10_000) for _ in range(3)) < 30 * small


# ------------------------------------------------------------------ properties

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "item", "output", "response", "content", "call_id", "name", "arguments"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
kinds = st.sampled_from(
    [
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_text.delta",
        "response.completed",
        "error",
        "new",
    ]
)


def outcome(frames: list[Frame]) -> ResponseDone | ModelError:
    try:
        last = stream(*frames)[-1]
    except ModelError as error:
        return error
    assert isinstance(last, ResponseDone)
    return last


@given(st.lists(st.tuples(kinds, st.integers(0, 2), json_values), max_size=6))
def test_nonsense_is_an_answer_or_a_model_error(sent: list[tuple[str, int, Any]]):
    got = outcome(
        [
            event(kind, output_index=index, item=value, delta=value, response=value)
            for kind, index, value in sent
        ]
    )
    assert isinstance(got, ResponseDone) or "received" in got.details


@given(json_values)
def test_a_strange_output_is_read_or_refused_clearly(value: Any):
    got = outcome([event("response.completed", response=whole() | {"output": value})])
    assert isinstance(got, ResponseDone | ModelStreamError)


def test_a_server_that_tells_only_ids_is_understood_as_well():
    """llama.cpp names no place, and a call by its `call_id`."""
    said = message(text("Hi"), id="m")
    used = {"type": "function_call", "call_id": "c", "name": "add", "arguments": '{"a":1}'}
    kind = "response.function_call_arguments.delta"
    got = stream(
        event("response.output_item.added", item=said | {"content": []}),
        event("response.content_part.added", item_id="m", part={}),
        event("response.output_text.delta", item_id="m", delta="Hi"),
        event("response.output_item.done", item=said),
        event("response.output_item.added", item=used | {"arguments": ""}),
        event(kind, item_id="c", delta='{"a":'),
        event(kind, item_id="c", delta="1}"),
        event("response.output_item.done", item=used),
        event("response.output_text.delta", item_id="unknown", delta="?"),
        completed(said, used),
    )
    assert got[:-1] == [
        TextDelta(text="Hi"),
        CallDelta(index=0, id="c", name="sum"),
        CallDelta(index=0, arguments='{"a":'),
        CallDelta(index=0, arguments="1}"),
    ]
    assert isinstance(got[-1], ResponseDone)
    (only,) = got[-1].response.message.calls
    assert (only.id, only.name, only.arguments) == ("c", "sum", '{"a":1}')

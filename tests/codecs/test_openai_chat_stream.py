import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.codecs import Frame
from callgate.errors import (
    ModelError,
    ModelStreamError,
    ModelUnavailableError,
    RateLimitedError,
)
from callgate.messages import (
    CallDelta,
    CallPart,
    Part,
    TextDelta,
)
from callgate.types import Text
from tests.codecs.openai_chat_values import (
    CODEC,
    DONE,
    HEAD,
    Json,
    call,
    chunk,
    last,
    opaque,
    read,
    stream,
    whole,
)

# ------------------------------------------------------------------ streams


def test_text_and_calls_are_given_out_as_they_come():
    assert stream(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Let "}),
        chunk({"content": "me"}),
        chunk({"tool_calls": [{"index": 0, **call("")}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 1, **call("{}", "c2", "mul")}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk({}, "tool_calls"),
        DONE,
        chunk({"content": "after the end"}),
    )[:-1] == [
        TextDelta(text="Let "),
        TextDelta(text="me"),
        CallDelta(index=0, id="c1", name="add"),
        CallDelta(index=0, arguments='{"a"'),
        CallDelta(index=1, id="c2", name="mul", arguments="{}"),
        CallDelta(index=0, arguments=":1}"),
    ]


def parts(*frames: Frame) -> tuple[Part, ...]:
    return last(*frames, DONE).message.parts


@pytest.mark.parametrize(
    "deltas",
    [
        # Whole calls without an index, together and apart.
        [[call("{}", "c1"), call("{}", "c2")]],
        [[call("{}", "c1")], [call("{}", "c2")]],
        # Every call has index 0.
        [[call("{}", "c1", index=0)], [call("{}", "c2", index=0)]],
        # The id and the name are repeated in every piece.
        [[call("{", "c1", index=0)], [call("}", "c1", index=0)], [call("{}", "c2", index=1)]],
        # Later pieces have an empty name, or no index.
        [
            [call("{", "c1", index=0)],
            [{"index": 0, "function": {"name": "", "arguments": "}"}}],
            [call("{", "c2")],
            [{"function": {"arguments": "}"}}],
        ],
        # The second index is not the next one.
        [[call("{}", "c1", index=0)], [call("{}", "c2", index=7)]],
        # The id comes before the name.
        [
            [{"index": 0, "id": "c1", "type": "function", "function": {}}],
            [{"index": 0, "function": {"name": "add", "arguments": "{}"}}],
            [call("{}", "c2", index=1)],
        ],
    ],
)
def test_calls_are_told_apart_in_the_ways_servers_number_them(deltas: list[list[Json]]):
    frames = [chunk({"tool_calls": delta}) for delta in deltas]
    assert parts(*frames) == (
        CallPart(id="c1", name="add", arguments="{}"),
        CallPart(id="c2", name="add", arguments="{}"),
    )


def test_calls_without_id_and_index_are_one_each():
    one = {"type": "function", "function": {"name": "add", "arguments": "{}"}}
    got = parts(chunk({"tool_calls": [one]}), chunk({"tool_calls": [one]}))
    first, second = (part for part in got if isinstance(part, CallPart))
    assert first.id != second.id


def test_reasoning_in_pieces_is_put_together():
    assert parts(
        chunk({"reasoning": "I "}),
        chunk({"reasoning": "see", "thought_signature": "s"}),
        chunk({"reasoning": None, "thought_signature": "s"}),
        chunk({"content": "hi"}),
    ) == (opaque("message", {"reasoning": "I see", "thought_signature": "s"}), Text(text="hi"))


def test_lists_in_pieces_are_put_together_by_index_and_type():
    def details(**item: Any) -> Frame:
        return chunk({"reasoning_details": [item]})

    assert parts(
        details(index=0, type="reasoning.text", text="a"),
        details(index=0, type="reasoning.text", text="b"),
        details(index=0, type="reasoning.text", signature="s", nested={"x": "1"}),
        details(index=1, type="reasoning.encrypted", data="d"),
        details(type="note", text="n"),
        chunk({"reasoning_details": ["bare"]}),
        details(index=0, type="reasoning.text", nested={"x": "2"}),
    ) == (
        opaque(
            "message",
            {
                "reasoning_details": [
                    {
                        "index": 0,
                        "type": "reasoning.text",
                        "text": "ab",
                        "signature": "s",
                        "nested": {"x": "12"},
                    },
                    {"index": 1, "type": "reasoning.encrypted", "data": "d"},
                    {"type": "note", "text": "n"},
                    "bare",
                ]
            },
        ),
    )


def test_a_field_that_changes_its_type_is_the_last_one():
    assert parts(chunk({"x": {"y": 1}}), chunk({"x": [1]}), chunk({"x": 2}), chunk({"z": "a"})) == (
        opaque("message", {"x": 2, "z": "a"}),
    )


def test_content_in_parts_is_put_together():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    assert parts(
        chunk({"content": [thinking]}),
        chunk({"content": "h"}),
        chunk({"content": [{"type": "text", "text": "i"}]}),
    ) == (opaque("content", thinking), Text(text="hi"))


def test_custom_calls_in_pieces_are_kept_whole():
    assert parts(
        chunk(
            {"tool_calls": [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "x"}}]}
        ),
        chunk({"tool_calls": [{"index": 0, "custom": {"input": "a"}}]}),
        chunk({"tool_calls": [{"index": 0, "custom": {"input": "b"}}]}),
    ) == (
        opaque("tool_call", {"id": "c1", "type": "custom", "custom": {"name": "x", "input": "ab"}}),
    )


def test_signatures_of_streamed_calls_are_kept():
    extra = {"google": {"thought_signature": "AA=="}}
    assert parts(chunk({"tool_calls": [call(index=0, extra_content=extra)]})) == (
        opaque("call", {"extra_content": extra}),
        CallPart(id="c1", name="add", arguments="{}"),
    )


def test_a_second_choice_does_not_mix_with_the_first():
    both = [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "yes"}}]
    frame = Frame("", orjson.dumps({**HEAD, "choices": both}))
    assert parts(frame) == (Text(text="yes"),)


def test_the_head_is_taken_from_the_first_chunk_that_names_a_model():
    # Azure begins with a chunk about its filters, without id and model.
    first = Frame("", b'{"id":"","model":"","choices":[],"prompt_filter_results":[]}')
    assert last(first, chunk({"content": "hi"}), DONE).model == "m-2026"


def test_a_stream_that_says_nothing_but_done_is_an_empty_answer():
    assert last(DONE).message.parts == ()


def test_a_stream_may_end_after_its_finish_reason_alone():
    assert last(chunk({"content": "hi"}, "stop")).message.text == "hi"


def test_a_stream_that_is_cut_keeps_what_has_come():
    decoder = CODEC.decoder()
    decoder.feed(chunk({"content": "Let me", "reasoning": "hm"}))
    decoder.feed(chunk({"tool_calls": [{"index": 0, **call('{"cents":500')}]}))
    with pytest.raises(ModelStreamError, match="before the model had finished") as error:
        decoder.close()
    assert error.value.details == {
        "received": {
            "reasoning": "hm",
            "text": "Let me",
            "calls": [call('{"cents":500')],
        }
    }


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"error":{"message":"overloaded","type":"server_error"}}', ModelUnavailableError),
        (b'{"error":{"message":"slow","code":429},"choices":[]}', RateLimitedError),
        (b'{"choices":', ModelStreamError),
        (b'"x"', ModelStreamError),
        (b'{"choices":[{"delta":{"content":"\xff"}}]}', ModelStreamError),
        (b'{"choices":[{"delta":{"content":NaN}}]}', ModelStreamError),
        (b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":5}]}}]}', ModelStreamError),
    ],
)
def test_an_error_inside_a_stream_keeps_what_has_come(data: bytes, kind: type[ModelError]):
    decoder = CODEC.decoder()
    decoder.feed(chunk({"content": "Let me"}))
    with pytest.raises(kind) as error:
        decoder.feed(Frame("error", data))
    assert error.value.details["received"]["text"] == "Let me"


def test_long_text_reasoning_and_arguments_cost_by_their_length():
    def seconds(pieces: int) -> float:
        decoder = CODEC.decoder()
        decoder.feed(chunk({"tool_calls": [{"index": 0, **call("")}]}))
        frame = chunk(
            {
                "content": "xxxx",
                "reasoning": "xxxx",
                "tool_calls": [{"index": 0, "function": {"arguments": "xxxx"}}],
            }
        )
        start = time.process_time()
        for _ in range(pieces):
            decoder.feed(frame)
        decoder.feed(DONE)
        return time.process_time() - start

    small = min(seconds(1_000) for _ in range(3))
    assert seconds(10_000) < 30 * small


# ------------------------------------------------------------------ properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


@st.composite
def messages(draw: st.DrawFn) -> Json:
    message: Json = {"role": "assistant", "content": draw(WORDS) or None}
    count = draw(st.integers(0, 3))
    arguments = draw(st.lists(WORDS.filter(bool), min_size=count, max_size=count))
    if arguments:
        message["tool_calls"] = [
            call(text, f"c{place}", draw(NAMES)) for place, text in enumerate(arguments)
        ]
    elif message["content"] is None:
        message["content"] = ""
    extra = draw(st.dictionaries(NAMES.map("x_".__add__), JSON.filter(lambda x: x is not None)))
    return message | extra


@given(messages())
def test_what_was_read_is_written_as_it_was(message: Json):
    assert CODEC.encode_message(read(message).message) == [message]


@given(messages(), st.data())
def test_a_stream_of_any_pieces_means_the_whole(message: Json, data: st.DataObject):
    def pieces(text: str) -> list[str]:
        at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
        return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]

    frames = [chunk({key: value for key, value in message.items() if key.startswith("x_")})]
    frames += [chunk({"content": text}) for text in pieces(message["content"] or "")]
    for place, one in enumerate(message.get("tool_calls", [])):
        first = one | {"index": place, "function": {"name": one["function"]["name"]}}
        frames.append(chunk({"tool_calls": [first]}))
        frames += [
            chunk({"tool_calls": [{"index": place, "function": {"arguments": text}}]})
            for text in pieces(one["function"]["arguments"])
        ]
    assert parts(*frames) == read(message).message.parts


@given(st.lists(JSON.map(orjson.dumps) | st.binary(max_size=20), max_size=5))
def test_nonsense_is_an_answer_or_a_model_error(payloads: list[bytes]):
    decoder = CODEC.decoder()
    known = ("received",)
    try:
        for payload in payloads:
            decoder.feed(Frame("", payload))
        decoder.close()
    except ModelError as error:
        known = tuple(error.details)
    assert "received" in known
    assert decoder.received()["calls"] == []


@given(JSON)
def test_a_strange_response_is_read_or_refused_clearly(value: Any):
    for response in (value, {"choices": value}, {"choices": [value]}, whole({"content": value})):
        try:
            got = CODEC.decode_response(response)
        except ModelError:
            continue
        assert got.message.calls == ()

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.codecs import Frame, by_name, detect, wire_name, wire_names
from callgate.errors import (
    ModelError,
    ModelStreamError,
    ModelUnavailableError,
    RateLimitedError,
    SettingsError,
)
from callgate.messages import (
    CallDelta,
    CallPart,
    ModelEvent,
    ModelResponse,
    Opaque,
    Part,
    ResponseDone,
    Role,
    StopReason,
    TextDelta,
    Usage,
)
from callgate.types import Text, Tool

CODEC = by_name("openai")
HEAD = {"id": "r1", "created": 7, "model": "m-2026"}
Json = dict[str, Any]


def call(arguments: Any = "{}", id: Any = "c1", name: str = "add", **more: Any) -> Json:
    function = {"name": name, "arguments": arguments}
    return {"id": id, "type": "function", "function": function, **more}


def whole(message: Json, finish: str | None = "stop", **more: Any) -> Json:
    return {**HEAD, "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


def read(message: Json, finish: str | None = "stop", **more: Any) -> ModelResponse:
    return CODEC.decode_response(whole(message, finish, **more))


def chunk(delta: Json, finish: str | None = None, **more: Any) -> Frame:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return Frame("", orjson.dumps({**HEAD, "choices": [choice], **more}))


DONE = Frame("", b"[DONE]")


def stream(*frames: Frame) -> list[ModelEvent]:
    decoder = CODEC.decoder()
    got = [event for frame in frames for event in decoder.feed(frame)]
    return [*got, *decoder.close()]


def last(*frames: Frame) -> ModelResponse:
    event = stream(*frames)[-1]
    assert isinstance(event, ResponseDone)
    return event.response


def opaque(kind: str, value: Any) -> Opaque:
    return Opaque(wire="openai", model="m-2026", data={kind: value})


# ------------------------------------------------------------------ finding the codec


@pytest.mark.parametrize("name", ["openai", "openai_chat"])
def test_a_codec_is_found_by_its_name(name: str):
    assert by_name(name).wire == "openai"
    assert by_name(name).path("m", stream=True) == "/chat/completions"


def test_an_unknown_wire_is_refused_with_those_there_are():
    with pytest.raises(SettingsError, match="no wire 'morse'; there are: openai"):
        by_name("morse")


class Sdk:
    """Looks like a response object of a provider's SDK."""

    def model_dump(self) -> Json:
        return whole({"role": "assistant", "content": "hi"})


def test_a_response_is_recognised_as_a_dict_or_an_object_of_the_sdk():
    for response in (Sdk(), Sdk().model_dump()):
        codec = detect(response)
        assert codec is not None
        assert codec.decode_response(response).message.text == "hi"


@pytest.mark.parametrize(
    "response",
    [None, "x", {}, {"choices": None}, {"choices": []}, {"choices": ["x"]}, {"choices": [{}]}],
)
def test_what_is_no_response_belongs_to_no_codec(response: Any):
    assert detect(response) is None


# ------------------------------------------------------------------ whole responses


def test_a_response_is_read_with_its_parts_in_order():
    message = {"role": "assistant", "content": "hi", "reasoning": "hm", "tool_calls": [call()]}
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    response = read(message, "tool_calls", usage=usage)
    assert response.message.role is Role.ASSISTANT
    assert response.message.parts == (
        opaque("message", {"reasoning": "hm"}),
        Text(text="hi"),
        CallPart(id="c1", name="add", arguments="{}"),
    )
    assert response.stop is StopReason.CALLS
    assert response.usage == Usage(input=10, output=4, cached=3, requests=1)
    assert response.model == "m-2026"


@pytest.mark.parametrize(
    ("finish", "calls", "stop"),
    [
        ("stop", 0, StopReason.END),
        ("stop", 1, StopReason.CALLS),
        ("tool_calls", 1, StopReason.CALLS),
        ("tool_calls", 0, StopReason.END),
        ("", 1, StopReason.CALLS),
        (None, 0, StopReason.END),
        ("length", 0, StopReason.LENGTH),
        ("LENGTH", 1, StopReason.LENGTH),
        ("max_tokens", 0, StopReason.LENGTH),
        ("content_filter", 0, StopReason.REFUSAL),
        ("error", 0, StopReason.ERROR),
        ("something new", 0, StopReason.END),
    ],
)
def test_the_stop_reason_is_told_by_what_is_there_more_than_by_its_word(
    finish: str | None, calls: int, stop: StopReason
):
    message = {"role": "assistant", "content": None, "tool_calls": [call()] * calls}
    assert read(message, finish).stop is stop


@pytest.mark.parametrize(
    ("finish", "truncated"),
    [("length", True), ("content_filter", True), ("error", True), ("stop", False), ("", False)],
)
def test_calls_of_a_response_that_was_stopped_are_marked(finish: str, *, truncated: bool):
    response = read({"tool_calls": [call('{"a": 5'), call("{}", "c2")]}, finish)
    assert [one.truncated for one in response.message.calls] == [truncated, truncated]
    streamed = last(chunk({"tool_calls": [{"index": 0, **call('{"a": 5')}]}, finish), DONE)
    assert [one.truncated for one in streamed.message.calls] == [truncated]


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_arguments_are_an_empty_object(nothing: str | None):
    assert read({"tool_calls": [call(nothing)]}).message.calls[0].arguments == "{}"
    assert last(chunk({"tool_calls": [{"index": 0, **call(nothing)}]}), DONE).message.calls == (
        CallPart(id="c1", name="add", arguments="{}"),
    )


def test_arguments_that_come_as_an_object_stay_one():
    expected = (CallPart(id="c1", name="add", arguments={"a": 1}),)
    assert read({"tool_calls": [call({"a": 1})]}).message.calls == expected
    assert last(chunk({"tool_calls": [{"index": 0, **call({"a": 1})}]}), DONE).message.calls == (
        expected
    )


@pytest.mark.parametrize("absent", [None, ""])
def test_an_absent_id_is_made_from_the_response_and_the_place(absent: str | None):
    twice = {"tool_calls": [call(id=absent), call(id=absent)]}
    first, second = (one.id for one in read(twice).message.calls)
    assert first.startswith("call_")
    assert len(first) == 29
    assert first != second
    assert [one.id for one in read(twice).message.calls] == [first, second]
    streamed = last(
        chunk({"tool_calls": [{"index": 0, **call(id=absent)}]}),
        chunk({"tool_calls": [{"index": 1, **call(id=absent)}]}, "tool_calls"),
        DONE,
    )
    assert [one.id for one in streamed.message.calls] == [first, second]
    other = CODEC.decode_response({**whole(twice), "id": "r2"})
    assert other.message.calls[0].id != first


def test_a_changed_name_comes_back_as_ours():
    tool = Tool(name="files.read", description="", parameters={})
    names = wire_names([tool])
    one = call(name=wire_name("files.read"))
    response = CODEC.decode_response(whole({"tool_calls": [one]}), names=names)
    assert response.message.calls[0].name == "files.read"
    decoder = CODEC.decoder(names=names)
    events = decoder.feed(chunk({"tool_calls": [{"index": 0, **one}]}))
    assert events == [CallDelta(index=0, id="c1", name="files.read", arguments="{}")]


def test_parts_that_go_back_carry_the_model_that_was_asked():
    response = CODEC.decode_response(whole({"reasoning": "hm"}), model="m")
    assert response.message.parts == (
        Opaque(wire="openai", model="m", data={"message": {"reasoning": "hm"}}),
    )


def test_a_refusal_is_shown_once_and_goes_back_as_one():
    response = read({"role": "assistant", "content": None, "refusal": "I will not."})
    assert response.stop is StopReason.REFUSAL
    assert response.message.text == "I will not."
    assert CODEC.encode_message(response.message) == [
        {"role": "assistant", "content": None, "refusal": "I will not."}
    ]
    streamed = last(chunk({"refusal": "I will"}), chunk({"refusal": " not."}, "stop"), DONE)
    assert (streamed.message.parts, streamed.stop) == (response.message.parts, response.stop)


@pytest.mark.parametrize(
    "message",
    [
        {"content": "hi", "reasoning_content": ""},
        {"content": "hi", "reasoning_details": [{"type": "reasoning.text", "text": "a"}]},
        {"content": "hi", "annotations": [{"type": "url_citation"}]},
        {"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "hi"}]},
        {
            "content": None,
            "tool_calls": [
                call(extra_content={"google": {"thought_signature": "AA=="}}),
                call(id="c2"),
            ],
        },
        {
            "content": None,
            "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "x", "input": "y"}}],
        },
    ],
)
def test_what_we_do_not_know_goes_back_unchanged(message: Json):
    sent = {"role": "assistant", **message}
    assert CODEC.encode_message(read(sent).message) == [sent]


def test_strange_fields_of_a_function_go_back_too():
    one = call()
    one["function"]["signature"] = "s"
    (sent,) = CODEC.encode_message(read({"tool_calls": [one]}).message)
    assert sent["tool_calls"] == [one]


def test_fields_with_nothing_in_them_are_left_out():
    message = {
        "content": "hi",
        "reasoning": None,
        "annotations": [],
        "audio": {"id": "", "data": "", "expires_at": 0},
        "function_call": {"name": "", "arguments": ""},
        "tool_calls": None,
    }
    assert read(message).message.parts == (Text(text="hi"),)


def test_text_in_a_list_may_be_bare():
    assert read({"content": ["a", {"type": "text", "text": "b"}]}).message.text == "ab"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, Usage(requests=1)),
        ({"usage": None}, Usage(requests=1)),
        (
            {"usage": {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109}},
            Usage(input=35, output=74, requests=1),
        ),
        (
            {"usage": {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8}},
            Usage(input=9, output=1, cached=8, requests=1),
        ),
        (
            {"x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 1}}},
            Usage(input=9, output=1, requests=1),
        ),
        ({"usage": {"prompt_tokens": "many", "completion_tokens": -1}}, Usage(requests=1)),
        ({"usage": [1]}, Usage(requests=1)),
    ],
)
def test_usage_is_read_in_every_known_form(usage: Json, expected: Usage):
    assert read({"content": "hi"}, **usage).usage == expected
    frames = chunk({"content": "hi"}, "stop"), Frame("", orjson.dumps({"choices": [], **usage}))
    assert last(*frames, DONE).usage == expected


@pytest.mark.parametrize(
    "response",
    [
        None,
        [],
        "hi",
        {},
        {"choices": []},
        {"choices": [None]},
        {"choices": "x"},
        {"choices": ["x"]},
        whole({"content": 5}),
        whole({"content": [5]}),
        whole({"tool_calls": "x"}),
        whole({"tool_calls": ["x"]}),
        whole({"tool_calls": [{"function": "x"}]}),
        whole({"tool_calls": [call(arguments=[1])]}),
        whole({"tool_calls": [call(id=5)]}),
        whole({"refusal": {}}),
        {**whole({}), "model": 5},
    ],
)
def test_what_cannot_be_read_is_an_error_not_an_empty_answer(response: Any):
    if response in (None, {"choices": [None]}):
        response = {"choices": None}
    with pytest.raises(ModelStreamError):
        CODEC.decode_response(response)


def test_an_error_in_place_of_choices_is_that_error():
    with pytest.raises(RateLimitedError, match="slow down"):
        CODEC.decode_response({"error": {"code": 429, "message": "slow down"}})


def test_a_response_nested_deeper_than_python_may_recurse_is_read_or_refused():
    deep = orjson.loads(b'{"a":' * 900 + b"1" + b"}" * 900)
    assert read({"content": "hi", "audio": deep}).message.text == "hi"
    assert last(chunk({"content": "hi"}), DONE).message.text == "hi"
    with pytest.raises(ModelStreamError):
        read({"content": deep["a"], "tool_calls": deep})
    nested: Any = []
    for _ in range(5_000):
        nested = [nested]
    with pytest.raises(ModelStreamError) as error:
        CODEC.decode_response({"choices": [], "strange": nested})
    assert error.value.details == {"data": "a deeply nested dict"}
    inner = orjson.loads(b'{"b":' * 200 + b"1" + b"}" * 200)
    streamed = last(chunk({"content": "hi", "strange": inner}), DONE)
    assert streamed.message.parts[0] == opaque("message", {"strange": inner})


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

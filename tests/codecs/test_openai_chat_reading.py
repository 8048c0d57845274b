from typing import Any

import orjson
import pytest

from callgate.codecs import Frame, by_name, detect, wire_name, wire_names
from callgate.errors import (
    ModelStreamError,
    RateLimitedError,
    SettingsError,
)
from callgate.messages import (
    CallDelta,
    CallPart,
    Opaque,
    Role,
    StopReason,
    Usage,
)
from callgate.types import Text, Tool
from tests.codecs.openai_chat_values import (
    CODEC,
    DONE,
    Json,
    call,
    chunk,
    last,
    opaque,
    read,
    whole,
)

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

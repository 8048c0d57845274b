"""What a response or a stream of Gemini's `generateContent` means."""

from typing import Any

import orjson
import pytest
from google.genai import types as sdk

from callgate.codecs import Frame, detect
from callgate.codecs.gemini_reading import is_own_id
from callgate.errors import (
    ModelRequestError,
    ModelStreamError,
    ModelUnavailableError,
    RateLimitedError,
)
from callgate.messages import (
    CallDelta,
    CallPart,
    Opaque,
    ResponseDone,
    StopReason,
    TextDelta,
    Usage,
)
from callgate.types import Text
from tests.codecs.gemini_wire import (
    CODEC,
    HEAD,
    MODEL,
    Json,
    call,
    candidate,
    chunk,
    last,
    opaque,
    read,
    stream,
)

# ------------------------------------------------------------------ whole responses


def test_the_parts_are_read_in_their_order_with_what_must_come_back():
    thought = {"text": "hm", "thought": True, "thoughtSignature": "s0"}
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}}
    response = read(
        thought,
        {"text": "Hello"},
        {"text": " there", "thoughtSignature": "s1"},
        code,
        {"functionCall": {"name": "add", "args": {"a": 1}, "new": 7}, "thoughtSignature": "s2"},
        call(id="own"),
        {"text": "", "thoughtSignature": "s3"},
        {},
        {"text": ""},
        groundingMetadata={"webSearchQueries": ["x"]},
        citationMetadata={},
    )
    first, second = response.message.calls
    assert is_own_id(first.id)
    assert response.message.parts == (
        opaque("part", thought),
        Text(text="Hello"),
        opaque("text", {"thoughtSignature": "s1"}),
        Text(text=" there"),
        opaque("part", code),
        opaque("call", {"thoughtSignature": "s2", "functionCall": {"new": 7}}),
        CallPart(id=first.id, name="add", arguments={"a": 1}),
        CallPart(id="own", name="add", arguments={"a": 1}),
        opaque("part", {"text": "", "thoughtSignature": "s3"}),
        opaque("candidate", {"groundingMetadata": {"webSearchQueries": ["x"]}}),
    )
    assert second.id == "own"
    assert response.stop is StopReason.CALLS
    assert response.model == MODEL


def test_what_was_read_is_written_as_it_came():
    parts = [
        {"text": "hm", "thought": True},
        {"text": "Hello", "thoughtSignature": "s1"},
        {"functionCall": {"name": "add", "args": {"a": 1}, "new": 7}, "thoughtSignature": "s2"},
        call("sub", id="own"),
        {"codeExecutionResult": {"outcome": "OK", "output": "2"}},
    ]
    response = read(*parts, groundingMetadata={"x": 1})
    assert CODEC.encode_message(response.message, model=MODEL) == [
        {"role": "model", "parts": parts}
    ]


def test_parts_bound_to_another_model_stay_behind():
    message = read(
        {"text": "Hi", "thoughtSignature": "s"}, call() | {"thoughtSignature": "t"}
    ).message
    plain = [{"text": "Hi"}, {"functionCall": {"name": "add", "args": {"a": 1}}}]
    assert CODEC.encode_message(message, model="gemini-4") == [{"role": "model", "parts": plain}]


def test_an_id_made_here_is_the_same_at_every_reading_and_differs_by_place():
    ids = [one.id for one in read(call(), call()).message.calls]
    assert ids == [one.id for one in read(call(), call()).message.calls]
    assert len(set(ids)) == 2


def test_parts_are_bound_to_the_model_that_was_asked():
    data = {**HEAD, "candidates": [candidate({"text": "", "thoughtSignature": "s"})]}
    (part,) = CODEC.decode_response(data, model="gemini-pro-latest").message.parts
    assert isinstance(part, Opaque)
    assert part.model == "gemini-pro-latest"


def test_our_names_come_back_for_the_names_of_the_wire():
    data = {**HEAD, "candidates": [candidate(call("a_b__x0123456789ab"))]}
    response = CODEC.decode_response(data, names={"a_b__x0123456789ab": "a/b"})
    assert [one.name for one in response.message.calls] == ["a/b"]


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("STOP", StopReason.END),
        (None, StopReason.END),
        ("MAX_TOKENS", StopReason.LENGTH),
        ("SAFETY", StopReason.REFUSAL),
        ("PROHIBITED_CONTENT", StopReason.REFUSAL),
    ],
)
def test_the_finish_reason_says_why_it_stopped(finish: str | None, stop: StopReason):
    assert read({"text": "x"}, finish=finish).stop is stop


def test_calls_of_an_answer_that_was_cut_are_marked():
    (cut,) = read(call(), finish="MAX_TOKENS").message.calls
    assert cut.truncated


@pytest.mark.parametrize(
    "finish",
    [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
        "OTHER",
        "SOMETHING_NEW",
    ],
)
def test_a_failure_is_an_error_and_never_an_empty_success(finish: str):
    with pytest.raises(ModelStreamError, match=f"stopped with {finish}: bad call") as caught:
        read({"text": "I will"}, finish=finish, finishMessage="bad call")
    assert caught.value.details == {
        "finish": finish,
        "received": {"text": "I will", "calls": []},
    }


def test_a_missing_signature_is_a_fault_of_the_request_and_not_tried_again():
    with pytest.raises(ModelRequestError, match="MISSING_THOUGHT_SIGNATURE: no reason") as caught:
        read(finish="MISSING_THOUGHT_SIGNATURE")
    assert not caught.value.retryable


def test_a_failure_with_calls_keeps_the_calls_and_says_so():
    response = read(call(), finish="UNEXPECTED_TOOL_CALL")
    assert (response.stop, len(response.message.calls)) == (StopReason.ERROR, 1)


def test_a_request_that_is_blocked_is_an_error():
    with pytest.raises(ModelRequestError, match="refuses the request: SAFETY"):
        CODEC.decode_response({**HEAD, "promptFeedback": {"blockReason": "SAFETY"}})


def test_only_the_first_answer_counts():
    response = CODEC.decode_response(
        {**HEAD, "candidates": [candidate({"text": "a"}), candidate({"text": "b"}, index=1)]}
    )
    assert response.message.text == "a"


def test_usage_counts_thoughts_as_output_and_tools_as_input():
    counts = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 4,
    }
    data = {**HEAD, "candidates": [candidate({"text": "x"})], "usageMetadata": counts}
    usage = CODEC.decode_response(data).usage
    assert usage == Usage(input=15, output=5, cached=4, requests=1)


def test_a_response_without_usage_counts_as_one_request():
    assert read({"text": "x"}).usage == Usage(requests=1)


@pytest.mark.parametrize(
    "data",
    [
        [],
        "x",
        {},
        {"candidates": []},
        {"candidates": ["x"]},
        {"candidates": [{"content": {"parts": ["x"]}}]},
        {"candidates": [{"content": {"parts": [{"functionCall": "x"}]}}]},
        {"candidates": [{"content": {"parts": [{"functionCall": {"name": 7}}]}}]},
        {"candidates": [{"content": {"parts": [{"functionCall": {"name": "x", "args": []}}]}}]},
        {"candidates": [{"finishReason": 7}]},
        {"candidates": [], "usageMetadata": "x"},
    ],
)
def test_what_is_no_response_is_an_error(data: Any):
    with pytest.raises(ModelStreamError):
        CODEC.decode_response(data)


def test_an_error_in_place_of_a_response_is_raised():
    with pytest.raises(ModelUnavailableError, match="503: busy"):
        CODEC.decode_response({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}})


def test_arguments_too_deep_to_be_written_are_an_error():
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(ModelStreamError, match="no JSON object"):
        read({"functionCall": {"name": "add", "args": {"a": deep}}})


# ------------------------------------------------------------------ the official client's objects


@pytest.mark.parametrize("as_dict", [False, True])
def test_the_official_clients_object_is_read_like_the_wire(as_dict: bool):
    part = call(id="c1") | {"thoughtSignature": "c2ln"}
    data = {**HEAD, "candidates": [candidate({"text": "hi"}, part)]}
    whole = sdk.GenerateContentResponse.model_validate(data)
    response: Any = whole.model_dump() if as_dict else whole
    assert detect(response) is CODEC
    message = CODEC.decode_response(response).message
    assert message.parts == (
        Text(text="hi"),
        opaque("call", {"thoughtSignature": "c2ln"}),
        CallPart(id="c1", name="add", arguments={"a": 1}),
    )
    assert CODEC.encode_message(message)[0]["parts"][1]["thoughtSignature"] == "c2ln"


def test_a_failure_in_the_official_clients_object_is_a_failure():
    data = {**HEAD, "candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}
    with pytest.raises(ModelStreamError, match="MALFORMED_FUNCTION_CALL"):
        CODEC.decode_response(sdk.GenerateContentResponse.model_validate(data))


@pytest.mark.parametrize(
    "response", [None, "x", {}, {"candidates": None}, {"promptFeedback": None}]
)
def test_what_is_no_response_belongs_to_no_codec(response: Any):
    assert detect(response) is None


# ------------------------------------------------------------------ streams


def test_a_stream_is_told_piece_by_piece():
    got = stream(
        chunk({"text": "think", "thought": True}),
        chunk({"text": "ing", "thought": True}),
        chunk({"text": "He"}),
        chunk({"text": "y"}),
        chunk(call(id="c1")),
        chunk({"text": ""}, finish="STOP", usageMetadata={"promptTokenCount": 3}),
    )
    assert got[:-1] == [
        TextDelta(text="He"),
        TextDelta(text="y"),
        CallDelta(index=0, id="c1", name="add", arguments='{"a":1}'),
    ]
    done = got[-1]
    assert isinstance(done, ResponseDone)
    assert done.response.message.parts == (
        opaque("part", {"text": "thinking", "thought": True}),
        Text(text="Hey"),
        CallPart(id="c1", name="add", arguments={"a": 1}),
    )
    assert done.response.usage == Usage(input=3, requests=1)


def test_a_signed_piece_of_text_is_joined_to_no_other():
    response = last(
        chunk({"text": "a"}),
        chunk({"text": "b", "thoughtSignature": "s"}),
        chunk({"text": "c"}, finish="STOP"),
    )
    assert response.message.parts == (
        Text(text="a"),
        opaque("text", {"thoughtSignature": "s"}),
        Text(text="b"),
        Text(text="c"),
    )


def piece(*values: Any, more: bool = True, **fields: Any) -> Json:
    function: Json = {**fields}
    if values:
        function["partialArgs"] = list(values)
    return {"functionCall": function | ({"willContinue": True} if more else {})}


def value(path: str, **told: Any) -> Json:
    return {"jsonPath": path, **told}


def test_a_call_in_values_is_one_call():
    got = stream(
        chunk(piece(name="add") | {"thoughtSignature": "s"}),
        chunk(piece(value("$.t", stringValue="Bo", willContinue=True))),
        chunk(piece(value("$.t", stringValue="ston"), value("$.l[0].n", numberValue=1.5))),
        chunk(piece(value("$.l[1].b", boolValue=True), value("$['a.b']", nullValue="NULL_VALUE"))),
        chunk(piece(value('$["it\\"s"]', willContinue=True), value("$.u", stringValue=""))),
        chunk(piece(value('$["it\\"s"]'))),
        chunk(piece(more=False)),
        chunk(piece(more=False)),
        chunk(finish="STOP"),
    )
    done = got[-1]
    assert isinstance(done, ResponseDone)
    arguments = {
        "t": "Boston",
        "l": [{"n": 1.5}, {"b": True}],
        "a.b": None,
        'it"s': "",
        "u": "",
    }
    (whole,) = done.response.message.calls
    assert (whole.arguments, whole.truncated) == (arguments, False)
    assert done.response.message.parts[0] == opaque("call", {"thoughtSignature": "s"})
    assert got[:-1] == [
        CallDelta(index=0, id=whole.id, name="add"),
        CallDelta(index=0, arguments=orjson.dumps(arguments).decode()),
    ]


def test_a_call_whose_values_are_whole_may_lack_its_end():
    response = last(
        chunk(piece(name="add")), chunk(piece(value("$.a", numberValue=1)), finish="STOP")
    )
    assert [one.arguments for one in response.message.calls] == [{"a": 1}]


def test_a_call_that_was_cut_ends_where_it_is():
    (cut,) = last(
        chunk(piece(name="add")),
        chunk(piece(value("$.t", stringValue="Bo", willContinue=True)), finish="MAX_TOKENS"),
    ).message.calls
    assert (cut.arguments, cut.truncated) == ({"t": "Bo"}, True)


@pytest.mark.parametrize("finish", ["STOP", "UNEXPECTED_TOOL_CALL"])
def test_an_end_within_a_string_is_an_error(finish: str):
    with pytest.raises(ModelStreamError, match="within the arguments"):
        stream(
            chunk(piece(name="add")),
            chunk(piece(value("$.t", stringValue="Bo", willContinue=True)), finish=finish),
        )


@pytest.mark.parametrize(
    "values",
    [
        [value("$.a", numberValue=1), value("$.a", numberValue=2)],
        [value("$.a", numberValue=1), value("$.a.b", numberValue=2)],
        [value("$.a", numberValue=1), value("$['a']", numberValue=2)],
        [value("$.a[1]", numberValue=1)],
        [value("$.a[0]", numberValue=1), value("$.a.b", numberValue=1)],
        [value("$.a.b", numberValue=1), value("$.a[0]", numberValue=1)],
        [value("$.s", stringValue="x", willContinue=True), value("$.s[0]", numberValue=1)],
        [value("$", numberValue=1)],
        [value("$[0]", numberValue=1)],
        [value("a", numberValue=1)],
        [value("$.a[", numberValue=1)],
        [value("$" + ".a" * 65, numberValue=1)],
        [value("$.a")],
        [value("$.a", numberValue=1, willContinue=True)],
        [value("$.a", numberValue=1, stringValue="x")],
        [value("$.a", stringValue="x", willContinue=True), value("$.a", stringValue=7)],
        ["x"],
        [{"jsonPath": 7}],
    ],
)
def test_values_that_contradict_each_other_are_an_error(values: list[Any]):
    with pytest.raises(ModelStreamError):
        stream(chunk(piece(*values, name="add")))


def test_a_value_that_came_whole_may_be_deep():
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    frame = chunk({"functionCall": {"name": "add", "args": {"deep": deep}}}, finish="STOP")
    assert last(frame).message.calls[0].arguments == {"deep": deep}


def test_a_call_within_another_is_an_error_that_tells_what_had_come():
    with pytest.raises(ModelStreamError, match="within another one") as caught:
        stream(chunk({"text": "Hi"}), chunk(piece(name="add")), chunk(call("sub")))
    assert caught.value.details["received"]["text"] == "Hi"
    assert [one["name"] for one in caught.value.details["received"]["calls"]] == ["add"]


def test_a_piece_of_a_call_that_never_began_is_an_error():
    with pytest.raises(ModelStreamError, match="before its beginning"):
        stream(chunk(piece(value("$.a", numberValue=1))))


def test_the_same_chunk_with_a_call_twice_is_an_error():
    counted = chunk(call(), usageMetadata={"totalTokenCount": 9})
    with pytest.raises(ModelStreamError, match="same call twice"):
        stream(counted, counted)
    assert len(last(chunk(call()), chunk(call()), chunk(finish="STOP")).message.calls) == 2


def test_an_error_inside_a_stream_is_raised_with_what_had_come():
    broken = Frame("", orjson.dumps({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}))
    with pytest.raises(RateLimitedError, match="without a word") as caught:
        stream(chunk({"text": "Hi"}), broken)
    assert caught.value.details["received"] == {"text": "Hi", "calls": []}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"\xff"'])
def test_a_chunk_that_is_not_readable_is_an_error(data: bytes):
    with pytest.raises(ModelStreamError) as caught:
        stream(Frame("", data))
    assert caught.value.details["received"] == {"text": "", "calls": []}


def test_a_stream_without_an_end_is_an_error():
    with pytest.raises(ModelStreamError, match="before the model had finished"):
        stream(chunk({"text": "Hi"}))
    with pytest.raises(ModelStreamError, match="before the model had finished"):
        stream()


def test_a_stream_is_closed_once():
    decoder = CODEC.decoder()
    decoder.feed(chunk({"text": "Hi"}, finish="STOP"))
    assert len(decoder.close()) == 1
    assert decoder.close() == []
    assert decoder.received() == {"text": "Hi", "calls": []}

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.codecs import Frame, Noting, by_name, detect
from callgate.codecs.json_lines import JsonLines
from callgate.errors import ModelError, ModelRequestError, ModelStreamError, ModelUnavailableError
from callgate.messages import (
    CallDelta,
    CallPart,
    Message,
    ModelRequest,
    Opaque,
    Part,
    ResponseDone,
    ResultPart,
    Role,
    StopReason,
    TextDelta,
    Usage,
)
from callgate.types import FilePart, ImagePart, Text, Tool

CODEC = by_name("ollama")
ADD = Tool(name="add", description="Adds.", parameters={"type": "object"})
PAY = Tool(name="pay", description="Pays.", parameters={"type": "object"})
Json = dict[str, Any]


def call(**arguments: Any) -> Json:
    return {"function": {"name": "add", "arguments": arguments}}


def answer(message: Json, *, done: bool = True, **more: Any) -> Json:
    ended = {"done_reason": "stop", "prompt_eval_count": 9, "eval_count": 4} if done else {}
    head = {"model": "m", "created_at": "2026-11-22T10:00:00.000000001Z", "done": done}
    return head | {"message": {"role": "assistant", "content": ""} | message} | ended | more


def write(role: Role, *parts: Part, model: str = "m") -> list[Json]:
    return CODEC.encode_message(Message(role=role, parts=parts), model=model)


# ------------------------------------------------------------------ whole responses


def test_a_response_is_read_with_arguments_as_an_object_and_ids_of_ours():
    raw = answer({"thinking": "hm", "content": "hi", "tool_calls": [call(a=1), call(a=2)]})
    response = CODEC.decode_response(raw, names={"add": "sum"})
    first, second = response.message.calls
    assert response.message.parts == (
        Opaque(wire="ollama", model="m", data={"message": {"thinking": "hm"}}),
        Text(text="hi"),
        CallPart(id=first.id, name="sum", arguments={"a": 1}),
        CallPart(id=second.id, name="sum", arguments={"a": 2}),
    )
    assert first.id != second.id
    assert CODEC.decode_response(raw).message.calls[0].id == first.id
    later = raw | {"created_at": "2026-11-22T10:00:00.000000002Z"}
    assert CODEC.decode_response(later).message.calls[0].id != first.id
    assert response.stop is StopReason.CALLS
    assert response.usage == Usage(input=9, output=4, requests=1)
    assert response.model == "m"


def test_an_id_that_the_server_gives_is_kept():
    raw = answer({"tool_calls": [call() | {"id": "call_7"}]})
    assert CODEC.decode_response(raw).message.calls[0].id == "call_7"


@pytest.mark.parametrize(
    ("reason", "stop"), [("stop", "end"), (None, "end"), ("length", "length"), ("load", "end")]
)
def test_the_reason_is_told(reason: str | None, stop: str):
    assert CODEC.decode_response(answer({}, done_reason=reason)).stop == StopReason(stop)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ({}, ModelStreamError),
        ({"message": 7, "done": True}, ModelStreamError),
        ({"error": "it broke"}, ModelUnavailableError),
    ],
)
def test_what_is_no_answer_is_an_error(response: Any, kind: type[ModelError]):
    with pytest.raises(ModelError) as caught:
        CODEC.decode_response(response)
    assert type(caught.value) is kind


def test_a_refused_request_is_read():
    error = CODEC.decode_error(404, {}, b'{"error":"model \'x\' not found"}')
    assert type(error) is ModelRequestError
    assert error.message == "The provider answered 404: model 'x' not found"


def test_a_response_is_recognised_by_its_message_and_whether_it_is_done():
    found = detect(answer({}))
    assert found is not None
    assert found.wire == "ollama"


# ------------------------------------------------------------------ streams


def line(message: Json, *, done: bool = False, **more: Any) -> bytes:
    return orjson.dumps(answer(message, done=done, **more)) + b"\n"


def stream(data: bytes, size: int = 1_000_000) -> list[Any]:
    framer, decoder = CODEC.framer(), CODEC.decoder()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    got = [one for chunk in chunks for f in framer.feed(chunk) for one in decoder.feed(f)]
    return [*got, *decoder.close()]


SPOKEN = b"".join(
    [
        line({"thinking": "h"}),
        line({"thinking": "m"}),
        line({"content": "hé"}),
        line({"content": "llo"}),
        line({"tool_calls": [call(a=1)]}),
        line({"tool_calls": [call(a=2), call(a=3)]}),
        line({}, done=True),
    ]
)


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_a_stream_means_its_whole_response_however_it_is_cut(size: int):
    *pieces, end = stream(SPOKEN, size)
    assert isinstance(end, ResponseDone)
    whole = CODEC.decode_response(
        answer(
            {
                "thinking": "hm",
                "content": "héllo",
                "tool_calls": [call(a=1), call(a=2), call(a=3)],
            }
        )
    )
    assert end.response.message.parts == whole.message.parts
    assert (end.response.stop, end.response.usage) == (whole.stop, whole.usage)
    ids = [one.id for one in whole.message.calls]
    assert pieces == [
        TextDelta(text="hé"),
        TextDelta(text="llo"),
        *(CallDelta(index=place, id=own, name="add") for place, own in enumerate(ids)),
    ]


def test_a_stream_that_is_cut_or_fails_keeps_what_has_come():
    with pytest.raises(ModelStreamError) as cut:
        stream(SPOKEN[: SPOKEN.rindex(b'{"model')])
    with pytest.raises(ModelUnavailableError) as failed:
        stream(line({"content": "hi"}) + b'{"error":"it broke"}\n')
    assert cut.value.details["received"]["text"] == "héllo"
    assert failed.value.details["received"]["text"] == "hi"


def test_lines_may_be_empty_and_end_in_any_way():
    assert JsonLines().feed(b"\n\r\n{}\r\n[]\n1") == [Frame("", b"{}"), Frame("", b"[]")]


def test_a_line_that_is_too_long_is_refused():
    with pytest.raises(ModelStreamError) as caught:
        JsonLines(limit=4).feed(b"12345")
    assert caught.value.details == {"limit": 4}


@given(st.binary(max_size=60))
def test_nonsense_is_refused_clearly(data: bytes):
    with pytest.raises(ModelStreamError):
        stream(data + b"\n")


# ------------------------------------------------------------------ requests


def test_history_is_written_in_the_form_of_this_wire():
    message = CODEC.decode_response(
        answer({"thinking": "hm", "content": "hi", "tool_calls": [call(a=1)]})
    ).message
    own = {"id": message.calls[0].id, "type": "function"} | call(a=1)
    said = {"role": "assistant", "content": "hi", "tool_calls": [own]}
    assert CODEC.encode_message(message, model="m") == [said | {"thinking": "hm"}]
    assert CODEC.encode_message(message, model="other") == [said]


@pytest.mark.parametrize(
    ("given", "written"),
    [('{"a":1}', {"a": 1}), ("", {}), ('{"a":', {"INVALID_JSON": '{"a":'})],
)
def test_arguments_of_other_wires_become_objects(given: str, written: Json):
    (message,) = write(Role.ASSISTANT, CallPart(id="c", name="add", arguments=given))
    assert message["tool_calls"][0]["function"]["arguments"] == written


def test_results_say_their_tool_and_images_follow():
    image = ImagePart(media_type="image/png", data=b"i")
    assert write(
        Role.TOOL,
        ResultPart(call_id="c", name="add", text="5", content=(image,)),
        ResultPart(call_id="d", name="pay", text="ok"),
    ) == [
        {"role": "tool", "tool_call_id": "c", "content": "5", "tool_name": "add"},
        {"role": "tool", "tool_call_id": "d", "content": "ok", "tool_name": "pay"},
        {"role": "user", "content": "Content of the result of c:", "images": ["aQ=="]},
    ]


def test_people_show_images_by_value():
    image = ImagePart(media_type="image/png", data=b"i")
    parts = (Text(text="a"), image, Text(text="b"))
    assert write(Role.USER, *parts) == [{"role": "user", "content": "ab", "images": ["aQ=="]}]
    assert write(Role.USER, Text(text="a"), Text(text="b")) == [{"role": "user", "content": "ab"}]
    assert write(Role.SYSTEM) == [{"role": "system", "content": ""}]


@pytest.mark.parametrize(
    "part",
    [
        ImagePart(media_type="image/png", url="https://x.test/i.png"),
        FilePart(media_type="application/pdf", data=b"f"),
        Opaque(wire="ollama", model="m", data={"content": {"type": "new"}}),
    ],
)
def test_what_has_no_place_is_refused(part: Part):
    with pytest.raises(ModelRequestError):
        write(Role.USER, part)


@pytest.mark.parametrize(
    ("wish", "offered", "notes"),
    [
        ({}, ["add", "pay"], 0),
        ({"choice": "none"}, [], 0),
        ({"choice": "required"}, ["add", "pay"], 1),
        ({"choice": "pay", "parallel": False}, ["pay"], 2),
    ],
)
def test_a_choice_is_made_by_what_is_offered_and_the_rest_is_said(
    wish: Json, offered: list[str], notes: int
):
    request = ModelRequest(messages=(), tools=(ADD, PAY), **wish)
    body = CODEC.encode_request(request, model="m")
    assert json.loads(CODEC.encoder("m").encode(request, stream=False)) == body
    assert [tool["function"]["name"] for tool in body.get("tools", ())] == offered
    assert isinstance(CODEC, Noting)
    assert len(CODEC.notes(request, model="m")) == notes


def test_wishes_are_options():
    request = ModelRequest(messages=(), max_tokens=9, temperature=0.5, seed=7)
    assert CODEC.encode_request(request, model="m", stream=True) == {
        "model": "m",
        "messages": [],
        "stream": True,
        "options": {"num_predict": 9, "temperature": 0.5, "seed": 7},
    }
    assert CODEC.path("m", stream=True) == "/api/chat"
    assert CODEC.encode_tools([ADD])[0]["function"]["name"] == "add"

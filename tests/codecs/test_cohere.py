import itertools
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.codecs import Frame, Noting, by_name
from callgate.errors import ModelError, ModelRequestError, ModelStreamError, ModelUnavailableError
from callgate.messages import (
    CallDelta,
    CallPart,
    Message,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    Opaque,
    ResponseDone,
    ResultPart,
    Role,
    StopReason,
    TextDelta,
    Usage,
)
from callgate.types import FilePart, ImagePart, Text, Tool

CODEC = by_name("cohere")
ADD = Tool(name="add", description="Adds.", parameters={"type": "object"})
PAY = Tool(name="pay", description="Pays.", parameters={"type": "object"})
USAGE = {
    "billed_units": {"input_tokens": 1, "output_tokens": 1},
    "tokens": {"input_tokens": 10, "output_tokens": 4},
    "cached_tokens": 3,
}
Json = dict[str, Any]


def call(arguments: str = '{"a":1}', id: str = "add_x1", name: str = "add") -> Json:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def whole(message: Json, finish: str = "COMPLETE") -> Json:
    return {
        "id": "r",
        "message": {"role": "assistant"} | message,
        "finish_reason": finish,
        "usage": USAGE,
    }


def read(message: Json, finish: str = "COMPLETE") -> ModelResponse:
    return CODEC.decode_response(whole(message, finish), model="m")


def ours(kind: str, value: Any) -> Opaque:
    return Opaque(wire="cohere", model="m", data={kind: value})


def test_the_plan_and_the_calls_are_read_and_written_back():
    message = {"role": "assistant", "tool_plan": "I will add.", "tool_calls": [call()]}
    response = read(message, "TOOL_CALL")
    assert response.message.parts == (
        ours("message", {"tool_plan": "I will add."}),
        CallPart(id="add_x1", name="add", arguments='{"a":1}'),
    )
    assert response.stop is StopReason.CALLS
    assert response.usage == Usage(input=10, output=4, cached=3, requests=1)
    assert CODEC.encode_message(response.message, model="m") == [message | {"content": None}]


def test_content_and_citations_are_read_and_written_back():
    thought = {"type": "thinking", "thinking": "hm"}
    citations = [{"start": 0, "end": 1, "text": "4"}]
    content = [thought, {"type": "text", "text": "4"}]
    response = read({"content": content, "citations": citations})
    assert response.message.text == "4"
    (written,) = CODEC.encode_message(response.message, model="m")
    assert written == {"role": "assistant", "content": content, "citations": citations}


@pytest.mark.parametrize("nothing", ["", "null", None])
def test_no_arguments_are_an_empty_object(nothing: Any):
    assert read({"tool_calls": [call(nothing)]}).message.calls[0].arguments == "{}"


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("COMPLETE", StopReason.END),
        ("STOP_SEQUENCE", StopReason.END),
        ("MAX_TOKENS", StopReason.LENGTH),
        ("ERROR", StopReason.ERROR),
        ("TIMEOUT", StopReason.ERROR),
    ],
)
def test_every_word_for_the_end_is_known(finish: str, stop: StopReason):
    assert read({"content": [{"type": "text", "text": "x"}]}, finish).stop is stop


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ({}, ModelStreamError),
        ([], ModelStreamError),
        ({"message": {"content": 7}}, ModelStreamError),
        ({"message": {}, "usage": 7}, ModelStreamError),
        ({"id": "r", "message": "internal error"}, ModelUnavailableError),
    ],
)
def test_what_is_no_answer_is_an_error(response: Any, kind: type[ModelError]):
    with pytest.raises(ModelError) as caught:
        CODEC.decode_response(response)
    assert type(caught.value) is kind


def test_a_refused_request_is_read():
    error = CODEC.decode_error(404, {}, b'{"id":"r","message":"no such model"}')
    assert type(error) is ModelRequestError
    assert error.message == "The provider answered 404: no such model"


# ------------------------------------------------------------------ streams


def event(kind: str, index: int | None = None, **message: Any) -> Frame:
    data: Json = {"type": kind, "delta": {"message": message}}
    return Frame(kind, orjson.dumps(data if index is None else data | {"index": index}))


def end(finish: str = "TOOL_CALL", **more: Any) -> Frame:
    delta = {"finish_reason": finish, "usage": USAGE} | more
    return Frame("message-end", orjson.dumps({"type": "message-end", "delta": delta}))


START = Frame(
    "",
    orjson.dumps(
        {
            "id": "r",
            "type": "message-start",
            "delta": {"message": {"role": "assistant", "content": [], "tool_plan": ""}},
        }
    ),
)


def stream(*frames: Frame) -> list[ModelEvent]:
    decoder = CODEC.decoder(model="m", names={"add": "sum"})
    got = [one for frame in frames for one in decoder.feed(frame)]
    return [*got, *decoder.close()]


def last(*frames: Frame) -> ModelResponse:
    done = stream(*frames)[-1]
    assert isinstance(done, ResponseDone)
    return done.response


def test_a_plan_and_calls_come_in_pieces():
    got = stream(
        START,
        event("tool-plan-delta", tool_plan="I will "),
        event("tool-plan-delta", tool_plan="add."),
        event("tool-call-start", 0, tool_calls=call("")),
        event("tool-call-delta", 0, tool_calls={"function": {"arguments": '{"a"'}}),
        event("tool-call-delta", 0, tool_calls={"function": {"arguments": ":1}"}}),
        event("tool-call-end", 0),
        event("tool-call-start", 1, tool_calls=call("", "pay_x", "pay")),
        event("tool-call-end", 1),
        end(),
        Frame("", b"[DONE]"),
    )
    assert got[:-1] == [
        CallDelta(index=0, id="add_x1", name="sum"),
        CallDelta(index=0, arguments='{"a"'),
        CallDelta(index=0, arguments=":1}"),
        CallDelta(index=1, id="pay_x", name="pay"),
    ]
    done = got[-1]
    assert isinstance(done, ResponseDone)
    assert done.response.message.parts == (
        ours("message", {"tool_plan": "I will add."}),
        CallPart(id="add_x1", name="sum", arguments='{"a":1}'),
        CallPart(id="pay_x", name="pay", arguments="{}"),
    )
    assert done.response.stop is StopReason.CALLS
    assert done.response.usage == Usage(input=10, output=4, cached=3, requests=1)


def test_thoughts_text_and_citations_come_in_pieces():
    citation = {"start": 0, "end": 1, "text": "4"}
    got = stream(
        START,
        event("content-start", 0, content={"type": "thinking", "thinking": ""}),
        event("content-delta", 0, content={"thinking": "h"}),
        event("content-delta", 0, content={"thinking": "m"}),
        event("content-end", 0),
        event("content-start", 1, content={"type": "text", "text": ""}),
        event("content-delta", 1, content={"text": "4"}),
        event("citation-start", 0, citations=citation),
        event("citation-end", 0),
        end("COMPLETE"),
    )
    assert got[:-1] == [TextDelta(text="4")]
    done = got[-1]
    assert isinstance(done, ResponseDone)
    assert done.response.message.parts == (
        ours("message", {"citations": [citation]}),
        ours("content", {"type": "thinking", "thinking": "hm"}),
        Text(text="4"),
    )


def test_a_stream_without_its_last_event_is_an_error():
    for frames in ((START,), (START, Frame("", b"[DONE]"))):
        with pytest.raises(ModelStreamError):
            stream(*frames)


def test_an_unknown_event_is_kept_and_never_sent():
    message = last(START, event("debug", 0, prompt="x"), end("COMPLETE")).message
    strange = {"type": "debug", "delta": {"message": {"prompt": "x"}}, "index": 0}
    assert message.parts == (ours("event", strange),)
    assert CODEC.encode_message(message) == [{"role": "assistant", "content": ""}]


def test_content_of_an_unknown_type_is_kept():
    response = last(START, event("content-start", 0, content={"type": "new", "n": 1}), end("x"))
    assert response.message.parts == (ours("content", {"type": "new", "n": 1}),)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (end("ERROR", error="it broke"), ModelUnavailableError),
        (Frame("", b"{"), ModelStreamError),
        (Frame("", b'{"type":7}'), ModelStreamError),
        (event("tool-call-start", 0, tool_calls=7), ModelStreamError),
        (event("content-delta", 0, content=7), ModelStreamError),
        (event("citation-start", 0, citations=7), ModelStreamError),
    ],
)
def test_an_error_inside_a_stream_keeps_what_has_come(frame: Frame, kind: type[ModelError]):
    decoder = CODEC.decoder()
    decoder.feed(event("content-delta", 0, content={"text": "hi"}))
    with pytest.raises(ModelError) as caught:
        decoder.feed(frame)
    assert type(caught.value) is kind
    assert caught.value.details["received"]["text"] == "hi"


@given(st.text(max_size=20), st.data())
def test_a_stream_of_any_pieces_means_the_whole(text: str, data: st.DataObject):
    arguments = json.dumps({"a": text})
    places = sorted(data.draw(st.lists(st.integers(0, len(arguments)), max_size=4)))
    bounds = [0, *places, len(arguments)]
    pieces = [arguments[a:b] for a, b in itertools.pairwise(bounds)]
    response = last(
        START,
        event("tool-call-start", 0, tool_calls=call("")),
        *(
            event("tool-call-delta", 0, tool_calls={"function": {"arguments": piece}})
            for piece in pieces
        ),
        end(),
    )
    assert response.message.parts[-1] == CallPart(id="add_x1", name="sum", arguments=arguments)


# ------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    ("wish", "field", "offered"),
    [
        ({}, {}, ["add", "pay"]),
        ({"choice": "none"}, {"tool_choice": "NONE"}, ["add", "pay"]),
        ({"choice": "required"}, {"tool_choice": "REQUIRED"}, ["add", "pay"]),
        ({"choice": "pay"}, {"tool_choice": "REQUIRED"}, ["pay"]),
        ({"choice": "gone"}, {"tool_choice": "REQUIRED"}, []),
        ({"max_tokens": 9, "seed": 7}, {"max_tokens": 9, "seed": 7}, ["add", "pay"]),
    ],
)
def test_a_tool_is_asked_for_by_offering_no_other(wish: Json, field: Json, offered: list[str]):
    request = ModelRequest(messages=(), tools=(ADD, PAY), **wish)
    body = CODEC.encode_request(request, model="m")
    assert json.loads(CODEC.encoder("m").encode(request, stream=False)) == body
    names = [tool["function"]["name"] for tool in body.pop("tools", [])]
    assert names == offered
    assert body == {"model": "m", "messages": [], "stream": False} | field


def test_what_cannot_be_done_as_asked_is_said():
    assert isinstance(CODEC, Noting)
    request = ModelRequest(messages=(), tools=(ADD,), parallel=False)
    assert CODEC.notes(request, model="m") == ("Cohere cannot forbid parallel calls.",)
    assert CODEC.notes(ModelRequest(messages=(), parallel=False), model="m") == ()


def test_results_and_images_are_written_and_files_refused():
    image = ImagePart(media_type="image/png", url="u")
    result = ResultPart(call_id="c", name="add", text="5", content=(image,))
    tool, user = CODEC.encode_message(Message(role=Role.TOOL, parts=(result,)))
    assert tool == {"role": "tool", "tool_call_id": "c", "content": "5"}
    assert user["content"][1] == {"type": "image_url", "image_url": {"url": "u"}}
    pdf = FilePart(media_type="application/pdf", name="a.pdf", data=b"f")
    with pytest.raises(ModelRequestError, match=r"no files \(a.pdf\)"):
        CODEC.encode_message(Message(role=Role.USER, parts=(pdf,)))
    assert CODEC.path("m", stream=False) == "/v2/chat"
    assert CODEC.encode_tools([ADD])[0]["function"]["name"] == "add"


def test_a_response_is_recognised_by_its_message_and_its_end():
    assert CODEC.owns(whole({}))
    assert not CODEC.owns({"message": {}})

import json
from typing import Any

import orjson
import pytest

from callgate.codecs import Frame, by_name
from callgate.errors import ModelError, ModelRequestError, ModelStreamError, RateLimitedError
from callgate.messages import (
    CallPart,
    Message,
    ModelRequest,
    ModelResponse,
    Opaque,
    Part,
    ResponseDone,
    ResultPart,
    Role,
    StopReason,
    Usage,
)
from callgate.types import FilePart, ImagePart, Text, Tool

CODEC = by_name("mistral")
ADD = Tool(name="add", description="Adds.", parameters={"type": "object"})
Json = dict[str, Any]


def write(role: Role, *parts: Part, model: str = "m") -> list[Json]:
    return CODEC.encode_message(Message(role=role, parts=parts), model=model)


def request(**values: Any) -> Json:
    asked = ModelRequest(messages=(), tools=(ADD,), **values)
    body = CODEC.encode_request(asked, model="m", stream=values.get("stream", False))
    assert json.loads(CODEC.encoder("m").encode(asked, stream=False)) == body
    return {name: body[name] for name in body if name not in ("model", "messages", "tools")}


def read(message: Json, finish: str = "stop") -> ModelResponse:
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "num_cached_tokens": 0}
    return CODEC.decode_response(
        {"id": "r", "model": "m", "created": 7, "choices": [choice], "usage": usage}
    )


def call(id: str = "Df1cqWOle") -> Json:
    return {"id": id, "function": {"name": "add", "arguments": "{}"}, "index": 0}


def test_a_call_has_no_type_and_an_absent_list_is_none():
    response = read({"content": "", "tool_calls": [call()]}, "tool_calls")
    assert response.message.parts == (CallPart(id="Df1cqWOle", name="add", arguments="{}"),)
    assert response.stop is StopReason.CALLS
    assert response.usage == Usage(input=3, output=2, requests=1)
    assert read({"content": "hi", "tool_calls": None}).message.parts == (Text(text="hi"),)
    assert read({"content": "h"}, "model_length").stop is StopReason.LENGTH


def test_ids_of_other_wires_are_changed_alike_in_calls_and_results():
    kept, changed = "Df1cqWOle", "call_123"
    (message,) = write(
        Role.ASSISTANT,
        CallPart(id=kept, name="add", arguments="{}"),
        CallPart(id=changed, name="add", arguments="{}"),
    )
    results = write(
        Role.TOOL,
        ResultPart(call_id=kept, name="add", text="1"),
        ResultPart(call_id=changed, name="add", text="2"),
    )
    ids = [one["id"] for one in message["tool_calls"]]
    assert ids == [one["tool_call_id"] for one in results]
    assert ids[0] == kept
    assert len(ids[1]) == 9
    assert ids[1].isalnum()


def test_thoughts_are_kept_and_go_back_to_their_model_only():
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    message = read({"content": [thought, {"type": "text", "text": "4"}]}).message
    assert message.parts == (
        Opaque(wire="mistral", model="m", data={"content": thought}),
        Text(text="4"),
    )
    (own,) = CODEC.encode_message(message, model="m")
    assert own["content"] == [thought, {"type": "text", "text": "4"}]
    (other,) = CODEC.encode_message(message, model="other")
    assert other["content"] == "4"


def frame(delta: Json, finish: str | None = None) -> Frame:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return Frame("", orjson.dumps({"id": "r", "model": "m", "choices": [choice]}))


def test_streamed_thoughts_are_put_together_each_block_by_itself():
    def thinking(text: str) -> Json:
        return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}

    decoder = CODEC.decoder()
    frames = [thinking("a"), thinking("b"), {"content": "so"}, thinking("c")]
    for delta in frames:
        decoder.feed(frame(delta))
    decoder.feed(frame({"content": ""}, "stop"))
    (end,) = decoder.close()
    assert isinstance(end, ResponseDone)
    blocks = [
        [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        [{"type": "text", "text": "c"}],
    ]
    first, last = (
        Opaque(wire="mistral", model="m", data={"content": {"type": "thinking", "thinking": one}})
        for one in blocks
    )
    assert end.response.message.parts == (first, Text(text="so"), last)


def test_a_call_in_pieces_may_repeat_its_name_as_nothing():
    decoder = CODEC.decoder(names={"add": "sum"})
    first = call() | {"function": {"name": "add", "arguments": ""}}
    more = {"index": 0, "function": {"name": "", "arguments": '{"a":1}'}}
    decoder.feed(frame({"tool_calls": [first]}))
    decoder.feed(frame({"tool_calls": [more]}, "tool_calls"))
    (end,) = decoder.close()
    assert isinstance(end, ResponseDone)
    assert end.response.message.calls == (
        CallPart(id="Df1cqWOle", name="sum", arguments='{"a":1}'),
    )


def test_a_stream_that_is_cut_is_an_error():
    decoder = CODEC.decoder()
    decoder.feed(frame({"content": "h"}))
    with pytest.raises(ModelStreamError):
        decoder.close()


def test_files_go_by_value_or_by_reference():
    parts = (
        FilePart(media_type="application/pdf", name="a.pdf", data=b"f"),
        FilePart(media_type="application/pdf", url="https://x.test/a.pdf"),
        FilePart(media_type="audio/mpeg", data=b"s"),
        ImagePart(media_type="image/png", data=b"i"),
    )
    (message,) = write(Role.USER, *parts)
    assert message["content"] == [
        {
            "type": "document_url",
            "document_url": "data:application/pdf;base64,Zg==",
            "document_name": "a.pdf",
        },
        {"type": "document_url", "document_url": "https://x.test/a.pdf"},
        {"type": "input_audio", "input_audio": {"data": "cw==", "format": "mp3"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aQ=="}},
    ]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, {}),
        ({"choice": "none"}, {"tool_choice": "none"}),
        ({"choice": "required"}, {"tool_choice": "any"}),
        ({"choice": "add"}, {"tool_choice": {"type": "function", "function": {"name": "add"}}}),
        ({"parallel": False}, {"parallel_tool_calls": False}),
        (
            {"max_tokens": 9, "temperature": 0.5, "seed": 7},
            {"max_tokens": 9, "temperature": 0.5, "random_seed": 7},
        ),
    ],
)
def test_wishes_have_the_names_of_this_wire(wish: Json, field: Json):
    assert request(**wish) == field


def test_a_request_without_tools_says_nothing_of_them():
    body = CODEC.encode_request(
        ModelRequest(messages=(), choice="required"), model="m", stream=True
    )
    assert body == {"model": "m", "messages": [], "stream": True}
    assert CODEC.path("m", stream=True) == "/chat/completions"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (422, {"detail": [{"msg": "bad"}]}, ModelRequestError),
        (429, {"message": "slow down"}, RateLimitedError),
    ],
)
def test_errors_are_read(status: int, body: Json, kind: type[ModelError]):
    error = CODEC.decode_error(status, {}, orjson.dumps(body))
    assert type(error) is kind
    assert error.details["status"] == status


def test_a_response_has_the_form_of_chat_completions():
    assert CODEC.owns({"choices": [{"message": {}}]})
    assert not CODEC.owns({"choices": []})

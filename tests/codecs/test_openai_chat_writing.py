import gc
import weakref
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.codecs import OpenAIChat, by_name, wire_name
from callgate.errors import ModelRequestError
from callgate.messages import CallPart, Message, ModelRequest, Opaque, Part, ResultPart, Role
from callgate.types import FilePart, ImagePart, Text, Tool

CODEC = by_name("openai")
ADD = Tool(name="add", description="Add.", parameters={"type": "object", "properties": {"a": {}}})
ODD = Tool(name="files.read", description="", parameters={"type": "object"})
DOT = ImagePart(media_type="image/png", data=b"dot")


def said(*parts: Part) -> Message:
    return Message(role=Role.ASSISTANT, parts=parts)


def user(*parts: Part) -> Message:
    return Message(role=Role.USER, parts=parts)


def result(call_id: str, *content: ImagePart) -> Message:
    part = ResultPart(call_id=call_id, name="add", text=f"result {call_id}", content=content)
    return Message(role=Role.TOOL, parts=(part,))


def test_tools_are_function_definitions():
    assert CODEC.encode_tools([ADD, ODD]) == [
        {
            "type": "function",
            "function": {"name": "add", "description": "Add.", "parameters": ADD.parameters},
        },
        {
            "type": "function",
            "function": {"name": wire_name("files.read"), "parameters": {"type": "object"}},
        },
    ]


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((), ""),
        ((Text(text="hi"),), "hi"),
        (
            (Text(text="a"), Text(text="b")),
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        ),
        (
            (DOT,),
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,ZG90"}}],
        ),
        (
            (ImagePart(media_type="image/png", url="https://example.org/x.png"),),
            [{"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}],
        ),
        (
            (FilePart(media_type="audio/mpeg", data=b"dot"),),
            [{"type": "input_audio", "input_audio": {"data": "ZG90", "format": "mp3"}}],
        ),
        (
            (FilePart(media_type="application/pdf", name="a.pdf", data=b"dot"),),
            [
                {
                    "type": "file",
                    "file": {
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,ZG90",
                    },
                }
            ],
        ),
        (
            (Opaque(wire="openai", model="m", data={"content": {"type": "file", "file": {}}}),),
            [{"type": "file", "file": {}}],
        ),
    ],
)
def test_what_people_say_is_written_part_by_part(parts: tuple[Part, ...], content: object):
    assert CODEC.encode_message(user(*parts)) == [{"role": "user", "content": content}]


def test_the_system_speaks_under_its_own_role():
    message = Message(role=Role.SYSTEM, parts=(Text(text="Be brief."),))
    assert CODEC.encode_message(message) == [{"role": "system", "content": "Be brief."}]


@pytest.mark.parametrize(
    "message",
    [
        user(FilePart(media_type="application/pdf", url="https://example.org/a.pdf")),
        user(CallPart(id="1", name="add", arguments="{}")),
        said(DOT),
        said(Opaque(wire="openai", model="m", data={"dream": 1})),
        Message(role=Role.TOOL, parts=(Text(text="x"),)),
        said(CallPart(id="1", name="add", arguments={"a": object()})),
    ],
)
def test_what_has_no_place_on_the_wire_is_refused(message: Message):
    with pytest.raises(ModelRequestError):
        CODEC.encode_message(message)


def test_calls_are_written_with_arguments_as_text():
    message = said(
        CallPart(id="1", name="add", arguments='{"a": 1}'),
        CallPart(id="2", name="files.read", arguments={"b": [2]}),
    )
    assert CODEC.encode_message(message) == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "1",
                    "type": "function",
                    "function": {"name": "add", "arguments": '{"a": 1}'},
                },
                {
                    "id": "2",
                    "type": "function",
                    "function": {"name": wire_name("files.read"), "arguments": '{"b":[2]}'},
                },
            ],
        }
    ]


def test_an_assistant_who_said_nothing_has_an_empty_content():
    assert CODEC.encode_message(said()) == [{"role": "assistant", "content": ""}]


def test_opaque_parts_go_back_where_they_came_from_only():
    mine = Opaque(wire="openai", model="m", data={"message": {"reasoning": "hm"}})
    foreign = Opaque(wire="anthropic", model="m", data={"thinking": "..."})
    message = said(mine, foreign, Text(text="hi"))
    plain = {"role": "assistant", "content": "hi"}
    assert CODEC.encode_message(message) == [{**plain, "reasoning": "hm"}]
    assert CODEC.encode_message(message, model="m") == [{**plain, "reasoning": "hm"}]
    assert CODEC.encode_message(message, model="other") == [plain]


def test_sound_goes_back_by_its_id():
    sound = {"id": "audio_1", "data": "AAAA", "transcript": "hi", "expires_at": 1}
    message = said(Opaque(wire="openai", model="m", data={"message": {"audio": sound}}))
    assert CODEC.encode_message(message) == [
        {"role": "assistant", "content": "", "audio": {"id": "audio_1"}}
    ]


SHOWN = [
    {"type": "text", "text": "Content of the result of 1:"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,ZG90"}},
]


def test_images_of_results_follow_after_the_last_result_of_the_turn():
    calls = said(*(CallPart(id=one, name="add", arguments="{}") for one in "12"))
    messages = [calls, result("1", DOT), result("2"), user(Text(text="And?")), result("3", DOT)]
    body = CODEC.encode_request(ModelRequest(messages=messages), model="m")
    assert body["messages"][1:] == [
        {"role": "tool", "tool_call_id": "1", "content": "result 1"},
        {"role": "tool", "tool_call_id": "2", "content": "result 2"},
        {"role": "user", "content": SHOWN},
        {"role": "user", "content": "And?"},
        {"role": "tool", "tool_call_id": "3", "content": "result 3"},
        {"role": "user", "content": [SHOWN[0] | {"text": "Content of the result of 3:"}, SHOWN[1]]},
    ]


def test_one_message_with_results_and_images_is_written_in_that_order():
    assert CODEC.encode_message(result("1", DOT)) == [
        {"role": "tool", "tool_call_id": "1", "content": "result 1"},
        {"role": "user", "content": SHOWN},
    ]


# ------------------------------------------------------------------ whole requests


def request(**wishes: Any) -> ModelRequest:
    return ModelRequest(messages=[user(Text(text="hi"))], **wishes)


def fields(codec: OpenAIChat, asked: ModelRequest, *, stream: bool = False) -> dict[str, object]:
    body = codec.encode_request(asked, model="m", stream=stream)
    return {key: value for key, value in body.items() if key not in ("model", "messages", "tools")}


def test_a_plain_request_names_the_model_and_the_messages_only():
    assert CODEC.encode_request(request(), model="m") == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_wishes_are_written_under_the_names_of_the_server():
    asked = request(max_tokens=5, temperature=0.0, seed=7)
    usual = {"temperature": 0.0, "seed": 7}
    assert fields(OpenAIChat(), asked) == {"max_completion_tokens": 5, **usual}
    assert fields(OpenAIChat(token_limit="max_tokens"), asked) == {"max_tokens": 5, **usual}


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", {}),
        ("none", {"tool_choice": "none"}),
        ("required", {"tool_choice": "required"}),
        ("add", {"tool_choice": {"type": "function", "function": {"name": "add"}}}),
    ],
)
def test_the_choice_is_a_word_or_one_tool(choice: str, written: dict[str, object]):
    assert fields(OpenAIChat(), request(tools=(ADD,), choice=choice)) == written
    assert fields(OpenAIChat(), request(choice=choice)) == {}


def test_parallel_calls_are_spoken_of_only_where_it_is_needed():
    may, must_not = request(tools=(ADD,)), request(tools=(ADD,), parallel=False)
    told = OpenAIChat(announce_parallel=True)
    assert fields(OpenAIChat(), may) == {}
    assert fields(OpenAIChat(), must_not) == {"parallel_tool_calls": False}
    assert fields(told, may) == {"parallel_tool_calls": True}
    assert fields(told, request()) == {}


def test_a_stream_is_asked_for_with_its_usage():
    assert fields(OpenAIChat(), request(), stream=True) == {
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "asked",
    [
        request(),
        request(tools=(ADD, ODD), choice="add", parallel=False, max_tokens=3),
        ModelRequest(messages=[]),
        ModelRequest(messages=[result("1", DOT), result("2"), user(Text(text="ü"))]),
    ],
)
def test_the_encoder_writes_the_same_request_as_bytes(asked: ModelRequest, *, stream: bool):
    encoder = CODEC.encoder("m")
    expected = CODEC.encode_request(asked, model="m", stream=stream)
    for _ in range(2):
        assert orjson.loads(encoder.encode(asked, stream=stream)) == expected
    assert encoder.names((ADD, ODD)) == {wire_name("files.read"): "files.read"}


def test_the_encoder_leaves_out_what_is_bound_to_another_model():
    opaque = Opaque(wire="openai", model="other", data={"message": {"reasoning": "hm"}})
    asked = ModelRequest(messages=[said(opaque, Text(text="hi"))])
    body = orjson.loads(CODEC.encoder("m").encode(asked, stream=False))
    assert body["messages"] == [{"role": "assistant", "content": "hi"}]


def test_a_schema_that_is_no_json_is_refused():
    odd = Tool(name="x", description="", parameters={"default": object()})
    with pytest.raises(ModelRequestError, match="not JSON"):
        CODEC.encoder("m").encode(request(tools=(odd,)), stream=False)


def test_tools_and_messages_are_serialised_once():
    parameters = {"type": "object"}
    tools = (Tool(name="t", description="", parameters=parameters),)
    opening = user(Text(text="hi"))
    encoder = CODEC.encoder("m")
    first = encoder.encode(ModelRequest(messages=[opening], tools=tools), stream=False)
    # Whoever serialised again would see the change.
    parameters["type"] = "string"
    object.__setattr__(opening, "parts", (Text(text="changed"),))
    second = ModelRequest(messages=[opening, user(Text(text="more"))], tools=tools)
    later = orjson.loads(encoder.encode(second, stream=False))
    assert later["tools"] == orjson.loads(first)["tools"]
    assert [one["content"] for one in later["messages"]] == ["hi", "more"]


def test_only_the_last_surfaces_are_remembered():
    encoder = CODEC.encoder("m")
    surfaces = [(Tool(name=f"t{n}", description="", parameters={}),) for n in range(70)]
    for tools in surfaces * 2:
        body = encoder.encode(request(tools=tools), stream=False)
        assert orjson.loads(body)["tools"] == CODEC.encode_tools(tools)


def test_a_message_is_forgotten_with_its_conversation():
    encoder = CODEC.encoder("m")
    message = user(Text(text="secret"))
    gone = weakref.ref(message)
    encoder.encode(ModelRequest(messages=[message]), stream=False)
    del message
    gc.collect()
    assert gone() is None
    assert encoder.encode(ModelRequest(messages=[]), stream=False) == b'{"model":"m","messages":[]}'


def test_conversations_that_share_messages_do_not_mix():
    encoder = CODEC.encoder("m")
    opening, a, b, c = (user(Text(text=text)) for text in ("opening", "a", "b", "c"))
    talks = [[opening], [opening, a], [opening, b], [opening, a, c], [a, c], [c], [opening, b, a]]
    for talk in talks * 2:
        body = orjson.loads(encoder.encode(ModelRequest(messages=talk), stream=False))
        assert [one["content"] for one in body["messages"]] == [one.text for one in talk]


@given(st.lists(st.sampled_from("uatTA"), max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_a_conversation_written_turn_by_turn_is_the_one_written_at_once(
    kinds: list[str], stops: list[int]
):
    made = {
        "u": lambda: user(Text(text="u")),
        "a": lambda: said(Text(text="a")),
        "A": lambda: said(CallPart(id="1", name="add", arguments="{}")),
        "t": lambda: result("1"),
        "T": lambda: result("2", DOT),
    }
    messages = [made[kind]() for kind in kinds]
    encoder = CODEC.encoder("m")
    for stop in (*sorted(stops), len(messages)):
        asked = ModelRequest(messages=messages[:stop])
        written = orjson.loads(encoder.encode(asked, stream=False))
        assert written == CODEC.encode_request(asked, model="m")

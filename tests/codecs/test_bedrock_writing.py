from typing import Any

import orjson
import pytest

from callgate.codecs import Bedrock, Noting, wire_name
from callgate.errors import ModelRequestError
from callgate.messages import CallPart, Message, ModelRequest, Opaque, Part, ResultPart, Role
from callgate.types import Content, FilePart, ImagePart, Text, Tool

CODEC = Bedrock()
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEWEST = "us.anthropic.claude-opus-5-5-20260901-v1:0"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
ADD = Tool(name="add", description="Add.", parameters=SCHEMA)
ODD = Tool(name="files.read", description="", parameters={"type": "object"})
DOT = ImagePart(media_type="image/jpg", data=b"dot")
POINT = {"cachePoint": {"type": "default"}}


def said(*parts: Part) -> Message:
    return Message(role=Role.ASSISTANT, parts=parts)


def user(*parts: Part | str) -> Message:
    return Message(
        role=Role.USER,
        parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts),
    )


def system(text: str) -> Message:
    return Message(role=Role.SYSTEM, parts=(Text(text=text),))


def call(call_id: str = "tooluse_1", arguments: object = '{"a": 1}') -> CallPart:
    return CallPart(id=call_id, name="add", arguments=arguments)


def result(call_id: str = "tooluse_1", text: str = "1", *content: Content, error: bool = False):
    part = ResultPart(call_id=call_id, name="add", text=text, content=content, error=error)
    return Message(role=Role.TOOL, parts=(part,))


def opaque(model: str = MODEL, **data: object) -> Opaque:
    return Opaque(wire="bedrock", model=model, data=data)


def blocks(message: Message, model: str = "") -> list[dict[str, Any]]:
    (written,) = CODEC.encode_message(message, model=model)
    return written["content"]


def body(*messages: Message, codec: Bedrock = CODEC, model: str = MODEL, **wishes: Any):
    request = ModelRequest(messages=messages, **wishes)
    whole = codec.encode_request(request, model=model)
    assert orjson.loads(codec.encoder(model).encode(request, stream=False)) == whole
    return whole


# ------------------------------------------------------------------ tools and choice


def test_tools_are_written_with_what_the_wire_adds():
    code = {"systemTool": {"name": "nova_code_interpreter"}}
    codec = Bedrock(tool_fields={"add": {"strict": True}}, server_tools=(code,), cache=True)
    assert codec.encode_tools([ADD, ODD]) == [
        {
            "toolSpec": {
                "name": "add",
                "description": "Add.",
                "inputSchema": {"json": SCHEMA},
                "strict": True,
            }
        },
        {
            "toolSpec": {
                "name": wire_name("files.read"),
                "inputSchema": {"json": {"type": "object"}},
            }
        },
        code,
        POINT,
    ]
    assert Bedrock(cache=True).encode_tools([]) == []


def test_a_servers_tools_are_offered_without_ours():
    code = {"systemTool": {"name": "nova_code_interpreter"}}
    assert body(user("x"), codec=Bedrock(server_tools=(code,)))["toolConfig"] == {"tools": [code]}
    assert "toolConfig" not in body(user("x"))


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", {}),
        ("required", {"toolChoice": {"any": {}}}),
        ("add", {"toolChoice": {"tool": {"name": "add"}}}),
        ("files.read", {"toolChoice": {"tool": {"name": wire_name("files.read")}}}),
    ],
)
def test_the_choice_of_tools(choice: str, written: dict[str, Any]):
    tools = {"tools": CODEC.encode_tools([ADD])}
    request = {"tools": (ADD,), "choice": choice}
    assert body(user("x"), **request)["toolConfig"] == tools | written
    assert body(user("x"), model=NEWEST, **request)["toolConfig"] == tools


def test_no_call_is_wished_by_offering_no_tools_until_there_were_calls():
    wish = {"tools": (ADD,), "choice": "none"}
    assert "toolConfig" not in body(user("x"), **wish)
    once = (user("x"), said(call()), result())
    assert body(*once, **wish)["toolConfig"] == {"tools": CODEC.encode_tools([ADD])}
    assert CODEC.notes(ModelRequest(messages=[user("x")], **wish), model=NEWEST) == ()
    (note,) = CODEC.notes(ModelRequest(messages=once, **wish), model=MODEL)
    assert note.startswith("This wire cannot forbid calls")


def test_a_thinking_model_is_neither_forced_nor_given_a_temperature():
    codec = Bedrock(more={"additionalModelRequestFields": {"thinking": {"type": "enabled"}}})
    request = ModelRequest(messages=[user("x")], tools=(ADD,), choice="add", temperature=0.1)
    written = codec.encode_request(request, model=MODEL)
    assert "toolChoice" not in written["toolConfig"]
    assert "inferenceConfig" not in written
    assert len(codec.notes(request, model=MODEL)) == 2


def test_what_cannot_be_done_as_asked_is_told():
    request = ModelRequest(
        messages=[user("x"), system("later")],
        tools=(ADD,),
        choice="required",
        parallel=False,
        seed=7,
    )
    forced, parallel, seed, later = CODEC.notes(request, model=NEWEST)
    assert "'required'" in forced
    assert NEWEST in forced
    assert CODEC.notes(request, model=MODEL) == (parallel, seed, later)
    assert CODEC.notes(ModelRequest(messages=[user("x")]), model=MODEL) == ()
    assert isinstance(CODEC, Noting)


# ------------------------------------------------------------------ the request


def test_a_request_has_its_fields():
    assert body(system("Be brief."), user("hi"), tools=(ADD,), max_tokens=9, temperature=0.5) == {
        "system": [{"text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5},
        "toolConfig": {"tools": CODEC.encode_tools([ADD])},
    }
    assert body() == {"messages": []}
    more = {"additionalModelRequestFields": {"top_k": 5}}
    assert body(codec=Bedrock(more=more)) == {"messages": [], **more}


def test_the_systems_words_stand_beside_and_its_tools_within_the_conversation():
    addition = {"toolAddition": {"tool": {"name": "add"}}}
    later = Message(role=Role.SYSTEM, parts=(opaque("", block=addition), Text(text="b")))
    got = body(system("a"), user("x"), later)
    assert got["system"] == [{"text": "a"}, {"text": "b"}]
    assert got["messages"][1:] == [{"role": "system", "content": [addition]}]


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("amazon.nova-v1:0", False, "/model/amazon.nova-v1%3A0/converse"),
        ("amazon.nova-v1:0", True, "/model/amazon.nova-v1%3A0/converse-stream"),
        ("arn:aws:x/y", False, "/model/arn%3Aaws%3Ax%2Fy/converse"),
    ],
)
def test_the_model_stands_in_the_path(model: str, stream: bool, path: str):
    assert CODEC.path(model, stream=stream) == path


def test_the_ends_of_all_that_can_be_cached_are_marked():
    codec = Bedrock(cache=True)
    got = body(system("s"), user("a"), codec=codec, tools=(ADD,))
    assert got["system"] == [{"text": "s"}, POINT]
    assert got["messages"] == [{"role": "user", "content": [{"text": "a"}, POINT]}]
    assert got["toolConfig"]["tools"][-1] == POINT
    assert body(user("a"), said(Text(text="b")), codec=codec)["messages"] == [
        {"role": "user", "content": [{"text": "a"}]},
        {"role": "assistant", "content": [{"text": "b"}]},
    ]


def test_all_results_of_a_turn_come_first_in_one_user_message():
    messages = body(
        user("q", ""), said(call("a"), call("b")), user("wait"), result("a"), result("b")
    )["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    first, second, third = messages[2]["content"]
    assert first["toolResult"]["toolUseId"] == "a"
    assert second["toolResult"]["toolUseId"] == "b"
    assert third == {"text": "wait"}


def test_the_bytes_of_a_growing_conversation_are_those_of_the_whole():
    codec = Bedrock(cache=True)
    encoder = codec.encoder(MODEL)
    messages: list[Message] = []
    for message in [
        system("s"),
        user("q"),
        said(call("a"), call("b")),
        result("a"),
        result("b"),
        said(Text(text="done")),
        user("q2"),
    ]:
        messages.append(message)
        request = ModelRequest(messages=messages, tools=(ADD,))
        written = orjson.loads(encoder.encode(request, stream=True))
        assert written == codec.encode_request(request, model=MODEL, stream=True)


# ------------------------------------------------------------------ messages


def test_signed_blocks_go_back_unchanged_and_to_their_model_only():
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s1g"}}}
    message = said(
        opaque(message={"trace": {}}),
        opaque(block=thought),
        Text(text="x"),
        opaque(block={"unknown": {"start": {}}}),
        opaque(call={"of_tomorrow": 1}),
        call("a"),
        call("b", ""),
        Opaque(wire="anthropic", model=MODEL, data={"block": {}}),
    )
    one = {"toolUseId": "a", "name": "add", "input": {"a": 1}}
    two = {"toolUseId": "b", "name": "add", "input": {}}
    signed = [thought, {"text": "x"}, {"toolUse": one | {"of_tomorrow": 1}}, {"toolUse": two}]
    assert blocks(message) == signed
    assert blocks(message, MODEL) == signed
    assert blocks(message, NEWEST) == [{"text": "x"}, {"toolUse": one}, {"toolUse": two}]


def test_ids_that_the_wire_refuses_are_changed_alike_in_call_and_result():
    assert blocks(said(call("functions.add:0")))[0]["toolUse"]["toolUseId"] == "functions.add:0"
    long = "x" * 65
    changed = blocks(said(call(long)))[0]["toolUse"]["toolUseId"]
    assert changed == blocks(result(long))[0]["toolResult"]["toolUseId"]
    assert len(changed) == 29


@pytest.mark.parametrize(
    ("message", "content", "status"),
    [
        (result(text="1"), [{"text": "1"}], "success"),
        (result(text=" "), [{"text": "(nothing)"}], "success"),
        (result(text="no", error=True), [{"text": "no"}], "error"),
        (
            result("tooluse_1", "see", Text(text="see"), DOT, Text(text="more")),
            [
                {"text": "see"},
                {"image": {"format": "jpeg", "source": {"bytes": "ZG90"}}},
                {"text": "more"},
            ],
            "success",
        ),
    ],
)
def test_a_result_has_its_text_its_images_and_its_error(
    message: Message, content: list[object], status: str
):
    assert blocks(message) == [
        {"toolResult": {"toolUseId": "tooluse_1", "content": content, "status": status}}
    ]


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (
            ImagePart(media_type="image/png", url="s3://bucket/x.png"),
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/x.png"}}}},
        ),
        (
            FilePart(media_type="video/mp4", url="s3://bucket/x.mp4"),
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/x.mp4"}}}},
        ),
        (
            FilePart(media_type="application/pdf", name="my_report.2.pdf", data=b"dot"),
            {
                "document": {
                    "format": "pdf",
                    "name": "my-report-2-pdf",
                    "source": {"bytes": "ZG90"},
                }
            },
        ),
        (
            FilePart(media_type="text/csv", data=b"dot"),
            {"document": {"format": "csv", "name": "document", "source": {"bytes": "ZG90"}}},
        ),
        (
            FilePart(media_type="audio/mpeg", data=b"dot"),
            {"audio": {"format": "mp3", "source": {"bytes": "ZG90"}}},
        ),
        (opaque(block=POINT), POINT),
    ],
)
def test_images_and_files_have_their_blocks(part: Part, written: dict[str, Any]):
    assert blocks(user(part)) == [written]


@pytest.mark.parametrize(
    "message",
    [
        said(DOT),
        said(ResultPart(call_id="a", name="add", text="")),
        user(call()),
        Message(role=Role.SYSTEM, parts=(DOT,)),
        said(opaque(of_tomorrow={})),
        user(FilePart(media_type="application/zip", name="a.zip", data=b"x")),
        result("a", "", FilePart(media_type="audio/mpeg", data=b"x")),
        user(ImagePart(media_type="image/png", url="https://example.org/x.png")),
    ],
)
def test_a_part_without_a_place_is_refused(message: Message):
    with pytest.raises(ModelRequestError):
        CODEC.encode_message(message)


def test_a_result_may_have_more_fields_and_an_empty_message_is_none():
    fields = {"content": [{"json": {"a": 1}}]}
    part = ResultPart(call_id="a", name="add", text="")
    message = Message(role=Role.TOOL, parts=(opaque("", result=fields), part))
    assert blocks(message)[0]["toolResult"]["content"] == [{"json": {"a": 1}}]
    assert CODEC.encode_message(user("")) == []
    assert CODEC.encode_message(system("s")) == [{"role": "system", "content": [{"text": "s"}]}]

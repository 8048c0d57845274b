import re
from typing import Any

import orjson
import pytest

from callgate.codecs import Anthropic, Noting, OpenAIChat, wire_name
from callgate.codecs.block_calls import wire_id
from callgate.codecs.claude import refuses_forced_choice
from callgate.errors import ModelRequestError
from callgate.messages import CallPart, Message, ModelRequest, Opaque, Part, ResultPart, Role
from callgate.types import Content, Example, FilePart, ImagePart, Text, Tool

CODEC = Anthropic()
MODEL = "claude-sonnet-4-5"
NEWEST = "claude-opus-5-5"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
ADD = Tool(name="add", description="Add.", parameters=SCHEMA)
ODD = Tool(name="files.read", description="", parameters={"type": "object"})
DOT = ImagePart(media_type="image/png", data=b"dot")
PDF = FilePart(media_type="application/pdf", name="a.pdf", data=b"dot")
SAFE = re.compile(r"[a-z0-9_]+")
MARK = {"cache_control": {"type": "ephemeral"}}


def said(*parts: Part) -> Message:
    return Message(role=Role.ASSISTANT, parts=parts)


def user(*parts: Part | str) -> Message:
    return Message(role=Role.USER, parts=tuple(map(part_of, parts)))


def system(*parts: Part | str) -> Message:
    return Message(role=Role.SYSTEM, parts=tuple(map(part_of, parts)))


def part_of(part: Part | str) -> Part:
    return Text(text=part) if isinstance(part, str) else part


def call(call_id: str = "toolu_1", arguments: object = '{"a": 1}') -> CallPart:
    return CallPart(id=call_id, name="add", arguments=arguments)


def result(call_id: str = "toolu_1", text: str = "1", *content: Content, error: bool = False):
    part = ResultPart(call_id=call_id, name="add", text=text, content=content, error=error)
    return Message(role=Role.TOOL, parts=(part,))


def opaque(model: str = MODEL, **data: object) -> Opaque:
    return Opaque(wire="anthropic", model=model, data=data)


def blocks(message: Message, model: str = "") -> list[dict[str, Any]]:
    (written,) = CODEC.encode_message(message, model=model)
    return written["content"]


def body(*messages: Message, codec: Anthropic = CODEC, model: str = MODEL, **wishes: Any):
    request = ModelRequest(messages=messages, **wishes)
    whole = codec.encode_request(request, model=model)
    assert orjson.loads(codec.encoder(model).encode(request, stream=False)) == whole
    return whole


# ------------------------------------------------------------------ tools and choice


def test_tools_are_written_with_examples_and_what_the_wire_adds():
    shown = Tool(
        name="add", description="Add.", parameters=SCHEMA, examples=(Example(arguments={"a": 1}),)
    )
    search = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    more = {"strict": True, "defer_loading": True, **MARK}
    codec = Anthropic(tool_fields={"add": more}, server_tools=(search,))
    assert codec.encode_tools([shown, ODD]) == [
        {
            "name": "add",
            "description": "Add.",
            "input_schema": SCHEMA,
            "input_examples": [{"a": 1}],
            "strict": True,
            "defer_loading": True,
            "cache_control": {"type": "ephemeral"},
        },
        {"name": wire_name("files.read"), "input_schema": {"type": "object"}},
        search,
    ]


def test_a_servers_tools_are_offered_without_ours():
    search = {"type": "web_search_20250305", "name": "web_search"}
    codec = Anthropic(server_tools=(search,))
    assert body(user("x"), codec=codec)["tools"] == [search]
    assert body(user("x"), codec=codec, tools=(ADD,))["tools"][1:] == [search]
    assert "tools" not in body(user("x"))


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        ("auto", True, None),
        ("none", True, {"type": "none"}),
        ("none", False, {"type": "none"}),
        ("required", True, {"type": "any"}),
        ("add", True, {"type": "tool", "name": "add"}),
        ("files.read", True, {"type": "tool", "name": wire_name("files.read")}),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_choice_and_the_parallel_switch(choice: str, parallel: bool, written: object):
    got = body(user("x"), tools=(ADD, ODD), choice=choice, parallel=parallel)
    assert got.get("tool_choice") == written
    assert "tool_choice" not in body(user("x"), choice=choice, parallel=parallel)


@pytest.mark.parametrize(
    ("model", "refuses"),
    [
        ("claude-opus-5-5", True),
        ("claude-sonnet-5-5-20260901", True),
        ("claude-fable-5-1", True),
        ("claude-mythos-5-2", True),
        ("us.anthropic.claude-opus-5-5-20260901-v1:0", True),
        ("claude-opus-6", True),
        ("claude-mythos-preview", True),
        ("claude-opus-5", False),
        ("claude-fable-5", False),
        ("claude-sonnet-4-20250514", False),
        ("claude-haiku-5-5", False),
        ("claude-3-5-haiku-latest", False),
        ("gpt-6-sol", False),
    ],
)
def test_the_newest_models_cannot_be_forced(model: str, refuses: bool):
    assert refuses_forced_choice(model) is refuses


@pytest.mark.parametrize("choice", ["required", "add"])
def test_a_forced_choice_that_would_be_refused_falls_back_and_says_so(choice: str):
    request = ModelRequest(messages=[user("x")], tools=(ADD,), choice=choice)
    assert "tool_choice" not in CODEC.encode_request(request, model=NEWEST)
    (note,) = CODEC.notes(request, model=NEWEST)
    assert NEWEST in note
    assert repr(choice) in note
    assert CODEC.notes(request, model=MODEL) == ()


@pytest.mark.parametrize(
    ("model", "thinking", "taken"),
    [
        ("claude-sonnet-4-5", "enabled", False),
        ("claude-opus-4-6", "adaptive", False),
        ("claude-opus-4-8", "adaptive", True),
        ("claude-sonnet-5", "adaptive", True),
        ("claude-sonnet-5", "disabled", True),
    ],
)
def test_older_models_cannot_be_forced_while_they_think(model: str, thinking: str, taken: bool):
    codec = Anthropic(more={"thinking": {"type": thinking}})
    request = ModelRequest(messages=[user("x")], tools=(ADD,), choice="required")
    assert ("tool_choice" in codec.encode_request(request, model=model)) is taken
    assert len(codec.notes(request, model=model)) == (0 if taken else 1)


@pytest.mark.parametrize(
    ("model", "more", "taken"),
    [
        ("claude-sonnet-4-5", {}, True),
        ("claude-opus-4-6", {}, True),
        ("claude-3-5-haiku-latest", {}, True),
        ("claude-sonnet-4-20250514", {}, True),
        ("claude-opus-4-6", {"thinking": {"type": "adaptive"}}, False),
        ("claude-opus-4-7", {}, False),
        ("claude-haiku-5-5", {}, False),
        ("claude-mythos-preview", {}, False),
    ],
)
def test_a_temperature_is_sent_to_models_that_take_one(
    model: str, more: dict[str, Any], taken: bool
):
    codec = Anthropic(more=more)
    request = ModelRequest(messages=[user("x")], temperature=0.0)
    assert codec.encode_request(request, model=model).get("temperature") == (0.0 if taken else None)
    notes = codec.notes(request, model=model)
    assert notes == (() if taken else (f"{model} takes no temperature, here or with thinking.",))


def test_no_choice_is_no_wish_that_could_be_refused():
    request = ModelRequest(messages=[user("x")], tools=(ADD,), choice="none")
    assert CODEC.encode_request(request, model=NEWEST)["tool_choice"] == {"type": "none"}
    assert CODEC.notes(request, model=NEWEST) == ()


def test_what_cannot_be_done_as_asked_is_told():
    request = ModelRequest(messages=[user("x"), system("later")], seed=7)
    assert [note.split()[-1] for note in CODEC.notes(request, model=MODEL)] == [
        "repeatable.",
        "beginning.",
    ]
    assert CODEC.notes(ModelRequest(messages=[system("first"), user("x")]), model=MODEL) == ()
    assert isinstance(CODEC, Noting)
    assert not isinstance(OpenAIChat(), Noting)


# ------------------------------------------------------------------ the request


def test_a_request_has_its_fields():
    assert body(system("Be brief."), user("hi"), tools=(ADD,), max_tokens=9, temperature=0.5) == {
        "model": MODEL,
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "tools": CODEC.encode_tools([ADD]),
        "temperature": 0.5,
    }
    streamed = CODEC.encode_request(ModelRequest(messages=[]), model=MODEL, stream=True)
    assert streamed == {"model": MODEL, "max_tokens": 16_384, "messages": [], "stream": True}
    assert body(codec=Anthropic(max_tokens=7, more=MARK)) == {
        "model": MODEL,
        "max_tokens": 7,
        "messages": [],
        **MARK,
    }
    assert CODEC.path(MODEL, stream=True) == CODEC.path(MODEL, stream=False) == "/v1/messages"


def test_all_results_of_a_turn_come_first_in_one_user_message():
    one = Message(
        role=Role.TOOL,
        parts=(
            ResultPart(call_id="a", name="add", text="1"),
            ResultPart(call_id="b", name="add", text="2"),
        ),
    )
    messages = body(
        user("q"), said(call("a"), call("b"), call("c")), user("wait"), one, result("c", "3")
    )["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [(block["type"], block.get("tool_use_id")) for block in messages[2]["content"]] == [
        ("tool_result", "a"),
        ("tool_result", "b"),
        ("tool_result", "c"),
        ("text", None),
    ]


def test_neighbours_of_one_role_become_one_message():
    messages = body(user("a"), user("b"), said(Text(text="c")), said(Text(text="d")))["messages"]
    assert [(one["role"], [part["text"] for part in one["content"]]) for one in messages] == [
        ("user", ["a", "b"]),
        ("assistant", ["c", "d"]),
    ]


def test_empty_texts_and_messages_are_left_out():
    foreign = Opaque(wire="openai", model="gpt", data={"message": {}})
    messages = body(user("a", "", " \n"), said(Text(text=""), foreign), user("b"))["messages"]
    assert messages == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]
    assert CODEC.encode_message(user("")) == []


def test_the_systems_words_stand_beside_and_its_tools_within_the_conversation():
    addition = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "add"}}
    got = body(system("a", opaque("", mark=MARK)), user("x"), system("b", opaque(block=addition)))
    assert got["system"] == [{"type": "text", "text": "a", **MARK}, {"type": "text", "text": "b"}]
    assert got["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "system", "content": [addition]},
    ]
    assert CODEC.encode_message(system("a")) == [
        {"role": "system", "content": [{"type": "text", "text": "a"}]}
    ]


def test_the_container_of_the_last_answer_is_named_in_the_request():
    first = said(opaque(message={"container": {"id": "container_1"}}), call())
    second = said(opaque(message={"container": {"id": "container_2"}, "events": []}), call("b"))
    other = said(opaque(message={"stop_details": {}}), Text(text="x"))
    assert body(user("x"), first, result(), second, result("b"), other)["container"] == (
        "container_2"
    )
    assert "container" not in body(user("x"), other)


def test_the_bytes_of_a_growing_conversation_are_those_of_the_whole():
    messages = [system("s"), user("q")]
    encoder = CODEC.encoder(MODEL)
    more = [
        said(opaque(message={"container": {"id": "c"}}), call("a"), call("b")),
        result("a"),
        result("b"),
        user("and?"),
        said(Text(text="done")),
        system("late"),
        user("q2"),
    ]
    for message in more:
        messages.append(message)
        request = ModelRequest(messages=messages, tools=(ADD,))
        written = orjson.loads(encoder.encode(request, stream=True))
        assert written == CODEC.encode_request(request, model=MODEL, stream=True)


# ------------------------------------------------------------------ what the model said


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("", {}),
        ("{}", {}),
        ('{"a": ', {"INVALID_JSON": '{"a": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ([1], {"INVALID_JSON": [1]}),
    ],
)
def test_arguments_go_back_as_an_object(arguments: object, written: object):
    assert blocks(said(call(arguments=arguments))) == [
        {"type": "tool_use", "id": "toolu_1", "name": "add", "input": written}
    ]


def test_an_id_of_another_wire_is_changed_alike_in_call_and_result():
    (use,) = blocks(said(call("functions.add:0")))
    (answer,) = blocks(result("functions.add:0"))
    (other,) = blocks(result("functions.add:1"))
    assert use["id"] == answer["tool_use_id"] != other["tool_use_id"]
    assert use["id"].startswith("call_")
    assert len(use["id"]) == 29
    assert wire_id("\ud800", SAFE) == wire_id("\ud800", SAFE)


def test_signed_blocks_go_back_unchanged_and_to_their_model_only():
    thought = {"type": "thinking", "thinking": "", "signature": "s1g"}
    caller = {"type": "code_execution_20260120", "tool_id": "srv_1"}
    cited = [{"type": "char_location"}]
    message = said(
        opaque(block=thought),
        opaque(text={"citations": cited}),
        Text(text="x"),
        opaque(call={"caller": caller}),
        call("a"),
        call("b"),
    )
    bare = [
        {"type": "text", "text": "x"},
        {"type": "tool_use", "id": "a", "name": "add", "input": {"a": 1}},
        {"type": "tool_use", "id": "b", "name": "add", "input": {"a": 1}},
    ]
    signed = [
        thought,
        bare[0] | {"citations": cited},
        bare[1] | {"caller": caller},
        bare[2],
    ]
    assert blocks(message, MODEL) == signed
    assert blocks(message) == signed
    assert blocks(message, "claude-opus-5") == bare


def test_a_tool_of_a_toolset_is_answered_with_its_toolset():
    block = {"type": "tool_use", "id": "a", "name": "left_click", "input": {}}
    response = {"content": [block | {"toolset_name": "computer"}], "model": MODEL}
    message = CODEC.decode_response(response).message
    (answered,) = message.calls
    assert blocks(message) == [block | {"toolset_name": "computer"}]
    parts = [
        ResultPart(call_id="a", name="left_click", text="ok", echo=answered.echo),
        ResultPart(call_id="b", name="add", text="1"),
    ]
    assert blocks(Message(role=Role.TOOL, parts=tuple(parts))) == [
        {"type": "tool_result", "tool_use_id": "a", "content": "ok", "toolset_name": "computer"},
        {"type": "tool_result", "tool_use_id": "b", "content": "1"},
    ]


def test_a_part_without_a_place_is_refused():
    for message in (
        said(DOT),
        said(ResultPart(call_id="a", name="add", text="")),
        user(call()),
        system(DOT),
        Message(role=Role.TOOL, parts=(DOT,)),
        said(opaque(of_tomorrow={})),
    ):
        with pytest.raises(ModelRequestError):
            CODEC.encode_message(message)


# ------------------------------------------------------------------ what tools answer


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (result(text="1"), {"content": "1"}),
        (result(text=""), {}),
        (result(text="no", error=True), {"content": "no", "is_error": True}),
        (result(text="", error=True), {"content": "The call failed.", "is_error": True}),
        (
            result("toolu_1", "see", Text(text="see"), DOT, Text(text="more")),
            {
                "content": [
                    {"type": "text", "text": "see"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "ZG90"},
                    },
                    {"type": "text", "text": "more"},
                ]
            },
        ),
        (
            result("toolu_1", "", PDF),
            {
                "content": [
                    {
                        "type": "document",
                        "title": "a.pdf",
                        "source": {
                            "type": "base64",
                            "media_type": "application/pdf",
                            "data": "ZG90",
                        },
                    }
                ]
            },
        ),
    ],
)
def test_a_result_has_its_text_its_files_and_its_error(message: Message, written: dict[str, Any]):
    assert blocks(message) == [{"type": "tool_result", "tool_use_id": "toolu_1", **written}]


def test_a_result_may_refer_to_tools_and_be_marked():
    found = [{"type": "tool_reference", "tool_name": "add"}]
    message = Message(
        role=Role.TOOL,
        parts=(
            opaque("", result={"content": found}),
            ResultPart(call_id="a", name="search", text=""),
            opaque("", mark=MARK),
        ),
    )
    assert blocks(message) == [
        {"type": "tool_result", "tool_use_id": "a", "content": found, **MARK}
    ]
    assert CODEC.encode_message(user(opaque("", mark=MARK))) == []


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (
            ImagePart(media_type="image/png", url="https://example.org/x.png"),
            {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}},
        ),
        (
            FilePart(media_type="application/pdf", url="https://example.org/x.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://example.org/x.pdf"}},
        ),
        (
            FilePart(media_type="text/csv", name="t.csv", data=b"a,b"),
            {
                "type": "document",
                "title": "t.csv",
                "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
            },
        ),
        (opaque(block={"type": "container_upload"}), {"type": "container_upload"}),
    ],
)
def test_images_and_files_have_their_blocks(part: Part, written: dict[str, Any]):
    assert blocks(user(part)) == [written]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (FilePart(media_type="audio/mpeg", name="a.mp3", data=b"x"), "audio/mpeg (a.mp3)"),
        (FilePart(media_type="text/plain", url="https://example.org/t"), "by reference (unnamed)"),
        (FilePart(media_type="text/plain", name="t", data=b"\xff"), "not UTF-8"),
    ],
)
def test_a_file_that_the_wire_cannot_carry_is_refused(part: Part, words: str):
    with pytest.raises(ModelRequestError) as caught:
        CODEC.encode_message(user(part))
    assert words in caught.value.message

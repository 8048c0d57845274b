import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.codecs import Frame, Noting, OpenAIResponses, ToolOptions, by_name, stored
from callgate.errors import ModelRequestError
from callgate.messages import (
    CallPart,
    Message,
    ModelRequest,
    Opaque,
    Part,
    ResponseDone,
    ResultPart,
    Role,
)
from callgate.types import FilePart, ImagePart, Text, Tool

CODEC = by_name("openai_responses")
ADD = Tool(name="add", description="Adds.", parameters={"type": "object"})
SQL = Tool(name="write.sql", description="", parameters={"type": "object"})
HI = Message(role=Role.USER, parts=(Text(text="hi"),))
Json = dict[str, Any]


def ours(kind: str, value: Any, model: str = "m") -> Opaque:
    return Opaque(wire="openai_responses", model=model, data={kind: value})


def write(role: Role, *parts: Part, model: str = "m") -> list[Json]:
    return CODEC.encode_message(Message(role=role, parts=parts), model=model)


def said(*parts: Part, model: str = "m") -> list[Json]:
    return write(Role.ASSISTANT, *parts, model=model)


# ------------------------------------------------------------------ requests


def test_a_request_says_what_is_asked_and_nothing_more():
    request = ModelRequest(messages=(HI,), tools=(ADD,))
    assert CODEC.encode_request(request, model="m") == {
        "model": "m",
        "input": [{"role": "user", "content": "hi"}],
        "tools": [
            {
                "type": "function",
                "name": "add",
                "description": "Adds.",
                "parameters": {"type": "object"},
                "strict": False,
            }
        ],
    }


def test_a_request_with_every_wish_says_them_all():
    codec = OpenAIResponses(stateless=True)
    request = ModelRequest(
        messages=(HI,),
        tools=(ADD,),
        choice="add",
        parallel=False,
        max_tokens=9,
        temperature=0.5,
        seed=7,
    )
    body = codec.encode_request(request, model="m", stream=True)
    assert {name: body[name] for name in body if name not in ("model", "input", "tools")} == {
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "tool_choice": {"type": "function", "name": "add"},
        "parallel_tool_calls": False,
        "max_output_tokens": 9,
        "temperature": 0.5,
    }
    assert isinstance(codec, Noting)
    assert codec.notes(request, model="m") == ("OpenAI Responses takes no seed.",)
    assert codec.notes(ModelRequest(messages=()), model="m") == ()


def test_the_bytes_of_an_encoder_are_the_request():
    encoder = CODEC.encoder("m")
    messages = [HI]
    for choice in ("auto", "required"):
        request = ModelRequest(messages=messages, tools=(ADD, SQL), choice=choice)
        body = json.loads(encoder.encode(request, stream=True))
        assert body == CODEC.encode_request(request, model="m", stream=True)
        messages.append(Message(role=Role.ASSISTANT, parts=(Text(text="ho"),)))
    assert encoder.names((ADD, SQL)) == {"write_sql__xf9f8e8c3f3e6": "write.sql"}


def test_tools_that_may_be_called_are_named_while_all_stay_in_the_list():
    codec = OpenAIResponses(allowed=("add",), more={"prompt_cache_key": "k"})

    def choice(word: str) -> Any:
        request = ModelRequest(messages=(), tools=(ADD, SQL), choice=word)
        body = codec.encode_request(request, model="m")
        assert len(body["tools"]) == 2
        assert body["prompt_cache_key"] == "k"
        return body["tool_choice"]

    tools = [{"type": "function", "name": "add"}]
    assert choice("auto") == {"type": "allowed_tools", "mode": "auto", "tools": tools}
    assert choice("required") == {"type": "allowed_tools", "mode": "required", "tools": tools}
    assert choice("none") == "none"
    assert choice("add") == tools[0]


def test_a_request_without_tools_says_nothing_of_them():
    request = ModelRequest(messages=(HI,), choice="required", parallel=False)
    body = CODEC.encode_request(request, model="m")
    assert body == {"model": "m", "input": [{"role": "user", "content": "hi"}]}


def test_the_path_is_the_same_for_every_model():
    assert CODEC.path("m", stream=False) == "/responses"


# ------------------------------------------------------------------ tools


def test_what_this_wire_can_say_of_a_tool_is_said_where_it_is_asked_for():
    codec = OpenAIResponses(
        options={
            "add": ToolOptions(strict=True, defer=True, callers=("programmatic",), unattended=True),
            "write.sql": ToolOptions(freeform={"type": "text"}),
        },
        server_tools=({"type": "tool_search"},),
    )
    assert codec.encode_tools([ADD, SQL]) == [
        {
            "type": "function",
            "name": "add",
            "description": "Adds.",
            "parameters": {"type": "object"},
            "strict": True,
            "defer_loading": True,
            "allowed_callers": ["programmatic"],
            "async": True,
        },
        {"type": "custom", "name": "write_sql__xf9f8e8c3f3e6", "format": {"type": "text"}},
        {"type": "tool_search"},
    ]
    request = ModelRequest(messages=(), tools=(ADD, SQL), choice="write.sql")
    assert codec.encode_request(request, model="m")["tool_choice"] == {
        "type": "custom",
        "name": "write_sql__xf9f8e8c3f3e6",
    }


def test_tools_of_a_namespace_stand_where_its_first_one_stands():
    names = ("a", "b", "c", "d", "e")
    tools = [Tool(name=name, description="", parameters={}) for name in names]
    codec = OpenAIResponses(
        options={
            "b": ToolOptions(namespace="crm"),
            "d": ToolOptions(namespace="crm"),
            "e": ToolOptions(namespace="hr"),
        },
        namespaces={"crm": "Customers."},
    )
    got = [
        (one["name"], one.get("description"), [inner["name"] for inner in one.get("tools", ())])
        for one in codec.encode_tools(tools)
    ]
    assert got == [
        ("a", None, []),
        ("crm", "Customers.", ["b", "d"]),
        ("c", None, []),
        ("hr", "hr", ["e"]),
    ]


def test_server_tools_are_offered_without_any_of_ours():
    codec = OpenAIResponses(server_tools=({"type": "web_search"},))
    request = ModelRequest(messages=(HI,))
    body = codec.encode_request(request, model="m")
    assert body["tools"] == [{"type": "web_search"}]
    assert json.loads(codec.encoder("m").encode(request, stream=False)) == body


# ------------------------------------------------------------------ what people say


def test_text_images_and_files_have_their_places():
    image = ImagePart(media_type="image/png", data=b"i")
    parts = (
        Text(text="look"),
        image,
        ImagePart(media_type="image/png", url="https://x.test/i.png"),
        FilePart(media_type="application/pdf", name="a.pdf", data=b"f"),
        FilePart(media_type="application/pdf", data=b"f"),
        FilePart(media_type="application/pdf", url="https://x.test/a.pdf"),
        ours("content", {"type": "input_text", "text": "kept"}),
    )
    assert write(Role.USER, *parts) == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "look"},
                {
                    "type": "input_image",
                    "image_url": "data:image/png;base64,aQ==",
                    "detail": "auto",
                },
                {"type": "input_image", "image_url": "https://x.test/i.png", "detail": "auto"},
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,Zg==",
                },
                {
                    "type": "input_file",
                    "filename": "file",
                    "file_data": "data:application/pdf;base64,Zg==",
                },
                {"type": "input_file", "file_url": "https://x.test/a.pdf"},
                {"type": "input_text", "text": "kept"},
            ],
        }
    ]


def test_an_empty_message_is_one():
    assert write(Role.SYSTEM) == [{"role": "system", "content": ""}]


def test_items_among_what_people_say_stand_where_they_stood():
    approval = {"type": "mcp_approval_response", "approve": True}
    parts = (Text(text="yes"), ours("item", approval), ours("item", approval), Text(text="go"))
    assert write(Role.USER, *parts) == [
        {"role": "user", "content": "yes"},
        approval,
        approval,
        {"role": "user", "content": "go"},
    ]
    assert write(Role.TOOL, ours("item", approval)) == [approval]
    elsewhere = ours("item", approval, model="other")
    assert write(Role.USER, elsewhere, Text(text="go")) == [{"role": "user", "content": "go"}]


@pytest.mark.parametrize(
    ("role", "part"),
    [
        (Role.USER, CallPart(id="c", name="add", arguments="{}")),
        (Role.USER, Opaque(wire="openai", model="m", data={"content": {}})),
        (Role.USER, FilePart(media_type="audio/wav", data=b"s")),
        (Role.TOOL, Text(text="x")),
        (Role.ASSISTANT, ImagePart(media_type="image/png", data=b"i")),
        (Role.ASSISTANT, ours("mystery", 1)),
        (Role.ASSISTANT, ours("content", {"type": "x"})),
        (Role.ASSISTANT, ours("refusal", "no")),
    ],
)
def test_what_has_no_place_is_refused(role: Role, part: Part):
    with pytest.raises(ModelRequestError):
        write(role, part)


# ------------------------------------------------------------------ results


def result(call_id: str = "c", text: str = "5", **values: Any) -> ResultPart:
    return ResultPart(call_id=call_id, name="add", text=text, **values)


def test_results_go_each_by_the_id_of_its_call_whenever_they_come():
    assert write(Role.TOOL, result(), result(call_id="d", text="6")) == [
        {"type": "function_call_output", "call_id": "c", "output": "5"},
        {"type": "function_call_output", "call_id": "d", "output": "6"},
    ]


def test_a_result_shows_images_and_files_and_says_its_text_once():
    image = ImagePart(media_type="image/png", url="u")
    shown = result(text="5\nnote", content=(Text(text="note"), image))
    silent = result(text="", content=(Text(text="more"),))
    assert write(Role.TOOL, shown, silent) == [
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [
                {"type": "input_text", "text": "5\nnote"},
                {"type": "input_image", "image_url": "u", "detail": "auto"},
            ],
        },
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_text", "text": "more"}],
        },
    ]


CALLER = {"type": "program", "caller_id": "p"}


def echo(wire: str = "openai_responses", **data: Any) -> Opaque:
    return Opaque(wire=wire, model="m", data=data)


def test_a_result_carries_back_the_kind_and_the_caller_of_its_call():
    custom = result(echo=echo(type="custom_tool_call", caller=CALLER))
    assert write(Role.TOOL, custom) == [
        {"type": "custom_tool_call_output", "call_id": "c", "caller": CALLER, "output": "5"}
    ]
    # The program belongs to the other model's reasoning; the call stays one of its kind.
    assert write(Role.TOOL, custom, model="other") == [
        {"type": "custom_tool_call_output", "call_id": "c", "output": "5"}
    ]
    plain = {"type": "function_call_output", "call_id": "c", "output": "5"}
    assert write(Role.TOOL, result(echo=echo("gemini", caller=CALLER))) == [plain]
    assert write(Role.TOOL, result(echo=echo(namespace="crm"))) == [plain]


def test_an_id_that_is_too_long_becomes_the_same_other_one_in_call_and_result():
    long = "x" * 65
    (call,) = said(CallPart(id=long, name="add", arguments="{}"))
    (answer,) = write(Role.TOOL, result(call_id=long))
    assert call["call_id"] == answer["call_id"]
    assert len(call["call_id"]) == 29


def test_what_a_wire_wants_back_survives_a_store():
    call = CallPart(id="c", name="add", arguments="{}", echo=echo(caller=CALLER))
    parts = (call, result(echo=call.echo), result())
    message = Message(role=Role.TOOL, parts=parts)
    assert stored.message_from_json(stored.message_to_json(message)).parts == parts


# ------------------------------------------------------------------ what the model said


def test_calls_are_written_with_what_belongs_to_them():
    parts = (
        ours("call", {"id": "fc_1", "status": "completed", "async": True}),
        CallPart(id="c", name="add", arguments={"a": 1}, echo=echo(namespace="crm", caller=CALLER)),
        CallPart(id="d", name="sql", arguments="SELECT 1", echo=echo(type="custom_tool_call")),
        CallPart(id="e", name="add", arguments="{}", echo=echo("gemini", type="x")),
    )
    call = {"type": "function_call", "call_id": "c", "name": "add", "arguments": '{"a":1}'}
    custom = {"type": "custom_tool_call", "call_id": "d", "name": "sql", "input": "SELECT 1"}
    plain = {"type": "function_call", "call_id": "e", "name": "add", "arguments": "{}"}
    more = {"id": "fc_1", "status": "completed", "async": True}
    assert said(*parts) == [
        {**call, **more, "namespace": "crm", "caller": CALLER},
        custom,
        plain,
    ]
    assert said(*parts, model="other") == [{**call, "namespace": "crm"}, custom, plain]


def test_freeform_text_is_the_parameter_that_a_tool_names_for_it():
    options = ToolOptions(freeform={"type": "text"}, parameter="query")
    codec = OpenAIResponses(options={"write.sql": options})
    names = {"w": "write.sql"}
    item = {"type": "custom_tool_call", "call_id": "c", "name": "w", "input": "SELECT 1"}
    plain = {"type": "function_call", "call_id": "d", "name": "w", "arguments": "{}"}
    named = plain | {"call_id": "e", "namespace": "crm"}
    response = {"model": "m", "status": "completed", "output": [item, plain, named]}
    message = codec.decode_response(response, names=names).message
    assert [call.arguments for call in message.calls] == [{"query": "SELECT 1"}, "{}", "{}"]
    done = orjson.dumps({"type": "response.completed", "response": response})
    end = codec.decoder(names=names).feed(Frame("", done))[-1]
    assert isinstance(end, ResponseDone)
    assert end.response.message.calls == message.calls
    custom, *_ = codec.encode_message(message)
    assert custom["input"] == "SELECT 1"


@pytest.mark.parametrize("arguments", [{}, {"a": 1}, {"a": "x", "b": "y"}])
def test_arguments_that_are_no_text_are_written_as_json_on_a_freeform_call(arguments: Json):
    call = CallPart(id="c", name="sql", arguments=arguments, echo=echo(type="custom_tool_call"))
    assert json.loads(said(call)[0]["input"]) == arguments


def test_a_message_keeps_its_id_its_phase_and_what_stands_beside_its_texts():
    parts = (
        ours("message", {"id": "msg_1", "status": "completed", "phase": "commentary"}),
        ours("text", {"annotations": [{"type": "url_citation"}]}),
        Text(text="a"),
        ours("content", {"type": "mystery"}),
        Text(text="b"),
        ours("refusal", "no"),
        Text(text="no"),
        ours("event", {"type": "strange"}),
        ours("message", {"id": "msg_2"}),
        Text(text="no"),
        CallPart(id="c", name="add", arguments="{}"),
        Text(text="after"),
    )
    message = {"type": "message", "role": "assistant"}
    call = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
    assert said(*parts) == [
        {
            **message,
            "id": "msg_1",
            "status": "completed",
            "phase": "commentary",
            "content": [
                {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}]},
                {"type": "mystery"},
                {"type": "output_text", "text": "b", "annotations": []},
                {"type": "refusal", "refusal": "no"},
            ],
        },
        {
            **message,
            "id": "msg_2",
            "content": [{"type": "output_text", "text": "no", "annotations": []}],
        },
        call,
        {"role": "assistant", "content": "after"},
    ]
    assert said(*parts, model="other") == [
        *({"role": "assistant", "content": text} for text in ("a", "b", "no", "no")),
        call,
        {"role": "assistant", "content": "after"},
    ]


def test_items_go_back_as_they_came_and_to_their_model_only():
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    parts = (
        ours("message", {}),
        Text(text="a"),
        ours("item", thought),
        CallPart(id="c", name="add", arguments="{}"),
        Opaque(wire="gemini", model="m", data={"thought": 1}),
    )
    kinds = [item.get("type", item.get("role")) for item in said(*parts)]
    assert kinds == ["message", "reasoning", "function_call"]
    assert said(*parts)[1] == thought
    others = [item.get("type", item.get("role")) for item in said(*parts, model="other")]
    assert others == ["assistant", "function_call"]


# ------------------------------------------------------------------ both directions

names = st.sampled_from(["add", "get_weather", "sql"])
texts = st.text(max_size=8)
items = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("function_call"),
            "call_id": st.uuids().map(str),
            "name": names,
            "arguments": st.sampled_from(["{}", '{"a":1}', '{"a":']),
        },
        optional={
            "id": texts,
            "status": st.sampled_from(["completed", "incomplete"]),
            "namespace": texts,
            "caller": st.just(CALLER),
            "async": st.booleans(),
        },
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("custom_tool_call"),
            "call_id": st.uuids().map(str),
            "name": names,
            "input": texts,
        },
        optional={"id": texts, "caller": st.just(CALLER)},
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("message"),
            "role": st.just("assistant"),
            "content": st.lists(
                st.one_of(
                    st.fixed_dictionaries(
                        {
                            "type": st.just("output_text"),
                            "text": texts,
                            "annotations": st.lists(st.just({"type": "x"}), max_size=1),
                        }
                    ),
                    st.fixed_dictionaries({"type": st.just("refusal"), "refusal": texts}),
                    st.fixed_dictionaries({"type": st.just("mystery"), "n": st.integers()}),
                ),
                max_size=3,
            ),
        },
        optional={"id": texts, "phase": texts, "status": st.just("completed")},
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ["reasoning", "mcp_call", "program", "tool_search_output", "new"]
            )
        },
        optional={"id": texts, "summary": st.lists(texts), "tools": st.just([])},
    ),
)


@given(st.lists(items, max_size=6))
def test_what_was_read_is_written_as_it_was(output: list[Json]):
    response = {"object": "response", "model": "m", "status": "completed", "output": output}
    message = CODEC.decode_response(response).message
    assert CODEC.encode_message(message, model="m") == output
    kept = stored.message_from_json(stored.message_to_json(message))
    assert CODEC.encode_message(kept) == output

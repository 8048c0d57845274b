"""What is sent to Gemini's `generateContent`, what others have sent, and what it refuses."""

from typing import Any

import orjson
import pytest
from google.genai import types as sdk

from callgate.codecs import Gemini
from callgate.codecs.gemini_history import read_conversation
from callgate.codecs.gemini_writing import gemini_name
from callgate.codecs.sse import EventStream
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelStreamError,
    ModelUnavailableError,
    RateLimitedError,
)
from callgate.messages import CallPart, Message, ModelRequest, Opaque, ResultPart, Role
from callgate.types import FilePart, ImagePart, Text
from tests.codecs.gemini_wire import CODEC, MODEL, TOOL, Json, call, opaque, read, said

# ------------------------------------------------------------------ what is sent


def test_the_path_names_the_model():
    assert CODEC.wire == "gemini"
    assert type(CODEC.framer()) is EventStream
    assert CODEC.path(MODEL, stream=False) == f"/models/{MODEL}:generateContent"
    assert CODEC.path(MODEL, stream=True) == f"/models/{MODEL}:streamGenerateContent?alt=sse"
    assert CODEC.path("tunedModels/x", stream=False) == "/tunedModels/x:generateContent"


def test_a_body_holds_only_what_was_asked_for():
    user = said(Role.USER, Text(text="Hi"))
    body = CODEC.encode_request(ModelRequest(messages=(user,)), model=MODEL)
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    assert CODEC.encode_tools([]) == []


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("add", {"mode": "ANY", "allowedFunctionNames": ["add"]}),
    ],
)
def test_the_choice_is_a_mode(choice: str, calling: Any):
    request = ModelRequest(messages=(), tools=(TOOL,), choice=choice)
    body = CODEC.encode_request(request, model=MODEL)
    assert body.get("toolConfig") == (calling and {"functionCallingConfig": calling})


def test_a_free_choice_may_be_validated():
    request = ModelRequest(messages=(), tools=(TOOL,))
    body = Gemini(validated=True).encode_request(request, model=MODEL)
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


def test_arguments_are_streamed_value_by_value_only_where_that_is_asked_for():
    request = ModelRequest(messages=(), tools=(TOOL,), choice="required")
    codec = Gemini(stream_arguments=True)
    calling = {"mode": "ANY", "streamFunctionCallArguments": True}
    body = codec.encode_request(request, model=MODEL, stream=True)
    assert body["toolConfig"] == {"functionCallingConfig": calling}
    assert orjson.loads(codec.encoder(MODEL).encode(request, stream=True)) == body
    plain = codec.encode_request(request, model=MODEL)
    assert plain["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_that_parallel_calls_cannot_be_forbidden_is_said():
    codec = Gemini()
    asked = ModelRequest(messages=(), tools=(TOOL,), parallel=False)
    assert codec.notes(asked, model=MODEL) == (
        "This wire cannot forbid parallel calls: several may come in one message.",
    )
    assert codec.notes(ModelRequest(messages=(), parallel=False), model=MODEL) == ()
    assert codec.notes(ModelRequest(messages=(), tools=(TOOL,)), model=MODEL) == ()


@pytest.mark.parametrize(
    ("ours", "stays"),
    [
        ("add", True),
        ("db.read:all-rows", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a/b", False),
        ("1.a", False),
        ("a__x0123456789ab", False),
    ],
)
def test_names_that_only_this_wire_takes_stay_as_they_are(ours: str, stays: bool):
    written = gemini_name(ours)
    assert (written == ours) is stays
    assert len(written) <= 128


def test_results_stand_in_one_content_in_the_order_of_the_calls():
    answer = read(call("one"), call("two", id="own")).message
    one, two = answer.calls
    results = [
        said(Role.TOOL, ResultPart(call_id=two.id, name="two", text="2")),
        said(Role.TOOL, ResultPart(call_id=one.id, name="one", text="no", error=True)),
    ]
    request = ModelRequest(messages=(answer, *results, said(Role.USER, Text(text="go"))))
    assert CODEC.encode_request(request, model=MODEL)["contents"][1:] == [
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "one", "response": {"error": "no"}}},
                {"functionResponse": {"id": "own", "name": "two", "response": {"output": "2"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "go"}]},
    ]


SHOWN = ResultPart(
    call_id="c1",
    name="look",
    text="ok",
    content=(
        ImagePart(media_type="image/png", data=b"x"),
        FilePart(media_type="audio/mpeg", url="gs://b/f"),
        Text(text="note"),
    ),
)


def test_an_image_stands_within_the_result_where_the_model_reads_it_there():
    image = {"inlineData": {"mimeType": "image/png", "data": "eA=="}}
    sound = {"fileData": {"mimeType": "audio/mpeg", "fileUri": "gs://b/f"}}
    heading = {"text": "Content of the result of look:"}
    response = {"id": "c1", "name": "look", "response": {"output": "ok"}}
    assert CODEC.encode_message(said(Role.TOOL, SHOWN), model=MODEL) == [
        {"role": "user", "parts": [{"functionResponse": response | {"parts": [image]}}]},
        {"role": "user", "parts": [heading, sound, {"text": "note"}]},
    ]
    assert CODEC.encode_message(said(Role.TOOL, SHOWN), model="gemini-2.5-pro") == [
        {"role": "user", "parts": [{"functionResponse": response}]},
        {"role": "user", "parts": [heading, image, sound, {"text": "note"}]},
    ]


def test_what_the_system_says_becomes_one_instruction():
    system = said(Role.SYSTEM, Text(text="a"))
    request = ModelRequest(messages=(system, said(Role.SYSTEM, Text(text="b"))))
    body = CODEC.encode_request(request, model=MODEL)
    assert body == {
        "contents": [],
        "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]},
    }
    assert CODEC.encode_message(system) == [{"role": "system", "parts": [{"text": "a"}]}]


@pytest.mark.parametrize(
    ("arguments", "args"), [('{"a":1}', {"a": 1}), ("", {}), ({"a": 1}, {"a": 1})]
)
def test_arguments_of_other_wires_become_an_object(arguments: Any, args: Json):
    message = said(Role.ASSISTANT, CallPart(id="c1", name="add", arguments=arguments))
    (content,) = CODEC.encode_message(message)
    assert content["parts"] == [{"functionCall": {"id": "c1", "name": "add", "args": args}}]


@pytest.mark.parametrize("arguments", ["{", "[]", None, 7])
def test_arguments_that_are_no_object_are_refused(arguments: Any):
    message = said(Role.ASSISTANT, CallPart(id="c1", name="add", arguments=arguments))
    with pytest.raises(ModelRequestError, match="no JSON object"):
        CODEC.encode_message(message)


@pytest.mark.parametrize(
    "message",
    [
        said(Role.USER, CallPart(id="c", name="n", arguments={})),
        said(Role.USER, Opaque(wire="openai", model="m", data={"content": {}})),
        said(Role.TOOL, Text(text="x")),
        said(Role.ASSISTANT, ResultPart(call_id="c", name="n", text="")),
        said(Role.ASSISTANT, opaque("strange", 1)),
    ],
)
def test_a_part_that_has_no_place_is_refused(message: Message):
    with pytest.raises(ModelRequestError):
        CODEC.encode_message(message)


def test_a_message_with_nothing_to_say_is_not_sent():
    assert CODEC.encode_message(said(Role.ASSISTANT, opaque("candidate", {"x": 1}))) == []


def test_the_encoder_writes_what_a_whole_request_would_be():
    encoder = CODEC.encoder(MODEL)
    history = [said(Role.SYSTEM, Text(text="s")), said(Role.USER, Text(text="u"))]
    tools = (TOOL,)
    for message in (
        read(call("one"), call("two")).message,
        said(Role.TOOL, ResultPart(call_id="a", name="one", text="1")),
        said(Role.TOOL, ResultPart(call_id="b", name="two", text="2")),
        said(Role.USER, Text(text="go")),
    ):
        history.append(message)
        request = ModelRequest(messages=history, tools=tools, choice="required", seed=1)
        expected = CODEC.encode_request(request, model=MODEL)
        assert orjson.loads(encoder.encode(request, stream=True)) == expected
    assert orjson.loads(encoder.encode(ModelRequest(messages=()), stream=False)) == {"contents": []}


def test_what_is_written_is_what_the_official_client_takes():
    answer = read(call() | {"thoughtSignature": "c2ln"}).message
    pdf = FilePart(media_type="application/pdf", url="gs://b/f")
    result = ResultPart(
        call_id=answer.calls[0].id, name="add", text="no", error=True, content=(pdf,)
    )
    request = ModelRequest(
        messages=(
            said(Role.SYSTEM, Text(text="Be brief.")),
            said(Role.USER, Text(text="Look"), ImagePart(media_type="image/png", data=b"x")),
            answer,
            said(Role.TOOL, result),
        ),
        tools=(TOOL,),
        choice="add",
        max_tokens=5,
        temperature=0.5,
        seed=7,
    )
    body = CODEC.encode_request(request, model=MODEL)
    contents = [sdk.Content.model_validate(item) for item in body["contents"]]
    tools = [sdk.Tool.model_validate(item) for item in body["tools"]]
    config = sdk.ToolConfig.model_validate(body["toolConfig"])
    parts = [part for content in contents for part in content.parts or ()]
    assert parts[2].thought_signature == b"sig"
    assert parts[3].function_response is not None
    assert parts[3].function_response.response == {"error": "no"}
    (declared,) = tools[0].function_declarations or []
    assert declared.parameters_json_schema == {"type": "object"}
    assert config.function_calling_config is not None
    assert config.function_calling_config.allowed_function_names == ["add"]
    assert sdk.GenerationConfig.model_validate(body["generationConfig"]).max_output_tokens == 5


# ------------------------------------------------------------------ conversations of others


def test_a_conversation_without_ids_is_read_with_ids_that_fit():
    request: Json = {
        "system_instruction": {"parts": [{"text": "s"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "go"}]},
            {"role": "model", "parts": [call("one"), call("two"), call("one")]},
            {
                "role": "user",
                "parts": [
                    {"function_response": {"name": "two", "response": {"output": "2"}}},
                    {"functionResponse": {"name": "one", "response": {"error": "no"}}},
                    {"functionResponse": {"name": "one", "response": {"output": {"a": 1}}}},
                    {"functionResponse": {"name": "three", "response": {"any": 1}}},
                    {"text": "and"},
                ],
            },
        ],
    }
    system, user, answer, results, more = read_conversation(request, model=MODEL)
    one, two, again = (call.id for call in answer.calls)
    assert (system.role, system.text, user.text, more.text) == (Role.SYSTEM, "s", "go", "and")
    assert results.parts == (
        ResultPart(call_id=two, name="two", text="2"),
        ResultPart(call_id=one, name="one", text="no", error=True),
        ResultPart(call_id=again, name="one", text='{"a":1}'),
        ResultPart(call_id="", name="three", text='{"any":1}'),
    )


def test_files_are_read_and_strange_parts_kept():
    strange = {"inlineData": {"mimeType": "video/mp4", "data": "eA=="}, "videoMetadata": {"fps": 1}}
    parts = [
        {"inlineData": {"mimeType": "image/png", "data": "_-8"}},
        {"fileData": {"mimeType": "text/plain", "fileUri": "gs://b/f"}},
        strange,
    ]
    (message,) = read_conversation({"contents": [{"role": "user", "parts": parts}]})
    assert message.parts == (
        ImagePart(media_type="image/png", data=b"\xff\xef"),
        FilePart(media_type="text/plain", url="gs://b/f"),
        opaque("part", strange, model=""),
    )
    assert CODEC.encode_message(message)[0]["parts"][2] == strange
    assert read_conversation({"contents": [{"role": "user"}]})[0].parts == ()


@pytest.mark.parametrize(
    "part",
    [
        {"inlineData": {"mimeType": "image/png", "data": "!"}},
        {"functionResponse": {"name": "x", "parts": [{"strange": 1}]}},
        {"functionResponse": "x"},
    ],
)
def test_a_part_that_cannot_be_read_is_an_error(part: Json):
    with pytest.raises(ModelStreamError):
        read_conversation({"contents": [{"role": "user", "parts": [part]}]})


# ------------------------------------------------------------------ errors


def refused(status: int, body: Any, headers: dict[str, str] | None = None) -> ModelError:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return CODEC.decode_error(status, headers or {}, data)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ModelRequestError),
        (401, ModelRequestError),
        (404, ModelRequestError),
        (408, ModelUnavailableError),
        (429, RateLimitedError),
        (499, ModelUnavailableError),
        (500, ModelUnavailableError),
        (503, ModelUnavailableError),
    ],
)
def test_a_refusal_is_of_the_kind_of_its_status(status: int, kind: type[ModelError]):
    error = refused(status, {"error": {"code": status, "message": "no", "status": "WORD"}})
    assert type(error) is kind
    assert error.message == f"The provider answered {status}: no"
    assert error.details == {"status": status, "reason": "WORD"}


def test_the_delay_that_is_told_is_kept():
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}
    body = [{"error": {"message": "slow", "details": ["x", {"@type": "y"}, info]}}]
    assert refused(429, body).retry_after == 34.4
    assert refused(429, body, {"retry-after": "2"}).retry_after == 2.0
    assert refused(429, {"error": {"details": [{"retryDelay": "soon"}]}}).retry_after is None


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"7", b'{"error": "x"}'])
def test_a_refusal_in_other_words_is_still_one(body: bytes):
    assert type(refused(502, body)) is ModelUnavailableError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 400, "message": "x"}, ModelRequestError),
        ({"status": "INVALID_ARGUMENT"}, ModelRequestError),
        ({"code": "https://x/errors/resource_exhausted"}, RateLimitedError),
        ({"code": 7}, ModelUnavailableError),
        ("gone", ModelUnavailableError),
    ],
)
def test_an_error_within_an_answer_is_of_the_kind_of_its_word(error: Any, kind: type[ModelError]):
    with pytest.raises(kind):
        CODEC.decode_response({"error": error})

"""What a response, stream or message of Gemini's interactions means.

No exchange was recorded; the official client's typed models and another project's fixtures stand
for the wire.
"""

from typing import Any

import orjson
import pytest
from google.genai import interactions as sdk
from pydantic import BaseModel

from callgate.codecs import Frame, GeminiInteractions, by_name, detect
from callgate.codecs.sse import EventStream
from callgate.errors import (
    ModelRequestError,
    ModelStreamError,
    ModelUnavailableError,
    RateLimitedError,
)
from callgate.messages import (
    CallDelta,
    CallPart,
    Message,
    ModelEvent,
    ModelRequest,
    ModelResponse,
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
from tests.codecs.recorded import response_of

CODEC = by_name("gemini_interactions")
MODEL = "gemini-4-argon"
Json = dict[str, Any]

THOUGHT = {"type": "thought", "signature": "s1", "summary": [{"type": "text", "text": "hm"}]}
CALL = {"type": "function_call", "id": "c1", "name": "add", "arguments": {"a": 1}}
TOOL = Tool(name="db.add", description="Add.", parameters={"type": "object"})


def output(*content: Any, **more: Any) -> Json:
    return {"type": "model_output", "content": list(content), **more}


def text(said: str, **more: Any) -> Json:
    return {"type": "text", "text": said, **more}


def read(*steps: Any, status: str = "completed", **more: Any) -> ModelResponse:
    data = {"id": "i1", "object": "interaction", "model": MODEL, "status": status}
    return CODEC.decode_response({**data, "steps": list(steps), **more})


def opaque(kind: str, value: Any, model: str = MODEL) -> Opaque:
    return Opaque(wire="gemini_interactions", model=model, data={kind: value})


def said(role: Role, *parts: Part) -> Message:
    return Message(role=role, parts=parts)


# ------------------------------------------------------------------ whole responses


def test_the_steps_are_read_in_their_order_with_what_must_come_back():
    search = {"type": "google_search_call", "id": "g", "signature": "", "arguments": {}}
    image = {"type": "image", "data": "eA==", "mime_type": "image/png"}
    response = read(
        THOUGHT,
        output(text("Hello"), text(" there", annotations=[{"url": "x"}]), text(""), image),
        output(text("more")),
        output(text("most"), error={"code": 3}),
        search,
        CALL | {"signature": "s2"},
        CALL | {"id": "", "signature": ""},
        status="requires_action",
    )
    first, second = response.message.calls
    assert response.message.parts == (
        opaque("step", THOUGHT),
        Text(text="Hello"),
        opaque("text", {"annotations": [{"url": "x"}]}),
        Text(text=" there"),
        opaque("content", image),
        opaque("output", {}),
        Text(text="more"),
        opaque("output", {"error": {"code": 3}}),
        Text(text="most"),
        opaque("step", search),
        opaque("call", {"signature": "s2"}),
        CallPart(id="c1", name="add", arguments={"a": 1}),
        CallPart(id=second.id, name="add", arguments={"a": 1}),
    )
    assert (first.id, second.id[:5]) == ("c1", "call_")
    assert (response.stop, response.model) == (StopReason.CALLS, MODEL)


def test_what_was_read_is_written_as_it_came():
    steps = [
        THOUGHT,
        output(text("Hello"), text(" there", annotations=[{"url": "x"}])),
        output(text("more"), error={"code": 3}),
        CALL | {"signature": "s2"},
    ]
    assert CODEC.encode_message(read(*steps).message, model=MODEL) == steps


def test_parts_bound_to_another_model_stay_behind():
    message = read(THOUGHT, output(text("Hi"))).message
    assert CODEC.encode_message(message, model="other") == [output(text("Hi"))]


def test_our_names_come_back_for_the_names_of_the_wire():
    data = {"status": "completed", "steps": [CALL]}
    response = CODEC.decode_response(data, model="asked", names={"add": "db.add"})
    assert [one.name for one in response.message.calls] == ["db.add"]


@pytest.mark.parametrize(
    ("status", "stop"),
    [
        ("completed", StopReason.END),
        ("incomplete", StopReason.LENGTH),
        ("budget_exceeded", StopReason.LENGTH),
        ("requires_continuation", StopReason.LENGTH),
    ],
)
def test_the_status_says_why_it_stopped(status: str, stop: StopReason):
    assert read(output(text("x")), status=status).stop is stop


def test_calls_of_an_answer_that_was_cut_are_marked():
    (cut,) = read(CALL, status="incomplete").message.calls
    assert cut.truncated


@pytest.mark.parametrize("status", ["in_progress", "queued", "", "new"])
def test_an_interaction_that_has_not_ended_is_an_error(status: str):
    with pytest.raises(ModelStreamError, match="has not ended"):
        read(output(text("x")), status=status)


def test_an_interaction_that_failed_is_an_error():
    with pytest.raises(RateLimitedError, match="slow down") as caught:
        read(status="failed", errors=[{"code": "x/resource_exhausted", "message": "slow down"}])
    assert caught.value.details["interaction"] == "failed"
    with pytest.raises(ModelUnavailableError, match="the interaction cancelled"):
        read(status="cancelled")


def test_an_interaction_that_waits_for_nothing_is_an_error():
    with pytest.raises(ModelStreamError, match="names none"):
        read(output(text("x")), status="requires_action")


def test_usage_counts_thoughts_as_output_and_tools_as_input():
    counts = {"input": 10, "tool_use": 5, "output": 3, "thought": 2, "cached": 4}
    usage = {f"total_{name}_tokens": count for name, count in counts.items()}
    assert read(usage=usage).usage == Usage(input=15, output=5, cached=4, requests=1)
    assert read(usage=None).usage == Usage(requests=1)


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"steps": 7},
        {"status": 7, "steps": []},
        {"status": "completed", "steps": ["x"]},
        {"status": "completed", "steps": [{"type": "function_call"}]},
        {"status": "completed", "steps": [CALL | {"arguments": 7}]},
        {"status": "completed", "steps": [{"type": "model_output", "content": ["x"]}]},
    ],
)
def test_what_is_no_interaction_is_an_error(data: Any):
    with pytest.raises(ModelStreamError):
        CODEC.decode_response(data)


def test_an_error_in_place_of_an_interaction_is_raised():
    with pytest.raises(ModelRequestError, match="400: no"):
        CODEC.decode_response({"error": {"code": "invalid_argument", "message": "no"}})


def test_a_response_is_recognised():
    response = sdk.Interaction.model_validate({"id": "i", "status": "completed", "steps": []})
    assert detect(response) is CODEC
    assert detect({"object": "interaction"}) is CODEC
    assert detect({"status": "completed", "steps": []}) is CODEC
    assert detect({"steps": []}) is None
    assert CODEC.wire == "gemini_interactions"
    assert CODEC.path(MODEL, stream=True) == "/interactions"
    assert type(CODEC.framer()) is EventStream


def test_the_official_clients_object_is_read_like_the_wire():
    steps = [THOUGHT | {"signature": "c2ln"}, output(text("Hi")), CALL]
    data = {"id": "i", "status": "requires_action", "model": MODEL, "steps": steps}
    message = CODEC.decode_response(sdk.Interaction.model_validate(data)).message
    assert message.text == "Hi"
    assert message.calls == (CallPart(id="c1", name="add", arguments={"a": 1}),)
    written = CODEC.encode_message(message)
    assert written[0]["signature"] == "c2ln"
    assert written[2] == CALL


# ------------------------------------------------------------------ streams

CREATED = {
    "event_type": "interaction.created",
    "interaction": {"id": "i1", "model": MODEL, "status": "in_progress"},
}
UPDATED = {"event_type": "interaction.status_update", "status": "in_progress"}


def start(index: int, step: Json) -> Json:
    return {"event_type": "step.start", "index": index, "step": step}


def delta(index: int, **fields: Any) -> Json:
    return {"event_type": "step.delta", "index": index, "delta": fields}


def stop(index: int) -> Json:
    return {"event_type": "step.stop", "index": index}


def completed(status: str = "completed", **more: Any) -> Json:
    return {
        "event_type": "interaction.completed",
        "interaction": {"id": "i1", "model": MODEL, "status": status, **more},
    }


def stream(*told: Json) -> list[ModelEvent]:
    decoder = CODEC.decoder()
    got = [event for one in told for event in decoder.feed(Frame("", orjson.dumps(one)))]
    return [*got, *decoder.close()]


def last(*told: Json) -> ModelResponse:
    return response_of(stream(*told))


ADD = start(0, CALL | {"arguments": {}})


def test_a_stream_is_told_piece_by_piece():
    summary = text("hm")
    got = stream(
        CREATED,
        UPDATED,
        start(0, {"type": "thought"}),
        delta(0, type="thought_summary", content=summary),
        delta(0, type="thought_signature", signature="s1"),
        stop(0),
        start(1, {"type": "model_output"}),
        delta(1, type="text", text="He"),
        delta(1, type="text", text="y"),
        delta(1, type="text_annotation_delta", annotations=[{"url": "x"}]),
        delta(1, type="text_annotation_delta", annotations=[{"url": "y"}]),
        delta(1, type="image", data="eA=="),
        delta(1, type="text", text="!"),
        stop(1),
        start(2, {"type": "google_search_call", "id": "g"}),
        delta(2, type="google_search_call", arguments={"queries": ["q"]}),
        delta(2, type="text", text="unseen"),
        stop(2),
        start(3, CALL | {"arguments": {}}),
        delta(3, type="arguments_delta", arguments='{"a"'),
        delta(3, type="arguments_delta", arguments=":1}"),
        stop(3),
        {"event_type": "brand.new"},
        completed("requires_action", usage={"total_input_tokens": 3}),
    )
    assert got[:-1] == [
        TextDelta(text="He"),
        TextDelta(text="y"),
        TextDelta(text="!"),
        CallDelta(index=0, id="c1", name="add"),
        CallDelta(index=0, arguments='{"a"'),
        CallDelta(index=0, arguments=":1}"),
    ]
    response = response_of(got)
    searched = {"type": "google_search_call", "id": "g", "arguments": {"queries": ["q"]}}
    assert response.message.parts == (
        opaque("step", THOUGHT),
        opaque("text", {"annotations": [{"url": "x"}, {"url": "y"}]}),
        Text(text="Hey"),
        opaque("content", {"type": "image", "data": "eA=="}),
        Text(text="!"),
        opaque("step", searched | {"content": [text("unseen")]}),
        CallPart(id="c1", name="add", arguments='{"a":1}'),
        opaque("events", [{"event_type": "brand.new"}]),
    )
    assert (response.stop, response.usage.input) == (StopReason.CALLS, 3)
    assert CODEC.encode_message(response.message)[-1] == CALL


def test_a_call_without_an_id_or_arguments_has_one_of_ours_and_the_empty_object():
    got = stream(CREATED, start(0, {"type": "function_call", "name": "add"}), stop(0), completed())
    (begun, done) = got
    assert isinstance(begun, CallDelta)
    assert isinstance(done, ResponseDone)
    assert done.response.message.calls == (CallPart(id=begun.id, name="add", arguments={}),)


def test_steps_that_come_only_at_the_end_are_read():
    response = last(completed(steps=[output(text("Hi"))]))
    assert (response.message.text, response.model) == ("Hi", MODEL)


def test_a_call_that_was_cut_is_marked():
    (cut,) = last(
        CREATED, ADD, delta(0, type="arguments_delta", arguments='{"a'), completed("incomplete")
    ).message.calls
    assert (cut.arguments, cut.truncated) == ('{"a', True)


@pytest.mark.parametrize(
    "told",
    [
        [start(1, CALL)],
        [start(0, CALL), start(1, CALL)],
        [start(0, CALL), stop(1)],
        [start(0, CALL), stop(0), stop(0)],
        [delta(0, type="text", text="x")],
        [start(0, CALL), stop(0), delta(0, type="arguments_delta", arguments="x")],
        [start(0, CALL), completed()],
        [start(0, CALL), delta(0, type="arguments_delta", arguments=7)],
        [start(0, {"type": 7})],
    ],
)
def test_events_out_of_their_order_are_an_error_that_tells_what_had_come(told: list[Json]):
    spoken = [start(0, output()), delta(0, type="text", text="Hi"), stop(0)]
    shifted = [one | {"index": one["index"] + 1} if "index" in one else one for one in told]
    with pytest.raises(ModelStreamError) as caught:
        stream(CREATED, *spoken, *shifted)
    assert caught.value.details["received"]["text"] == "Hi"


def test_a_stream_without_an_end_is_an_error():
    with pytest.raises(ModelStreamError, match="before the interaction") as caught:
        stream(CREATED, ADD)
    assert caught.value.details["received"] == {"text": "", "calls": [CALL | {"arguments": {}}]}


def test_what_comes_after_the_end_is_not_read():
    decoder = CODEC.decoder()
    assert len(decoder.feed(Frame("", orjson.dumps(completed())))) == 1
    assert decoder.feed(Frame("", b"{")) == []
    assert decoder.close() == []


def test_the_last_word_of_the_stream_says_nothing():
    assert CODEC.decoder().feed(Frame("", b"[DONE]")) == []


@pytest.mark.parametrize("kind", ["error", None])
def test_an_error_inside_a_stream_is_raised(kind: str | None):
    with pytest.raises(RateLimitedError, match="slow"):
        stream(CREATED, {"event_type": kind, "error": {"code": 429, "message": "slow"}})


# ------------------------------------------------------------------ what is sent


def history() -> tuple[Message, ...]:
    shown = (
        ImagePart(media_type="image/png", data=b"x"),
        FilePart(media_type="application/pdf", url="gs://b/f"),
    )
    return (
        said(Role.SYSTEM, Text(text="Be brief."), Text(text="Be kind.")),
        said(Role.USER, Text(text="Look"), *shown, FilePart(media_type="audio/wav", data=b"x")),
        read(THOUGHT, output(text("I will")), CALL).message,
        said(
            Role.TOOL,
            ResultPart(call_id="c1", name="db.add", text="no", error=True),
            ResultPart(call_id="c2", name="add", text="ok", content=shown),
        ),
    )


def test_a_body_is_what_the_official_client_takes():
    request = ModelRequest(
        messages=history(), tools=(TOOL,), choice="db.add", max_tokens=5, temperature=0.5, seed=7
    )
    body = CODEC.encode_request(request, model=MODEL, stream=True)
    name = body["tools"][0]["name"]
    image = {"type": "image", "mime_type": "image/png", "data": "eA=="}
    document = {"type": "document", "mime_type": "application/pdf", "uri": "gs://b/f"}
    sound = {"type": "audio", "mime_type": "audio/wav", "data": "eA=="}
    assert body == {
        "model": MODEL,
        "input": [
            {"type": "user_input", "content": [text("Look"), image, document, sound]},
            THOUGHT,
            output(text("I will")),
            CALL,
            {
                "type": "function_result",
                "call_id": "c1",
                "name": name,
                "result": "no",
                "is_error": True,
            },
            {
                "type": "function_result",
                "call_id": "c2",
                "name": "add",
                "result": [text("ok"), image, document],
            },
        ],
        "tools": [
            {
                "type": "function",
                "name": name,
                "description": "Add.",
                "parameters": {"type": "object"},
            }
        ],
        "store": False,
        "stream": True,
        "system_instruction": "Be brief.\n\nBe kind.",
        "generation_config": {
            "max_output_tokens": 5,
            "temperature": 0.5,
            "seed": 7,
            "tool_choice": {"allowed_tools": {"mode": "any", "tools": [name]}},
        },
    }
    for step in body["input"]:
        kind: type[BaseModel] = {
            "user_input": sdk.UserInputStep,
            "thought": sdk.ThoughtStep,
            "model_output": sdk.ModelOutputStep,
            "function_call": sdk.FunctionCallStep,
            "function_result": sdk.FunctionResultStep,
        }[step["type"]]
        assert kind.model_validate(step).model_dump(exclude_none=True)["type"] == step["type"]
    assert orjson.loads(CODEC.encoder(MODEL).encode(request, stream=True)) == body


@pytest.mark.parametrize(("choice", "written"), [("none", "none"), ("required", "any")])
def test_the_choice_is_a_word(choice: str, written: str):
    request = ModelRequest(messages=(), tools=(TOOL,), choice=choice)
    body = CODEC.encode_request(request, model=MODEL)
    assert body["generation_config"] == {"tool_choice": written}


def test_a_tool_without_a_description_is_declared_without_one():
    tool = Tool(name="add", description="", parameters={})
    assert CODEC.encode_tools([tool]) == [{"type": "function", "name": "add", "parameters": {}}]


def test_only_what_was_asked_for_is_sent():
    body = GeminiInteractions(store=True).encode_request(ModelRequest(messages=()), model=MODEL)
    assert body == {"model": MODEL, "input": [], "store": True}
    encoder = GeminiInteractions(store=True).encoder(MODEL)
    assert orjson.loads(encoder.encode(ModelRequest(messages=()), stream=False)) == body


def test_the_system_alone_is_a_step_that_no_request_has():
    message = said(Role.SYSTEM, Text(text="a"))
    assert CODEC.encode_message(message) == [{"type": "system_instruction", "text": "a"}]


def test_that_parallel_calls_cannot_be_forbidden_is_said():
    codec = GeminiInteractions()
    asked = ModelRequest(messages=(), tools=(TOOL,), parallel=False)
    assert codec.notes(asked, model=MODEL) == (
        "This wire cannot forbid parallel calls: several may come in one message.",
    )
    assert codec.notes(ModelRequest(messages=(), parallel=False), model=MODEL) == ()


def test_what_the_model_drew_is_said_within_its_words():
    picture = ImagePart(media_type="image/png", data=b"x")
    image = {"type": "image", "mime_type": "image/png", "data": "eA=="}
    assert CODEC.encode_message(said(Role.ASSISTANT, Text(text="See"), picture)) == [
        output(text("See"), image)
    ]


def test_what_is_about_a_stream_is_not_sent():
    message = said(Role.ASSISTANT, opaque("events", [{}]), opaque("content", {"type": "x"}))
    assert CODEC.encode_message(message) == [output({"type": "x"})]
    asked = said(Role.USER, opaque("content", {"type": "x"}))
    assert CODEC.encode_message(asked) == [{"type": "user_input", "content": [{"type": "x"}]}]


@pytest.mark.parametrize(
    "message",
    [
        said(Role.SYSTEM, ImagePart(media_type="image/png", data=b"x")),
        said(Role.USER, CallPart(id="c", name="n", arguments={})),
        said(Role.TOOL, Text(text="x")),
        said(Role.ASSISTANT, ResultPart(call_id="c", name="n", text="")),
        said(Role.ASSISTANT, opaque("strange", 1)),
        said(Role.ASSISTANT, CallPart(id="c", name="n", arguments="{")),
    ],
)
def test_a_part_that_has_no_place_is_refused(message: Message):
    with pytest.raises(ModelRequestError):
        CODEC.encode_message(message)


def test_a_refusal_names_its_kind():
    error = CODEC.decode_error(429, {}, b'{"error": {"code": "x", "message": "slow"}}')
    assert type(error) is RateLimitedError
    assert error.details == {"status": 429, "reason": "x"}

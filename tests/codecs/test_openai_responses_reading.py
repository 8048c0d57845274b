from typing import Any

import pytest
from pydantic import BaseModel

from callgate.codecs import Frame, detect
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelStreamError,
    ModelUnavailableError,
    RateLimitedError,
)
from callgate.messages import (
    CallPart,
    Opaque,
    StopReason,
    Usage,
)
from callgate.types import Text
from tests.codecs.openai_responses_values import CODEC, Json, call, message, ours, read, text, whole

# ------------------------------------------------------------------ whole responses


def test_items_are_read_each_in_its_place():
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    annotated = text("hi", annotations=[{"type": "url_citation"}], logprobs=[])
    usage = {
        "input_tokens": 10,
        "output_tokens": 4,
        "input_tokens_details": {"cached_tokens": 3},
    }
    response = read(
        thought,
        message(annotated, text("!"), id="msg_1", phase="commentary"),
        call(id="fc_1", namespace="crm"),
        {"type": "new_thing", "n": 1, "absent": None},
        usage=usage,
    )
    echo = Opaque(wire="openai_responses", model="m", data={"namespace": "crm"})
    assert response.message.parts == (
        ours("item", thought),
        ours("message", {"id": "msg_1", "phase": "commentary"}),
        ours("text", {"annotations": [{"type": "url_citation"}]}),
        Text(text="hi"),
        Text(text="!"),
        ours("call", {"id": "fc_1"}),
        CallPart(id="c1", name="add", arguments='{"a":1}', echo=echo),
        ours("item", {"type": "new_thing", "n": 1}),
    )
    assert response.stop is StopReason.CALLS
    assert response.usage == Usage(input=10, output=4, cached=3, requests=1)
    assert response.model == "m"


def test_freeform_calls_have_text_for_arguments():
    item = {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"}
    (got,) = read(item).message.calls
    assert got.arguments == "SELECT 1"
    assert got.echo == Opaque(wire="openai_responses", model="m", data={"type": "custom_tool_call"})
    (empty,) = read({"type": "custom_tool_call", "call_id": "c", "name": "sql"}).message.calls
    assert empty.arguments == ""


@pytest.mark.parametrize(
    ("given", "expected"), [(None, "{}"), ("", "{}"), ('{"a":', '{"a":'), ({"a": 1}, {"a": 1})]
)
def test_arguments_stay_as_they_came(given: Any, expected: Any):
    assert read(call(given)).message.calls[0].arguments == expected


def test_an_absent_id_is_that_of_the_item_or_made_from_the_place():
    first, second = read(call(call_id="", id="fc_1"), call(call_id="")).message.calls
    assert first.id == "fc_1"
    assert second.id.startswith("call_")
    assert second == read(call(call_id="", id="fc_1"), call(call_id="")).message.calls[1]


def test_a_changed_name_comes_back_as_ours_and_parts_carry_the_model_that_was_asked():
    response = CODEC.decode_response(whole(call(id="fc")), model="alias", names={"add": "math.add"})
    own = Opaque(wire="openai_responses", model="alias", data={"call": {"id": "fc"}})
    assert response.message.parts == (
        own,
        CallPart(id="c1", name="math.add", arguments='{"a":1}'),
    )


def test_a_refusal_is_shown_and_kept():
    response = read(message({"type": "refusal", "refusal": "no"}))
    assert response.stop is StopReason.REFUSAL
    assert response.message.parts == (ours("message", {}), ours("refusal", "no"), Text(text="no"))


def test_content_may_be_bare_text_or_of_an_unknown_type():
    assert read(message() | {"content": "hi"}).message.text == "hi"
    parts = read(message({"type": "mystery"})).message.parts
    assert parts == (ours("message", {}), ours("content", {"type": "mystery"}))


@pytest.mark.parametrize(
    ("status", "more", "stop"),
    [
        ("completed", {}, StopReason.END),
        (None, {}, StopReason.END),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, StopReason.LENGTH),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, StopReason.REFUSAL),
        ("incomplete", {}, StopReason.LENGTH),
        ("queued", {}, StopReason.ERROR),
        ("in_progress", {}, StopReason.ERROR),
        ("cancelled", {}, StopReason.ERROR),
    ],
)
def test_the_stop_reason_is_told_by_the_status(status: str | None, more: Json, stop: StopReason):
    assert read(message(text("hi")), status=status, **more).stop is stop


@pytest.mark.parametrize(
    ("response", "item", "truncated"),
    [
        ("completed", None, False),
        ("completed", "in_progress", False),  # as a program's calls are while it runs
        ("completed", "incomplete", True),
        ("incomplete", "completed", False),
        ("incomplete", "in_progress", True),
        ("incomplete", None, True),
    ],
)
def test_a_call_that_was_not_finished_is_marked(response: str, item: str | None, truncated: bool):
    (got,) = read(call(status=item), status=response).message.calls
    assert got.truncated is truncated


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "server_error", "message": "x"}, ModelUnavailableError),
        ({"code": "rate_limit_exceeded", "message": "x"}, RateLimitedError),
        ({"code": "invalid_prompt", "message": "x"}, ModelRequestError),
        ({"code": "insufficient_quota", "message": "x"}, ModelRequestError),
        (None, ModelUnavailableError),
    ],
)
def test_a_response_that_failed_is_its_error(error: Json | None, kind: type[ModelError]):
    with pytest.raises(ModelError) as caught:
        read(status="failed", error=error)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "response",
    [
        None,
        [],
        {},
        whole() | {"output": "x"},
        whole() | {"output": ["x"]},
        whole({"type": 1}),
        whole(call(7)),
        whole(call(name=7)),
        whole(call() | {"call_id": 7}),
        whole(message({"type": "output_text", "text": 7})),
        whole(message() | {"content": 7}),
        whole({"type": "custom_tool_call", "input": {}}),
        whole(status=7),
    ],
)
def test_what_cannot_be_read_is_an_error_not_an_empty_answer(response: Any):
    with pytest.raises(ModelStreamError):
        CODEC.decode_response(response)


class Search(BaseModel):
    """An item of an SDK: fields that did not come are None."""

    type: str
    query: str
    sources: list[str] | None = None


class Sdk(BaseModel):
    """A response object of an SDK."""

    model: str
    status: str
    output: list[Search]


def test_what_an_sdk_adds_does_not_go_back():
    item = {"type": "web_search_call", "query": "tea"}
    response = Sdk.model_validate({"model": "m", "status": "completed", "output": [item]})
    assert CODEC.decode_response(response).message.parts == (ours("item", item),)


def test_usage_that_cannot_be_read_counts_as_nothing():
    assert read(usage="x").usage == Usage(requests=1)


@pytest.mark.parametrize("response", [{"object": "response"}, {"output": []}])
def test_a_response_is_recognised_by_what_it_says_or_holds(response: Json):
    found = detect(response)
    assert found is not None
    assert found.wire == "openai_responses"


def test_a_refused_request_is_read_and_a_stream_is_cut_into_events():
    body = b'{"error":{"message":"no such model","code":"model_not_found"}}'
    error = CODEC.decode_error(400, {"x-request-id": "req_1"}, body)
    assert type(error) is ModelRequestError
    assert error.details["request_id"] == "req_1"
    assert CODEC.framer().feed(b"event: error\ndata: {}\n\n") == [Frame("error", b"{}")]

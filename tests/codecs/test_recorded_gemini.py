"""Every recorded exchange of Gemini's `generateContent` is read without loss and written back.

Calls, cuts of streams, history and tools are compared by the replay in tests/testing; here stands
what else there is to a recording.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.codecs import Frame, by_name
from callgate.codecs.gemini_history import read_conversation
from callgate.codecs.gemini_reading import wired
from callgate.errors import ModelError, ModelRequestError, RateLimitedError
from callgate.messages import (
    Message,
    ModelRequest,
    ModelResponse,
    ResultPart,
    Role,
    StopReason,
)
from callgate.types import Text
from tests.codecs.recorded import Exchange, cut, events, exchanges, frames, response_of

FILE = "gemini_generate_content"
CODEC = by_name("gemini")
Json = dict[str, Any]


def answered(folder: Path) -> list[Exchange]:
    return [item for item in exchanges(folder, FILE) if item["status"] == 200]


def streams(folder: Path) -> list[Exchange]:
    return [item for item in answered(folder) if "response_sse" in item]


def chunks(item: Exchange) -> list[Json]:
    """The response, or the responses that a stream is a row of."""
    if "response" in item:
        return [item["response"]]
    return [orjson.loads(frame.data) for frame in frames(iter([item["response_sse"].encode()]))]


def decoded(item: Exchange, size: int = 4096) -> ModelResponse:
    if "response" in item:
        return CODEC.decode_response(item["response"], model=item["model"])
    pieces = cut(item["response_sse"].encode(), size)
    return response_of(events(CODEC.decoder(model=item["model"]), pieces))


def wire_parts(item: Exchange) -> list[Json]:
    return [
        part
        for chunk in chunks(item)
        for candidate in chunk["candidates"]
        for part in candidate["content"].get("parts", [])
    ]


# ------------------------------------------------------------------ what is read


def test_text_usage_and_model_are_those_of_the_response(data_dir: Path):
    checked = 0
    for item in answered(data_dir):
        response, raw = decoded(item), chunks(item)
        said = [part for part in wire_parts(item) if not part.get("thought")]
        assert response.message.text == "".join(part.get("text", "") for part in said)
        assert response.model == raw[0]["modelVersion"]
        usage = raw[-1]["usageMetadata"]
        assert response.usage.input + response.usage.output == usage["totalTokenCount"]
        assert response.usage.cached == usage.get("cachedContentTokenCount", 0)
        checked += 1
    assert checked == 218


def test_a_call_that_the_provider_did_not_expect_is_a_failure_with_its_call(data_dir: Path):
    stops = [
        (decoded(item).stop, len(decoded(item).message.calls))
        for item in answered(data_dir)
        if chunks(item)[-1]["candidates"][0]["finishReason"] == "UNEXPECTED_TOOL_CALL"
    ]
    assert stops == [(StopReason.ERROR, 1)] * 3


def test_a_stream_means_what_the_same_parts_mean_in_one_response(data_dir: Path):
    for item in streams(data_dir):
        row = chunks(item)
        one = {**row[0], "usageMetadata": row[-1]["usageMetadata"]}
        last = row[-1]["candidates"][0]
        one["candidates"] = [last | {"content": {"role": "model", "parts": wire_parts(item)}}]
        response = CODEC.decode_response(one, model=item["model"])
        message = decoded(item).message
        assert message.text == response.message.text
        assert [(call.name, call.arguments) for call in message.calls] == [
            (call.name, call.arguments) for call in response.message.calls
        ]
        assert signatures(message) == signatures(response.message)


def signatures(message: Message) -> list[str]:
    """The signatures that go back, in order."""
    (content,) = CODEC.encode_message(message)
    return [part["thoughtSignature"] for part in content["parts"] if "thoughtSignature" in part]


# ------------------------------------------------------------------ what is sent back


def same_signature(text: str) -> str:
    """Signatures are base64; clients changed the alphabet."""
    return text.replace("+", "-").replace("/", "_").rstrip("=")


def test_results_are_sent_as_the_provider_accepted_them(data_dir: Path):
    checked = 0
    for item in answered(data_dir):
        request = wired(item["request"])
        messages = read_conversation(request, model=item["model"])
        body = CODEC.encode_request(ModelRequest(messages=messages), model=item["model"])
        sent = [
            part["functionResponse"]
            for content in request["contents"]
            for part in content["parts"]
            if "functionResponse" in part
        ]
        written = [
            part["functionResponse"]
            for content in body["contents"]
            for part in content["parts"]
            if "functionResponse" in part
        ]
        assert [(one.get("id"), one["name"]) for one in written] == [
            (one.get("id"), one["name"]) for one in sent
        ]
        for ours, theirs in zip(written, sent, strict=True):
            (kind, text), response = *ours["response"].items(), theirs["response"]
            if response.keys() in ({"error"}, {"output"}):
                assert response.keys() == {kind}
                response = response[kind]
            assert text == response or orjson.loads(text) == response
            shown = [[spelled(part) for part in one.get("parts", [])] for one in (ours, theirs)]
            assert shown[0] == shown[1]
            checked += 1
    assert checked == 167


def test_a_conversation_is_read_and_written_as_it_was(data_dir: Path):
    checked = 0
    for item in answered(data_dir):
        request = wired(item["request"])
        messages = read_conversation(request, model=item["model"])
        body = CODEC.encode_request(ModelRequest(messages=messages), model=item["model"])
        encoded = CODEC.encoder(item["model"]).encode(ModelRequest(messages=messages), stream=True)
        assert orjson.loads(encoded) == body
        assert said(body["contents"]) == said(request["contents"]), item["id"]
        texts = [part["text"] for part in request.get("systemInstruction", {}).get("parts", [])]
        system = [message.text for message in messages if message.role is Role.SYSTEM]
        assert system == (["".join(texts)] if texts else [])
        checked += 1
    assert checked == 218


def said(contents: list[Json]) -> list[tuple[str, Json]]:
    """All parts but results, in order, with who said them."""
    return [
        (content["role"], spelled(part))
        for content in contents
        for part in content["parts"]
        if "functionResponse" not in part and part != {"text": ""}
    ]


def spelled(part: Json) -> Json:
    """Base64 in one alphabet."""
    if "inlineData" in part:
        inline = part["inlineData"]
        part = part | {"inlineData": inline | {"data": same_signature(inline["data"])}}
    return part


def test_results_follow_the_calls_in_their_order_whatever_order_they_come_in(data_dir: Path):
    checked = 0
    for item in answered(data_dir):
        response = decoded(item)
        calls = response.message.calls
        if len(calls) < 2:
            continue
        results = [
            Message(
                role=Role.TOOL,
                parts=(ResultPart(call_id=call.id, name=call.name, text=str(place)),),
            )
            for place, call in enumerate(calls)
        ]
        random.Random(7).shuffle(results)
        user = Message(role=Role.USER, parts=(Text(text="go"),))
        request = ModelRequest(messages=(user, response.message, *results))
        last = CODEC.encode_request(request, model=item["model"])["contents"][-1]
        texts = [part["functionResponse"]["response"]["output"] for part in last["parts"]]
        assert texts == [str(place) for place in range(len(calls))]
        checked += 1
    assert checked == 4


# ------------------------------------------------------------------ errors


def test_recorded_errors_are_of_the_right_kind_and_keep_the_providers_words(data_dir: Path):
    checked = 0
    for item in exchanges(data_dir, FILE):
        if item["status"] == 200:
            continue
        error = CODEC.decode_error(item["status"], {}, orjson.dumps(item["response"]))
        assert type(error) is ModelRequestError
        assert item["response"]["error"]["message"][:200] in error.message
        assert error.details["status"] == item["status"]
        assert error.details["reason"] == item["response"]["error"]["status"]
        checked += 1
    assert checked == 3


# ------------------------------------------------------------------ fixtures of another project


def fixtures(folder: Path) -> list[Json]:
    items = exchanges(folder, "fixtures_vercel_ai")
    return [item for item in items if item["wire"] == "gemini.generate_content"]


def test_the_fixtures_are_read_and_their_signatures_kept(data_dir: Path):
    read = 0
    for item in fixtures(data_dir):
        if "error" in (item.get("response") or {}):
            error = CODEC.decode_error(429, {}, orjson.dumps(item["response"]))
            assert type(error) is RateLimitedError
            assert error.retry_after == 34.4
            continue
        rows = item.get("chunks") or [item["response"]]
        parts = [
            part for row in rows for one in row["candidates"] for part in one["content"]["parts"]
        ]
        if "chunks" in item:
            decoder = CODEC.decoder()
            for row in rows:
                decoder.feed(Frame("", orjson.dumps(row)))
            response = response_of(list(decoder.close()))
        else:
            response = CODEC.decode_response(item["response"])
        sent = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
        assert signatures(response.message) == sent != []
        read += 1
    assert read == 14


def test_arguments_that_come_value_by_value_are_put_together(data_dir: Path):
    calls = {
        item["name"]: [(call.name, call.arguments) for call in fixture_calls(item)]
        for item in fixtures(data_dir)
        if item["name"].startswith(("google-stream", "google-vertex"))
    }
    assert calls["google-stream-tool-call-arguments.chunks.txt"] == [
        ("getWeather", {"location": "Boston"}),
        ("getWeather", {"location": "San Francisco"}),
    ]
    assert calls["google-stream-no-args-tool-call.chunks.txt"] == [
        ("read_theme", {}),
        ("read_screen", {"id": "A"}),
        ("read_screen", {"id": "B"}),
        ("read_screen", {"id": "C"}),
    ]
    (write,) = calls[
        "google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt"
    ]
    assert [item["price"] for item in write[1]["operations"]] == [0.5, 0.3]
    (cook,) = calls["google-vertex-stream-tool-call-arguments-nested.1.chunks.txt"]
    assert len(cook[1]["recipe"]["ingredients"]) == 10
    assert cook[1]["recipe"]["steps"][9] == "Let stand for 15 minutes before serving."


def fixture_calls(item: Json) -> Any:
    decoder = CODEC.decoder()
    for row in item["chunks"]:
        decoder.feed(Frame("", orjson.dumps(row)))
    return response_of(list(decoder.close())).message.calls


# ------------------------------------------------------------------ damage


def outcome(data: bytes) -> ModelResponse | None:
    """What comes of the bytes of a stream; None for a clear error."""
    try:
        return response_of(events(CODEC.decoder(), iter([data])))
    except ModelError:
        return None


def call_set(response: ModelResponse | None) -> Counter[str]:
    calls = response.message.calls if response else ()
    return Counter(json.dumps([call.name, call.arguments], sort_keys=True) for call in calls)


def test_a_damaged_stream_is_an_error_or_right_and_never_a_wrong_call(data_dir: Path):
    rows = [chunk_bytes(item) for item in streams(data_dir)]
    right = [call_set(outcome(sse(row))) for row in rows]

    @settings(max_examples=150)
    @given(st.data())
    def check(data: st.DataObject):
        place = data.draw(st.integers(0, len(rows) - 1))
        got = outcome(data.draw(damaged(rows[place])))
        if got is not None:
            assert not call_set(got) - right[place]

    check()


def chunk_bytes(item: Exchange) -> list[bytes]:
    return [frame.data for frame in frames(iter([item["response_sse"].encode()]))]


def sse(row: Iterable[bytes]) -> bytes:
    return b"".join(b"data: " + one + b"\n\n" for one in row)


@st.composite
def damaged(draw: st.DrawFn, row: list[bytes]) -> bytes:
    kind = draw(st.sampled_from(["cut", "bytes", "shuffle", "repeat"]))
    place = draw(st.integers(0, len(sse(row)) - 1))
    if kind == "cut":
        return sse(row)[:place]
    if kind == "bytes":
        return sse(row)[:place] + b"\xff\xfe" + sse(row)[place:]
    if kind == "shuffle":
        return sse(draw(st.permutations(row)))
    at = draw(st.integers(0, len(row)))
    return sse([*row[:at], draw(st.sampled_from(row)), *row[at:]])

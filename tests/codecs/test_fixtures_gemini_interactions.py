"""Another project's fixtures of Gemini's interactions are read without loss, and never wrongly."""

import itertools
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.codecs import by_name
from callgate.errors import ModelError
from callgate.messages import ModelResponse, StopReason
from tests.codecs.recorded import events, exchanges, response_of

CODEC = by_name("gemini_interactions")
Json = dict[str, Any]


def fixtures(folder: Path) -> list[Json]:
    items = exchanges(folder, "fixtures_vercel_ai")
    return [item for item in items if item["wire"] == "gemini.interactions"]


def as_stream(item: Json) -> bytes:
    return b"".join(b"data: " + orjson.dumps(one) + b"\n\n" for one in item["chunks"])


def test_the_fixtures_are_read_and_written_back_whole(data_dir: Path):
    whole = streams = 0
    for item in fixtures(data_dir):
        if "response" in item:
            message = CODEC.decode_response(item["response"]).message
            assert CODEC.encode_message(message) == item["response"]["steps"]
            whole += 1
            continue
        message = response_of(events(CODEC.decoder(), iter([as_stream(item)]))).message
        kinds = [one["step"]["type"] for one in item["chunks"] if "step" in one]
        assert [step["type"] for step in CODEC.encode_message(message)] == kinds
        deltas = [one["delta"] for one in item["chunks"] if "delta" in one]
        assert message.text == "".join(one["text"] for one in deltas if one["type"] == "text")
        streams += 1
    assert (whole, streams) == (9, 8)


def test_the_fixture_with_a_call_is_read_as_a_call(data_dir: Path):
    by_file = {item["name"]: item for item in fixtures(data_dir)}
    streamed = response_of(
        events(CODEC.decoder(), iter([as_stream(by_file["tool-call-step1.chunks.txt"])]))
    )
    whole = CODEC.decode_response(by_file["tool-call-step1.json"]["response"])
    for response in (streamed, whole):
        (only,) = response.message.calls
        assert (only.name, response.stop) == ("getWeather", StopReason.CALLS)
    assert whole.message.calls[0].arguments == {"location": "San Francisco"}
    assert orjson.loads(streamed.message.calls[0].arguments) == {"location": "San Francisco"}


def outcome(pieces: Any) -> ModelResponse | None:
    try:
        return response_of(events(CODEC.decoder(), pieces))
    except ModelError:
        return None


def test_cuts_change_nothing_and_damage_is_an_error_or_right(data_dir: Path):
    items = {item["name"]: item for item in fixtures(data_dir)}
    chunks = items["tool-call-step1.chunks.txt"]["chunks"]
    row = [b"data: " + orjson.dumps(one) + b"\n\n" for one in chunks]
    right = outcome(iter(row))
    assert right is not None

    @settings(max_examples=100)
    @given(st.data())
    def check(data: st.DataObject):
        whole = b"".join(row)
        places = data.draw(st.lists(st.integers(0, len(whole)), max_size=20))
        bounds = [0, *sorted(places), len(whole)]
        cut = outcome(whole[a:b] for a, b in itertools.pairwise(bounds))
        assert cut is not None
        assert cut.message.parts == right.message.parts
        kind = data.draw(st.sampled_from(["cut", "shuffle", "repeat", "bytes"]))
        if kind == "cut":
            assert outcome(iter([whole[: data.draw(st.integers(0, len(whole) - 2))]])) is None
            return
        if kind == "bytes":
            place = data.draw(st.integers(0, len(whole)))
            damaged = [whole[:place], b"\xff", whole[place:]]
        elif kind == "shuffle":
            damaged = data.draw(st.permutations(row))
        else:
            at = data.draw(st.integers(0, len(row)))
            damaged = [*row[:at], data.draw(st.sampled_from(row)), *row[at:]]
        got = outcome(iter(damaged))
        for call in got.message.calls if got else ():
            assert call.name == "getWeather"
            wanted = right.message.calls[0].arguments
            assert call.arguments == wanted or not is_json(call.arguments)

    check()


def is_json(value: Any) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True

"""A replay finds what differs, counts what it skips, and takes only few spellings as equal."""

from pathlib import Path
from typing import Any

import pytest

from callgate.codecs import OpenAIChat
from callgate.codecs.sse import EventStream
from callgate.errors import ModelError, ModelUnavailableError
from callgate.messages import CallDelta, Message, ModelEvent, TextDelta
from callgate.testing.exchanges import Check, Tally
from callgate.testing.exchanges.chat_form import ChatForm
from callgate.testing.exchanges.checks import check_errors, check_stream, check_tools
from callgate.testing.exchanges.reading import read_answer
from callgate.testing.exchanges.report import EXAMPLES
from callgate.testing.exchanges.spelling import folded
from tests.testing.invented import (
    FUNCTION,
    PAIRS,
    STREAMS,
    Json,
    anthropic,
    chat,
    counts,
    exchange,
    gemini,
    record,
    replayed,
    sse,
    tally,
)

GOOD = {"decode": (2, 0), "stream": (0, 0), "history": (1, 0), "tools": (1, 0), "errors": (0, 0)}
TWO_TOOLS = GOOD | {"tools": (2, 0)}


@pytest.mark.parametrize("wire", PAIRS)
def test_a_pair_of_each_wire_is_read_and_written_back_as_it_was(tmp_path: Path, wire: str):
    report = replayed(tmp_path, PAIRS[wire]())
    two = wire in ("openai.responses", "gemini.generate_content")
    assert counts(report) == (TWO_TOOLS if two else GOOD)
    assert list(report.wires) == [wire]
    assert report.ok


# ------------------------------------------------------------------ decode


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": "sub"}, "calls ['add'], expected ['sub']"),
        ({"id": "call_9"}, "call add: id 'abc123def', expected 'call_9'"),
        (
            {"arguments": '{"a":2}'},
            'arguments of add: got ..."{\\"a\\": 2}", expected ..."{\\"a\\":2}"',
        ),
        ({"arguments": {"a": 3}}, 'arguments of add: got ..."{\\"a\\": 2}", expected ...{"a":3}'),
        ({"id": None}, None),
        ({"id": ""}, None),
        ({"arguments": {"a": 2}}, None),
    ],
)
def test_calls_are_compared_with_those_of_the_providers_client(
    tmp_path: Path, changed: Json, told: str | None
):
    first, then = chat()
    first["expected_calls"][0] |= changed
    found = tally(replayed(tmp_path, [first, then]), Check.DECODE)
    assert found.examples == ([("first", told)] if told else [])
    assert found.mismatches == len(found.examples)


def test_calls_that_the_provider_answers_itself_in_a_stream_are_not_for_us(tmp_path: Path):
    own = {"toolUseId": "s1", "name": "interpret", "type": "server_tool_use"}
    events = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse": own}}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
    ]
    recorded = [{"event": name, "payload": told} for one in events for name, told in one.items()]
    one = record("bedrock.converse", response_events=recorded)
    expected = [{"id": "s1", "name": "interpret", "arguments": {}}]
    found = tally(replayed(tmp_path, [one | {"expected_calls": expected}]), Check.DECODE)
    assert (found.checked, found.examples) == (1, [])
    assert found.skipped == {"calls that the provider answered itself": 1}


def test_an_answer_that_cannot_be_read_is_a_mismatch(tmp_path: Path):
    first, then = chat()
    first["response"]["choices"] = 7
    report = replayed(tmp_path, [first, then])
    assert counts(report)["decode"] == (2, 2)  # the second has the same answer
    assert counts(report)["history"] == (1, 1)
    assert tally(report, Check.DECODE).examples[0][1].startswith("not read: ")


def test_events_of_a_stream_may_be_recorded_one_by_one(tmp_path: Path):
    lines = [{"model": "m", "message": {"role": "assistant", "content": "a"}, "done": False}]
    lines.append({"model": "m", "message": {"role": "assistant", "content": "b"}, "done": True})
    for wire, chunks in (("ollama.chat", lines), ("openai.chat", [FINISH, "[DONE]"])):
        report = replayed(tmp_path, [{"wire": wire, "chunks": chunks}])
        assert (counts(report)["decode"], counts(report)["stream"]) == ((1, 0), (1, 0))


@pytest.mark.parametrize("wire", STREAMS)
def test_what_is_unknown_in_a_stream_is_kept(tmp_path: Path, wire: str):
    found = tally(replayed(tmp_path, [{"wire": wire, "chunks": STREAMS[wire]}]), Check.DECODE)
    assert (found.checked, found.examples) == (1, [])


def test_response_only_fixtures_are_read_and_what_is_unknown_is_kept(tmp_path: Path):
    item = {"type": "later_call", "id": "x", "status": None, "payload": {"deep": [1]}}
    answer = {"object": "response", "status": "completed", "model": "m", "output": [item]}
    fixture = {"wire": "openai.responses", "response": answer}
    assert counts(replayed(tmp_path, [fixture]))["decode"] == (1, 0)


class Forgetful(OpenAIChat):
    """A codec that loses what is not text, and has other faults of its own."""

    def encode_message(self, message: Message, *, model: str = "") -> list[Json]:
        return [{"role": "assistant", "content": message.text}]

    def encode_tools(self, tools: Any) -> list[Json]:
        return [{"function": FUNCTION | {"description": "Another."}}]

    def decode_error(self, status: int, headers: Any, body: bytes) -> ModelError:
        return ModelUnavailableError("Something.", details={"status": 500})


@pytest.fixture
def forgetful() -> ChatForm:
    return ChatForm(codec=Forgetful())


def test_what_would_not_go_back_is_a_mismatch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgetful: ChatForm
):
    monkeypatch.setattr("callgate.testing.exchanges.form_of", lambda _: forgetful)
    whole = chat(strange={"kept": 1})[0]
    stream = record("openai.chat", response_sse=STREAM) | {"id": "streamed"}
    found = tally(replayed(tmp_path, [whole, stream]), Check.DECODE)
    assert found.examples == [
        ("first", 'lost: ["strange",{"kept":1}]'),
        ("streamed", "lost: {'thought': 1}"),
    ]


# ------------------------------------------------------------------ stream


def delta(**fields: Any) -> Json:
    return {"id": "r", "model": "m", "choices": [{"index": 0, "delta": fields}]}


FINISH = {"id": "r", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
STREAM = (
    sse(
        delta(role="assistant", reasoning="Add."),
        delta(content="It "),
        delta(content="is ok."),
        delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "add", "arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a": 2}'}}]),
        FINISH,
    )
    + "data: [DONE]\n\n"
)


def test_a_stream_means_the_same_in_any_chunks(tmp_path: Path):
    report = replayed(tmp_path, [record("openai.chat", response_sse=STREAM)])
    assert counts(report) == GOOD | {
        "decode": (1, 0),
        "stream": (1, 0),
        "history": (0, 0),
        "tools": (0, 0),
    }


class Hasty(EventStream):
    """Loses what stands in a chunk that ends within an event."""

    def feed(self, chunk: bytes) -> Any:
        frames = super().feed(chunk)
        self.__init__()
        return frames


class HastyChat(OpenAIChat):
    def framer(self) -> Any:
        return Hasty()


def test_a_stream_that_means_another_thing_in_chunks_is_a_mismatch(tmp_path: Path):
    form, found = ChatForm(codec=HastyChat()), Tally()
    one = exchange(tmp_path, record("openai.chat", response_sse=STREAM))
    check_stream(read_answer(one, form), 3, found)
    assert (found.checked, found.mismatches) == (1, 1)
    assert found.examples[0][1].startswith("means something else in chunks of [")


def test_a_stream_that_cannot_be_cut_into_events_has_none(tmp_path: Path):
    class Narrow(OpenAIChat):
        def framer(self) -> Any:
            return EventStream(limit=3)

    one = exchange(tmp_path, record("openai.chat", response_sse=STREAM))
    reading = read_answer(one, ChatForm(codec=Narrow()))
    assert (reading.frames, reading.events) == ((), ())
    assert isinstance(reading.outcome, ModelError)


class Changed:
    """A decoder that says something else than it means."""

    def __init__(self, decoder: Any, change: Any) -> None:
        self._decoder = decoder
        self._change = change

    def feed(self, frame: Any) -> list[ModelEvent]:
        return [self._change(event) for event in self._decoder.feed(frame)]

    def close(self) -> Any:
        return self._decoder.close()


def shout(event: ModelEvent) -> ModelEvent:
    return TextDelta(text=event.text.upper()) if isinstance(event, TextDelta) else event


def rename(event: ModelEvent) -> ModelEvent:
    if isinstance(event, CallDelta) and event.name:
        return CallDelta(index=event.index, id=event.id, name="sub")
    return event


def count_up(event: ModelEvent) -> ModelEvent:
    if isinstance(event, CallDelta) and event.arguments:
        return CallDelta(index=event.index, arguments='{"a": 3}')
    return event


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (shout, 'pieces of text: got ..."IT IS OK.", expected ..."It is ok."'),
        (rename, "calls begun: [('c', 'sub')]"),
        (
            count_up,
            'pieces of the arguments of add: got ..."{\\"a\\": 3}", expected ..."{\\"a\\": 2}"',
        ),
    ],
)
def test_pieces_that_do_not_add_up_to_the_answer_are_a_mismatch(
    tmp_path: Path, change: Any, told: str
):
    class Unlike(OpenAIChat):
        def decoder(self, **options: Any) -> Any:
            return Changed(super().decoder(**options), change)

    found = Tally()
    one = exchange(tmp_path, record("openai.chat", response_sse=STREAM))
    check_stream(read_answer(one, ChatForm(codec=Unlike())), 3, found)
    assert found.examples == [("first", told)]


def test_a_stream_that_breaks_off_breaks_off_in_any_chunks(tmp_path: Path):
    report = replayed(tmp_path, [record("openai.chat", response_sse=STREAM[:200])])
    assert counts(report)["stream"] == (1, 0)
    assert counts(report)["decode"] == (1, 1)


def test_a_stream_of_bedrock_that_is_no_binary_stream_is_a_mismatch(tmp_path: Path):
    chunks = [{"messageStart": 1}, {"x" * 300: {}}]
    report = replayed(tmp_path, [{"wire": "bedrock.converse", "chunks": chunks}])
    assert counts(report)["decode"] == (1, 1)


# ------------------------------------------------------------------ tools


def test_a_definition_that_is_written_otherwise_is_a_mismatch(tmp_path: Path, forgetful: ChatForm):
    found = Tally()
    check_tools(exchange(tmp_path, chat()[0]), forgetful, found)
    assert found.mismatches == 1
    assert found.examples[0][1].startswith("tool add: got ...")


def test_a_name_that_we_would_write_otherwise_is_read_back(tmp_path: Path):
    first, then = gemini()
    first["request"]["tools"] = {"functionDeclarations": [{"name": "files.read:all"}]}
    assert counts(replayed(tmp_path, [first, then]))["tools"] == (1, 0)


# ------------------------------------------------------------------ errors


def refused(status: int, body: Any, wire: str = "openai.chat", **headers: str) -> Json:
    return record(wire, response=body) | {"status": status, "headers": headers}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "Bad.", "code": "x"}}),
        (401, {"message": "Who?"}),
        (408, {"detail": "Late."}),
        (429, {"error": {"message": "Slow down."}}),
        (429, {"error": {"message": "No money.", "code": "insufficient_quota"}}),
        (503, [{"error": {"message": "Down."}}]),
        (502, "<html>Bad gateway</html>"),
        (500, {"error": True}),
    ],
)
def test_a_refusal_has_its_kind_its_words_and_its_status(tmp_path: Path, status: int, body: Any):
    assert counts(replayed(tmp_path, [refused(status, body)])) == {
        "decode": (0, 0),
        "stream": (0, 0),
        "history": (0, 0),
        "tools": (0, 0),
        "errors": (1, 0),
    }


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, {"message": "Down."}, "'Something.' has not the words 'Down.'"),
        (503, {"message": "Something."}, "status 500, expected 503"),
    ],
)
def test_a_refusal_that_is_read_otherwise_is_a_mismatch(
    tmp_path: Path, forgetful: ChatForm, status: int, body: Json, told: str
):
    found = Tally()
    check_errors(exchange(tmp_path, refused(status, body)), forgetful, None, found)
    assert found.examples == [("first", told)]


def test_a_refusal_of_another_kind_is_a_mismatch(tmp_path: Path):
    class Unavailable(OpenAIChat):
        def decode_error(self, status: int, headers: Any, body: bytes) -> ModelError:
            return ModelUnavailableError("Bad.", details={"status": status})

    found = Tally()
    one = exchange(tmp_path, refused(429, {"message": "Bad."}))
    check_errors(one, ChatForm(codec=Unavailable()), None, found)
    told = "ModelUnavailableError, expected RateLimitedError or ModelRequestError"
    assert found.examples == [("first", told)]


def test_retry_after_is_read_also_beside_an_answer(tmp_path: Path, forgetful: ChatForm):
    answer = chat()[0] | {"headers": {"retry-after": "12"}}
    dated = refused(429, {"message": "Slow."}, **{"retry-after": "Sun, 22 Nov 2026 12:00:00 GMT"})
    found = tally(replayed(tmp_path, [answer, dated]), Check.ERRORS)
    assert (found.checked, found.mismatches) == (2, 0)
    assert found.skipped["Retry-After is not a number of seconds"] == 1
    lost = Tally()
    one = exchange(tmp_path, answer)
    check_errors(one, forgetful, read_answer(one, forgetful), lost)
    assert lost.examples == [("first", "retry_after None, expected 12.0")]


def test_an_error_inside_an_answer_is_read_with_its_words(tmp_path: Path):
    whole = {"wire": "openai.chat", "response": {"error": {"message": "Bad."}}}
    stream = {"wire": "openai.chat", "chunks": [delta(content="a"), {"error": {"message": "No."}}]}
    report = replayed(tmp_path, [whole, stream])
    assert counts(report)["errors"] == (2, 0)
    assert tally(report, Check.DECODE).skipped == {"the answer reports an error": 2}


def test_an_error_inside_an_answer_that_is_read_otherwise_is_a_mismatch(tmp_path: Path):
    class Deaf(OpenAIChat):
        def decode_response(self, response: Any, **options: Any) -> Any:
            if "choices" in response:
                return super().decode_response(response, **options)
            raise ModelUnavailableError("Something.")

    form, found = ChatForm(codec=Deaf()), Tally()
    said = {"error": {"message": "Bad."}}
    for one in (said, chat()[0]["response"] | said):
        reading = read_answer(exchange(tmp_path, record("openai.chat", response=one)), form)
        check_errors(reading.exchange, form, reading, found)
    assert found.examples == [
        ("first", "'Something.' has not 'Bad.'"),
        ("first", "read as calls: 'Bad.'"),
    ]


# ------------------------------------------------------------------ the whole


def test_a_wire_without_a_codec_is_skipped_and_its_file_idle(tmp_path: Path):
    report = replayed(tmp_path, [record("later.wire", response={})])
    assert all(
        one.skipped == {"no codec for this wire": 1} for one in report.wires["later.wire"].values()
    )
    assert report.idle == (str(tmp_path / "recorded.jsonl"),)
    assert not report.ok
    assert report.to_json()["files"][0]["error"] == "nothing in it was checked"


def test_an_empty_file_is_well(tmp_path: Path):
    report = replayed(tmp_path, [])
    assert report.ok
    assert report.to_json() == {
        "seed": 1,
        "checked": 0,
        "mismatches": 0,
        "files": [{"name": str(tmp_path / "recorded.jsonl"), "exchanges": 0, "checked": 0}],
        "wires": {},
    }


def test_an_answer_on_another_wire_than_the_recording_says_is_read_by_its_form(tmp_path: Path):
    answer = chat()[0]["response"]
    report = replayed(tmp_path, [{"wire": "openai.responses", "response": answer}])
    assert counts(report)["decode"] == (1, 0)


@pytest.mark.parametrize("answer", [[], "text", 7])
def test_an_answer_that_is_no_object_is_a_mismatch(tmp_path: Path, answer: Any):
    report = replayed(tmp_path, [record("openai.chat", response=answer)])
    assert counts(report)["decode"] == (1, 1)


def test_a_request_that_is_not_of_the_wires_form_is_a_mismatch_and_no_crash(tmp_path: Path):
    first, then = anthropic()
    del then["request"]["messages"][-1]["content"][0]["tool_use_id"]
    found = tally(replayed(tmp_path, [first, then]), Check.HISTORY)
    assert found.examples == [("first", "KeyError: 'tool_use_id'")]


def test_a_report_counts_all_mismatches_and_shows_some(tmp_path: Path):
    wrong = [chat()[0] | {"id": str(n), "expected_calls": []} for n in range(EXAMPLES + 5)]
    found = tally(replayed(tmp_path, wrong), Check.DECODE).to_json()
    assert (found["checked"], found["mismatches"]) == (EXAMPLES + 5, EXAMPLES + 5)
    assert len(found["examples"]) == EXAMPLES
    assert found["examples"][0] == {"id": "0", "difference": "calls ['add'], expected []"}


def test_the_report_as_json_holds_every_wire_and_check(tmp_path: Path):
    told = replayed(tmp_path, chat(reasoning="Add."), seed=7).to_json()
    assert (told["seed"], told["checked"], told["mismatches"]) == (7, 4, 0)
    assert list(told["wires"]["openai.chat"]) == ["decode", "stream", "history", "tools", "errors"]
    assert told["wires"]["openai.chat"]["history"] == {
        "checked": 1,
        "skipped": {"no later request": 1},
        "mismatches": 0,
        "examples": [],
        "left_out": {"thought": 1},
    }


def test_texts_are_folded_as_recorders_fold_them():
    value = {"a": ["\u201cx\u201d \u2013 y\u2026", 1, None], "b": "\uff21"}
    assert folded(value) == {"a": ['"x" - y...', 1, None], "b": "A"}

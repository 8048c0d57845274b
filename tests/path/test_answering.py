"""Answering a provider's responses and streams, with the wire told or not, by principal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from callgate import CallContext, Gate, Pending, Principal, tool
from callgate.codecs import by_name, wire_of
from callgate.codecs.clients import ChunkReader, as_sent
from callgate.codecs.stored import answer_from_json, answer_to_json
from callgate.errors import MisuseError, ModelStreamError, SettingsError
from callgate.messages import CallDelta, ResponseDone, TextDelta
from callgate.testing import FakeSource

ANA = Principal(id="ana", tenant="acme", roles=frozenset({"clerk"}))
CALL = {"id": "call_1", "type": "function", "function": {"name": "files.read", "arguments": "{}"}}


def _on_wire(gate: Gate) -> dict[str, Any]:
    (definition,) = gate.tools(wire="openai")
    return CALL | {"function": {"name": definition["function"]["name"], "arguments": "{}"}}


def _response(call: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Wait.", "tool_calls": [call]}
    return {"id": "r", "choices": [{"message": message, "finish_reason": "tool_calls"}]}


def _chunks(call: dict[str, Any]) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"content": "Wait."}, {"tool_calls": [{"index": 0, **call}]}]
    chunks = [{"id": "r", "choices": [{"delta": delta}]} for delta in deltas]
    return [*chunks, {"id": "r", "choices": [{"delta": {}, "finish_reason": "tool_calls"}]}]


# ------------------------------------------------------------------ whole responses


@pytest.mark.parametrize("wire", [None, "openai", "openai_chat", "mistral"])
async def test_a_response_is_answered_with_what_the_model_said_before_it(wire: str | None) -> None:
    gate = Gate([FakeSource({"files.read": "text"})])
    call = _on_wire(gate) | ({"id": "abc123def"} if wire == "mistral" else {})
    answer = await gate.answer(_response(call), wire=wire)
    assert answer.wire == ("mistral" if wire == "mistral" else "openai")
    assert answer.said == ({"role": "assistant", "content": "Wait.", "tool_calls": [call]},)
    (message,) = answer.messages
    assert (message["tool_call_id"], message["content"]) == (call["id"], '"text"')


async def test_a_response_without_calls_ends_the_loop_and_keeps_what_was_said() -> None:
    said = {"role": "assistant", "content": "Done."}
    answer = await Gate([FakeSource({"t": 1})]).answer({"choices": [{"message": said}]})
    assert (answer.answered, answer.messages, answer.said) == ((), (), (said,))


async def test_what_was_said_stays_while_a_call_waits_and_when_it_is_answered() -> None:
    @tool(name="files_read", effect="read")
    async def ask(call: CallContext) -> Pending | str:
        """Read."""
        return Pending(kind="approval", prompt="?") if call.reply is None else "done"

    gate = Gate([ask])
    call = _on_wire(gate)
    waiting = await gate.answer(_response(call), ANA)
    assert waiting.messages == ()
    kept = answer_from_json(answer_to_json(waiting))
    done = await gate.default_session(ANA).resume(kept, {"call_1": True})
    assert done.said == waiting.said
    assert done.messages == ({"role": "tool", "tool_call_id": "call_1", "content": '"done"'},)


async def test_an_answer_through_an_unknown_wire_is_refused() -> None:
    with pytest.raises(SettingsError, match="There is no wire 'telex'"):
        await Gate([FakeSource({"t": 1})]).answer({"choices": []}, wire="telex")


# ------------------------------------------------------------------ streams


async def _awaited(chunks: Sequence[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("form", [list, iter, _awaited], ids=["list", "iterator", "async"])
async def test_a_stream_is_shown_as_it_comes_and_then_answered(form: Any) -> None:
    gate = Gate([FakeSource({"files.read": "text"})])
    call = _on_wire(gate)
    shown: list[Any] = []
    answer = await gate.answer_stream(form(_chunks(call)), wire="openai", on_event=shown.append)
    delta = CallDelta(index=0, id="call_1", name="files.read", arguments="{}")
    assert shown[:2] == [TextDelta(text="Wait."), delta]
    assert isinstance(shown[2], ResponseDone)
    whole = await gate.answer(_response(call))
    assert answer == replace(whole, turn=answer.turn)


def test_the_blocking_twin_reads_the_stream_in_its_callers_thread() -> None:
    gate = Gate([FakeSource({"files.read": "text"})])
    chunks = _chunks(_on_wire(gate))
    answer = gate.answer_stream_blocking(chunks, ANA, wire="openai")
    assert answer.messages == gate.answer_blocking(_response(_on_wire(gate)), ANA).messages
    gate.close_blocking()


async def test_the_blocking_twin_says_what_to_do_inside_a_loop() -> None:
    gate = Gate([FakeSource({"files.read": "text"})])
    with pytest.raises(MisuseError, match="Use `await`"):
        gate.answer_stream_blocking(_chunks(_on_wire(gate)), wire="openai")


async def test_a_stream_that_is_cut_makes_no_call() -> None:
    source = FakeSource({"files.read": "text"})
    gate = Gate([source])
    with pytest.raises(ModelStreamError, match="ended before the model had finished") as caught:
        await gate.answer_stream(_chunks(_on_wire(gate))[:-1], wire="openai")
    assert caught.value.details["received"]["text"] == "Wait."
    assert source.calls == []


async def test_what_the_client_raises_passes_as_it_is_and_no_call_is_made() -> None:
    source = FakeSource({"files.read": "text"})
    gate = Gate([source])

    def broken() -> Iterator[Any]:
        yield from _chunks(_on_wire(gate))
        raise TimeoutError("slow")

    with pytest.raises(TimeoutError, match="slow"):
        await gate.answer_stream(broken(), wire="openai")
    assert source.calls == []


async def test_a_chunk_that_is_none_is_named() -> None:
    gate = Gate([FakeSource({"files.read": "text"})])
    with pytest.raises(ModelStreamError, match="A object is no chunk of a stream"):
        await gate.answer_stream([object()], wire="openai")


def test_bytes_and_names_of_events_go_through_as_the_wire_has_them() -> None:
    reader = ChunkReader(by_name("bedrock"), {})
    for chunk in (
        {"messageStart": {"role": "assistant"}},
        {
            "contentBlockDelta": {
                "contentBlockIndex": 0,
                "delta": {"reasoningContent": {"redactedContent": b"\xff\xfe"}},
            }
        },
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1}}},
    ):
        reader.feed(chunk)
    reader.close()
    said = by_name("bedrock").encode_message(reader.response.message)
    hidden = {"reasoningContent": {"redactedContent": b"\xff\xfe"}}
    assert as_sent(said, "bedrock") == ({"role": "assistant", "content": [hidden]},)


def test_files_become_bytes_for_awss_client_and_what_is_the_tools_own_does_not() -> None:
    own = {"json": {"source": {"bytes": "/+8="}}}
    given = {"image": {"format": "png", "source": {"bytes": "//4="}}}
    remote = {"document": {"name": "a", "source": {"s3Location": {"uri": "s3://a"}}}}
    result = {"toolResult": {"toolUseId": "t", "content": [own, given, remote]}}
    (message,) = as_sent([{"role": "user", "content": [result, {"text": "a"}]}], "bedrock")
    image = {"image": {"format": "png", "source": {"bytes": b"\xff\xfe"}}}
    sent = {"toolResult": {"toolUseId": "t", "content": [own, image, remote]}}
    assert message == {"role": "user", "content": [sent, {"text": "a"}]}


# ------------------------------------------------------------------ the wire of a model


@pytest.mark.parametrize(
    ("model", "wire"),
    [
        ("openai:gpt-6", "openai"),
        ("anthropic:claude-opus-5-5", "anthropic"),
        ("mistral:large@https://example.org/v1", "mistral"),
        ("qwen3@http://127.0.0.1:8080/v1", "openai"),
        ("qwen3:8b@http://127.0.0.1:8080/v1", "openai"),
    ],
)
def test_a_models_full_name_tells_its_wire(model: str, wire: str) -> None:
    gate = Gate([FakeSource({"t": 1})])
    assert wire_of(model) == wire
    assert gate.tools(model=model) is gate.tools(wire=wire)
    assert gate.tools(wire="gemini", model=model) is gate.tools(wire="gemini")


def test_a_name_without_a_provider_tells_no_wire() -> None:
    with pytest.raises(SettingsError, match="There is no wire 'gpt-6'"):
        Gate([FakeSource({"t": 1})]).tools(model="gpt-6")


# ------------------------------------------------------------------ one default session each


def test_a_principal_keeps_its_default_session_until_it_changes() -> None:
    gate = Gate([FakeSource({"t": 1})])
    session = gate.default_session(ANA)
    assert gate.default_session(Principal(id="ana", tenant="acme", roles=ANA.roles)) is session
    assert session.principal == ANA
    assert gate.default_session(replace(ANA, tenant="other")) is not session
    changed = gate.default_session(replace(ANA, roles=frozenset()))
    assert changed is not session
    assert changed.principal.roles == frozenset()


def test_the_default_session_that_was_not_used_for_longest_goes_first() -> None:
    gate = Gate([FakeSource({"t": 1})])
    first, second = (gate.default_session(Principal(id=id)) for id in ("a", "b"))
    for number in range(1022):
        gate.default_session(Principal(id=str(number)))
    assert gate.default_session(Principal(id="a")) is first
    gate.default_session(Principal(id="new"))
    assert gate.default_session(Principal(id="a")) is first
    assert gate.default_session(Principal(id="b")) is not second

"""`Gate` and `Session` as their users meet them."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from dataclasses import dataclass
from typing import Annotated, Any, cast

import pytest
from pydantic import Field

from callgate import (
    CallContext,
    FunctionTool,
    Gate,
    Pending,
    Principal,
    ToolFailedError,
    TransientError,
    tool,
)
from callgate.errors import DefinitionError, MisuseError, ModelStreamError, SettingsError
from callgate.testing import FakeClock, FakeSource
from callgate.types import Status


@dataclass
class Refund:
    order: str
    cents: int
    key: str


@tool(effect="idempotent", timeout=5)
async def refund(
    order: str, cents: Annotated[int, Field(gt=0, le=50_000)], call: CallContext
) -> Refund:
    """Refund part of an order.

    Args:
        order: The order's number.
        cents: How much to pay back.
    """
    return Refund(order=order, cents=cents, key=call.key)


@tool(effect="read")
def thread_name() -> str:
    """Tell which thread runs this."""
    return threading.current_thread().name


@tool(effect="read", cheap=True)
def cheap_thread_name(call: CallContext) -> str:
    """Tell which thread runs this, at once."""
    return f"{threading.current_thread().name} {call.principal.id}"


async def test_text_goes_in_and_the_functions_own_types_come_out_as_json() -> None:
    session = Gate([refund]).session(Principal(id="ana", tenant="acme"), id="conv-42")
    result = await session.call("refund", '{"order": "77", "cents": 500}')
    assert result.unwrap() == {"order": "77", "cents": 500, "key": "acme/ana/conv-42/1/0"}


async def test_the_same_arguments_may_come_as_an_object_or_as_bytes() -> None:
    session = Gate([refund]).session(id="s")
    for arguments in ({"order": "1", "cents": 5}, b'{"order": "1", "cents": 5}'):
        assert (await session.call("refund", arguments)).value["cents"] == 5


async def test_the_model_never_sees_the_context_parameter() -> None:
    (offered,) = Gate([refund]).session().tools()
    assert list(offered.parameters["properties"]) == ["order", "cents"]


async def test_sync_functions_run_in_a_worker_thread_unless_they_are_cheap() -> None:
    gate = Gate([thread_name, cheap_thread_name])
    session = gate.session()
    assert (await session.call("thread_name", {})).value.startswith("callgate-tool")
    here = threading.current_thread().name
    assert (await session.call("cheap_thread_name", {})).value == f"{here} anyone"
    await gate.close()


async def test_a_thread_that_cannot_be_stopped_keeps_its_slot_until_it_ends() -> None:
    clock, go = FakeClock(), threading.Event()

    @tool(effect="read", timeout=5, attempts=1, concurrency=1, queue=1)
    def hang(n: int) -> int:
        """Wait."""
        go.wait(10)
        return n

    gate = Gate([hang], clock=clock)
    session = gate.session()
    first = asyncio.ensure_future(session.call("hang", {"n": 1}))
    await clock.settle()
    clock.advance(5.1)
    late = await first
    assert (late.status, late.error and late.error.code) == (Status.ERROR, "deadline")
    assert gate._path.slots.used("hang") == 1
    second = asyncio.ensure_future(session.call("hang", {"n": 2}))
    await clock.settle()
    clock.advance(1.1)
    busy = await second
    assert busy.error is not None
    assert busy.error.code == "busy"
    go.set()
    third = await session.call("hang", {"n": 3})
    assert third.value == 3
    await gate.close()


async def test_a_thread_that_ends_after_its_loop_frees_nothing_and_breaks_nothing() -> None:
    go = threading.Event()
    ended = threading.Event()

    @tool(effect="read", timeout=0.01, attempts=1)
    def hang() -> None:
        """Wait."""
        go.wait(10)
        ended.set()

    def other_loop() -> Status:
        async def main() -> Status:
            return (await Gate([hang]).session().call("hang", {})).status

        return asyncio.run(main())

    assert await asyncio.to_thread(other_loop) is Status.ERROR
    go.set()
    assert await asyncio.to_thread(ended.wait, 5)


@pytest.mark.parametrize(
    ("error", "status", "code", "text"),
    [
        (ToolFailedError("No such order."), Status.ERROR, "tool_failed", "No such order."),
        (
            KeyError("x"),
            Status.ERROR,
            "tool_raised",
            "broken raised KeyError: 'x' This is a defect of the tool; other arguments may work.",
        ),
        (
            ValueError("v" * 900),
            Status.ERROR,
            "tool_raised",
            "broken raised ValueError: " + "v" * 500,
        ),
    ],
)
async def test_a_tool_that_raises_is_told_to_the_model_in_bounded_words(
    error: Exception, status: Status, code: str, text: str
) -> None:
    @tool(effect="read")
    async def broken() -> None:
        """Raise."""
        raise error

    result = await Gate([broken]).session().call("broken", {})
    assert (result.status, result.error and result.error.code) == (status, code)
    assert result.text().startswith(text)
    assert len(result.text()) < 700


@pytest.mark.parametrize("value", [object(), {1: {2, object()}}, lambda: 1])
async def test_a_result_that_is_no_json_is_an_error_of_the_tool(value: object) -> None:
    @tool(effect="read")
    async def odd() -> Any:
        """Return something odd."""
        return value

    result = await Gate([odd]).session().call("odd", {})
    assert (result.error and result.error.code) == "result"
    assert "is not JSON" in result.text()


async def test_a_hundred_megabytes_are_bounded_and_can_be_read_on() -> None:
    @tool(effect="read")
    async def huge() -> str:
        """Return a lot."""
        return "x" * 100_000_000

    session = Gate([huge]).session()
    result = await session.call("huge", {})
    assert (len(result.body), result.value) == (65_536, None)
    assert len(result.text()) < 66_000
    tail = await session.call("read_result", {"handle": result.handle, "offset": 99_999_995})
    assert tail.value == {"text": 'xxxxxx"', "next_offset": None, "total_bytes": 100_000_002}


async def test_a_function_may_ask_a_person_and_is_called_again_with_the_answer() -> None:
    @tool
    async def close_account(name: str, call: CallContext) -> Pending | str:
        """Close an account."""
        if call.reply is None:
            return Pending(kind="approval", prompt=f"Close {name}?", schema={"type": "boolean"})
        return f"closed: {call.reply}"

    session = Gate([close_account]).session()
    result = await session.call("close_account", {"name": "ana"})
    assert (result.status, result.text()) == (Status.PENDING, "Waiting for approval: Close ana?")


async def test_attempt_and_time_reach_the_tool() -> None:
    seen: list[tuple[int, float | None]] = []

    @tool(effect="idempotent", timeout=30)
    async def flaky(call: CallContext) -> str:
        """Fail once."""
        seen.append((call.attempt, call.timeout))
        if call.attempt == 1:
            raise TransientError("later", retry_after=4)
        return "done"

    gate = Gate([flaky], clock=FakeClock(instant=True))
    assert (await gate.session().call("flaky", {})).value == "done"
    assert seen == [(1, 30.0), (2, 26.0)]


# ------------------------------------------------------------------ building a gate


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(DefinitionError, match="Two tools are named 'refund'"):
        Gate([refund, FakeSource({"refund": 1})])


def test_a_plain_function_is_refused_with_the_fix() -> None:
    with pytest.raises(DefinitionError, match="Declare a function with @tool"):
        Gate(cast("list[FunctionTool[..., Any]]", [print]))


def test_only_deciding_stages_can_observe() -> None:
    with pytest.raises(MisuseError, match="record cannot observe"):
        Gate([refund], observe={"record"})


def test_a_surface_changes_its_revision_with_anything_a_model_sees() -> None:
    @tool(name="refund", effect="idempotent", natural=True)
    async def other(order: str) -> str:
        """Refund part of an order!"""
        return order

    assert Gate([refund]).surface.revision == Gate([refund]).surface.revision
    assert Gate([refund]).surface.revision != Gate([other]).surface.revision


# ------------------------------------------------------------------ sessions


async def test_a_session_continues_from_its_state() -> None:
    gate = Gate([refund])
    session = gate.session(Principal(id="ana"), id="s", labels=frozenset({"seen"}))
    await session.call("refund", {"order": "1", "cents": 5})
    again = Gate([refund]).restore(session.state)
    result = await again.call("refund", {"order": "1", "cents": 5})
    assert result.value["key"] == "/ana/s/2/0"
    assert again.state.labels == {"seen"}


def test_a_session_of_other_tools_is_refused() -> None:
    state = Gate([refund]).session(id="s").state
    with pytest.raises(MisuseError, match="Session s was pinned to tools"):
        Gate([thread_name]).restore(state)


async def test_the_offered_tools_are_the_same_object_until_one_is_disclosed() -> None:
    session = Gate([FakeSource({"t": "x" * 100_000})]).session()
    assert session.tools() is session.tools()
    before = session.tools()
    await session.call("t", {})
    assert [tool.name for tool in session.tools()] == ["t", "read_result"]
    assert session.tools()[:1] == before
    assert session.state.disclosed == {"read_result"}


async def test_a_reply_to_a_call_that_does_not_wait_is_refused() -> None:
    session = Gate([refund]).session()
    answer = await session.turn([])
    with pytest.raises(MisuseError, match="No call waits under the id c9"):
        await session.resume(answer, {"c9": True})


# ------------------------------------------------------------------ a provider's own objects

RESPONSE: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-test",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "refund", "arguments": '{"order":"77","cents":"500"}'},
                    }
                ],
            },
        }
    ],
}


async def test_two_lines_serve_a_providers_own_response() -> None:
    session = Gate([refund]).session(id="s")
    tools = session.tools(wire="openai")
    answer = await session.answer(RESPONSE)
    assert tools[0]["function"]["name"] == "refund"
    assert answer.wire == "openai"
    assert answer.messages == (
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": '{"order":"77","cents":500,"key":"/anyone/s/1/0"}',
        },
    )


async def test_a_waiting_answer_in_a_providers_form_is_completed_in_that_form() -> None:
    @tool(name="refund")
    async def ask(order: str, cents: int, call: CallContext) -> Pending | str:
        """Refund."""
        return Pending(kind="approval", prompt="?") if call.reply is None else "done"

    session = Gate([ask]).session(id="s")
    answer = await session.answer(RESPONSE)
    assert answer.messages == ()
    done = await session.resume(answer, {"call_1": True})
    assert done.messages[0]["content"] == '"done"'


async def test_a_response_of_no_known_provider_is_refused() -> None:
    session = Gate([refund]).session()
    with pytest.raises(ModelStreamError, match="A dict is no response of a known provider"):
        await session.answer({"hello": "world"})
    with pytest.raises(SettingsError, match="There is no wire 'telex'"):
        session.tools(wire="telex")


# ------------------------------------------------------------------ loops and the blocking door


def test_blocking_twins_do_the_same_without_a_loop() -> None:
    gate = Gate([refund])
    session = gate.session(id="s")
    assert session.call_blocking("refund", {"order": "1", "cents": 5}).value["cents"] == 5
    assert session.answer_blocking(RESPONSE).messages[0]["tool_call_id"] == "call_1"
    assert session.call_blocking("nope", {}, id="c1").error is not None
    gate.close_blocking()
    gate.close_blocking()


async def test_a_blocking_call_inside_a_loop_says_what_to_do() -> None:
    session = Gate([refund]).session()
    with pytest.raises(MisuseError, match="Use `await`"):
        session.call_blocking("refund", {})


def test_a_gate_belongs_to_one_loop_and_says_so() -> None:
    gate = Gate([refund])
    session = gate.session()
    session.call_blocking("refund", {"order": "1", "cents": 5})
    with pytest.raises(MisuseError, match="in use on another event loop"):
        asyncio.run(session.call("refund", {"order": "1", "cents": 5}))
    gate.close_blocking()


def test_a_gate_whose_loop_was_closed_may_begin_anew() -> None:
    session = Gate([refund]).session()
    for _ in range(2):
        result = asyncio.run(session.call("refund", {"order": "1", "cents": 5}))
        assert result.ok


async def test_a_session_goes_with_its_last_reference() -> None:
    session = Gate([cheap_thread_name]).session()
    assert (await session.call("cheap_thread_name", {})).ok
    gone = weakref.ref(session)
    gc.disable()
    try:
        del session
        assert gone() is None
    finally:
        gc.enable()

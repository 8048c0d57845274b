"""The stages next to a source, `deadline` and `bound`, through a gate as users meet them."""

from __future__ import annotations

import asyncio

import pytest

from callgate.errors import (
    DeadlineError,
    InDoubtError,
    ResultError,
    ToolFailedError,
)
from callgate.gate import Gate
from callgate.testing import Captured, FakeClock
from callgate.types import (
    CallClosed,
    Decision,
    Effect,
    Status,
    ToolCall,
    ToolResult,
)
from tests.path.tools import one

EFFECTS = [Effect.IDEMPOTENT, Effect.RECONCILABLE, Effect.IRREVERSIBLE]


# ------------------------------------------------------------------ deadline


async def test_a_read_that_hangs_is_stopped_and_said_to_be_late() -> None:
    clock, stopped = FakeClock(), asyncio.Event()

    async def hang(call: ToolCall) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    session = Gate([one(hang, timeout=5.0, attempts=1)], clock=clock).session()
    call = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    clock.advance(4.9)
    await clock.settle()
    assert not call.done()
    clock.advance(0.2)
    result = await call
    assert isinstance(result.error, DeadlineError)
    assert (result.status, stopped.is_set()) == (Status.ERROR, True)
    assert result.error.message == "t did not end within 5 s."


@pytest.mark.parametrize("effect", EFFECTS)
async def test_an_effect_that_hangs_is_in_doubt(effect: Effect) -> None:
    clock = FakeClock()

    async def hang(call: ToolCall) -> None:
        await asyncio.Event().wait()

    session = Gate([one(hang, effect, timeout=5.0, attempts=1)], clock=clock).session()
    call = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    clock.advance(5.1)
    result = await call
    assert (result.status, result.error and result.error.code) == (Status.IN_DOUBT, "deadline")


async def test_a_call_may_bring_a_shorter_time_but_no_longer_one() -> None:
    clock = FakeClock()

    async def hang(call: ToolCall) -> None:
        await asyncio.Event().wait()

    session = Gate([one(hang, timeout=5.0, attempts=1)], clock=clock).session()
    short = asyncio.ensure_future(session.call("t", {"n": 1}, timeout=1.0))
    long = asyncio.ensure_future(session.call("t", {"n": 2}, timeout=60.0))
    await clock.settle()
    clock.advance(1.1)
    assert (await short).text().startswith("t did not end within 1 s.")
    clock.advance(4.0)
    assert (await long).text().startswith("t did not end within 5 s.")


async def test_a_tool_without_a_time_out_waits_as_long_as_it_takes() -> None:
    clock, go = FakeClock(), asyncio.Event()

    async def reply(call: ToolCall) -> int:
        await go.wait()
        return 1

    session = Gate([one(reply, timeout=None)], clock=clock).session()
    call = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    clock.advance(1e6)
    await clock.settle()
    assert not call.done()
    go.set()
    assert (await call).ok


async def test_many_deadlines_hang_on_one_timer_and_each_fires_in_its_time() -> None:
    clock = FakeClock()

    async def hang(call: ToolCall) -> None:
        await asyncio.Event().wait()

    session = Gate([one(hang, timeout=None, attempts=1)], clock=clock).session()
    calls = [
        asyncio.ensure_future(session.call("t", {"n": n}, timeout=float(n))) for n in (3, 1, 2, 1)
    ]
    await clock.settle()
    done: list[int] = []
    for _ in range(3):
        clock.advance(1.1)
        await clock.settle()
        done.append(sum(call.done() for call in calls))
    assert done == [2, 3, 4]


async def test_a_deadline_fires_in_time_where_an_earlier_one_was_called_off() -> None:
    clock, first = FakeClock(), 1.1

    async def hang(call: ToolCall) -> int:
        if call.arguments["wait"]:
            await asyncio.Event().wait()
        return 1

    session = Gate([one(hang, timeout=None, attempts=1)], clock=clock).session()
    # One call hangs for long; one that had 4 seconds is over; one ends at 1 second, so that the
    # timer is wound anew for the long one.
    long = asyncio.ensure_future(session.call("t", {"wait": True}, timeout=90.0))
    short = asyncio.ensure_future(session.call("t", {"wait": True, "n": 1}, timeout=1.0))
    assert (await session.call("t", {"wait": False}, timeout=4.0)).ok
    await clock.settle()
    clock.advance(first)
    await clock.settle()
    assert short.done()
    # This one hangs where the one with 4 seconds was.
    again = asyncio.ensure_future(session.call("t", {"wait": True, "n": 2}, timeout=4.0 - first))
    await clock.settle()
    clock.advance(3.0)
    await clock.settle()
    assert (again.done(), long.done()) == (True, False)
    long.cancel()


async def test_a_deadline_needs_a_task() -> None:
    gate = Gate([one(1)])
    failure: list[BaseException] = []

    def outside() -> None:
        try:
            gate._path.deadlines.add(1.0)
        except RuntimeError as exc:
            failure.append(exc)

    asyncio.get_running_loop().call_soon(outside)
    await asyncio.sleep(0)
    assert str(failure[0]) == "a deadline needs a running task"


# ------------------------------------------------------------------ cancellation


async def test_a_caller_who_leaves_stops_a_read_at_once() -> None:
    clock, captured, stopped = FakeClock(), Captured(), asyncio.Event()

    async def hang(call: ToolCall) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    session = Gate([one(hang)], clock=clock, listeners=[captured]).session()
    call = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    closed = captured.of(CallClosed)[0].result
    assert (stopped.is_set(), closed.error and closed.error.code) == (True, "cancelled")


@pytest.mark.parametrize("effect", EFFECTS)
async def test_a_started_effect_finishes_though_its_caller_left(effect: Effect) -> None:
    clock, captured, go, acted = FakeClock(), Captured(), asyncio.Event(), asyncio.Event()

    async def act(call: ToolCall) -> str:
        await go.wait()
        acted.set()
        return "paid"

    session = Gate([one(act, effect)], clock=clock, listeners=[captured]).session()
    call = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    call.cancel()
    await clock.settle()
    assert not call.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    closed = captured.of(CallClosed)[0].result
    assert (acted.is_set(), closed.status, closed.value) == (True, Status.OK, "paid")


async def test_an_effect_that_outlasts_the_grace_time_is_in_doubt() -> None:
    clock, captured = FakeClock(), Captured()

    async def hang(call: ToolCall) -> None:
        await asyncio.Event().wait()

    source = one(hang, Effect.IRREVERSIBLE)
    session = Gate([source], clock=clock, listeners=[captured], grace=5.0).session()
    call = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    call.cancel()
    await clock.settle()
    clock.advance(5.1)
    with pytest.raises(asyncio.CancelledError):
        await call
    closed = captured.of(CallClosed)[0].result
    assert (closed.status, closed.error and closed.error.code) == (Status.IN_DOUBT, "in_doubt")


async def test_a_cancellation_of_the_caller_is_never_taken_for_a_deadline() -> None:
    clock = FakeClock()

    async def hang(call: ToolCall) -> None:
        await asyncio.Event().wait()

    session = Gate([one(hang, timeout=5.0)], clock=clock).session()
    call = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    call.cancel()
    clock.advance(6.0)
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_tool_that_raises_a_cancellation_of_its_own_does_not_end_its_caller() -> None:
    result = await Gate([one(asyncio.CancelledError())]).session().call("t", {})
    assert result.error is not None
    assert result.error.message == "t raised CancelledError."


# ------------------------------------------------------------------ bound

RETURNS = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


async def test_a_read_whose_result_breaks_its_promise_is_an_error() -> None:
    result = await Gate([one({"id": "x"}, returns=RETURNS)]).session().call("t", {})
    assert isinstance(result.error, ResultError)
    assert "$.id" in result.error.message


@pytest.mark.parametrize("effect", EFFECTS)
async def test_an_executed_effect_is_never_an_error_though_its_result_breaks_its_promise(
    effect: Effect,
) -> None:
    captured = Captured()
    gate = Gate([one({"id": "x"}, effect, returns=RETURNS)], listeners=[captured])
    result = await gate.session().call("t", {})
    assert (result.status, result.value) == (Status.OK, {"id": "x"})
    assert "was executed; do not repeat it" in result.text()
    assert captured.of(Decision)[0].verdict == "flagged"


@pytest.mark.parametrize("effect", EFFECTS)
async def test_an_executed_effect_whose_result_is_no_json_is_ok_and_told(effect: Effect) -> None:
    result = await Gate([one(ResultError("no JSON"), effect)]).session().call("t", {})
    assert result.status is Status.OK
    assert result.text() == (
        "[t was executed; do not repeat it. Its result is not as promised: no JSON]"
    )


@pytest.mark.parametrize(
    ("effect", "status", "code"),
    [
        (Effect.READ, Status.ERROR, "internal"),
        (Effect.IDEMPOTENT, Status.ERROR, "internal"),
        (Effect.RECONCILABLE, Status.IN_DOUBT, "in_doubt"),
        (Effect.IRREVERSIBLE, Status.IN_DOUBT, "in_doubt"),
    ],
)
async def test_an_undeclared_failure_of_an_effect_leaves_it_in_doubt(
    effect: Effect, status: Status, code: str
) -> None:
    result = await Gate([one(OSError("gone"), effect)]).session().call("t", {})
    assert (result.status, result.error and result.error.code) == (status, code)
    assert "OSError: gone" in result.text()


async def test_a_declared_failure_of_an_effect_is_no_doubt() -> None:
    source = one(ToolFailedError("Not enough money."), Effect.IRREVERSIBLE)
    result = await Gate([source]).session().call("t", {})
    assert (result.status, result.text()) == (Status.ERROR, "Not enough money.")
    assert not isinstance(result.error, InDoubtError)


async def test_a_long_result_is_cut_and_can_be_read_to_its_end() -> None:
    text = "zwölf Boxkämpfer " * 50
    session = Gate([one(text, result_bytes=100)]).session()
    assert [tool.name for tool in session.tools()] == ["t"]
    result = await session.call("t", {})
    assert (result.value, result.handle, len(result.body) <= 100) == (None, "r1", True)
    assert 'read_result(handle="r1", offset=' in result.text()
    assert [tool.name for tool in session.tools()] == ["t", "read_result"]
    whole, offset = result.body.decode(), len(result.body)
    while offset is not None:
        piece = await session.call("read_result", {"handle": "r1", "offset": offset, "length": 100})
        whole += piece.value["text"]
        offset = piece.value["next_offset"]
    assert whole.replace("\N{REPLACEMENT CHARACTER}", "") in (f'"{text}"', whole)
    assert len(whole) >= len(text)


async def test_a_handle_is_readable_by_its_own_session_only() -> None:
    gate = Gate([one("x" * 500, result_bytes=100)])
    await gate.session(id="mine").call("t", {})
    other = await gate.session(id="other").call("read_result", {"handle": "r1"})
    assert other.error is not None
    assert other.error.code == "tool_failed"
    behind = await gate.session(id="mine").call("read_result", {"handle": "r1", "offset": 502})
    assert "The result has 502 bytes" in behind.text()


async def test_a_source_may_answer_with_any_result() -> None:
    given_ = ToolResult(status=Status.DENIED, error=ToolFailedError("No."))
    assert (await Gate([one(given_)]).session().call("t", {})) == given_

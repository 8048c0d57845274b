"""Each stage, through a gate, as its users meet it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import (
    BusyError,
    RepeatedCallError,
    ToolFailedError,
    TransientError,
)
from callgate.gate import Gate
from callgate.stages.retry import Backoff
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import (
    CallClosed,
    CallOpened,
    Decision,
    Effect,
    Event,
    Repaired,
    Status,
    ToolCall,
    Tried,
)
from tests.path.tools import one, spec

EFFECTS = [Effect.IDEMPOTENT, Effect.RECONCILABLE, Effect.IRREVERSIBLE]


# ------------------------------------------------------------------ record


async def test_a_call_is_opened_and_closed_with_its_seconds() -> None:
    clock, captured = FakeClock(), Captured()

    def slow(call: ToolCall) -> int:
        clock.advance(1.5)
        return 7

    await Gate([one(slow)], listeners=[captured], clock=clock).session().call("t", {})
    opened, closed = captured.events
    assert isinstance(opened, CallOpened)
    assert isinstance(closed, CallClosed)
    assert (opened.call.name, closed.result.value, closed.seconds) == ("t", 7, 1.5)


async def test_a_listener_that_fails_is_logged_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    captured = Captured()

    def broken(event: Event) -> None:
        raise ValueError("broken listener")

    gate = Gate([one(1)], listeners=[broken, captured])
    assert (await gate.session().call("t", {})).value == 1
    assert len(captured.events) == 2
    assert "A listener failed on CallOpened." in caplog.text


async def test_a_defect_of_a_stage_becomes_the_error_of_this_one_call() -> None:
    class Broken(FakeClock):
        def call_at(self, when: float, callback: object) -> Any:
            raise RuntimeError("no timers today")

    captured = Captured()
    gate = Gate([one(1)], clock=Broken(), listeners=[captured])
    result = await gate.session().call("t", {})
    assert result.status is Status.ERROR
    assert result.error is not None
    assert result.error.code == "internal"
    assert "RuntimeError: no timers today" in result.error.message
    assert captured.of(CallClosed)[0].result is result


# ------------------------------------------------------------------ validate

ORDER_SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer", "default": 1}, "colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


async def test_arguments_arrive_in_their_one_canonical_form() -> None:
    source = one(1, parameters=ORDER_SCHEMA)
    await Gate([source]).session().call("t", '{"colour": "red"}')
    (call,) = source.calls
    assert (call.arguments, call.body) == (
        {"colour": "red", "count": 1},
        b'{"colour":"red","count":1}',
    )


async def test_a_repair_is_made_reported_and_listed() -> None:
    captured = Captured()
    gate = Gate([one(1, parameters=ORDER_SCHEMA)], listeners=[captured])
    result = await gate.session().call("t", '{"colour": "RED", "count": "2"}')
    assert result.ok
    assert {(repair.path, repair.after) for repair in result.repairs} == {
        ("$.colour", '"red"'),
        ("$.count", "2"),
    }
    assert captured.of(Repaired)[0].repairs == result.repairs


async def test_strict_sessions_refuse_what_would_need_a_repair() -> None:
    source = one(1, parameters=ORDER_SCHEMA)
    captured = Captured()
    session = Gate([source], listeners=[captured]).session(strict=True)
    result = await session.call("t", '{"colour": "RED"}')
    assert result.error is not None
    assert (result.error.code, result.attempts, source.calls) == ("arguments", 0, [])
    assert captured.of(Decision)[0].stage == "validate"


async def test_truncated_arguments_of_an_effect_are_never_closed() -> None:
    source = one(1, Effect.IRREVERSIBLE, parameters={"type": "object"})
    result = await Gate([source]).session().call("t", '{"cents":500')
    assert result.error is not None
    assert (result.error.code, source.calls) == ("malformed_arguments", [])


# ------------------------------------------------------------------ guard


async def test_the_same_call_with_the_same_result_is_refused_after_three_times() -> None:
    source = one("same")
    captured = Captured()
    session = Gate([source], listeners=[captured]).session()
    results = [await session.call("t", {"a": 1}) for _ in range(5)]
    assert [result.status for result in results] == [Status.OK] * 3 + [Status.ERROR] * 2
    assert isinstance(results[3].error, RepeatedCallError)
    assert len(source.calls) == 3
    assert {event.stage for event in captured.of(Decision)} == {"guard"}


async def test_failures_repeat_too() -> None:
    session = Gate([one(ToolFailedError("No."))]).session()
    codes = [(await session.call("t", {})).error for _ in range(4)]
    assert [error and error.code for error in codes] == ["tool_failed"] * 3 + ["repeated_call"]


async def test_other_arguments_another_result_and_other_sessions_are_no_repetition() -> None:
    answers = iter(range(100))
    gate = Gate([one(lambda call: next(answers))])
    session = gate.session()
    assert all([(await session.call("t", {})).ok for _ in range(10)])
    gate = Gate([one(0)])
    session = gate.session()
    assert all([(await session.call("t", {"a": n})).ok for n in range(10)])
    assert all([(await gate.session().call("t", {})).ok for _ in range(10)])


async def test_any_effect_that_succeeds_clears_what_was_seen_of_other_calls() -> None:
    source = FakeSource([spec("look"), spec("change", Effect.IRREVERSIBLE)], look=1, change=2)
    session = Gate([source]).session()
    for round_ in range(3):
        for _ in range(3):
            assert (await session.call("look", {})).ok
        assert (await session.call("change", {"round": round_})).ok
    assert (await session.call("look", {})).ok


async def test_a_tool_declared_poll_may_be_repeated() -> None:
    session = Gate([one("still running", poll=True)]).session()
    assert all([(await session.call("t", {})).ok for _ in range(10)])


async def test_long_arguments_and_many_calls_keep_the_memory_of_a_session_small() -> None:
    session = Gate([one(0)]).session()
    long = {"text": "x" * 5000}
    results = [await session.call("t", long) for _ in range(4)]
    assert results[3].error is not None
    for n in range(600):
        await session.call("t", {"n": n})
    assert len(session._scope.memory["guard"].seen) == 256


async def test_a_session_makes_no_more_calls_than_its_budget() -> None:
    session = Gate([one(0, poll=True)]).session(max_calls=2)
    codes = [(await session.call("t", {})).error for _ in range(3)]
    assert [error and error.code for error in codes] == [None, None, "budget"]


async def test_an_observing_guard_tells_and_lets_pass() -> None:
    captured = Captured()
    session = Gate([one(0)], listeners=[captured], observe={"guard"}).session(max_calls=4)
    results = [await session.call("t", {}) for _ in range(5)]
    assert all(result.ok for result in results)
    assert [event.verdict for event in captured.of(Decision)] == ["would_refuse"] * 2


# ------------------------------------------------------------------ retry


def failing(times: int, error: Exception) -> Any:
    """Return a reply that fails so often and then gives the number of attempts."""
    count = 0

    def reply(call: ToolCall) -> int:
        nonlocal count
        count += 1
        if count <= times:
            raise error
        return count

    return reply


@pytest.mark.parametrize("effect", list(Effect))
async def test_what_is_known_not_to_have_acted_is_tried_again_for_every_effect(
    effect: Effect,
) -> None:
    clock = FakeClock(instant=True)
    source = one(failing(2, TransientError("later")), effect)
    captured = Captured()
    gate = Gate([source], clock=clock, chance=lambda: 0.5, listeners=[captured])
    result = await gate.session().call("t", {})
    assert (result.value, result.attempts) == (3, 3)
    assert clock.slept == [0.1, 0.2]
    assert [(event.call.attempt, event.wait) for event in captured.of(Tried)] == [
        (1, 0.1),
        (2, 0.2),
    ]
    assert [call.attempt for call in source.calls] == [1, 2, 3]
    assert len({call.key for call in source.calls}) == 1


@pytest.mark.parametrize(
    ("effect", "attempts", "status"),
    [
        (Effect.READ, 3, Status.ERROR),
        (Effect.IDEMPOTENT, 3, Status.ERROR),
        (Effect.RECONCILABLE, 1, Status.IN_DOUBT),
        (Effect.IRREVERSIBLE, 1, Status.IN_DOUBT),
    ],
)
async def test_an_ambiguous_failure_is_repeated_only_where_repeating_is_harmless(
    effect: Effect, attempts: int, status: Status
) -> None:
    source = one(TransientError("connection lost", acted=True), effect)
    gate = Gate([source], clock=FakeClock(instant=True))
    result = await gate.session().call("t", {})
    assert (len(source.calls), result.status) == (attempts, status)


async def test_the_backend_says_when_it_wants_to_be_asked_again() -> None:
    clock = FakeClock(instant=True)
    gate = Gate([one(failing(1, TransientError("later", retry_after=7.0)))], clock=clock)
    assert (await gate.session().call("t", {})).value == 2
    assert clock.slept == [7.0]


async def test_no_attempt_is_begun_that_could_not_end_in_time() -> None:
    clock = FakeClock(instant=True)
    source = one(failing(1, TransientError("later", retry_after=7.0)), timeout=5.0)
    result = await Gate([source], clock=clock).session().call("t", {})
    assert result.error is not None
    assert (result.error.code, len(source.calls), clock.slept) == ("transient", 1, [])


async def test_attempts_share_the_time_of_the_call() -> None:
    clock = FakeClock(instant=True)
    source = one(failing(1, TransientError("later", retry_after=4.0)), timeout=10.0)
    await Gate([source], clock=clock).session().call("t", {})
    assert [call.timeout for call in source.calls] == [None, 6.0]


async def test_a_failure_that_will_not_pass_is_not_repeated() -> None:
    source = one(ToolFailedError("No such order."))
    result = await Gate([source], clock=FakeClock(instant=True)).session().call("t", {})
    assert (len(source.calls), result.attempts) == (1, 1)


@given(
    attempt=st.integers(min_value=1, max_value=60),
    chance=st.floats(min_value=0, max_value=1, exclude_max=True),
    asked=st.none() | st.floats(min_value=0, max_value=100),
)
def test_waits_are_bounded_and_never_shorter_than_asked(
    attempt: int, chance: float, asked: float | None
) -> None:
    wait = Backoff().wait(attempt, TransientError("x", retry_after=asked), chance)
    assert (asked or 0.0) <= wait <= max(asked or 0.0, min(10.0, 0.2 * 2.0 ** (attempt - 1)))


# ------------------------------------------------------------------ admit


async def test_no_more_attempts_run_at_once_than_the_tool_allows() -> None:
    running = peak = 0

    async def reply(call: ToolCall) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        return call.arguments["n"]

    session = Gate([one(reply, concurrency=2)]).session()
    results = await asyncio.gather(*(session.call("t", {"n": n}) for n in range(10)))
    assert ([result.value for result in results], peak) == (list(range(10)), 2)


async def test_a_call_that_finds_no_slot_in_time_is_refused_and_nothing_is_executed() -> None:
    clock, go = FakeClock(), asyncio.Event()
    captured = Captured()

    async def reply(call: ToolCall) -> int:
        await go.wait()
        return 1

    source = one(reply, concurrency=1, queue=2.0, attempts=1)
    session = Gate([source], clock=clock, listeners=[captured]).session()
    first = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    second = asyncio.ensure_future(session.call("t", {"n": 2}))
    await clock.settle()
    clock.advance(2.0)
    refused = await second
    assert isinstance(refused.error, BusyError)
    assert captured.of(Decision)[0].stage == "admit"
    go.set()
    assert (await first).ok
    assert (await session.call("t", {"n": 3})).ok
    assert len(source.calls) == 2


async def test_a_caller_who_leaves_the_line_takes_no_slot_along() -> None:
    clock, go = FakeClock(), asyncio.Event()

    async def reply(call: ToolCall) -> int:
        await go.wait()
        return 1

    session = Gate([one(reply, concurrency=1)], clock=clock).session()
    calls = [asyncio.ensure_future(session.call("t", {"n": n})) for n in range(3)]
    await clock.settle()
    calls[1].cancel()
    await clock.settle()
    go.set()
    assert (await calls[0]).ok
    assert (await calls[2]).ok
    assert session._path.slots.used("t") == 0


async def test_a_slot_given_to_a_caller_who_leaves_at_that_moment_goes_to_the_next() -> None:
    clock, go = FakeClock(), asyncio.Event()

    async def reply(call: ToolCall) -> int:
        await go.wait()
        return 1

    session = Gate([one(reply, concurrency=1)], clock=clock).session()
    calls = [asyncio.ensure_future(session.call("t", {"n": n})) for n in range(3)]
    await clock.settle()
    session._path.slots.slot("t").give()  # the slot is on its way to the second call
    calls[1].cancel()
    go.set()
    await asyncio.wait(calls)
    assert (calls[1].cancelled(), (await calls[2]).ok) == (True, True)

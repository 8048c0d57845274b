"""Rates, allowances, budgets, backends, deadlines and the kill switch, through a gate."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from callgate import CallContext, tool
from callgate.backends import Backends
from callgate.controls import Allowance, BackendRules, Controls, Rate
from callgate.errors import (
    BusyError,
    DefinitionError,
    MisuseError,
    ThrottledError,
    ToolFailedError,
    TransientError,
)
from callgate.gate import Gate
from callgate.stages.admit import MemoryRates
from callgate.stages.guard import MemorySpend
from callgate.stages.resolve import MemorySwitches, Switch
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import Decision, Effect, Principal, Status, ToolCall, ToolResult
from tests.path.tools import one, spec

ANA = Principal(id="ana", tenant="acme")
BOB = Principal(id="bob", tenant="acme")
EVE = Principal(id="eve", tenant="other")


def _codes(results: list[ToolResult]) -> list[str]:
    return [result.error.code if result.error else "ok" for result in results]


async def _calls(gate: Gate, who: Principal, times: int, start: int = 0) -> list[ToolResult]:
    session = gate.session(who)
    return [await session.call("t", {"n": n}) for n in range(start, start + times)]


# ------------------------------------------------------------------ rates


async def test_a_principal_calls_as_often_as_its_rate_allows_whatever_the_session() -> None:
    clock, captured = FakeClock(), Captured()
    controls = Controls(principal=Rate(calls=2, seconds=10.0))
    source = one(1)
    gate = Gate([source], clock=clock, controls=controls, listeners=[captured])
    assert _codes(await _calls(gate, ANA, 3)) == ["ok", "ok", "throttled"]
    assert _codes(await _calls(gate, BOB, 1)) == ["ok"]
    (refused,) = await _calls(gate, ANA, 1)
    assert isinstance(refused.error, ThrottledError)
    assert (refused.error.retry_after, refused.attempts) == (5.0, 0)
    assert refused.text() == (
        "ana makes more calls than it may. Wait 5 s. "
        "Nothing was executed. Make fewer calls, or wait as long as it says."
    )
    assert {event.stage for event in captured.of(Decision)} == {"guard"}
    clock.advance(5.0)
    assert _codes(await _calls(gate, ANA, 2)) == ["ok", "throttled"]
    assert len(source.calls) == 4


async def test_all_of_a_tenant_share_its_rate_and_a_call_takes_of_both_or_of_none() -> None:
    controls = Controls(principal=Rate(calls=2, seconds=100.0), tenant=Rate(calls=3, seconds=100.0))
    clock = FakeClock()
    gate = Gate([one(1)], clock=clock, controls=controls)
    assert _codes(await _calls(gate, ANA, 3)) == ["ok", "ok", "throttled"]
    assert _codes(await _calls(gate, BOB, 2)) == ["ok", "throttled"]
    assert _codes(await _calls(gate, EVE, 1)) == ["ok"]
    # Bob's refusal took nothing of his own: he calls as soon as the tenant may.
    clock.advance(100.0 / 3)
    assert _codes(await _calls(gate, BOB, 2)) == ["ok", "throttled"]


async def test_a_burst_is_as_large_as_it_is_set() -> None:
    controls = Controls(principal=Rate(calls=1, seconds=1.0, burst=5))
    gate = Gate([one(1)], clock=FakeClock(), controls=controls)
    assert _codes(await _calls(gate, ANA, 6)) == ["ok"] * 5 + ["throttled"]


async def test_calls_that_go_in_circles_take_no_token() -> None:
    controls = Controls(principal=Rate(calls=4, seconds=100.0))
    gate = Gate([one(1)], clock=FakeClock(), controls=controls)
    session = gate.session(ANA)
    results = [await session.call("t", {}) for _ in range(5)]
    assert _codes(results) == ["ok"] * 3 + ["repeated_call"] * 2
    assert (await session.call("t", {"n": 1})).ok


def test_buckets_and_accounts_that_nobody_uses_are_forgotten() -> None:
    clock = FakeClock()
    rates, spend = MemoryRates(clock), MemorySpend(clock)
    rate, most = Rate(calls=1), Allowance(amount=Decimal(1), seconds=10.0)
    kept = rates.line((("kept", rate),))
    purse = spend.purse((("kept", most),))
    assert (kept.take(), purse.reserve(Decimal(1))) == (0.0, (100,))
    for n in range(10_000):
        assert rates.line(((str(n), rate),)).take() == 0.0
        assert spend.purse(((str(n), most),)).reserve(Decimal(1)) == (100,)
    assert rates.sweeps == spend.sweeps == 1  # and nothing went that was in use
    assert (kept.take(), purse.reserve(Decimal(1))) == (1.0, "kept")
    clock.advance(10.0)
    for n in range(10_000, 22_000):
        rates.line(((str(n), rate),)).take()
        spend.purse(((str(n), most),)).reserve(Decimal(1))
    assert len(rates._buckets) == len(spend._accounts) == 12_000 - 1 + 1
    assert (kept.take(), kept.take(), purse.reserve(Decimal(1))) == (0.0, 1.0, (101,))


# ------------------------------------------------------------------ money


async def test_what_calls_cost_is_reserved_before_and_settled_after() -> None:
    outcomes = iter([1, ToolFailedError("no"), 1, 1])
    clock = FakeClock()
    controls = Controls(principal_spend=Allowance(amount=Decimal("0.05"), seconds=60.0))
    source = one(lambda call: next(outcomes), cost=Decimal("0.02"))
    gate = Gate([source], clock=clock, controls=controls)
    # A failed attempt has cost what it costs, too.
    results = await _calls(gate, ANA, 3)
    assert _codes(results) == ["ok", "tool_failed", "budget"]
    assert results[2].text() == (
        "The call costs $0.02, more than is left for this principal now. "
        "Nothing was executed. Answer with what you already know."
    )
    assert _codes(await _calls(gate, BOB, 1)) == ["ok"]
    clock.advance(60.0)
    assert _codes(await _calls(gate, ANA, 1)) == ["ok"]


async def test_what_was_refused_or_kept_costs_nothing_and_a_source_may_know_better() -> None:
    clock = FakeClock()
    controls = Controls(tenant_spend=Allowance(amount=Decimal("1.30")))
    told = ToolResult(status=Status.OK, value=1, body=b"1", cost=Decimal("0.30"))
    gate = Gate([one(told, cost=Decimal("0.90"), cache=60.0)], clock=clock, controls=controls)
    session = gate.session(ANA)
    assert _codes([await session.call("t", {}) for _ in range(3)]) == ["ok"] * 3
    # 0.60 are spent after Bob's first: another 0.90 might be too much.
    assert _codes(await _calls(gate, BOB, 2)) == ["ok", "budget"]


async def test_reservations_of_calls_that_run_count() -> None:
    go = asyncio.Event()

    async def wait(call: ToolCall) -> int:
        await go.wait()
        return 1

    clock = FakeClock()
    controls = Controls(principal_spend=Allowance(amount=Decimal("0.02")))
    gate = Gate([one(wait, cost=Decimal("0.01"))], clock=clock, controls=controls)
    session = gate.session(ANA)
    calls = [asyncio.ensure_future(session.call("t", {"n": n})) for n in range(3)]
    await clock.settle()
    go.set()
    assert _codes(await asyncio.gather(*calls)) == ["ok", "ok", "budget"]


async def test_a_call_that_was_given_up_may_have_cost_what_was_reserved() -> None:
    never = asyncio.Event()

    async def wait(call: ToolCall) -> int:
        await never.wait()
        return 1

    clock = FakeClock()
    controls = Controls(principal_spend=Allowance(amount=Decimal("0.01")))
    gate = Gate([one(wait, cost=Decimal("0.01"))], clock=clock, controls=controls)
    call = asyncio.ensure_future(gate.session(ANA).call("t", {}))
    await clock.settle()
    call.cancel()
    await asyncio.wait([call])
    assert _codes(await _calls(gate, ANA, 1)) == ["budget"]


async def test_a_session_spends_no_more_than_its_budget() -> None:
    told = ToolResult(status=Status.OK, value=1, body=b"1", cost=Decimal("0.01"))
    replies = iter([told, 1, 1])
    source = one(lambda call: next(replies), cost=Decimal("0.05"))
    session = Gate([source]).session(max_spend=Decimal("0.10"))
    results = [await session.call("t", {"n": n}) for n in range(3)]
    assert _codes(results) == ["ok", "ok", "budget"]
    assert results[2].error is not None
    assert results[2].error.message == (
        "The call costs $0.05, and the session has spent $0.06 of $0.10."
    )


async def test_an_observing_guard_tells_of_rates_and_budgets_and_lets_pass() -> None:
    captured = Captured()
    gate = Gate(
        [one(1, cost=Decimal(1))],
        clock=FakeClock(),
        listeners=[captured],
        observe={"guard"},
        controls=Controls(principal=Rate(calls=3), principal_spend=Allowance(amount=Decimal(2))),
    )
    assert _codes(await _calls(gate, ANA, 4)) == ["ok"] * 4
    assert [event.verdict for event in captured.of(Decision)] == ["would_refuse"] * 2


def test_money_is_exact() -> None:
    with pytest.raises(DefinitionError, match="money is a Decimal"):
        _declared(cost=0.1)


# ------------------------------------------------------------------ loops


async def test_an_effect_that_may_have_happened_resets_what_was_seen() -> None:
    source = FakeSource(
        [spec("look"), spec("change", Effect.IRREVERSIBLE, attempts=1)],
        look=1,
        change=TransientError("lost", acted=True),
    )
    session = Gate([source]).session()
    for round_ in range(3):
        results = [await session.call("look", {}) for _ in range(3)]
        assert _codes(results) == ["ok"] * 3
        assert (await session.call("change", {"n": round_})).status is Status.IN_DOUBT


async def test_an_effect_that_did_not_happen_resets_nothing() -> None:
    source = FakeSource(
        [spec("look"), spec("change", Effect.IRREVERSIBLE, attempts=1)],
        look=1,
        change=ToolFailedError("no"),
    )
    session = Gate([source]).session()
    for n in range(3):
        assert (await session.call("look", {})).ok
        await session.call("change", {"n": n})
    assert _codes([await session.call("look", {})]) == ["repeated_call"]


async def test_an_effect_whose_caller_left_resets_what_was_seen() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def change(call: ToolCall) -> int:
        begun.set()
        await go.wait()
        return 1

    source = FakeSource([spec("look"), spec("change", Effect.IRREVERSIBLE)], look=1, change=change)
    session = Gate([source]).session()
    for _ in range(3):
        await session.call("look", {})
    call = asyncio.ensure_future(session.call("change", {}))
    await begun.wait()
    call.cancel()
    go.set()
    await asyncio.wait([call])
    assert (await session.call("look", {})).ok


# ------------------------------------------------------------------ backends


async def test_tools_of_one_backend_share_its_slots_and_none_is_held_through_a_back_off() -> None:
    clock = FakeClock()
    go = asyncio.Event()

    async def wait(call: ToolCall) -> int:
        await go.wait()
        return 1

    failed = False

    def once(call: ToolCall) -> int:
        nonlocal failed
        if not failed:
            failed = True
            raise TransientError("later", retry_after=3.0)
        return 2

    tools = [spec("a", backend="shop"), spec("b", backend="shop")]
    source = FakeSource(tools, a=once, b=wait)
    controls = Controls(backends={"shop": BackendRules(concurrency=1, queue=2.0)})
    gate = Gate([source], clock=clock, controls=controls)
    session = gate.session()
    first = asyncio.ensure_future(session.call("a", {}))
    await clock.settle()
    second = asyncio.ensure_future(session.call("b", {}))  # runs while the first one backs off
    await clock.settle()
    assert [call.name for call in source.calls] == ["a", "b"]
    clock.advance(3.0)
    await clock.settle()
    go.set()
    assert ((await first).value, (await second).value) == (2, 1)


async def test_an_attempt_waits_for_its_backend_and_is_refused_if_that_is_too_long() -> None:
    clock = FakeClock(instant=True)
    rules = BackendRules(rate=Rate(calls=1, seconds=4.0), queue=5.0)
    source = one(1, backend="shop", attempts=1)
    gate = Gate([source], clock=clock, controls=Controls(backends={"shop": rules}))
    session = gate.session()
    assert (await session.call("t", {"n": 1})).ok
    assert (await session.call("t", {"n": 2})).ok
    assert clock.slept == [4.0]
    assert source.calls[1].timeout == 26.0  # what it waited is its own time
    refused = await session.call("t", {"n": 3}, timeout=3.0)
    assert isinstance(refused.error, BusyError)
    assert (refused.error.retry_after, refused.attempts) == (4.0, 0)
    assert refused.error.message == ("The backend of t bears no more calls now. Try again in 4 s.")


async def test_a_refused_attempt_is_tried_again_when_the_backend_bears_it() -> None:
    clock = FakeClock(instant=True)
    rules = BackendRules(rate=Rate(calls=1, seconds=8.0), queue=5.0)
    source = one(1, backend="shop")
    gate = Gate([source], clock=clock, controls=Controls(backends={"shop": rules}))
    session = gate.session()
    results = [await session.call("t", {"n": n}) for n in range(2)]
    assert [(result.value, result.attempts) for result in results] == [(1, 1), (1, 1)]
    assert clock.slept == [8.0]


async def test_a_caller_that_leaves_the_line_of_the_backend_gives_back_the_tools_own_slot() -> None:
    clock, go = FakeClock(), asyncio.Event()

    async def wait(call: ToolCall) -> int:
        await go.wait()
        return 1

    controls = Controls(backends={"shop": BackendRules(concurrency=1, queue=9.0)})
    source = FakeSource(
        [spec("a", backend="shop", concurrency=1, queue=9.0), spec("b", backend="shop")],
        a=1,
        b=wait,
    )
    gate = Gate([source], clock=clock, controls=controls)
    session = gate.session()
    running = asyncio.ensure_future(session.call("b", {}))
    await clock.settle()
    left = asyncio.ensure_future(session.call("a", {}))
    await clock.settle()
    assert gate._path.slots.used("a") == 1
    left.cancel()
    await asyncio.wait([left])
    assert gate._path.slots.used("a") == 0
    go.set()
    assert (await running).ok
    assert (await session.call("a", {})).ok
    assert gate._path.slots.used("backend:shop") == 0


async def test_an_observing_admission_tells_and_lets_pass() -> None:
    captured, clock = Captured(), FakeClock(instant=True)
    rules = BackendRules(rate=Rate(calls=1, seconds=60.0), queue=1.0)
    gate = Gate(
        [one(1, backend="shop")],
        clock=clock,
        listeners=[captured],
        observe={"admit"},
        controls=Controls(backends={"shop": rules}),
    )
    assert _codes(await _calls(gate, ANA, 2)) == ["ok"] * 2
    assert [(e.stage, e.verdict) for e in captured.of(Decision)] == [("admit", "would_refuse")]


async def test_a_thread_that_cannot_be_stopped_lets_nobody_into_its_slot() -> None:
    clock = FakeClock()
    slots = Gate([one(1)], clock=clock)._path.slots
    slot = slots.slot("t", 1)
    slot.used = 2  # an attempt whose deadline has passed, and the thread that it left behind
    waiting = asyncio.ensure_future(slots.wait(slot, 5.0))
    await clock.settle()
    slot.give()
    await clock.settle()
    assert not waiting.done()
    slot.give()
    assert await waiting
    assert slot.used == 1


# ------------------------------------------------------------------ deadlines


async def test_an_attempt_has_a_time_of_its_own_within_that_of_the_call() -> None:
    clock = FakeClock()
    tries = 0

    async def reply(call: ToolCall) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            await asyncio.Event().wait()
        return tries

    source = one(reply, timeout=10.0, attempt_timeout=2.0)
    gate = Gate([source], clock=clock, chance=lambda: 0.5)
    call = asyncio.ensure_future(gate.session().call("t", {}))
    for seconds in (2.1, 1.0):
        await clock.settle()
        clock.advance(seconds)
    result = await call
    assert (result.value, result.attempts) == (2, 2)
    assert [call.timeout for call in source.calls] == [None, pytest.approx(10.0 - 3.1, abs=1.0)]


async def test_a_function_is_told_what_is_left_and_may_hand_it_on() -> None:
    clock = FakeClock()
    told: list[float | None] = []

    @tool(effect="read", timeout=10.0, attempt_timeout=4.0, attempts=1)
    async def slow(call: CallContext) -> int:
        """Be slow."""
        told.append(call.remaining())
        clock.advance(1.5)
        told.append(call.remaining())
        return 1

    @tool(effect="read", timeout=None)
    async def endless(call: CallContext) -> int:
        """Take as long as it takes."""
        told.append(call.remaining())
        return 1

    session = Gate([slow, endless], clock=clock).session()
    await session.call("slow", {})
    await session.call("slow", {}, timeout=2.0)
    await session.call("endless", {})
    assert told == [4.0, 2.5, 2.0, 0.5, None]
    late = CallContext(key="k", principal=ANA, session="s", attempt=1, due=1.0, clock=lambda: 2.0)
    assert late.remaining() == 0.0


async def test_a_backend_that_asks_for_more_patience_than_we_have_is_not_waited_for() -> None:
    clock = FakeClock(instant=True)
    source = one(TransientError("later", retry_after=3600.0), timeout=None)
    result = await Gate([source], clock=clock).session().call("t", {})
    assert (len(source.calls), clock.slept, result.attempts) == (1, [], 1)


async def test_a_tools_no_to_the_same_key_is_the_last_word_about_earlier_attempts() -> None:
    errors = iter([TransientError("lost", acted=True), ToolFailedError("the order is closed")])
    source = one(lambda call: next(errors), Effect.IDEMPOTENT)
    result = await Gate([source], clock=FakeClock(instant=True)).session().call("t", {})
    assert result.error is not None
    assert (result.error.code, result.attempts) == ("tool_failed", 2)


# ------------------------------------------------------------------ the kill switch


async def test_a_tool_that_is_switched_off_is_refused_at_its_next_call_until_it_is_on() -> None:
    switches, captured = MemorySwitches(), Captured()
    source = one(1)
    gate = Gate([source], backends=Backends(switches=switches), listeners=[captured])
    session = gate.session(ANA)
    assert (await session.call("t", {})).ok
    await switches.disable(Switch(tool="t", reason="it pays twice"))
    refused = await session.call("t", {"n": 1})
    assert refused.text() == (
        "t is switched off by an operator: it pays twice "
        "Nothing was executed. Go on without this tool."
    )
    assert refused.error is not None
    assert (refused.error.code, refused.attempts) == ("disabled", 0)
    assert {event.stage for event in captured.of(Decision)} == {"resolve"}
    assert await switches.enable("t")
    assert not await switches.enable("t")
    assert (await session.call("t", {"n": 2})).ok
    assert len(source.calls) == 2


async def test_it_may_be_off_for_one_tenant_alone() -> None:
    switches = MemorySwitches()
    gate = Gate([one(1)], backends=Backends(switches=switches))
    await switches.disable(Switch(tool="t", tenant="acme"))
    assert await switches.look() == (Switch(tool="t", tenant="acme"),)
    assert _codes(await _calls(gate, ANA, 1) + await _calls(gate, EVE, 1)) == ["disabled", "ok"]


def test_only_stages_that_decide_can_observe() -> None:
    with pytest.raises(MisuseError, match="cache cannot observe; only admit, approve, breaker"):
        Gate([one(1)], observe={"cache"})


def _declared(**options: Any) -> Any:
    return tool(lambda: None, name="t", description="T.", **options).tool.limits


def test_limits_are_declared_with_the_tool() -> None:
    limits = _declared(backend="shop", attempt_timeout=2.0, cost=Decimal("0.5"))
    assert (limits.backend, limits.attempt_timeout, limits.cost) == ("shop", 2.0, Decimal("0.5"))
    assert (limits.least(None), limits.least(1.0)) == (2.0, 1.0)

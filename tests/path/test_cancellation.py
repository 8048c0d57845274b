"""Whenever a caller leaves: every call is closed once, no slot, task or effect is lost."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from callgate.gate import Gate
from callgate.messages import CallPart
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import CallClosed, CallOpened, Effect, Status, ToolCall
from tests.path.tools import spec

NAMES = st.sampled_from(["read", "write", "wide", "narrow"])


@given(
    names=st.lists(NAMES, min_size=1, max_size=6),
    steps=st.integers(min_value=0, max_value=4),
    leave_after=st.integers(min_value=0, max_value=40),
    twice=st.booleans(),
)
async def test_leaving_a_turn_at_any_moment_loses_nothing(
    names: list[str], steps: int, leave_after: int, twice: bool
) -> None:
    clock, captured = FakeClock(), Captured()
    begun, ended = Counter[str](), Counter[str]()

    async def act(call: ToolCall) -> str:
        begun[call.id] += 1
        for _ in range(steps):
            await asyncio.sleep(0)
        ended[call.id] += 1
        return call.id

    source = FakeSource(
        [
            spec("read"),
            spec("narrow", concurrency=1),
            spec("write", Effect.IRREVERSIBLE),
            spec("wide", Effect.IRREVERSIBLE, parallel=True),
        ],
        read=act,
        narrow=act,
        write=act,
        wide=act,
    )
    gate = Gate([source], clock=clock, listeners=[captured])
    before = asyncio.all_tasks()
    calls = [CallPart(id=f"c{n}", name=name, arguments={"n": n}) for n, name in enumerate(names)]
    turn = asyncio.ensure_future(gate.session().turn(calls))
    for _ in range(leave_after):
        await asyncio.sleep(0)
    turn.cancel()
    if twice:
        await asyncio.sleep(0)
        turn.cancel()
    await asyncio.wait({turn}, timeout=5)
    assert turn.done()
    await asyncio.sleep(0)

    opened = Counter(event.call.id for event in captured.of(CallOpened))
    closed = {event.call.id: event.result for event in captured.of(CallClosed)}
    assert opened == Counter(event.call.id for event in captured.of(CallClosed))
    assert all(count == 1 for count in (*opened.values(), *begun.values()))
    effects = {f"c{n}" for n, name in enumerate(names) if name in ("write", "wide")}
    for id in effects & set(begun):
        if closed[id].status is Status.OK:
            assert (ended[id], closed[id].value) == (1, id)
        else:
            # Only a caller who insists stops an effect, and then it is said to be in doubt.
            assert (twice, closed[id].status) == (True, Status.IN_DOUBT)
    assert gate._path.slots.used("narrow") == 0
    assert asyncio.all_tasks() == before

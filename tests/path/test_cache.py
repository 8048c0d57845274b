"""The cache, through a gate: what is given again, to whom, until when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from callgate import tool
from callgate.errors import DefinitionError, ToolFailedError
from callgate.gate import Gate
from callgate.stages.cache import Shelf
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import Decision, Effect, Principal, Status, Text, ToolCall, ToolResult
from tests.path.tools import one, spec


class Counter:
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, call: ToolCall) -> int:
        self.count += 1
        return self.count


def _ana(**changes: Any) -> Principal:
    return replace(Principal(id="ana", tenant="acme"), **changes)


async def test_a_read_is_given_again_for_so_many_seconds_and_no_attempt_is_counted() -> None:
    clock, captured, asked = FakeClock(), Captured(), Counter()
    gate = Gate([one(asked, cache=10.0)], clock=clock, listeners=[captured])
    first, again = [await gate.session(_ana()).call("t", {"q": 1}) for _ in range(2)]
    assert (first.value, first.attempts, again.value, again.attempts) == (1, 1, 1, 0)
    assert [(e.stage, e.verdict) for e in captured.of(Decision)] == [("cache", "answered")]
    clock.advance(10.0)
    assert (await gate.session(_ana()).call("t", {"q": 1})).value == 2


async def test_other_arguments_and_everyone_else_are_asked_anew() -> None:
    gate = Gate([one(Counter(), cache=10.0)], clock=FakeClock())
    people = [
        _ana(),
        _ana(id="bob"),
        _ana(tenant="other"),
        _ana(roles=frozenset({"admin"})),
        _ana(attributes={"region": "eu"}),
    ]
    values = [(await gate.session(who).call("t", {})).value for who in people]
    values.append((await gate.session(_ana()).call("t", {"q": 2})).value)
    assert values == [1, 2, 3, 4, 5, 6]
    assert [(await gate.session(who).call("t", {})).value for who in people] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("outcome", [1, ToolFailedError("no")])
async def test_every_effect_of_the_tenant_on_the_source_begins_anew(outcome: Any) -> None:
    asked = Counter()
    here = FakeSource(
        [spec("look", cache=60.0), spec("change", Effect.IRREVERSIBLE)], look=asked, change=outcome
    )
    elsewhere = FakeSource([spec("far", Effect.IRREVERSIBLE)], far=1)
    gate = Gate([here, elsewhere], clock=FakeClock())
    ana, bob, other = (gate.session(who) for who in (_ana(), _ana(id="bob"), _ana(tenant="other")))
    assert [(await s.call("look", {})).value for s in (ana, bob, other)] == [1, 2, 3]
    await ana.call("far", {})
    assert [(await s.call("look", {})).value for s in (ana, bob, other)] == [1, 2, 3]
    await ana.call("change", {})
    assert [(await s.call("look", {})).value for s in (ana, bob, other)] == [4, 5, 3]


async def test_what_was_read_while_an_effect_ran_is_not_given_after_it() -> None:
    asked, begun, go = Counter(), asyncio.Event(), asyncio.Event()

    async def look(call: ToolCall) -> int:
        begun.set()
        if asked.count == 0:
            await go.wait()
        return asked(call)

    source = FakeSource(
        [spec("look", cache=60.0), spec("change", Effect.IRREVERSIBLE)], look=look, change=1
    )
    session = Gate([source], clock=FakeClock()).session()
    reading = asyncio.ensure_future(session.call("look", {}))
    await begun.wait()
    await session.call("change", {})
    go.set()
    assert (await reading).value == 1
    assert (await session.call("look", {})).value == 2


async def test_failures_are_asked_again_and_so_is_what_was_too_long_to_show() -> None:
    source = one(ToolFailedError("no"), cache=60.0)
    session = Gate([source], clock=FakeClock()).session()
    for _ in range(2):
        assert (await session.call("t", {})).status is Status.ERROR
    assert len(source.calls) == 2
    long = one("x" * 500, cache=60.0, result_bytes=100)
    session = Gate([long], clock=FakeClock()).session()
    for _ in range(2):
        assert (await session.call("t", {})).handle is not None
    assert len(long.calls) == 2


async def test_labels_and_notes_are_kept_with_the_value_and_nobody_shares_it() -> None:
    told = ToolResult(
        status=Status.OK,
        value={"rows": [1]},
        body=b'{"rows":[1]}',
        labels=frozenset({"untrusted"}),
        notes=("from the web",),
    )
    gate = Gate([one(told, cache=60.0)], clock=FakeClock())
    first = await gate.session().call("t", {})
    first.value["rows"].append(2)
    again = await gate.session().call("t", {})
    again.value["rows"].append(3)
    third = await gate.session().call("t", {})
    assert (third.value, third.labels, third.notes, third.attempts) == (
        {"rows": [1]},
        {"untrusted"},
        ("from the web",),
        0,
    )


# ------------------------------------------------------------------ the same read at once


class Held:
    """Answers with how often it was asked, once a test lets it."""

    def __init__(self) -> None:
        self.count = 0
        self.go: list[asyncio.Future[Any]] = []

    async def __call__(self, call: ToolCall) -> int:
        self.count += 1
        mine = asyncio.get_running_loop().create_future()
        self.go.append(mine)
        outcome = await mine
        if isinstance(outcome, Exception):
            raise outcome
        return self.count


async def test_calls_that_ask_the_same_at_once_share_one_read() -> None:
    held, clock = Held(), FakeClock()
    session = Gate([one(held, cache=60.0)], clock=clock).session()
    calls = [asyncio.ensure_future(session.call("t", {})) for _ in range(3)]
    await clock.settle()
    held.go[0].set_result(None)
    results = await asyncio.gather(*calls)
    assert [(result.value, result.attempts) for result in results] == [(1, 1), (1, 0), (1, 0)]
    assert held.count == 1


async def test_they_share_its_failure_too_but_it_is_not_kept() -> None:
    held, clock = Held(), FakeClock()
    gate = Gate([one(held, cache=60.0)], clock=clock)
    calls = [asyncio.ensure_future(gate.session().call("t", {})) for _ in range(3)]
    await clock.settle()
    held.go[0].set_result(ToolFailedError("no"))
    results = await asyncio.gather(*calls)
    assert [result.error and result.error.code for result in results] == ["tool_failed"] * 3
    later = asyncio.ensure_future(gate.session().call("t", {}))
    await clock.settle()
    held.go[1].set_result(None)
    assert (await later).value == 2


async def test_when_the_one_that_reads_is_given_up_the_next_one_reads() -> None:
    held, clock = Held(), FakeClock()
    session = Gate([one(held, cache=60.0)], clock=clock).session()
    calls = [asyncio.ensure_future(session.call("t", {})) for _ in range(4)]
    await clock.settle()
    calls[0].cancel()
    calls[1].cancel()  # the one it would be handed to leaves at the same moment
    await clock.settle()
    assert held.count == 2
    calls[2].cancel()  # and so does the one that took over
    await clock.settle()
    held.go[-1].set_result(None)
    assert (await calls[3]).value == 3
    assert [call.cancelled() for call in calls] == [True, True, True, False]


async def test_one_that_had_less_time_does_not_fail_those_that_have_more() -> None:
    held, clock = Held(), FakeClock()
    session = Gate([one(held, cache=60.0, attempts=1)], clock=clock).session()
    short = asyncio.ensure_future(session.call("t", {}, timeout=1.0))
    await clock.settle()
    long = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    clock.advance(1.1)
    await clock.settle()
    result = await short
    assert result.error is not None
    assert result.error.code == "deadline"
    held.go[-1].set_result(None)
    answered = await long
    assert (answered.value, held.count) == (2, 2)


async def test_one_that_waits_for_another_keeps_its_own_deadline() -> None:
    held, clock = Held(), FakeClock()
    session = Gate([one(held, cache=60.0)], clock=clock).session()
    long = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    short = asyncio.ensure_future(session.call("t", {}, timeout=1.0))
    await clock.settle()
    clock.advance(1.0)
    result = await short
    assert result.error is not None
    assert (result.error.code, result.attempts) == ("deadline", 0)
    held.go[0].set_result(None)
    assert (await long).value == 1


# ------------------------------------------------------------------ bounds and definitions


def test_memory_is_bounded_and_the_least_recently_used_goes_first() -> None:
    shelf = Shelf(most=8000)
    result = ToolResult(status=Status.OK, body=b"x" * 300, content=(Text(text="y" * 100),))
    for n in range(20):
        shelf.put(b"%d" % n, result, 10.0)
        shelf.get(b"0", 0.0)
    assert (len(shelf), shelf.size) == (8, 7200)
    assert shelf.get(b"0", 0.0) is result
    assert shelf.get(b"1", 0.0) is None
    assert shelf.get(b"19", 10.0) is None  # too old
    shelf.put(b"0", result, 20.0)
    assert (len(shelf), shelf.size) == (7, 6300)
    shelf.put(b"99", ToolResult(status=Status.OK, body=b"x" * 1000), 10.0)
    assert shelf.get(b"99", 0.0) is None  # larger than an eighth
    shelf.clear()
    assert (len(shelf), shelf.size) == (0, 0)


def test_only_reads_may_be_cached() -> None:
    def change(n: int) -> int:
        """Change something."""
        return n

    with pytest.raises(DefinitionError, match=r"cache=\.\.\. belongs to effect='read'"):
        tool(change, cache=10)
    with pytest.raises(DefinitionError, match="allows no call"):
        tool(change, effect="read", cache=0)
    assert tool(change, effect="read", cache=10).tool.limits.cache == 10

"""One model turn: admitted in order, then reads together and effects one after another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import BudgetError, ToolFailedError
from callgate.gate import Gate
from callgate.messages import CallPart, ResultPart
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import CallClosed, CallOpened, Effect, Pending, Status, ToolCall, ToolResult
from tests.path.tools import spec


def parts(*names: str) -> list[CallPart]:
    return [CallPart(id=f"c{n}", name=name, arguments={"n": n}) for n, name in enumerate(names)]


class Stepping:
    """Tools `read`, `write` and `wide` (an effect declared parallel) that tell when they run."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.log: list[str] = []
        self.fail: set[int] = set()
        self.source = FakeSource(
            [
                spec("read"),
                spec("write", Effect.IRREVERSIBLE),
                spec("wide", Effect.IRREVERSIBLE, parallel=True),
            ],
            read=self.run,
            write=self.run,
            wide=self.run,
        )

    async def run(self, call: ToolCall) -> Any:
        n = call.arguments["n"]
        self.log.append(f"+{call.name}{n}")
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.running -= 1
        self.log.append(f"-{call.name}{n}")
        if n in self.fail:
            raise ToolFailedError(f"No {n}.")
        return n


async def test_reads_of_a_turn_run_together() -> None:
    tools = Stepping()
    answer = await Gate([tools.source]).session().turn(parts(*["read"] * 20))
    assert [item.result.value for item in answer.answered] == list(range(20))
    assert tools.most == 20


async def test_effects_of_a_turn_run_one_after_another_in_the_models_order() -> None:
    tools = Stepping()
    answer = await Gate([tools.source]).session().turn(parts(*["write"] * 5))
    assert all(item.result.ok for item in answer.answered)
    assert tools.log == [f"{sign}write{n}" for n in range(5) for sign in "+-"]


async def test_effects_declared_parallel_run_together_but_keep_their_place_among_others() -> None:
    tools = Stepping()
    await Gate([tools.source]).session().turn(parts("write", "wide", "wide", "write"))
    assert tools.log[:2] == ["+write0", "-write0"]
    assert tools.log[2:4] == ["+wide1", "+wide2"]
    assert tools.log[-2:] == ["+write3", "-write3"]


async def test_after_an_effect_that_did_not_succeed_later_effects_are_not_executed() -> None:
    tools = Stepping()
    tools.fail = {1}
    answer = (
        await Gate([tools.source]).session().turn(parts("write", "write", "read", "write", "wide"))
    )
    results = [item.result for item in answer.answered]
    assert [result.status for result in results] == [
        Status.OK,
        Status.ERROR,
        Status.OK,
        Status.ERROR,
        Status.ERROR,
    ]
    assert results[3].text() == (
        "write was not executed because write, called before it in the same turn, did not "
        "succeed. Nothing was executed. Look at the earlier result first, then decide again."
    )
    assert [call.arguments["n"] for call in tools.source.calls] == [0, 2, 1] or sorted(
        call.arguments["n"] for call in tools.source.calls
    ) == [0, 1, 2]


async def test_an_effect_that_is_refused_stops_later_effects_but_none_before_it() -> None:
    source = FakeSource(
        [spec("write", Effect.IRREVERSIBLE, parameters={"type": "object", "required": ["n"]})],
        write=1,
    )
    calls = [
        CallPart(id="c0", name="write", arguments={"n": 0}),
        CallPart(id="c1", name="write", arguments="{}"),
        CallPart(id="c2", name="write", arguments={"n": 2}),
    ]
    answer = await Gate([source]).session().turn(calls)
    assert [item.result.error and item.result.error.code for item in answer.answered] == [
        None,
        "arguments",
        "not_executed",
    ]
    assert [call.arguments for call in source.calls] == [{"n": 0}]


async def test_a_call_that_fails_takes_none_of_the_others_with_it() -> None:
    tools = Stepping()
    tools.fail = {0, 3}
    answer = await Gate([tools.source]).session().turn(parts("read", "nope", "read", "read"))
    assert [item.result.ok for item in answer.answered] == [False, False, True, False]
    message = answer.messages[0]
    assert [(part.call_id, part.error) for part in message.parts] == [
        ("c0", True),
        ("c1", True),
        ("c2", False),
        ("c3", True),
    ]


@given(names=st.lists(st.sampled_from(["read", "write", "wide", "nope"]), max_size=8))
async def test_calls_are_admitted_in_the_models_order_and_each_is_answered_once(
    names: list[str],
) -> None:
    tools, captured = Stepping(), Captured()
    gate = Gate([tools.source], listeners=[captured])
    answer = await gate.session().turn(parts(*names))
    assert [item.call.id for item in answer.answered] == [f"c{n}" for n in range(len(names))]
    assert [event.call.id for event in captured.of(CallOpened)] == [
        f"c{n}" for n in range(len(names))
    ]
    assert len(captured.of(CallClosed)) == len(names)
    writes = [entry for entry in tools.log if "write" in entry]
    assert all(
        (first[0], second[0], first[1:]) == ("+", "-", second[1:])
        for first, second in zip(writes[::2], writes[1::2], strict=True)
    )


async def test_a_second_call_with_the_id_of_another_is_refused_and_recorded() -> None:
    captured = Captured()
    source = FakeSource({"t": 1})
    twice = [CallPart(id="same", name="t", arguments={"n": n}) for n in range(2)]
    answer = await Gate([source], listeners=[captured]).session().turn(twice)
    first, second = (item.result for item in answer.answered)
    assert first.ok
    assert second.error is not None
    assert (second.error.code, len(source.calls)) == ("duplicate_call", 1)
    assert len(captured.of(CallClosed)) == 2


async def test_calls_that_are_not_to_be_made_are_answered_with_the_reason() -> None:
    source = FakeSource({"t": 1})
    answer = (
        await Gate([source])
        .session()
        .turn(parts("t"), refused={"c0": BudgetError("No more calls.")})
    )
    result = answer.answered[0].result
    assert (result.error and result.error.code, source.calls) == ("budget", [])


async def test_a_turn_without_calls_has_an_empty_answer() -> None:
    answer = await Gate([FakeSource({"t": 1})]).session().turn([])
    assert (answer.answered, answer.waiting, answer.messages) == ((), (), ())


async def test_keys_name_session_turn_and_place_or_the_callers_own_id_without_the_session() -> None:
    source = FakeSource({"t": 1})
    session = Gate([source]).session(id="a/b")
    await session.turn(parts("t", "t"))
    await session.call("t", {})
    await session.call("t", {}, key="order-77")
    assert [call.key for call in source.calls] == [
        "/anyone/a%2Fb/1/0",
        "/anyone/a%2Fb/1/1",
        "/anyone/a%2Fb/2/0",
        "/anyone//order-77",
    ]


async def test_a_number_taken_before_makes_the_same_keys_again() -> None:
    source = FakeSource({"t": 1})
    session = Gate([source]).session(id="s")
    number = session.next_turn()
    await session.turn(parts("t"), turn=number)
    await session.turn(parts("t"), turn=number)
    assert (number, session.state.turn) == (1, 1)
    assert [call.key for call in source.calls] == ["/anyone/s/1/0"] * 2


async def test_leaving_a_turn_stops_its_reads_and_lets_its_started_effect_finish() -> None:
    clock, captured, go = FakeClock(), Captured(), asyncio.Event()

    async def act(call: ToolCall) -> str:
        await go.wait()
        return "paid"

    async def hang(call: ToolCall) -> None:
        await asyncio.Event().wait()

    source = FakeSource([spec("read"), spec("write", Effect.IRREVERSIBLE)], read=hang, write=act)
    gate = Gate([source], clock=clock, listeners=[captured])
    turn = asyncio.ensure_future(gate.session().turn(parts("write", "read", "write")))
    await clock.settle()
    turn.cancel()
    await clock.settle()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await turn
    ended = {event.call.id: event.result for event in captured.of(CallClosed)}
    assert (ended["c0"].status, ended["c0"].value) == (Status.OK, "paid")
    assert ended["c1"].error is not None
    assert [call.arguments["n"] for call in source.calls if call.name == "write"] == [0]


async def test_a_waiting_call_is_completed_under_the_key_it_had() -> None:
    asked = Pending(kind="approval", prompt="Refund 50?", schema={"type": "boolean"})

    def refund(call: ToolCall) -> Any:
        if call.reply is None:
            return ToolResult(status=Status.PENDING, pending=asked)
        return {"refunded": call.reply}

    source = FakeSource([spec("look"), spec("refund", Effect.IRREVERSIBLE)], look=1, refund=refund)
    session = Gate([source]).session(id="s")
    answer = await session.turn(parts("look", "refund"))
    assert (answer.messages, [item.call.id for item in answer.waiting]) == ((), ["c1"])
    assert answer.waiting[0].result.pending == asked
    done = await session.resume(answer, {"c1": True})
    assert (done.waiting, done.answered[1].result.value) == ((), {"refunded": True})
    texts = [part.text for part in done.messages[0].parts if isinstance(part, ResultPart)]
    assert texts == ["1", '{"refunded":true}']
    refunds = [call.key for call in source.calls if call.name == "refund"]
    assert refunds == ["/anyone/s/1/1"] * 2
    assert len([call for call in source.calls if call.name == "look"]) == 1

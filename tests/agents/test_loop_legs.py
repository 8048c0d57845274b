"""A run suspends, is carried elsewhere as text, and goes on; from any beginning of its log."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate import agents
from callgate.agents import Budget, Reason, Run, RunLog, RunStatus
from callgate.agents.loop import LegEnded
from callgate.agents.runstate import RunResumed, TurnAnswered
from callgate.errors import MisuseError, ModelUnavailableError, RunError
from callgate.gate import Gate, Session
from callgate.messages import ModelRequest, ModelResponse
from callgate.testing import FakeSource, ScriptedModel, calls, says
from callgate.types import Pending, Principal, Status, ToolCall, ToolResult
from tests.agents.scenes import ADD, PAY, acts, adder, kinds, numbered, reads, shown, told

ASKS = Pending(kind="approval", prompt="Pay?", schema={"type": "boolean"})


@dataclass
class Till:
    """A tool that pays only when a person says yes; it remembers what it did and under what key."""

    paid: list[str] = field(default_factory=list)

    def pay(self, call: ToolCall) -> Any:
        if call.reply is None:
            return ToolResult(status=Status.PENDING, pending=ASKS)
        if not call.reply:
            return "not paid"
        self.paid.append(call.key)
        return "paid"

    def gate(self) -> Gate:
        source = FakeSource(
            [reads("add"), acts("pay")],
            add=lambda call: call.arguments["a"] + call.arguments["b"],
            pay=self.pay,
        )
        return Gate([source])


def carried(run: Run) -> RunLog:
    """The log as another process reads it."""
    return RunLog.load("\n".join(run.log.lines()).splitlines())


def restored(gate: Gate, log: RunLog) -> Session:
    session = log.state().session
    assert session is not None
    return gate.restore(session)


# --- waiting --------------------------------------------------------------------------------


async def test_a_run_whose_call_waits_is_suspended_with_what_finished() -> None:
    model = ScriptedModel([calls(ADD, PAY)])

    run = await agents.run(Till().gate().session(), "Go", model=model)

    assert (run.status, run.reason, run.answer) == (RunStatus.WAITING, Reason.WAITING, "")
    assert [item.call.id for item in run.waiting] == ["c2"]
    assert run.waiting[0].result.pending == ASKS
    assert kinds(run.log.events)[-2:] == ["TurnAnswered", "RunSuspended"]


async def test_a_reply_in_another_process_completes_the_call_under_its_first_key() -> None:
    till = Till()
    asked = await agents.run(
        till.gate().session(id="s1"), "Go", model=ScriptedModel([calls(ADD, PAY)])
    )
    log = carried(asked)

    run = await agents.resume(
        restored(till.gate(), log), log, model=ScriptedModel([says("Paid.")]), replies={"c2": True}
    )

    assert (run.status, run.answer, run.waiting) == (RunStatus.DONE, "Paid.", ())
    assert told(run) == {"c1": "3", "c2": '"paid"'}
    assert till.paid == ["/anyone/s1/1/1"]
    assert (run.log.state().spent.turns, run.log.state().spent.calls) == (1, 2)


async def test_a_run_that_waits_goes_on_waiting_without_a_reply() -> None:
    session = Till().gate().session()
    asked = await agents.run(session, "Go", model=ScriptedModel([calls(PAY)]))
    before = list(asked.log.lines())

    run = await agents.resume(session, asked.log, model=ScriptedModel([]))

    assert run.status is RunStatus.WAITING
    assert list(run.log.lines()) == before


async def test_calls_may_be_replied_to_one_after_another() -> None:
    till = Till()
    session = till.gate().session()
    asked = await agents.run(
        session, "Go", model=ScriptedModel([calls(PAY, ("pay", {"cents": 6}))])
    )
    assert [item.call.id for item in asked.waiting] == ["c1"]

    again = await agents.resume(
        session, asked.log, model=ScriptedModel([says("ok")]), replies={"c1": False}
    )

    assert again.status is RunStatus.DONE
    assert told(again)["c1"] == '"not paid"'


async def test_a_reply_to_a_call_that_does_not_wait_is_a_misuse() -> None:
    session = Till().gate().session()
    asked = await agents.run(session, "Go", model=ScriptedModel([calls(PAY)]))
    before = list(asked.log.lines())

    with pytest.raises(MisuseError, match="waits under the id c9"):
        await agents.resume(session, asked.log, model=ScriptedModel([]), replies={"c9": True})
    assert list(asked.log.lines()) == before


async def test_a_reply_the_log_has_may_be_repeated_but_not_changed() -> None:
    till = Till()
    session = till.gate().session()
    asked = await agents.run(session, "Go", model=ScriptedModel([calls(PAY)]))
    asked.log.append(RunResumed(replies={"c1": True}))

    with pytest.raises(MisuseError, match="waits under the id c1"):
        await agents.resume(session, asked.log, model=ScriptedModel([]), replies={"c1": False})
    run = await agents.resume(
        session, asked.log, model=ScriptedModel([says("Paid.")]), replies={"c1": True}
    )

    assert (run.answer, len(till.paid)) == ("Paid.", 1)
    assert kinds(run.log.events).count("RunResumed") == 1


async def test_a_resumed_run_can_be_streamed() -> None:
    session = Till().gate().session()
    asked = await agents.run(session, "Go", model=ScriptedModel([calls(PAY)]))
    model = ScriptedModel([says("Paid.")])

    events = [
        event
        async for event in agents.stream(session, asked.log, model=model, replies={"c1": True})
    ]

    assert kinds(events) == [
        "RunResumed",
        "TurnAnswered",
        "TextDelta",
        "ModelAnswered",
        "RunEnded",
        "LegEnded",
    ]
    assert isinstance(events[-1], LegEnded)


async def test_calls_over_budget_beside_a_waiting_one_are_told_when_it_is_complete() -> None:
    session = Till().gate().session()
    budget = Budget(calls=1)
    asked = await agents.run(session, "Go", model=ScriptedModel([calls(PAY, ADD)]), budget=budget)

    run = await agents.resume(
        session,
        asked.log,
        model=ScriptedModel([says("ok")]),
        replies={"c1": True},
        budget=budget,
    )

    assert told(run)["c1"] == '"paid"'
    assert told(run)["c2"].startswith("The run's budget of calls is used up.")


# --- ended runs -----------------------------------------------------------------------------


async def test_a_run_that_is_done_stays_done() -> None:
    session = Gate([]).session()
    done = await agents.run(session, "Go", model=ScriptedModel([says("Done.")]))
    before = list(done.log.lines())

    again = await agents.resume(session, done.log, model=ScriptedModel([]))

    assert (again.status, again.answer) == (RunStatus.DONE, "Done.")
    assert list(again.log.lines()) == before


async def test_a_run_that_was_stopped_goes_on_under_a_larger_budget() -> None:
    session = Gate([adder()]).session()
    stopped = await agents.run(
        session, "Go", model=ScriptedModel(numbered(9)), budget=Budget(tokens=30)
    )
    assert stopped.reason is Reason.TOKENS

    run = await agents.resume(session, stopped.log, model=ScriptedModel([says("Done.")]))

    assert (run.status, run.answer, run.usage.requests) == (RunStatus.DONE, "Done.", 3)


async def test_a_run_that_wasted_its_last_chance_goes_on_under_a_larger_budget() -> None:
    session = Gate([adder()]).session()
    stopped = await agents.run(
        session, "Go", model=ScriptedModel(numbered(2)), budget=Budget(turns=1)
    )
    assert (stopped.reason, stopped.answer) == (Reason.TURNS, "")

    run = await agents.resume(session, stopped.log, model=ScriptedModel([calls(PAY), says("ok")]))

    assert (run.status, told(run)["c1"]) == (RunStatus.DONE, '"paid"')


async def test_a_run_that_was_stuck_gets_a_new_try_in_a_new_leg() -> None:
    session = Gate([adder()]).session()
    gone = [calls(("gone", {}), ids=[f"c{i}"]) for i in range(3)]
    failed = await agents.run(
        session, "Go", model=ScriptedModel([*gone[:2], ModelUnavailableError("Down.")])
    )

    run = await agents.resume(session, failed.log, model=ScriptedModel([gone[2], says("ok")]))

    assert run.status is RunStatus.DONE


# --- logs that are not ours -----------------------------------------------------------------


async def test_a_log_without_its_start_cannot_be_continued() -> None:
    with pytest.raises(RunError, match="does not say how it started"):
        await agents.resume(Gate([]).session(), RunLog("r1"), model=ScriptedModel([]))


async def test_a_log_of_another_session_is_refused() -> None:
    gate = Gate([])
    run = await agents.run(gate.session(id="a"), "Go", model=ScriptedModel([says("ok")]))

    for session in (gate.session(id="b"), gate.session(Principal(id="bob"), id="a")):
        with pytest.raises(RunError, match="belongs to session a of anyone"):
            await agents.resume(session, run.log, model=ScriptedModel([]))


async def test_a_log_that_began_with_other_tools_is_refused() -> None:
    run = await agents.run(Gate([]).session(id="a"), "Go", model=ScriptedModel([says("ok")]))

    with pytest.raises(RunError, match="began with tools"):
        await agents.resume(Gate([adder()]).session(id="a"), run.log, model=ScriptedModel([]))


async def test_a_session_begun_anew_under_the_same_id_is_refused() -> None:
    gate = Gate([adder()])
    run = await agents.run(
        gate.session(id="a"), "Go", model=ScriptedModel([*numbered(1), says("")])
    )

    with pytest.raises(RunError, match="has seen turn 1 of its session"):
        await agents.resume(gate.session(id="a"), run.log, model=ScriptedModel([]))


# --- any beginning of a log -----------------------------------------------------------------


@dataclass
class World:
    """A model and tools whose answers depend only on what was said; effects leave their key."""

    plan: list[ModelResponse]
    paid: list[str] = field(default_factory=list)
    asked: int = 0

    def model(self) -> ScriptedModel:
        def answer(request: ModelRequest) -> ModelResponse:
            self.asked += 1
            turns = sum(message.role == "assistant" for message in request.messages)
            return self.plan[turns]

        return ScriptedModel(iter(lambda: answer, None))

    def gate(self) -> Gate:
        def pay(call: ToolCall) -> Any:
            if call.arguments.get("asks") and call.reply is None:
                return ToolResult(status=Status.PENDING, pending=ASKS)
            self.paid.append(call.key)
            return len(call.key)

        return Gate([FakeSource([reads("add"), acts("pay")], add=lambda call: 1, pay=pay)])

    async def finish(self, run: Run, log: RunLog, gate: Gate) -> Run:
        """Reply yes to everything until the run ends."""
        while run.status is RunStatus.WAITING:
            replies = {item.call.id: True for item in run.waiting}
            session = restored(gate, run.log)
            run = await agents.resume(session, run.log, model=self.model(), replies=replies)
        return run


CALLS = st.lists(
    st.sampled_from([("add", {}), ("pay", {"asks": False}), ("pay", {"asks": True}), ("gone", {})]),
    min_size=1,
    max_size=3,
)


@given(turns=st.lists(CALLS, max_size=5), data=st.data())
def test_a_run_resumed_from_any_beginning_of_its_log_ends_the_same(
    turns: list[list[tuple[str, dict[str, bool]]]], data: st.DataObject
) -> None:
    plan = [
        calls(
            *((name, {**arguments, "n": n, "k": k}) for k, (name, arguments) in enumerate(made)),
            ids=[f"t{n}c{k}" for k in range(len(made))],
        )
        for n, made in enumerate(turns)
    ]
    world = World(plan=[*plan, says("Done.")])

    async def scenario() -> None:
        gate = world.gate()
        model = world.model()
        first = await agents.run(gate.session(id="s"), "Go", model=model)
        whole = await world.finish(first, first.log, gate)
        cut = data.draw(st.integers(min_value=1, max_value=len(whole.log)))
        lines = list(whole.log.lines())[:cut]
        paid, asked = list(world.paid), world.asked
        left = kinds(whole.log.events[cut:]).count("ModelAnswered")

        log = RunLog.load(lines)
        settled = {
            item.call.id
            for event in log.events
            if isinstance(event, TurnAnswered)
            for item in event.answer.answered
            if item.result.status is not Status.PENDING
        }
        world.paid.clear()
        run = await agents.resume(restored(gate, log), log, model=world.model())
        run = await world.finish(run, log, gate)

        assert (run.status, run.reason, run.answer) == (whole.status, whole.reason, whole.answer)
        assert shown(run.messages) == shown(whole.messages)
        assert run.log.state().spent.usage == whole.log.state().spent.usage
        assert run.log.state().session == whole.log.state().session
        # Nothing known was asked for again, nothing answered was done again, and what was done
        # has the key that it has in the whole run.
        assert world.asked - asked == left
        assert set(world.paid) <= set(paid)
        places = {f"{n + 1}/{k}" for n, k in (place(id) for id in settled)}
        assert not places & {key.removeprefix("/anyone/s/") for key in world.paid}

    asyncio.run(scenario())


def place(id: str) -> tuple[int, int]:
    turn, _, call = id.removeprefix("t").partition("c")
    return int(turn), int(call)

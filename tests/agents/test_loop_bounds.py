"""What stops a run: budgets, conditions, the model; nothing is lost by it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from callgate import agents
from callgate.agents import Budget, Options, Reason, Run, RunEvent, RunLog, RunStatus
from callgate.agents.loop import AnswerCut, LegEnded
from callgate.agents.runstate import RunEnded
from callgate.controls import Controls
from callgate.errors import (
    BudgetError,
    MisuseError,
    ModelError,
    ModelRequestError,
    ModelStreamError,
    RateLimitedError,
)
from callgate.gate import Gate
from callgate.messages import (
    CallPart,
    Message,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ResponseDone,
    Role,
    StopReason,
    TextDelta,
    Usage,
)
from callgate.testing import Captured, FakeClock, FakeSource, ScriptedModel, calls, says
from callgate.types import CallClosed
from tests.agents.scenes import ADD, PAY, Dribble, adder, kinds, numbered, reads, told

TURNS = (
    "The run's budget of turns is used up. Nothing was executed. Answer with what you already know."
)


def stands(run: Run) -> tuple[RunStatus, Reason, str]:
    return run.status, run.reason, run.answer


# --- turns, calls, refusals: one last chance ------------------------------------------------


async def test_after_the_last_turn_the_model_may_only_answer() -> None:
    choices: list[str] = []

    def answer(request: ModelRequest) -> ModelResponse:
        choices.append(request.choice)
        return says("Nearly.")

    model = ScriptedModel([*numbered(2), answer])

    run = await agents.run(Gate([adder()]).session(), "Go", model=model, budget=Budget(turns=2))

    assert (*stands(run), choices) == (RunStatus.STOPPED, Reason.TURNS, "Nearly.", ["none"])


async def test_a_model_that_calls_in_its_last_chance_gets_every_call_refused() -> None:
    model = ScriptedModel([*numbered(1), calls(ADD, PAY, ids=["x", "y"])])

    run = await agents.run(Gate([adder()]).session(), "Go", model=model, budget=Budget(turns=1))

    assert stands(run) == (RunStatus.STOPPED, Reason.TURNS, "")
    assert told(run) == {"c0": "0", "x": TURNS, "y": TURNS}


async def test_calls_beyond_the_budget_are_refused_and_recorded_and_the_others_run() -> None:
    seen = Captured()
    source = adder()
    model = ScriptedModel([calls(ADD, PAY, ADD), says("Half.")])

    run = await agents.run(
        Gate([source], listeners=[seen]).session(), "Go", model=model, budget=Budget(calls=1)
    )

    assert stands(run) == (RunStatus.STOPPED, Reason.CALLS, "Half.")
    assert [call.id for call in source.calls] == ["c1"]
    assert {event.call.id: type(event.result.error) for event in seen.of(CallClosed)} == {
        "c1": type(None),
        "c2": BudgetError,
        "c3": BudgetError,
    }


async def test_a_run_resumed_under_a_smaller_budget_refuses_all_further_calls() -> None:
    session = Gate([source := adder()]).session()
    whole = await agents.run(session, "Go", model=ScriptedModel([*numbered(3), says("ok")]))
    before_the_third_turn = RunLog("r", whole.log.events[:6])

    run = await agents.resume(
        session, before_the_third_turn, model=ScriptedModel([says("ok")]), budget=Budget(calls=1)
    )

    assert stands(run) == (RunStatus.STOPPED, Reason.CALLS, "ok")
    assert (len(source.calls), told(run)["c2"][:19]) == (3, "The run's budget of")


async def test_without_bounds_on_turns_and_calls_a_run_goes_on_until_the_answer() -> None:
    model = ScriptedModel([*numbered(60), says("Done.")])

    run = await agents.run(
        Gate([adder()]).session(), "Go", model=model, budget=Budget(turns=None, calls=None)
    )

    assert (*stands(run), len(told(run))) == (RunStatus.DONE, Reason.ANSWER, "Done.", 60)


async def test_a_model_that_repeats_one_call_is_stopped_and_may_still_answer() -> None:
    source = adder()
    model = ScriptedModel([calls(ADD, ids=[f"c{i}"]) for i in range(6)] + [says("It is 3.")])

    run = await agents.run(
        Gate([source], controls=Controls(repeats=3)).session(),
        "Go",
        model=model,
        budget=Budget(refusals=3),
    )

    assert stands(run) == (RunStatus.STOPPED, Reason.REFUSALS, "It is 3.")
    assert len(source.calls) == 3
    assert [told(run)[f"c{i}"][:3] for i in range(3)] == ["3", "3", "3"]
    assert "Do not repeat this call" in told(run)["c5"]


async def test_a_call_that_runs_starts_the_count_of_refusals_anew() -> None:
    unknown = [calls(("gone", {}), ids=[f"u{i}"]) for i in range(4)]
    script = [*unknown[:2], *numbered(1), *unknown[2:], says("Done.")]

    run = await agents.run(
        Gate([adder()]).session(), "Go", model=ScriptedModel(script), budget=Budget(refusals=3)
    )

    assert stands(run) == (RunStatus.DONE, Reason.ANSWER, "Done.")


# --- tokens, seconds, cost: nothing more is spent -------------------------------------------


async def test_tokens_that_are_used_up_refuse_the_calls_that_came_with_them() -> None:
    source = adder()
    model = ScriptedModel([calls(ADD, PAY)])

    run = await agents.run(Gate([source]).session(), "Go", model=model, budget=Budget(tokens=15))

    assert (*stands(run), model.requests, source.calls) == (
        RunStatus.STOPPED,
        Reason.TOKENS,
        "",
        1,
        [],
    )
    assert set(told(run)) == {"c1", "c2"}


async def test_a_cost_is_added_up_and_bounded() -> None:
    def price(usage: Usage, model: str) -> Decimal:
        assert model == "scripted"
        return Decimal(usage.output) / 10

    model = ScriptedModel(numbered(9))

    run = await agents.run(
        Gate([adder()]).session(),
        "Go",
        model=model,
        budget=Budget(cost=Decimal(1)),
        options=Options(price=price),
    )

    assert stands(run) == (RunStatus.STOPPED, Reason.COST, "")
    assert (run.cost, model.requests) == (Decimal(1), 2)


async def test_a_bounded_cost_without_a_known_price_stops_the_run() -> None:
    run = await agents.run(
        Gate([adder()]).session(),
        "Go",
        model=ScriptedModel(numbered(9)),
        budget=Budget(cost=Decimal(1)),
        options=Options(price=lambda usage, model: None),
    )

    assert (*stands(run), run.cost) == (RunStatus.STOPPED, Reason.COST, "", None)


async def test_a_bounded_cost_without_prices_is_a_misuse() -> None:
    with pytest.raises(MisuseError, match="price"):
        await agents.run(
            Gate([]).session(), "Go", model=ScriptedModel([]), budget=Budget(cost=Decimal(1))
        )


async def test_seconds_in_tools_are_counted() -> None:
    clock = FakeClock()
    source = FakeSource([reads("slow")], slow=lambda call: clock.advance(3.0))
    model = ScriptedModel([calls(("slow", {}), ids=[f"c{i}"]) for i in range(9)])

    run = await agents.run(
        Gate([source], clock=clock).session(), "Go", model=model, budget=Budget(seconds=5.0)
    )

    assert (*stands(run), len(source.calls)) == (RunStatus.STOPPED, Reason.SECONDS, "", 2)


class Hanging:
    """A model that never answers."""

    name = "hanging"

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def complete(self, request: ModelRequest) -> ModelResponse:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        yield ResponseDone(response=await self.complete(request))

    async def close(self) -> None:
        return None


@pytest.mark.parametrize("listening", [False, True])
async def test_a_model_that_hangs_is_cut_when_the_seconds_are_used_up(listening: bool) -> None:
    clock, model, heard = FakeClock(), Hanging(), list[RunEvent]()
    session = Gate([adder()], clock=clock).session()
    running = asyncio.ensure_future(
        agents.run(
            session,
            "Go",
            model=model,
            budget=Budget(seconds=5.0),
            on_event=heard.append if listening else None,
        )
    )
    await model.asked.wait()
    clock.advance(5.1)

    run = await running

    assert stands(run) == (RunStatus.STOPPED, Reason.SECONDS, "")
    end = run.log.events[-1]
    assert isinstance(end, RunEnded)
    assert end.seconds == pytest.approx(5.1)


@pytest.mark.parametrize(
    "thinking",
    [
        pytest.param(4.0, id="the timer goes off between two requests"),
        pytest.param(1.5, id="the timer goes off in a later request"),
    ],
)
async def test_only_seconds_in_requests_and_tools_count_while_a_stream_is_read(
    thinking: float,
) -> None:
    clock, model = FakeClock(), Hanging()
    session = Gate([adder()], clock=clock).session()
    first, second = calls(ADD), calls(PAY)

    async def stream(request: ModelRequest) -> AsyncIterator[ModelEvent]:
        turns = sum(message.role == Role.TOOL for message in request.messages)
        if turns == 2:
            await model.complete(request)
        yield ResponseDone(response=(first, second)[turns])

    model.stream = stream
    reading = agents.stream(session, "Go", model=model, budget=Budget(seconds=5.0))

    async def read() -> list[RunEvent]:
        events: list[RunEvent] = []
        async for event in reading:
            events.append(event)
            if not model.asked.is_set() and len(events) < 4:
                clock.advance(thinking)
        return events

    running = asyncio.ensure_future(read())
    await model.asked.wait()
    clock.advance(4.9)
    await clock.settle()
    assert not running.done()
    clock.advance(0.2)
    events = await running

    last = events[-1]
    assert isinstance(last, LegEnded)
    assert stands(last.run) == (RunStatus.STOPPED, Reason.SECONDS, "")
    assert kinds(events).count("TurnAnswered") == 2


async def test_a_caller_who_leaves_is_not_mistaken_for_the_clock() -> None:
    model = Hanging()
    running = asyncio.ensure_future(agents.run(Gate([]).session(), "Go", model=model))
    await model.asked.wait()

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running


async def test_without_a_bound_on_seconds_there_is_no_deadline() -> None:
    clock, model = FakeClock(), Hanging()
    running = asyncio.ensure_future(
        agents.run(Gate([], clock=clock).session(), "Go", model=model, budget=Budget(seconds=None))
    )
    await model.asked.wait()
    clock.advance(10_000)
    await clock.settle()

    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# --- the caller's condition, the model's own stops ------------------------------------------


async def test_the_callers_condition_is_looked_at_before_each_request() -> None:
    options = Options(stop_when=lambda state: state.spent.turns == 2)
    model = ScriptedModel(numbered(9))

    run = await agents.run(Gate([adder()]).session(), "Go", model=model, options=options)

    assert (*stands(run), model.requests) == (RunStatus.STOPPED, Reason.CONDITION, "", 2)
    assert set(told(run)) == {"c0", "c1"}


@pytest.mark.parametrize(
    ("stop", "reason"),
    [(StopReason.LENGTH, Reason.LENGTH), (StopReason.REFUSAL, Reason.REFUSAL)],
)
async def test_an_answer_that_is_not_whole_stops_the_run_and_is_kept(
    stop: StopReason, reason: Reason
) -> None:
    model = ScriptedModel([says("It is", stop=stop)])

    run = await agents.run(Gate([]).session(), "Go", model=model)

    assert stands(run) == (RunStatus.STOPPED, reason, "It is")


async def test_a_model_that_pauses_is_asked_to_go_on_with_what_it_said() -> None:
    asked: list[list[str]] = []

    def answer(request: ModelRequest) -> ModelResponse:
        asked.append([message.text for message in request.messages])
        return says("found it.")

    model = ScriptedModel([says("I searched and ", stop=StopReason.PAUSED), answer])

    run = await agents.run(Gate([]).session(), "Go", model=model)

    assert stands(run) == (RunStatus.DONE, Reason.ANSWER, "found it.")
    assert asked == [["Go", "I searched and "]]


async def test_a_model_that_pauses_for_ever_comes_to_an_end() -> None:
    pause = says("...", stop=StopReason.PAUSED)
    model = ScriptedModel([pause, pause, pause])

    run = await agents.run(Gate([]).session(), "Go", model=model, budget=Budget(turns=2))

    assert (*stands(run)[:2], model.requests) == (RunStatus.STOPPED, Reason.TURNS, 3)


async def test_calls_that_were_cut_off_are_answered_with_an_error_and_the_run_goes_on() -> None:
    source = adder()
    cut = replace(calls(ADD, ("add", '{"a": 1, "b": 2')), stop=StopReason.LENGTH)
    model = ScriptedModel([cut, says("Sorry.")])

    run = await agents.run(Gate([source]).session(), "Go", model=model)

    assert stands(run) == (RunStatus.DONE, Reason.ANSWER, "Sorry.")
    assert told(run)["c1"] == "3"
    assert "Send the arguments again as one complete JSON object." in told(run)["c2"]
    assert [call.id for call in source.calls] == ["c1"]


# --- the model fails ------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [RateLimitedError("Slow down."), ModelRequestError("No key.")])
async def test_a_model_that_fails_ends_the_leg_and_a_new_one_goes_on(failure: ModelError) -> None:
    session = Gate([source := adder()]).session()
    failed = await agents.run(session, "Go", model=ScriptedModel([calls(PAY), failure]))
    assert stands(failed) == (RunStatus.FAILED, Reason.MODEL, "")
    assert failed.detail == f"{failure.message} [{failure.code}]"

    run = await agents.resume(session, failed.log, model=ScriptedModel([says("Paid.")]))

    assert (*stands(run), len(source.calls)) == (RunStatus.DONE, Reason.ANSWER, "Paid.", 1)
    assert kinds(run.log.events)[-4:] == ["RunEnded", "RunResumed", "ModelAnswered", "RunEnded"]


async def test_a_model_that_stops_with_an_error_has_not_answered() -> None:
    model = ScriptedModel([says("half a th", stop=StopReason.ERROR)])

    run = await agents.run(Gate([]).session(), "Go", model=model)

    assert (*stands(run), len(run.messages)) == (RunStatus.FAILED, Reason.MODEL, "", 1)


async def test_calls_that_came_with_an_error_are_run() -> None:
    odd = replace(calls(ADD), stop=StopReason.ERROR)

    run = await agents.run(Gate([adder()]).session(), "Go", model=ScriptedModel([odd, says("3")]))

    assert (run.answer, told(run)) == ("3", {"c1": "3"})


async def test_of_a_stream_that_is_cut_nothing_enters_the_log_and_the_model_is_asked_again() -> (
    None
):
    cut = ModelStreamError("The stream ended in the middle.")
    model = Dribble(
        [TextDelta(text="It is f"), cut],
        [TextDelta(text="It"), ResponseDone(response=says("It is 3."))],
    )
    heard: list[RunEvent] = []

    run = await agents.run(Gate([]).session(), "Go", model=model, on_event=heard.append)

    assert (*stands(run), model.closed) == (RunStatus.DONE, Reason.ANSWER, "It is 3.", 2)
    assert heard[1:4] == [TextDelta(text="It is f"), AnswerCut(error=cut), TextDelta(text="It")]
    assert kinds(run.log.events) == ["RunStarted", "ModelAnswered", "RunEnded"]


@pytest.mark.parametrize("listening", [False, True])
async def test_a_stream_that_is_cut_again_and_again_ends_the_leg(listening: bool) -> None:
    cuts = [ModelStreamError("Cut.")] * 3
    model = ScriptedModel([*cuts, says("Too late.")])
    heard: list[RunEvent] = []

    run = await agents.run(
        Gate([]).session(),
        "Go",
        model=model,
        budget=Budget(cuts=2),
        on_event=heard.append if listening else None,
    )

    assert (*stands(run), model.requests) == (RunStatus.FAILED, Reason.MODEL, "", 3)
    assert len([event for event in heard if isinstance(event, AnswerCut)]) == 2 * listening


async def test_a_stream_without_its_answer_was_cut() -> None:
    model = Dribble([TextDelta(text="hm")])

    run = await agents.run(
        Gate([]).session(), "Go", model=model, budget=Budget(cuts=0), on_event=lambda event: None
    )

    assert (run.status, run.detail) == (
        RunStatus.FAILED,
        "The model's stream ended without its answer. [model_stream]",
    )


async def test_a_defect_of_the_model_client_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        await agents.run(Gate([]).session(), "Go", model=ScriptedModel([ZeroDivisionError()]))


async def test_two_calls_with_one_id_beyond_the_budget_are_both_answered() -> None:
    same = Message(
        role=Role.ASSISTANT,
        parts=tuple(CallPart(id="c1", name="add", arguments='{"a":1,"b":2}') for _ in range(2)),
    )
    response = replace(calls(ADD), message=same)
    model = ScriptedModel([response, says("Half.")])

    run = await agents.run(Gate([adder()]).session(), "Go", model=model, budget=Budget(calls=1))

    results = run.messages[2].parts
    assert len(results) == 2
    assert stands(run) == (RunStatus.STOPPED, Reason.CALLS, "Half.")

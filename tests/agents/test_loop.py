"""The loop against a real gate; the model and the source are the public doubles."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest

from callgate import agents
from callgate.agents import Options, Reason, RunEvent, RunLog, RunStatus
from callgate.agents.loop import AnswerCut, LegEnded
from callgate.agents.runstate import RunStarted
from callgate.errors import MisuseError, ToolFailedError
from callgate.gate import Gate
from callgate.messages import (
    CallDelta,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ResponseDone,
    TextDelta,
    Usage,
)
from callgate.testing import FakeSource, ScriptedModel, calls, says
from callgate.types import ToolCall
from tests.agents.scenes import (
    ADD,
    PAY,
    Dribble,
    Pieces,
    acts,
    adder,
    kinds,
    numbered,
    shown,
    told,
    user,
)

# --- an answer, with and without tools ------------------------------------------------------


async def test_a_model_that_answers_at_once_is_done() -> None:
    model = ScriptedModel([says("Hello.")])

    run = await agents.run(Gate([]).session(), "Hi", model=model, system="Be brief.")

    assert (run.status, run.reason, run.answer) == (RunStatus.DONE, Reason.ANSWER, "Hello.")
    assert shown(run.messages) == ["system: Be brief.", "user: Hi", "assistant: Hello."]
    assert (run.usage, run.cost) == (Usage(input=10, output=5, requests=1), None)
    assert (run.detail, run.waiting) == ("", ())


async def test_the_calls_of_an_answer_are_run_and_the_model_sees_their_results() -> None:
    model = ScriptedModel([calls(ADD, PAY), says("3, paid")])

    run = await agents.run(Gate([adder()]).session(), "Go", model=model)

    assert (run.answer, told(run)) == ("3, paid", {"c1": "3", "c2": '"paid"'})
    assert kinds(run.log.events) == [
        "RunStarted",
        "ModelAnswered",
        "TurnAnswered",
        "ModelAnswered",
        "RunEnded",
    ]


async def test_a_conversation_is_continued() -> None:
    model = ScriptedModel([says("Ana.")])
    before = [user("I am Ana."), says("Hi.").message, user("Who am I?")]

    run = await agents.run(Gate([]).session(), before, model=model)

    assert list(run.messages[:3]) == before
    assert run.answer == "Ana."


async def test_a_prompt_without_messages_is_a_misuse() -> None:
    with pytest.raises(MisuseError, match="nothing to answer"):
        await agents.run(Gate([]).session(), [], model=ScriptedModel([]), system="Be brief.")


async def test_the_options_reach_the_model() -> None:
    model = ScriptedModel([says("ok")])
    options = Options(parallel=False, max_tokens=7, temperature=0.5, seed=3, id="r7")
    session = Gate([adder()]).session()

    run = await agents.run(session, "Go", model=model, options=options)

    assert model.last == ModelRequest(
        messages=run.messages,
        tools=session.tools(),
        choice="auto",
        parallel=False,
        max_tokens=7,
        temperature=0.5,
        seed=3,
    )
    assert run.log.run == "r7"


async def test_a_failing_call_takes_none_of_its_siblings_with_it() -> None:
    def fails(call: ToolCall) -> None:
        raise ToolFailedError("No such order.")

    def breaks(call: ToolCall) -> None:
        raise ValueError("oops")

    source = FakeSource({"fails": fails, "breaks": breaks, "works": 7})
    model = ScriptedModel(
        [calls(("fails", {}), ("breaks", {}), ("gone", {}), ("works", {})), says("ok")]
    )

    run = await agents.run(Gate([source]).session(), "Go", model=model)

    assert list(told(run)) == ["c1", "c2", "c3", "c4"]
    assert told(run)["c1"] == "No such order."
    assert told(run)["c4"] == "7"


async def test_every_request_shares_one_growing_list_of_messages() -> None:
    seen: list[tuple[int, int]] = []

    def look(response: ModelResponse) -> Callable[[ModelRequest], ModelResponse]:
        def step(request: ModelRequest) -> ModelResponse:
            seen.append((id(request.messages), len(request.messages)))
            return response

        return step

    model = ScriptedModel([look(response) for response in (*numbered(2), says("done"))])

    run = await agents.run(Gate([adder()]).session(), "Go", model=model)

    assert seen == [(id(run.messages), 1), (id(run.messages), 3), (id(run.messages), 5)]


def test_code_that_cannot_await_has_a_blocking_twin() -> None:
    gate = Gate([adder()])
    try:
        run = agents.run_blocking(
            gate.session(), "Go", model=ScriptedModel([calls(ADD), says("It is 3.")])
        )
    finally:
        gate.close_blocking()

    assert (run.status, run.answer, told(run)) == (RunStatus.DONE, "It is 3.", {"c1": "3"})


# --- events ---------------------------------------------------------------------------------


async def test_a_stream_gives_every_event_in_order_and_ends_with_the_run() -> None:
    model = ScriptedModel([calls(ADD), says("It is 3.")])

    events = [event async for event in agents.stream(Gate([adder()]).session(), "Go", model=model)]

    assert kinds(events) == [
        "RunStarted",
        "CallDelta",
        "ModelAnswered",
        "TurnAnswered",
        "TextDelta",
        "TextDelta",
        "TextDelta",
        "ModelAnswered",
        "RunEnded",
        "LegEnded",
    ]
    last = events[-1]
    assert isinstance(last, LegEnded)
    assert [event for event in events if event in last.run.log.events] == last.run.log.events


async def test_a_listener_sees_what_a_stream_gives() -> None:
    script = [calls(ADD), says("It is 3.")]
    heard: list[RunEvent] = []

    run = await agents.run(
        Gate([adder()]).session(), "Go", model=ScriptedModel(script), on_event=heard.append
    )

    model = ScriptedModel(script)
    streamed = [
        event async for event in agents.stream(Gate([adder()]).session(), "Go", model=model)
    ]
    assert kinds(heard) == kinds(streamed)
    assert heard[-1] == LegEnded(run=run)


async def test_an_event_is_in_the_log_before_it_is_given() -> None:
    log = RunLog("r1")
    async for event in agents.stream(
        Gate([adder()]).session(), "Go", model=ScriptedModel([calls(ADD), says("3")])
    ):
        match event:
            case TextDelta() | CallDelta() | AnswerCut():
                continue
            case LegEnded():
                assert log.events == event.run.log.events
            case _:
                log.append(event)
    assert len(log) == 5


async def test_the_models_answer_is_in_the_log_before_its_calls_run() -> None:
    heard: list[RunEvent] = []
    at_call: list[list[str]] = []
    source = FakeSource([acts("pay")], pay=lambda call: at_call.append(kinds(heard)))
    model = ScriptedModel([calls(PAY), says("ok")])

    await agents.run(Gate([source]).session(), "Go", model=model, on_event=heard.append)

    assert at_call == [["RunStarted", "CallDelta", "ModelAnswered"]]


async def test_who_stops_listening_leaves_no_stream_open_and_a_log_to_resume() -> None:
    model = Dribble([TextDelta(text="It"), TextDelta(text=" is"), ResponseDone(response=says("x"))])
    session = Gate([]).session()
    started: list[RunEvent] = []

    async with aclosing(agents.stream(session, "Go", model=model)) as events:
        async for event in events:
            started.append(event)
            if isinstance(event, TextDelta):
                break

    assert (kinds(started), model.closed) == (["RunStarted", "TextDelta"], 1)
    log = RunLog("r1", [event for event in started if isinstance(event, RunStarted)])
    run = await agents.resume(session, log, model=ScriptedModel([says("It is 3.")]))
    assert run.answer == "It is 3."


async def test_a_stream_that_has_nothing_to_close_is_read() -> None:
    class Plain(Dribble):
        def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            return Pieces(ResponseDone(response=says("hi")))

    heard: list[RunEvent] = []
    run = await agents.run(Gate([]).session(), "Go", model=Plain(), on_event=heard.append)

    assert (run.answer, kinds(heard)[1]) == ("hi", "ModelAnswered")

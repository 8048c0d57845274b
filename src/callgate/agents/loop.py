"""The agent loop: ask the model, run its calls, until it answers.

A run advances in legs. A leg folds the run's log once and goes on until calls wait, the model
has answered, or a bound is met; every step is in the log before the next one depends on it. A
later leg starts from the log alone, in this or another process. Where the gate's back ends keep
runs, every step is kept before the next one, so that a run that was killed goes on. Tools are the
session's business: order, retries, approval and recording happen behind `session.turn`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeGuard

from callgate.agents.alarm import TimeUpError
from callgate.agents.budget import Budget, Reason
from callgate.agents.leg import Leg, Options, Run, begin, proceed
from callgate.agents.model import Model
from callgate.agents.runlog import RunLog
from callgate.agents.runstate import (
    LogEvent,
    ModelAnswered,
    RunEnded,
    RunState,
    RunStatus,
    RunSuspended,
    TurnAnswered,
)
from callgate.errors import BudgetError, ModelError, ModelStreamError
from callgate.gate import Session
from callgate.messages import (
    CallDelta,
    CallPart,
    Message,
    ModelEvent,
    ModelResponse,
    ResponseDone,
    StopReason,
    TextDelta,
)
from callgate.types import maker

__all__ = [
    "AnswerCut",
    "LegEnded",
    "Options",
    "Run",
    "RunEvent",
    "resume",
    "run",
    "run_blocking",
    "stream",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCut:
    """The answer being streamed was cut: forget its pieces, the model is asked again.

    Attributes:
        error: How it was cut.
    """

    error: ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnded:
    """The last event of a leg."""

    run: Run


RunEvent: TypeAlias = TextDelta | CallDelta | AnswerCut | LogEvent | LegEnded
"""Every event of the log as it is appended, and between them the pieces of the model's answers."""

_model_answered = maker(ModelAnswered)
_turn_answered = maker(TurnAnswered)

# A member is looked up through its metaclass, which every turn would feel.
_CALLS, _ERROR, _LENGTH = StopReason.CALLS, StopReason.ERROR, StopReason.LENGTH
_EVERYTHING = Budget()
_PLAIN = Options()


async def run(
    session: Session,
    prompt: str | Sequence[Message],
    *,
    model: Model,
    budget: Budget = _EVERYTHING,
    system: str | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
    options: Options = _PLAIN,
) -> Run:
    """Let a model work on a prompt with the session's tools.

    Args:
        session: Whose tools, on whose behalf.
        prompt: The user's words, or a conversation to continue.
        model: The model; it is not closed.
        budget: What the run may spend.
        system: Instructions that come before the prompt.
        on_event: Called with every event; without it the model is not asked to stream.
        options: How the run is conducted.

    Returns:
        The run: done, waiting for a reply, stopped or failed.

    Raises:
        MisuseError: The prompt is empty, or a cost is bounded without a price.
        StoreError: What happened could not be kept; the run goes no further.
    """
    leg = begin(session, prompt, model=model, budget=budget, system=system, options=options)
    return await _drive(leg, on_event)


def run_blocking(
    session: Session,
    prompt: str | Sequence[Message],
    *,
    model: Model,
    budget: Budget = _EVERYTHING,
    system: str | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
    options: Options = _PLAIN,
) -> Run:
    """Do what `run` does, for code that cannot await; the loop runs in the gate's own thread.

    Args:
        session: As in `run`.
        prompt: As in `run`.
        model: As in `run`; not one that is in use on another event loop.
        budget: As in `run`.
        system: As in `run`.
        on_event: As in `run`; called in the gate's thread.
        options: As in `run`.

    Raises:
        MisuseError: As in `run`; also if the caller could await.
    """
    return session.portal.run(
        lambda: run(
            session,
            prompt,
            model=model,
            budget=budget,
            system=system,
            on_event=on_event,
            options=options,
        )
    )


async def resume(
    session: Session,
    log: RunLog,
    *,
    model: Model,
    replies: Mapping[str, Any] | None = None,
    budget: Budget = _EVERYTHING,
    on_event: Callable[[RunEvent], None] | None = None,
    options: Options = _PLAIN,
) -> Run:
    """Start a new leg of a run from its log.

    What the log knows is not asked for again: answers of the model, results of calls and replies
    of people stay as they are. A run that is done stays done. One that waits goes on once there is
    a reply or people have decided about one of its calls. A run that was stopped or failed goes on
    under the budget given here.

    Args:
        session: The session the run began in, or the one restored from `log.state().session`.
        log: The run's log, or any beginning of it; new events are appended to it.
        model: The model; it may be another one than before.
        replies: What waiting calls asked for, by call id; a `Verdict` for one that waits for
            approval.
        budget: What the run may spend, its earlier legs included.
        on_event: Called with every new event.
        options: How the run is conducted.

    Returns:
        The run.

    Raises:
        RunError: The log cannot be continued, is of another session or other tools, or another
            process has gone on with the run.
        MisuseError: A reply names no waiting call.
        ApprovalError: A verdict is not accepted.
        StoreError: What happened could not be kept; the run goes no further.
    """
    leg = await proceed(session, log, model=model, budget=budget, options=options, replies=replies)
    return await _drive(leg, on_event)


async def stream(
    session: Session,
    prompt: str | Sequence[Message] | RunLog,
    *,
    model: Model,
    replies: Mapping[str, Any] | None = None,
    budget: Budget = _EVERYTHING,
    system: str | None = None,
    options: Options = _PLAIN,
) -> AsyncGenerator[RunEvent, None]:
    """Run or resume, and give every event as it happens.

    The run advances only while the next event is asked for. Who stops early closes the stream
    (`contextlib.aclosing`) and may resume later: the events given so far make the log.

    Args:
        session: As in `run`.
        prompt: As in `run`, or the log of a run to resume.
        model: As in `run`.
        replies: As in `resume`.
        budget: As in `run`.
        system: As in `run`; not used when resuming.
        options: As in `run`.

    Yields:
        The events; the last one is `LegEnded`.

    Raises:
        RunError: As in `resume`.
        MisuseError: As in `run` and `resume`.
    """
    if isinstance(prompt, RunLog):
        leg = await proceed(
            session, prompt, model=model, budget=budget, options=options, replies=replies
        )
    else:
        leg = begin(session, prompt, model=model, budget=budget, system=system, options=options)
    leg.listening = True
    async with aclosing(_advance(leg)) as events:
        async for event in events:
            yield event
    yield LegEnded(run=leg.outcome())


# --- the loop -------------------------------------------------------------------------------


async def _drive(leg: Leg, on_event: Callable[[RunEvent], None] | None) -> Run:
    leg.listening = on_event is not None
    async with aclosing(_advance(leg)) as events:
        async for event in events:
            if on_event is not None:
                on_event(event)
    run = leg.outcome()
    if on_event is not None:
        on_event(LegEnded(run=run))
    return run


def _advance(leg: Leg) -> AsyncGenerator[RunEvent, None]:
    return _steps(leg) if leg.session.runs is None else _kept_steps(leg)


async def _kept_steps(leg: Leg) -> AsyncGenerator[RunEvent, None]:
    """Take one step after the other; each is kept before the next one, and before it is told."""
    await leg.keep()
    async with aclosing(_steps(leg)) as events:
        async for event in events:
            await leg.keep()
            yield event


async def _steps(leg: Leg) -> AsyncGenerator[RunEvent, None]:
    """Take one step after the other; the state alone says which is next."""
    state = leg.state
    for event in leg.news:
        yield event
    with leg.alarm:
        while state.reason is None:
            if state.calls or state.replies:
                yield await _turn(leg)
            elif (end := _end(leg)) is not None:
                yield leg.record(end)
            elif leg.listening:
                async with aclosing(_listen(leg)) as pieces:
                    async for piece in pieces:
                        yield piece
            else:
                yield await _ask(leg)


async def _turn(leg: Leg) -> LogEvent:
    """Have the calls of the model's answer made, or completed by the replies that came."""
    session, state = leg.session, leg.state
    started = session.clock.time()
    if state.answer is not None:
        answer = await session.resume(state.answer, state.replies)
    else:
        calls = _as_they_came(state)
        answer = await session.turn(calls, turn=state.turn, refused=_over_budget(leg, calls))
    seconds = session.clock.time() - started
    return leg.record(_turn_answered(answer=answer, session=session.state, seconds=seconds))


def _as_they_came(state: RunState) -> Sequence[CallPart]:
    """Return the calls to make; after a length stop none of them may be completed by guessing."""
    if state.response is not None and state.response.stop is _LENGTH:
        return [replace(call, truncated=True) for call in state.calls]
    return state.calls


def _over_budget(leg: Leg, calls: Sequence[CallPart]) -> Mapping[str, BudgetError]:
    """Return the calls that the budget no longer allows; they are refused, never dropped."""
    state, budget = leg.state, leg.budget
    reason = state.forced or budget.exhausted(state.spent)
    if reason is not None:
        room = 0
    elif budget.calls is None or budget.calls - state.spent.calls >= len(calls):
        return {}
    else:
        reason, room = Reason.CALLS, max(0, budget.calls - state.spent.calls)
    error = BudgetError(f"The run's budget of {reason.value} is used up.")
    made = {call.id for call in calls[:room]}
    return {call.id: error for call in calls[room:] if call.id not in made}


def _end(leg: Leg) -> LogEvent | None:
    """Return why the leg is over, if it is; else the model is asked."""
    state = leg.state
    if state.answer is not None:
        return RunSuspended()
    if state.final:
        return _verdict(state)
    if leg.options.stop_when is not None and leg.options.stop_when(state):
        return RunEnded(status=RunStatus.STOPPED, reason=Reason.CONDITION)
    reason = leg.budget.exhausted(state.spent) or state.forced
    return None if reason is None else RunEnded(status=RunStatus.STOPPED, reason=reason)


def _verdict(state: RunState) -> RunEnded:
    """Return how a run ends whose model has answered without calls."""
    stop = state.response.stop if state.response is not None else StopReason.END
    cut = {StopReason.LENGTH: Reason.LENGTH, StopReason.REFUSAL: Reason.REFUSAL}.get(stop)
    if reason := cut or state.forced:
        return RunEnded(status=RunStatus.STOPPED, reason=reason)
    return RunEnded(status=RunStatus.DONE, reason=Reason.ANSWER)


# --- asking the model -----------------------------------------------------------------------


class _Question:
    """One question to the model; it is asked again if the answer is cut, and nothing is kept."""

    __slots__ = ("_cuts", "_forced", "_leg", "request", "started")

    def __init__(self, leg: Leg) -> None:
        """Ask what the conversation asks, without tools if the budget has no more of them."""
        self._leg = leg
        self._cuts = 0
        self._forced = leg.budget.toolless(leg.state.spent)
        self.request = leg.request(forced=self._forced is not None)
        self.started = leg.session.clock.time()

    def answered(self, response: ModelResponse) -> LogEvent:
        """Record a whole answer, with the number of the turn that its calls make.

        Raises:
            ModelError: It is none: the model stopped with an error.
        """
        leg = self._leg
        calls = response.stop is _CALLS or response.message.calls
        if response.stop is _ERROR and not calls:
            raise ModelError(f"{response.model} stopped with an error.")
        price = leg.options.price
        return leg.record(
            _model_answered(
                response=response,
                turn=leg.session.next_turn() if calls else 0,
                forced=self._forced,
                seconds=self._seconds(),
                cost=None if price is None else price(response.usage, response.model),
            )
        )

    def again(self, exc: Exception) -> TypeGuard[ModelStreamError]:
        """Tell whether the model is to be asked again after `exc`."""
        self._cuts += isinstance(exc, ModelStreamError)
        return isinstance(exc, ModelStreamError) and self._cuts <= self._leg.budget.cuts

    def missed(self, exc: ModelError | TimeUpError) -> LogEvent:
        """Record why there is no answer."""
        if isinstance(exc, TimeUpError):
            status, reason, detail = RunStatus.STOPPED, Reason.SECONDS, ""
        else:
            status, reason, detail = RunStatus.FAILED, Reason.MODEL, f"{exc.message} [{exc.code}]"
        end = RunEnded(status=status, reason=reason, detail=detail, seconds=self._seconds())
        return self._leg.record(end)

    def _seconds(self) -> float:
        return self._leg.session.clock.time() - self.started


async def _ask(leg: Leg) -> LogEvent:
    """Have the model's next answer, whole."""
    question = _Question(leg)
    while True:
        try:
            work = leg.model.complete(question.request)
            return question.answered(await leg.alarm.bound(work, question.started))
        except (ModelError, TimeUpError) as exc:
            if not question.again(exc):
                return question.missed(exc)


async def _listen(leg: Leg) -> AsyncGenerator[RunEvent, None]:
    """Have the model's next answer piece by piece."""
    question = _Question(leg)
    end: LogEvent | None = None
    while end is None:
        response: ModelResponse | None = None
        try:
            async with aclosing(_pieces(leg, question)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, ResponseDone):
                        response = piece.response
                    else:
                        yield piece
            if response is None:
                raise ModelStreamError("The model's stream ended without its answer.")
            end = question.answered(response)
        except (ModelError, TimeUpError) as exc:
            if question.again(exc):
                yield AnswerCut(error=exc)
            else:
                end = question.missed(exc)
    yield end


async def _pieces(leg: Leg, question: _Question) -> AsyncGenerator[ModelEvent, None]:
    """Give what the model says; each wait for the next piece ends with the run's seconds."""
    pieces = leg.model.stream(question.request)
    try:
        bound, started = leg.alarm.bound, question.started
        while (piece := await bound(anext(pieces, None), started)) is not None:
            yield piece
    finally:
        # Who stops listening in the middle must not leave the connection open.
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()

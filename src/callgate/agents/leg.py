"""A leg: one stretch of a run's execution, and what a run is begun and continued with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from callgate.agents.alarm import Alarm
from callgate.agents.budget import Budget, Price, Reason
from callgate.agents.model import Model
from callgate.agents.runlog import RunLog
from callgate.agents.runstate import LogEvent, RunResumed, RunStarted, RunState, RunStatus
from callgate.errors import MisuseError, RunError
from callgate.gate import Session
from callgate.messages import Answered, Message, ModelRequest, Role, Usage
from callgate.types import Text

__all__ = ["Leg", "Options", "Run", "begin", "proceed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run is conducted, beside its budget.

    Attributes:
        price: What a request costs; needed for a budget of cost.
        stop_when: Looks at the state before each model request and ends the run if true.
        parallel: Whether several calls may come in one message.
        max_tokens: Tokens the model may write per request; None for the provider's own limit.
        temperature: None for the provider's own.
        seed: For models that can be made repeatable.
        id: The run's id; a random one by default.
    """

    price: Price | None = None
    stop_when: Callable[[RunState], bool] | None = None
    parallel: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Where a run stands after a leg.

    Attributes:
        status: `done`, `waiting`, `stopped` or `failed`.
        reason: Why it is not going on.
        answer: The model's answer; empty while there is none.
        detail: More about the reason, such as the model's error.
        waiting: Calls that wait for a reply.
        usage: Tokens and requests of all legs.
        cost: US dollars of all legs; None if a request had no known price.
        log: All that happened; `resume` goes on from it.
        messages: The conversation so far.
    """

    status: RunStatus
    reason: Reason
    answer: str
    detail: str
    waiting: tuple[Answered, ...]
    usage: Usage
    cost: Decimal | None
    log: RunLog
    messages: Sequence[Message]


class Leg:
    """One stretch of a run.

    Attributes:
        session: Whose tools are called.
        log: Where every event goes.
        state: The fold of the log, kept up as events are recorded.
        model: Who is asked.
        budget: What the run may spend.
        options: How it is conducted.
        alarm: Cuts model requests when the budget's seconds are used up.
        listening: Whether somebody wants the pieces of the model's answers.
        news: Events that were recorded when the leg began.
    """

    __slots__ = (
        "_kept",
        "_request",
        "alarm",
        "budget",
        "listening",
        "log",
        "model",
        "news",
        "options",
        "session",
        "state",
    )

    def __init__(
        self, session: Session, log: RunLog, model: Model, budget: Budget, options: Options
    ) -> None:
        if budget.cost is not None and options.price is None:
            raise MisuseError("A budget of cost needs to know prices: give Options(price=...).")
        self.session = session
        self.log = log
        self.state = log.state()
        self.model = model
        self.budget = budget
        self.options = options
        self.alarm = Alarm(session.clock, budget.seconds, self.state.spent)
        self.listening = False
        self.news: list[LogEvent] = []
        self._kept = 0
        self._request: ModelRequest | None = None

    async def keep(self) -> None:
        """Write what is new in the log to where runs are kept, before anything depends on it.

        Raises:
            RunError: Another process has gone on with the run.
            StoreError: It could not be written.
        """
        runs, log = self.session.runs, self.log
        if runs is not None and self._kept < len(log):
            self._kept = await runs.append(log.run, self._kept, log.lines(self._kept))

    def record(self, event: LogEvent) -> LogEvent:
        """Append an event to the log and take it into the state."""
        self.state.apply(event)
        self.log.append(event)
        return event

    def request(self, *, forced: bool) -> ModelRequest:
        """Return the next request; the same object as long as only messages were added."""
        tools = self.session.tools()
        choice = "none" if forced else "auto"
        last = self._request
        if last is not None and last.tools is tools and last.choice == choice:
            return last
        options = self.options
        self._request = ModelRequest(
            messages=self.state.messages,
            tools=tools,
            choice=choice,
            parallel=options.parallel,
            max_tokens=options.max_tokens,
            temperature=options.temperature,
            seed=options.seed,
        )
        return self._request

    def outcome(self) -> Run:
        """Return where the run stands."""
        state = self.state
        said = state.response if state.final or state.forced is not None else None
        return Run(
            status=state.status,
            reason=state.reason or Reason.ANSWER,
            answer="" if said is None else said.message.text,
            detail=state.detail,
            waiting=() if state.answer is None else state.answer.waiting,
            usage=state.spent.usage,
            cost=state.spent.cost,
            log=self.log,
            messages=state.messages,
        )


def begin(
    session: Session,
    prompt: str | Sequence[Message],
    *,
    model: Model,
    budget: Budget,
    system: str | None,
    options: Options,
) -> Leg:
    """Begin a run; the arguments are those of `loop.run`.

    Raises:
        MisuseError: The prompt is empty, or a cost is bounded without a price.
    """
    if isinstance(prompt, str):
        prompt = (Message(role=Role.USER, parts=(Text(text=prompt),)),)
    if not prompt:
        raise MisuseError("There is nothing to answer: the prompt has no messages.")
    if system is not None:
        prompt = (Message(role=Role.SYSTEM, parts=(Text(text=system),)), *prompt)
    leg = Leg(session, RunLog(options.id or os.urandom(16).hex()), model, budget, options)
    start = RunStarted(messages=tuple(prompt), session=session.state, model=model.name)
    leg.news.append(leg.record(start))
    return leg


async def proceed(
    session: Session,
    log: RunLog,
    *,
    model: Model,
    budget: Budget,
    options: Options,
    replies: Mapping[str, Any] | None,
) -> Leg:
    """Continue a run from its log; the arguments are those of `loop.resume`.

    Raises:
        RunError: The log cannot be continued, or is of another session or other tools.
        MisuseError: A reply names no waiting call.
        ApprovalError: A verdict is not accepted.
    """
    leg = Leg(session, log, model, budget, options)
    state = leg.state
    _check_session(session, leg)
    news = _news(leg, replies or {})
    if state.answer is not None:
        news = _news(leg, await session.decide(state.answer, news))
    waits = state.answer is not None
    if news or not (state.reason is None or waits or state.final):
        leg.news.append(leg.record(RunResumed(replies=news)))
    return leg


def _news(leg: Leg, replies: Mapping[str, Any]) -> dict[str, Any]:
    """Return the replies that the log does not have; one it has cannot be changed."""
    known, answer = leg.state.replies, leg.state.answer
    news = {id: reply for id, reply in replies.items() if id not in known or known[id] != reply}
    waiting = set[str]() if answer is None else {item.call.id for item in answer.waiting}
    if stray := sorted(set(news) - (waiting - set(known))):
        raise MisuseError(f"No call of run {leg.log.run} waits under the id {', '.join(stray)}.")
    return news


def _check_session(session: Session, leg: Leg) -> None:
    began, now, run = leg.state.session, session.state, leg.log.run
    if began is None:
        raise RunError(f"The log of run {run} does not say how it started.")
    if (began.id, began.principal) != (now.id, now.principal):
        raise RunError(
            f"Run {run} belongs to session {began.id} of {began.principal.id}, not to {now.id} of "
            f"{now.principal.id}. Restore its session: gate.restore(log.state().session)."
        )
    if now.turn < began.turn:
        raise RunError(
            f"Run {run} has seen turn {began.turn} of its session and this one has counted only "
            f"{now.turn}: two calls would get one key. Use gate.restore(log.state().session)."
        )
    if began.revision != now.revision:
        raise RunError(
            f"Run {run} began with tools {began.revision}, this session has {now.revision}. "
            "Resume it on a gate with the tools it began with."
        )

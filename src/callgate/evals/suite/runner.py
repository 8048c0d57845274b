"""Runs a suite: every item in a fresh environment, written down before the next one counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import orjson

from callgate.agents import Budget, Options, Run, RunStatus, run
from callgate.agents.budget import Price
from callgate.agents.protocol import Model
from callgate.errors import CallgateError, EvaluationDataError
from callgate.evals.cases import Attempt, Call, Case
from callgate.evals.matchers import ABSENT
from callgate.evals.scorers.graded import Grade, Grader
from callgate.evals.suite.answers import Answers, KeptModel
from callgate.evals.suite.environment import Environments, of_replies
from callgate.evals.suite.judge import Verdict, judge
from callgate.evals.suite.results import ItemResult, ResultsFile
from callgate.gate import Gate
from callgate.messages import CallPart, Message, ModelRequest, ModelResponse, Role, Usage
from callgate.pipeline import Clock, LoopClock
from callgate.schema.values import is_object
from callgate.types import CallClosed, Event, Text

__all__ = ["Conduct", "Spent", "run_suite"]

_EVERYTHING = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How a suite is run.

    Attributes:
        repetitions: How often each case is run.
        concurrency: Items at once.
        per_minute: Model requests a minute at most; None for no bound.
        cost: US dollars that may be spent; no further item begins above it.
        seconds: Seconds that may pass; no further item begins after them.
        item: What one item may spend.
        price: What requests cost; needed for `cost`.
        temperature: None for the provider's own.
        max_tokens: Tokens an answer may have; None for the provider's own limit.
        grader: Judges what a case's rubric asks; needed if one has any.
    """

    repetitions: int = 1
    concurrency: int = 4
    per_minute: float | None = None
    cost: Decimal | None = None
    seconds: float | None = None
    item: Budget = _EVERYTHING
    price: Price | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    grader: Grader | None = None


@dataclass(slots=True)
class Spent:
    """How far a run is; shown while it goes on.

    Attributes:
        items: Items that have ended, those of earlier tries included.
        known: Items that an earlier try had ended.
        passed: Items that passed.
        cost: US dollars so far; None as soon as one price is not known.
        stopped: Why no further item begins; empty while they do.
    """

    items: int = 0
    known: int = 0
    passed: int = 0
    cost: Decimal | None = Decimal(0)
    stopped: str = ""


async def run_suite(
    cases: Iterable[Case],
    model: Model,
    results: ResultsFile,
    answers: Answers,
    *,
    conduct: Conduct | None = None,
    environments: Environments = of_replies,
    on_progress: Callable[[ItemResult, Spent], None] | None = None,
    clock: Clock | None = None,
) -> Spent:
    """Run every item that the results do not hold yet.

    Args:
        cases: What is asked; read as the items begin.
        model: Who is asked; it is not closed.
        results: Where each result goes.
        answers: Where the model's answers are kept.
        conduct: Defaults to `Conduct()`.
        environments: Makes a fresh environment for each item.
        on_progress: Called after each item.
        clock: The time of rates and bounds; defaults to the event loop's.

    Returns:
        How far the run came.

    Raises:
        EvaluationDataError: A result or an answer cannot be written; nothing further is asked.
    """
    runner = _Runner(model, results, answers, conduct or Conduct(), clock or LoopClock())
    runner.environments = environments
    runner.on_progress = on_progress
    await runner.run(cases)
    return runner.spent


class _Runner:
    """One run of a suite."""

    environments: Environments
    on_progress: Callable[[ItemResult, Spent], None] | None

    def __init__(
        self, model: Model, results: ResultsFile, answers: Answers, conduct: Conduct, clock: Clock
    ) -> None:
        self._model = _Paced(model, conduct.per_minute, clock)
        self._results = results
        self._answers = answers
        self._conduct = conduct
        self._clock = clock
        self._began = clock.time()
        self.spent = Spent()

    async def run(self, cases: Iterable[Case]) -> None:
        queue = self._queue(cases)
        # Workers draw from one generator, so that a suite of any length takes no more memory.
        try:
            async with aclosing(queue), asyncio.TaskGroup() as group:
                lock = asyncio.Lock()
                for _ in range(max(1, self._conduct.concurrency)):
                    group.create_task(self._work(queue, lock))
        except ExceptionGroup as errors:
            # What is raised within `except*` stays in a group before CPython 3.11.4.
            ours, others = errors.split(CallgateError)
            if ours is None or others is not None:
                raise
            raise ours.exceptions[0] from None

    async def _queue(self, cases: Iterable[Case]) -> AsyncGenerator[tuple[Case, int], None]:
        for case in cases:
            # Before the model is asked: an answer that nobody can judge is not worth its price.
            if case.expect.rubric and self._conduct.grader is None:
                raise EvaluationDataError(
                    f"Case {case.id} has a rubric and nobody grades it: give Conduct a grader."
                )
            for repetition in range(self._conduct.repetitions):
                known = self._results.done.get((case.id, repetition))
                if known is not None:
                    self.spent.known += 1
                    self._count(known)
                    continue
                self.spent.stopped = self.spent.stopped or self._exhausted()
                if self.spent.stopped:
                    return
                yield case, repetition

    async def _work(
        self, queue: AsyncGenerator[tuple[Case, int], None], lock: asyncio.Lock
    ) -> None:
        while True:
            async with lock:
                item = await anext(queue, None)
            if item is None:
                return
            result = await self._item(*item)
            await asyncio.to_thread(self._results.add, result)
            self._count(result)
            if self.on_progress is not None:
                self.on_progress(result, self.spent)

    def _count(self, result: ItemResult) -> None:
        spent = self.spent
        spent.items += 1
        spent.passed += result.passed
        if spent.cost is None or result.cost is None:
            spent.cost = None
        else:
            spent.cost += Decimal(result.cost)

    def _exhausted(self) -> str:
        conduct, spent = self._conduct, self.spent
        if conduct.seconds is not None and self._clock.time() - self._began >= conduct.seconds:
            return "seconds"
        # A cost that is not known counts as used up: a bound that cannot be checked is no bound.
        if conduct.cost is not None and (spent.cost is None or spent.cost >= conduct.cost):
            return "cost"
        return ""

    async def _item(self, case: Case, repetition: int) -> ItemResult:
        model = KeptModel(self._model, self._answers, repetition)
        environment = self.environments(case)
        watch = _Watch()
        started = time.perf_counter()
        gate = Gate(environment.tools, listeners=[watch])
        try:
            done = await (
                self._looped(case, gate, model, watch)
                if case.loop
                else self._asked(case, gate, model)
            )
        finally:
            await gate.close()
        state = ABSENT if environment.state is None else environment.state()
        done = replace(done, attempt=replace(done.attempt, state=state))
        seconds = round(time.perf_counter() - started, 4)
        verdict = judge(case, done.attempt)
        grade = None
        grader = self._conduct.grader
        if grader and case.expect.rubric and not done.error and not verdict.failure:
            grade = await grader(case, done.attempt)
        return _result(case, repetition, done, _with(verdict, grade), grade, seconds)

    async def _asked(self, case: Case, gate: Gate, model: KeptModel) -> _Done:
        """Ask once; the calls are judged and not made."""
        conduct = self._conduct
        request = ModelRequest(
            messages=case.messages,
            tools=gate.session().tools(),
            temperature=conduct.temperature,
            max_tokens=conduct.max_tokens,
        )
        try:
            response = await model.complete(request)
        except EvaluationDataError:
            raise
        except CallgateError as error:
            return _Done(attempt=Attempt(), error=f"{error.code}: {error.message}")
        calls = [_made(call) for call in response.message.calls]
        return _Done(
            attempt=Attempt(calls=calls, answer=response.message.text),
            usage=response.usage,
            cost=self._price(response),
        )

    def _price(self, response: ModelResponse) -> Decimal | None:
        price = self._conduct.price
        return None if price is None else price(response.usage, response.model)

    async def _looped(self, case: Case, gate: Gate, model: KeptModel, watch: _Watch) -> _Done:
        """Let the model go on until it has answered, and the user say what comes next."""
        conduct = self._conduct
        options = Options(
            price=conduct.price, temperature=conduct.temperature, max_tokens=conduct.max_tokens
        )
        session = gate.session()
        messages: Sequence[Message] = case.messages
        usage, cost, runs = Usage(), Decimal(0) if conduct.price else None, list[Run]()
        for said in (None, *case.user):
            if said is not None:
                messages = (*messages, Message(role=Role.USER, parts=(Text(text=said),)))
            one = await run(session, messages, model=model, budget=conduct.item, options=options)
            runs.append(one)
            usage += one.usage
            cost = None if cost is None or one.cost is None else cost + one.cost
            messages = one.messages
            if one.status is not RunStatus.DONE:
                break
        last = runs[-1]
        done = last.status is RunStatus.DONE
        return _Done(
            attempt=Attempt(calls=watch.calls, answer=last.answer),
            usage=usage,
            cost=cost,
            error="" if done else f"{last.status.value}: {last.detail or last.reason.value}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What came of an item, not judged yet."""

    attempt: Attempt
    usage: Usage = Usage()
    cost: Decimal | None = Decimal(0)
    error: str = ""


def _with(verdict: Verdict, grade: Grade | None) -> Verdict:
    if grade is None or grade.right:
        return verdict
    failure = "undecided" if grade.right is None else "graded_wrong"
    return replace(verdict, failure=failure, difference=grade.reason)


def _said(grade: Grade | None) -> str:
    if grade is None:
        return ""
    return "undecided" if grade.right is None else "right" if grade.right else "wrong"


def _paid(done: _Done, grade: Grade | None) -> str | None:
    graded = Decimal(0) if grade is None else grade.cost
    return None if done.cost is None or graded is None else str(done.cost + graded)


def _result(
    case: Case,
    repetition: int,
    done: _Done,
    verdict: Verdict,
    grade: Grade | None,
    seconds: float,
) -> ItemResult:
    attempt = done.attempt
    broken = any(made.text for made in attempt.calls)
    outcome = "unparsable" if broken else "called" if attempt.calls else "abstained"
    return ItemResult(
        case=case.id,
        repetition=repetition,
        # What did not come to its end has failed, whatever it had done before.
        passed=not done.error and not verdict.failure,
        failure="unfinished" if done.error else verdict.failure,
        difference=done.error or verdict.difference,
        outcome="unfinished" if done.error else outcome,
        calls=[made.to_json() for made in attempt.calls],
        expected=[
            {"name": alternatives[0].name, "arguments": dict(alternatives[0].arguments)}
            for alternatives in case.expect.calls or ()
        ],
        selected=verdict.selected,
        arguments=verdict.arguments,
        argument_count=verdict.argument_count,
        answer=attempt.answer,
        requests=done.usage.requests,
        input=done.usage.input,
        output=done.usage.output,
        seconds=seconds,
        cost=_paid(done, grade),
        grade=_said(grade),
        error=done.error,
        cluster=case.cluster,
        tags=list(case.tags),
    )


def _made(call: CallPart) -> Call:
    raw = call.arguments
    if is_object(raw):
        return Call(name=call.name, arguments=raw)
    try:
        value = orjson.loads(raw or "{}")
    except (orjson.JSONDecodeError, TypeError):
        value = None
    if is_object(value):
        return Call(name=call.name, arguments=value)
    return Call(name=call.name, text=str(raw)[:400])


class _Watch:
    """Keeps what was called, as it came, with how it ended."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallClosed):
            call = event.call
            part = CallPart(id=call.id, name=call.name, arguments=call.arguments)
            self.calls.append(replace(_made(part), status=event.result.status.value))


class _Paced:
    """A model that is asked so many times a minute at most."""

    def __init__(self, model: Model, per_minute: float | None, clock: Clock) -> None:
        self._inner = model
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._clock = clock
        self._next = clock.time()

    @property
    def name(self) -> str:
        return self._inner.name

    async def complete(self, request: ModelRequest) -> ModelResponse:
        if self._gap:
            now = self._clock.time()
            wait = self._next - now
            self._next = max(now, self._next) + self._gap
            if wait > 0:
                await self._clock.sleep(wait)
        return await self._inner.complete(request)

    def stream(self, request: ModelRequest) -> Any:
        return self._inner.stream(request)

    async def close(self) -> None:
        await self._inner.close()

"""What can happen in a run, and where it stands: the state is a fold over the events.

RunStarted     the conversation at the start, and the session it runs in
ModelAnswered  a whole answer of the model; half an answer never gets here
TurnAnswered   how the calls of that answer ended, as far as they did
RunSuspended   calls wait; the leg is over
RunResumed     a new leg, with the replies to what was waited for
RunEnded       the leg is over, and why
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

from callgate.agents.budget import Reason, Spending
from callgate.errors import BudgetError, RefusedError, RunError
from callgate.messages import Answer, CallPart, Message, ModelResponse, StopReason
from callgate.types import SessionState

__all__ = [
    "LogEvent",
    "ModelAnswered",
    "RunEnded",
    "RunResumed",
    "RunStarted",
    "RunState",
    "RunStatus",
    "RunSuspended",
    "TurnAnswered",
]


class RunStatus(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    """A leg is at work, or was lost in the middle."""
    DONE = "done"
    """The model gave its final answer."""
    WAITING = "waiting"
    """Calls wait; a reply starts a new leg."""
    STOPPED = "stopped"
    """A bound or a condition ended it."""
    FAILED = "failed"
    """The model did not answer; a new leg tries again."""


# --- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run has begun.

    Attributes:
        messages: The conversation the model is asked to continue.
        session: The session it runs in, as it was.
        model: The name of the model, for the reader; a later leg may use another.
    """

    messages: tuple[Message, ...]
    session: SessionState
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswered:
    """The model gave a whole answer.

    Attributes:
        response: The answer.
        turn: The number of the turn its calls make, part of their keys; 0 if it has none.
        forced: Why the model had to answer without tools, if it had to.
        seconds: Seconds the request took.
        cost: US dollars, if a price is known.
    """

    response: ModelResponse
    turn: int = 0
    forced: Reason | None = None
    seconds: float = 0.0
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAnswered:
    """The calls of the model's answer ended, or some of them wait.

    Attributes:
        answer: Every call with its result so far.
        session: The session after the turn.
        seconds: Seconds the turn took.
    """

    answer: Answer
    session: SessionState
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSuspended:
    """The leg ended because calls wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """A new leg began.

    Attributes:
        replies: The replies to waiting calls, by call id.
    """

    replies: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The leg ended.

    Attributes:
        status: `done`, `stopped` or `failed`.
        reason: Why.
        detail: More about it in words, such as the model's error.
        seconds: Seconds of a request that gave no answer.
    """

    status: RunStatus
    reason: Reason
    detail: str = ""
    seconds: float = 0.0


LogEvent: TypeAlias = (
    RunStarted | ModelAnswered | TurnAnswered | RunSuspended | RunResumed | RunEnded
)


# --- the fold -------------------------------------------------------------------------------


class RunState:
    """What a log says about its run; `apply` takes one more event, at the cost of that event.

    Attributes:
        messages: The conversation; it only grows, so that model clients may remember its bytes.
        status: Where the run stands.
        reason: Why it is not going on; None while it runs.
        detail: More about the reason, in words.
        response: The model's latest answer; None before the first.
        calls: The calls of that answer which have no results yet.
        answer: The results of that answer's calls while some of them wait.
        replies: Replies that came for waiting calls and have not been used yet.
        turn: The number of the latest turn; 0 before the first.
        forced: Why the latest answer had to be given without tools.
        spent: What the run has spent.
    """

    __slots__ = (
        "_session",
        "answer",
        "calls",
        "detail",
        "forced",
        "messages",
        "reason",
        "replies",
        "response",
        "spent",
        "status",
        "turn",
    )

    def __init__(self) -> None:
        """Start before the first event."""
        self.messages: list[Message] = []
        self._session: SessionState | None = None
        self.status = RunStatus.RUNNING
        self.reason: Reason | None = None
        self.detail = ""
        self.response: ModelResponse | None = None
        self.calls: tuple[CallPart, ...] = ()
        self.answer: Answer | None = None
        self.replies: Mapping[str, Any] = {}
        self.turn = 0
        self.forced: Reason | None = None
        self.spent = Spending()

    @property
    def session(self) -> SessionState | None:
        """The session as the log last saw it, for `Gate.restore`; None before the start.

        A turn whose calls were never answered counts: its number is taken.
        """
        session = self._session
        if session is None or session.turn >= self.turn:
            return session
        return replace(session, turn=self.turn)

    @property
    def final(self) -> bool:
        """Whether the model's latest word is an answer without calls."""
        return (
            self.response is not None
            and self.response.stop is not StopReason.PAUSED
            and not self.calls
            and self.answer is None
            and self.messages[-1] is self.response.message
        )

    def apply(self, event: LogEvent) -> None:
        """Take one more event.

        Raises:
            RunError: The event cannot follow what came before.
        """
        match event:
            case ModelAnswered():
                self._model_answered(event)
            case TurnAnswered():
                self._turn_answered(event)
            case RunStarted():
                self._started(event)
            case RunSuspended():
                self._suspended()
            case RunResumed():
                self._resumed(event)
            case _:
                self.status, self.reason, self.detail = event.status, event.reason, event.detail
                self.spent.seconds += event.seconds

    def _started(self, event: RunStarted) -> None:
        if self._session is not None:
            raise RunError("A run starts once; this log has a second start.")
        self._session = event.session
        self.messages.extend(event.messages)

    def _model_answered(self, event: ModelAnswered) -> None:
        if self._session is None or self.calls or self.answer is not None:
            raise RunError("A model's answer stands in the log where none was asked for.")
        response = event.response
        self.response = response
        self.messages.append(response.message)
        self.calls = response.message.calls
        self.turn = event.turn or self.turn
        self.forced = event.forced
        self.spent.answered(response.usage, event.seconds, event.cost)
        if response.stop is StopReason.PAUSED and not self.calls:
            # The model is asked to go on; a provider that pauses for ever must come to an end.
            self.spent.turns += 1

    def _turn_answered(self, event: TurnAnswered) -> None:
        answer = event.answer
        if not self.calls and self.answer is None:
            raise RunError("Results stand in the log of calls that nobody made.")
        if self.calls:
            self._count(answer)
        self.calls = ()
        self.replies = {}
        self._session = event.session
        self.spent.seconds += event.seconds
        if answer.messages:
            self.answer = None
            self.messages.extend(answer.messages)
        else:
            self.answer = answer

    def _count(self, answer: Answer) -> None:
        spent = self.spent
        refused = True
        for item in answer.answered:
            error = item.result.error
            if not isinstance(error, BudgetError):
                spent.calls += 1
            if not isinstance(error, RefusedError):
                refused = False
        spent.turns += 1
        spent.refusals = spent.refusals + 1 if refused else 0

    def _suspended(self) -> None:
        if self.answer is None:
            raise RunError("The log says that the run waits, but no call does.")
        self.status, self.reason = RunStatus.WAITING, Reason.WAITING

    def _resumed(self, event: RunResumed) -> None:
        if event.replies and self.answer is None:
            raise RunError("A reply stands in the log to a call that did not wait.")
        self.status, self.reason, self.detail = RunStatus.RUNNING, None, ""
        self.forced = None
        self.spent.refusals = 0
        self.replies = {**self.replies, **event.replies}

"""What a run may spend, and what it has spent: plain numbers, compared before every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from callgate.messages import Usage

__all__ = ["Budget", "Price", "Reason", "Spending"]

Price: TypeAlias = Callable[[Usage, str], Decimal | None]
"""What `Usage` of the model of this name costs, in US dollars; None for a model without a price."""


class Reason(StrEnum):
    """Why a run is not going on."""

    ANSWER = "answer"
    """The model gave its final answer."""
    WAITING = "waiting"
    """A call waits for a person or an answer."""
    TURNS = "turns"
    CALLS = "calls"
    REFUSALS = "refusals"
    """Several turns in a row nothing was executed, because every call was refused."""
    TOKENS = "tokens"
    SECONDS = "seconds"
    COST = "cost"
    CONDITION = "condition"
    """The caller's own condition was met."""
    LENGTH = "length"
    """The model was cut off in the middle of its final answer."""
    REFUSAL = "refusal"
    """The model, or its provider's filter, refused to answer."""
    MODEL = "model"
    """The model did not answer."""


@dataclass(slots=True, kw_only=True)
class Spending:
    """What a run has spent so far, all its legs together; part of the fold over its log.

    Attributes:
        turns: Turns whose calls were answered, and pauses of the model.
        calls: Calls that were not refused by the budget.
        refusals: The latest turns in a row in which every call was refused.
        input: Tokens read, cached ones included.
        output: Tokens written.
        cached: Tokens of the input that came from the provider's cache.
        requests: Model requests that were answered.
        seconds: Seconds spent in model requests and tools; waiting for a person costs nothing.
        cost: US dollars; None as soon as one request had no known price.
    """

    turns: int = 0
    calls: int = 0
    refusals: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    requests: int = 0
    seconds: float = 0.0
    cost: Decimal | None = field(default_factory=Decimal)

    @property
    def usage(self) -> Usage:
        """Tokens and requests so far."""
        return Usage(
            input=self.input, output=self.output, cached=self.cached, requests=self.requests
        )

    def answered(self, usage: Usage, seconds: float, cost: Decimal | None) -> None:
        """Count one answer of the model."""
        # Four additions in place: a new `Usage` each turn would cost more than all the rest here.
        self.input += usage.input
        self.output += usage.output
        self.cached += usage.cached
        self.requests += usage.requests
        self.seconds += seconds
        self.cost = None if self.cost is None or cost is None else self.cost + cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a run may spend, all its legs together; None is no bound.

    Budgets are looked at before every model request and before every turn. When turns, calls or
    refusals are used up, the model is asked once more, without tools, to answer with what it
    knows: that costs one request and mostly saves the run. When tokens, seconds or cost are
    used up nothing more is spent. Calls that no longer fit are refused, each with a result, so
    that the log stays a conversation that can go on under a larger budget. The last request may
    overshoot tokens and cost, because only its answer tells what it took.

    Attributes:
        turns: Turns with calls, and pauses of the provider; defaults to 50.
        calls: Calls in all; defaults to 200.
        refusals: Turns in a row in which every call is refused; defaults to 3.
        tokens: Tokens read and written, as the provider counts them; defaults to no bound.
        seconds: Seconds in model requests and tools; defaults to 600. A request is cut at the
            bound, tools are left to their own time-outs.
        cost: US dollars; needs a price for the model; defaults to no bound.
        cuts: How often one request is repeated when its stream is cut; defaults to 2.
    """

    turns: int | None = 50
    calls: int | None = 200
    refusals: int | None = 3
    tokens: int | None = None
    seconds: float | None = 600.0
    cost: Decimal | None = None
    cuts: int = 2

    def exhausted(self, spent: Spending) -> Reason | None:
        """Return what allows no further model request at all, if anything does.

        A cost that is not known counts as used up: a bound that cannot be checked is no bound.
        """
        if self.tokens is not None and spent.input + spent.output >= self.tokens:
            return Reason.TOKENS
        if self.seconds is not None and spent.seconds >= self.seconds:
            return Reason.SECONDS
        if self.cost is not None and (spent.cost is None or spent.cost >= self.cost):
            return Reason.COST
        return None

    def toolless(self, spent: Spending) -> Reason | None:
        """Return what allows no further calls, so that the model may only answer."""
        if self.turns is not None and spent.turns >= self.turns:
            return Reason.TURNS
        if self.calls is not None and spent.calls >= self.calls:
            return Reason.CALLS
        if self.refusals is not None and spent.refusals >= self.refusals:
            return Reason.REFUSALS
        return None

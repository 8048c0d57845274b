"""What is asked of a model, what is expected of it, and what it did: plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Attempt", "Call", "Case", "Expectation", "ExpectedCall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that a model made.

    Attributes:
        name: The tool.
        arguments: By parameter.
    """

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedCall:
    """A call that is right, with all the ways in which it is.

    Attributes:
        name: The tool.
        arguments: Accepted values by parameter; one at least for each.
        optional: Parameters that may be left out.
        after: Places, in the expectation, of calls that have to come before this one.
        tolerance: Relative difference that a number may have; defaults to 0.
    """

    name: str
    arguments: Mapping[str, Sequence[Any]]
    optional: frozenset[str] = frozenset()
    after: frozenset[int] = frozenset()
    tolerance: float = 0.0

    @classmethod
    def exactly(cls, call: Call) -> ExpectedCall:
        """Expect just this call."""
        return cls(
            name=call.name, arguments={key: [value] for key, value in call.arguments.items()}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a model should do with a case.

    Attributes:
        calls: The right calls; with none, and `abstain`, the right thing is to call nothing.
        abstain: Whether calling nothing is right.
        forbidden: Tools that must not be called whatever else is done.
        state: The state that has to be left, by name; parts that are not named do not count.
        answer: Texts that the answer has to hold, compared without case and thousands' commas.
    """

    calls: tuple[ExpectedCall, ...] = ()
    abstain: bool = False
    forbidden: frozenset[str] = frozenset()
    state: Mapping[str, Any] | None = None
    answer: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One item of an evaluation.

    Attributes:
        id: Unique in its set.
        messages: The conversation so far, oldest first.
        tools: Names of the tools that are offered.
        expectation: What is right.
        cluster: Items with the same one depend on each other; defaults to the item's own id.
    """

    id: str
    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[str, ...]
    expectation: Expectation
    cluster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a model did with a case.

    Attributes:
        calls: In the order in which they were made.
        answer: Its last words, None if there were none.
        unparsable: Whether it tried to call and what it wrote is no call.
        finished: Whether it came to an end; if not, the attempt counts as failed.
        state: What the attempt left, by name.
        denied: Calls that policy refused.
        approvals: Calls that waited for a person.
        turns: Answers of the model.
        tokens: Read and written.
        cost: In US dollars, None if unknown.
        seconds: From start to end.
    """

    calls: tuple[Call, ...] = ()
    answer: str | None = None
    unparsable: bool = False
    finished: bool = True
    state: Mapping[str, Any] | None = None
    denied: int = 0
    approvals: int = 0
    turns: int = 0
    tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0

"""What is asked of a model, what is expected of it, and what it did: plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from callgate.evals.matchers import ABSENT
from callgate.messages import Message
from callgate.types import Tool

__all__ = ["Attempt", "Call", "Case", "Expectation", "ExpectedCall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that a model made.

    Attributes:
        name: The tool.
        arguments: By parameter; none if they cannot be read.
        text: What cannot be read as arguments; empty if they can.
        status: How the call ended; empty if it was not executed.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    text: str = ""
    status: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        said = {"text": self.text} if self.text else {"arguments": dict(self.arguments)}
        return {"name": self.name, **said, "status": self.status}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedCall:
    """A call that is right.

    Attributes:
        name: The tool.
        arguments: A matcher for each argument, see `matchers`; those that are not named must be
            absent unless `open`.
        open: Whether arguments that are not named may have any value.
        after: Places, in the expectation, of calls that have to come before this one.
        tolerance: Relative difference that a number may have, for scorers that allow one; defaults
            to 0.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    open: bool = False
    after: frozenset[int] = frozenset()
    tolerance: float = 0.0

    @classmethod
    def exactly(cls, call: Call) -> ExpectedCall:
        """Expect just this call."""
        return cls(
            name=call.name,
            arguments={key: {"$equal": value} for key, value in call.arguments.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What makes an attempt right; what is None or empty is not looked at.

    Attributes:
        calls: What has to be called: for each call its alternatives. Calls beyond these are wrong.
        ordered: Whether they must come in this order.
        abstain: Whether nothing may be called.
        forbidden: Names of tools that may not be called.
        answer: A matcher for the text of the last answer.
        state: A matcher for the state that is left.
        rubric: What makes the attempt right where no rule can say; a grader judges it, after
            everything else holds.
    """

    calls: tuple[tuple[ExpectedCall, ...], ...] | None = None
    ordered: bool = False
    abstain: bool = False
    forbidden: frozenset[str] = frozenset()
    answer: Any = None
    state: Any = None
    rubric: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that a model is asked, with the tools it gets.

    Attributes:
        id: Unique in its suite.
        messages: The conversation up to the user's words that begin it.
        expect: What makes the attempt right.
        tools: The tools that are offered, for a case without environment.
        replies: What these tools answer, by name; `null` by default.
        user: What the user says later, one after each answer of the model.
        environment: `module:function` or `file.py:function` that makes a fresh `Environment`.
        loop: Whether calls are executed and the model goes on; else its first answer is judged.
        cluster: Cases of one cluster are not independent; the id by default.
        tags: Words to group and filter by.
    """

    id: str
    messages: tuple[Message, ...]
    expect: Expectation
    tools: tuple[Tool, ...] = ()
    replies: Mapping[str, Any] = field(default_factory=dict[str, Any])
    user: tuple[str, ...] = ()
    environment: str = ""
    loop: bool = False
    cluster: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What a model did with a case.

    Attributes:
        calls: In the order in which they were made.
        answer: Its last words; empty if there were none.
        unparsable: Whether it tried to call and what it wrote is no call at all.
        finished: Whether it came to an end; if not, the attempt counts as failed.
        state: What the attempt left; `ABSENT` where nothing can change.
        denied: Calls that policy refused.
        approvals: Calls that waited for a person.
        turns: Answers of the model.
        tokens: Read and written.
        cost: In US dollars, None if unknown.
        seconds: From start to end.
    """

    calls: Sequence[Call] = ()
    answer: str = ""
    unparsable: bool = False
    finished: bool = True
    state: Any = ABSENT
    denied: int = 0
    approvals: int = 0
    turns: int = 0
    tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0

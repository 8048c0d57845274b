"""What is asked and what is expected: one case, and the calls that would be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callgate.messages import Message
from callgate.types import Tool

__all__ = ["Case", "Expectation", "WantedCall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedCall:
    """One call that is expected.

    Attributes:
        name: The tool.
        arguments: A matcher for each argument, see `suite.matching`; those that are not named must
            be absent unless `open`.
        open: Whether arguments that are not named may have any value.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What makes an outcome right; what is None or empty is not looked at.

    Attributes:
        calls: What has to be called: for each call its alternatives. Calls beyond these are wrong.
        ordered: Whether they must come in this order.
        abstain: Whether nothing may be called.
        forbidden: Names of tools that may not be called.
        answer: A matcher for the text of the last answer.
        state: A matcher for the state of the environment afterwards.
    """

    calls: tuple[tuple[WantedCall, ...], ...] | None = None
    ordered: bool = False
    abstain: bool = False
    forbidden: frozenset[str] = frozenset()
    answer: Any = None
    state: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that a model is asked, with the tools it gets.

    Attributes:
        id: Unique in its suite.
        messages: The conversation up to the user's words that begin it.
        expect: What makes the outcome right.
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

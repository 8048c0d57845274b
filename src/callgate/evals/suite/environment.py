"""What a case acts on: made anew for every item, so that no item sees what another one did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from callgate.evals.cases import Case
from callgate.pipeline import Source
from callgate.tool import FunctionTool
from callgate.types import Status, Tool, ToolCall, ToolResult

__all__ = ["Environment", "Environments", "Replies", "of_replies"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The tools of one item, and how it looks afterwards.

    Attributes:
        tools: Functions declared with `@tool`, and sources.
        state: Returns the state as a JSON value; None where nothing can change.
    """

    tools: Sequence[FunctionTool[..., Any] | Source]
    state: Callable[[], Any] | None = None


Environments: TypeAlias = Callable[[Case], Environment]
"""Makes a fresh environment for a case."""


class Replies:
    """A source that answers each tool with what the case says."""

    def __init__(self, tools: Sequence[Tool], replies: Mapping[str, Any]) -> None:
        """Keep both.

        Args:
            tools: The tools.
            replies: The JSON value that each answers; `null` for one that is not named.
        """
        self._tools = tools
        self._replies = replies

    def list(self) -> Sequence[Tool]:
        """Return the tools."""
        return self._tools

    async def call(self, call: ToolCall) -> ToolResult:
        """Give the reply."""
        value = self._replies.get(call.name)
        return ToolResult(status=Status.OK, value=value, body=orjson.dumps(value))


def of_replies(case: Case) -> Environment:
    """Make the environment of a case that says itself what its tools answer."""
    return Environment(tools=[Replies(case.tools, case.replies)])

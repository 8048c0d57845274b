"""A source whose answers a test writes down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, TypeAlias

import orjson

from callgate.types import Effect, Status, Tool, ToolCall, ToolResult

__all__ = ["FakeSource", "Reply"]

Reply: TypeAlias = Callable[[ToolCall], Any | Awaitable[Any]] | Any
"""A JSON value, a `ToolResult`, an exception to raise, or a function of the call giving one."""


class FakeSource:
    """A `Source` over replies.

    Attributes:
        calls: Every attempt that reached the source, in order.
    """

    def __init__(self, tools: Mapping[str, Reply] | Sequence[Tool], **replies: Reply) -> None:
        """Keep tools and replies.

        Args:
            tools: Either a reply for each name (the tools then take any arguments and only
                read), or tools whose replies are given by name.
            **replies: A reply for each of the given tools; one without a reply answers `null`.
        """
        if isinstance(tools, Mapping):
            self._replies: dict[str, Reply] = dict(tools)
            self._tools = [_open(name) for name in self._replies]
        else:
            self._replies = dict(replies)
            self._tools = list(tools)
        self.calls: list[ToolCall] = []

    def list(self) -> Sequence[Tool]:
        """Return the tools."""
        return self._tools

    async def call(self, call: ToolCall) -> ToolResult:
        """Give the reply of the tool."""
        self.calls.append(call)
        reply = self._replies.get(call.name)
        if callable(reply):
            reply = reply(call)
            if isawaitable(reply):
                reply = await reply
        if isinstance(reply, BaseException):
            raise reply
        if isinstance(reply, ToolResult):
            return reply
        return ToolResult(status=Status.OK, value=reply, body=orjson.dumps(reply))


def _open(name: str) -> Tool:
    return Tool(
        name=name,
        description=f"The tool {name} of a test.",
        parameters={"type": "object"},
        effect=Effect.READ,
    )

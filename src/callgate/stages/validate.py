"""`validate`: from what the model wrote to canonical arguments, or to an error it can act on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from callgate.errors import ArgumentsError
from callgate.making import changer
from callgate.pipeline import Handler, Stage
from callgate.schema.arguments import plain_reader, prepare
from callgate.schema.check import Checker
from callgate.types import (
    Decision,
    Effect,
    Repair,
    Repaired,
    Status,
    Surface,
    Tool,
    ToolCall,
    ToolResult,
)

__all__ = ["Validate", "ValidateFactory"]

_known: Callable[[ToolCall, Any, Tool, bytes], ToolCall] = changer(
    ToolCall, "arguments", "tool", "body"
)


class Validate:
    """Parses, repairs, fills in defaults and checks; every later stage sees only the outcome."""

    __slots__ = ("_checker", "_effect", "_limit", "_read", "_tool")

    def __init__(self, tool: Tool) -> None:
        """Keep the tool; its schema is compiled when it is first called.

        Args:
            tool: The tool whose arguments are judged.
        """
        self._tool = tool
        self._checker = Checker(tool.parameters)
        self._limit = tool.limits.argument_bytes
        self._read = plain_reader(self._checker, self._limit)
        self._effect = tool.effect is not Effect.READ

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        """Pass on the call with canonical arguments, or refuse it."""
        plain = self._read(call.arguments)
        if plain is not None:
            return call_next(_known(call, plain[0], self._tool, plain[1]))
        return self._mend(call, call_next)

    def _mend(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        try:
            arguments, body, repairs = prepare(
                self._checker,
                call.arguments,
                effect=self._effect,
                strict=call.scope.strict,
                truncated=call.truncated,
                limit=self._limit,
            )
        except ArgumentsError as error:
            error.__traceback__ = None
            return _refuse(call, error)
        known = _known(call, arguments, self._tool, body)
        if not repairs:
            return call_next(known)
        call.scope.emit(Repaired(call=known, repairs=repairs))
        return _repaired(call_next(known), repairs)


async def _repaired(rest: Awaitable[ToolResult], repairs: tuple[Repair, ...]) -> ToolResult:
    return replace(await rest, repairs=repairs)


async def _refuse(call: ToolCall, error: ArgumentsError) -> ToolResult:
    call.scope.emit(Decision(call=call, stage="validate", verdict="refused", reason=error.message))
    return ToolResult(status=Status.ERROR, error=error, attempts=0)


class ValidateFactory:
    """Validates the arguments of every tool."""

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the validating stage of `tool`."""
        return Validate(tool)

"""`validate`: from what the model wrote to canonical arguments, or to an error it can act on."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

from callgate.errors import ArgumentsError
from callgate.pipeline import Handler, Stage
from callgate.schema.arguments import prepare
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
    make_call,
)

__all__ = ["Validate", "ValidateFactory"]


class Validate:
    """Parses, repairs, fills in defaults and checks; every later stage sees only the outcome."""

    __slots__ = ("_checker", "_effect", "_limit", "_tool")

    def __init__(self, tool: Tool) -> None:
        """Keep the tool; its schema is compiled when it is first called.

        Args:
            tool: The tool whose arguments are judged.
        """
        self._tool = tool
        self._checker = Checker(tool.parameters)
        self._limit = tool.limits.argument_bytes
        self._effect = tool.effect is not Effect.READ

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        """Pass on the call with canonical arguments, or refuse it."""
        tool = self._tool
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
        known = make_call(
            id=call.id,
            key=call.key,
            name=call.name,
            arguments=arguments,
            scope=call.scope,
            tool=tool,
            body=body,
            timeout=call.timeout,
            turn=call.turn,
            reply=call.reply,
            again=call.again,
            waited=call.waited,
        )
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

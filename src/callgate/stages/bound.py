"""`bound`: what a source gives back becomes a result that keeps its promises of shape and size."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Protocol

from callgate.errors import (
    CallError,
    InDoubtError,
    InternalError,
    ResultError,
    ToolFailedError,
    ToolRaisedError,
)
from callgate.pipeline import Handler, Stage
from callgate.schema.check import Checker
from callgate.types import Decision, Effect, Scope, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Blobs", "Bound", "BoundFactory"]


_OK = Status.OK  # a member is looked up through its metaclass, which a hot path feels


class Blobs(Protocol):
    """Keeps what was too long to show."""

    async def put(self, data: bytes, scope: Scope) -> str:
        """Keep `data` for the session behind `scope` and return the handle to read it with."""
        ...

    async def get(self, handle: str, scope: Scope) -> bytes | None:
        """Return what was kept under `handle`; None if there is nothing for this session."""
        ...


class Bound:
    """The innermost stage: the boundary to a source.

    An error that a source raises becomes a result here. For an effect that is not idempotent an
    undeclared error means that nobody knows whether it acted: `in_doubt`. A result that breaks
    `returns` is an error for a read; an effect was executed, so it is `ok` and the model is told.
    """

    __slots__ = ("_blobs", "_checker", "_effect", "_limit", "_name")

    def __init__(self, tool: Tool, blobs: Blobs) -> None:
        """Keep what the tool promises.

        Args:
            tool: Its `returns`, effect and limits.
            blobs: Keeps what is too long.
        """
        self._name = tool.name
        self._effect = tool.effect
        self._checker = None if tool.returns is None else Checker(tool.returns)
        self._limit = tool.limits.result_bytes
        self._blobs = blobs

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Execute, then judge what came back."""
        try:
            result = await call_next(call)
        except CallError as error:
            return self._failed(error)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            # The tool raised it without being asked to stop; it must not end the calls beside it.
            return self._failed(ToolRaisedError(f"{self._name} raised CancelledError."))
        except Exception as exc:  # noqa: BLE001 - the boundary to a source that did not translate its errors
            error = InternalError(f"{self._name}: {type(exc).__name__}: {exc}"[:2000])
            error.__cause__ = exc
            return self._failed(error)
        if result.status is not _OK:
            return result
        if self._checker is not None and not self._checker.is_valid(result.value):
            result = self._broken(call, result, self._checker)
        if len(result.body) > self._limit:
            result = await self._cut(call, result)
        return result

    def _failed(self, error: CallError) -> ToolResult:
        error.__traceback__ = None
        if isinstance(error, ResultError) and self._effect is not Effect.READ:
            return ToolResult(status=Status.OK, notes=(_executed(self._name, error.message),))
        if self._effect in (Effect.READ, Effect.IDEMPOTENT) or _known(error):
            return ToolResult(status=Status.ERROR, error=error)
        doubt = InDoubtError(error.message, details=error.details)
        doubt.__cause__ = error
        return ToolResult(status=Status.IN_DOUBT, error=doubt)

    def _broken(self, call: ToolCall, result: ToolResult, checker: Checker) -> ToolResult:
        problem = checker.problems(result.value)[0]
        message = (
            f"{self._name} returned {problem.got} at {problem.path}, "
            f"where it promises {problem.allowed}."
        )
        call.scope.emit(Decision(call=call, stage="bound", verdict="flagged", reason=message))
        if self._effect is Effect.READ:
            return ToolResult(status=Status.ERROR, error=ResultError(message))
        return replace(result, notes=(*result.notes, _executed(self._name, message)))

    async def _cut(self, call: ToolCall, result: ToolResult) -> ToolResult:
        scope = call.scope
        handle = await self._blobs.put(result.body, scope)
        if scope.disclose is not None:
            scope.disclose("read_result")
        shown = result.body[: self._limit].decode(errors="ignore").encode()
        note = (
            f"[Cut: the first {len(shown)} of {len(result.body)} bytes. Read on with "
            f'read_result(handle="{handle}", offset={len(shown)}), or ask for less.]'
        )
        return replace(result, value=None, body=shown, handle=handle, notes=(*result.notes, note))


def _known(error: CallError) -> bool:
    # A failure that the tool itself declares is no doubt, even where it has acted.
    return error.harmless or isinstance(error, ToolFailedError)


def _executed(name: str, message: str) -> str:
    return f"[{name} was executed; do not repeat it. Its result is not as promised: {message}]"


class BoundFactory:
    """Bounds the results of every tool."""

    def __init__(self, blobs: Blobs) -> None:
        """Keep the blobs.

        Args:
            blobs: Keeps what is too long to show.
        """
        self._blobs = blobs

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the bounding stage of `tool`."""
        return Bound(tool, self._blobs)

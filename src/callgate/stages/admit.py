"""`admit`: a bulkhead per tool; at most so many attempts at once, the rest wait or are refused."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any

from callgate.errors import BusyError
from callgate.pipeline import Clock, Handler, Stage
from callgate.types import Decision, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Admit", "AdmitFactory", "Slots"]


class Slots:
    """The slots of all tools of a gate, by name; it outlives surfaces.

    Work that cannot be stopped, such as a thread, keeps a slot of its tool until it ends: a
    source says so with `hold`.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with every slot free.

        Args:
            clock: Measures how long an attempt waits for a slot.
        """
        self._clock = clock
        self._used: dict[str, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[bool]]] = {}

    def used(self, name: str) -> int:
        """Return how many slots of the tool are taken."""
        return self._used.get(name, 0)

    def take(self, name: str, bound: int) -> bool:
        """Take a slot of the tool if one is free and nobody is in line for it.

        Args:
            name: The tool.
            bound: How many slots it has.

        Returns:
            Whether a slot was taken; the caller must `give` it back.
        """
        used = self._used.get(name, 0)
        if used >= bound or self._waiting.get(name):
            return False
        self._used[name] = used + 1
        return True

    async def wait(self, name: str, patience: float) -> bool:
        """Wait in line for a slot of the tool that another attempt gives back.

        Args:
            name: The tool.
            patience: Seconds to wait at most.

        Returns:
            Whether a slot was taken; the caller must `give` it back.
        """
        waiting = self._waiting.setdefault(name, deque())
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        timer = self._clock.call_at(self._clock.time() + patience, lambda: _settle(turn, False))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.give(name)
            raise
        finally:
            timer.cancel()

    def give(self, name: str) -> None:
        """Give a slot back; the first in line gets it."""
        waiting = self._waiting.get(name)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self._used[name] -= 1

    def hold(self, name: str, work: Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Keep one more slot of the tool until `work` ends.

        Args:
            name: The tool.
            work: What cannot be stopped.
            loop: The loop the slots belong to; the work may end in a thread.
        """
        self._used[name] = self.used(name) + 1

        def release(_: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.give, name)

        work.add_done_callback(release)


def _settle(turn: asyncio.Future[bool], value: bool) -> None:
    if not turn.done():
        turn.set_result(value)


class Admit:
    """Lets at most `limits.concurrency` attempts of the tool run at once.

    No slot is held while `retry` waits, because every attempt is admitted anew.
    """

    __slots__ = ("_bound", "_limits", "_name", "_slots")

    def __init__(self, tool: Tool, slots: Slots) -> None:
        """Keep the tool's bounds.

        Args:
            tool: Its name, concurrency and patience.
            slots: Where slots are counted.
        """
        self._name = tool.name
        self._limits = tool.limits
        self._bound = tool.limits.concurrency or 1
        self._slots = slots

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Take a slot, make the attempt, give the slot back."""
        slots, name = self._slots, self._name
        if not slots.take(name, self._bound) and not await slots.wait(name, self._patience(call)):
            return self._refuse(call)
        try:
            return await call_next(call)
        finally:
            slots.give(name)

    def _patience(self, call: ToolCall) -> float:
        bounds = (self._limits.queue, self._limits.timeout, call.timeout)
        return min(bound for bound in bounds if bound is not None)

    def _refuse(self, call: ToolCall) -> ToolResult:
        error = BusyError(
            f"{self._name} is busy: {self._bound} calls run at once and none ended in time."
        )
        call.scope.emit(Decision(call=call, stage="admit", verdict="refused", reason=error.message))
        return ToolResult(status=Status.ERROR, error=error, attempts=0)


class AdmitFactory:
    """Admits the tools that declare a concurrency."""

    def __init__(self, slots: Slots) -> None:
        """Keep the slots.

        Args:
            slots: Where slots are counted.
        """
        self._slots = slots

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the bulkhead of `tool`, or None if it has no bound."""
        return None if tool.limits.concurrency is None else Admit(tool, self._slots)

"""`deadline`: bounds the seconds an attempt may execute, and lets a started effect finish."""

from __future__ import annotations

import asyncio

from callgate.errors import DeadlineError, InDoubtError
from callgate.pipeline import Abandoned, Clock, Handler, Stage, Timer
from callgate.types import Effect, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Deadline", "DeadlineFactory", "Deadlines", "Entry"]

_NEVER = float("inf")

_current_task = asyncio.current_task


class Entry:
    """One attempt with a deadline.

    Attributes:
        task: The task that is cancelled when time is up.
        due: When, in seconds of the clock.
        before: How often the task had been asked to cancel when the attempt began.
        fired: Whether time was up.
    """

    __slots__ = ("before", "due", "fired", "task")

    # Filled by `Deadlines.add`: an `__init__` would double what an entry costs.
    task: asyncio.Task[object]
    due: float
    before: int
    fired: bool

    def fire(self) -> None:
        """Cancel the task: its time is up."""
        self.fired = True
        self.task.cancel()

    def expired(self) -> bool:
        """Tell whether a cancellation just caught was ours and nobody else's."""
        return self.fired and self.task.uncancel() <= self.before


class Deadlines:
    """All deadlines of a gate behind one timer.

    A timer object per call would cost more than the rest of the path. Nearly every attempt ends
    long before its deadline, so the timer seldom goes off; then all entries are looked at, at
    most once per tick. An attempt is never cut short and lasts at most one tick longer.

    Attributes:
        loop: The running loop, if it is known: asking for it costs a system call in Python 3.11.
    """

    def __init__(self, clock: Clock, *, tick: float = 0.02) -> None:
        """Start with no deadline.

        Args:
            clock: The time.
            tick: Seconds by which a deadline may be late.
        """
        self.loop: asyncio.AbstractEventLoop | None = None
        self._clock = clock
        self._time = clock.time
        self._tick = tick
        self._entries: set[Entry] = set()
        self._timer: Timer | None = None
        self._next = _NEVER

    def add(self, seconds: float) -> Entry:
        """Give the current task `seconds` from now.

        Raises:
            RuntimeError: Called outside a task.
        """
        task = _current_task(self.loop) or _current_task()
        if task is None:
            raise RuntimeError("a deadline needs a running task")
        due = self._time() + seconds
        entry = Entry()
        entry.task = task
        entry.due = due
        entry.before = task.cancelling()
        entry.fired = False
        self._entries.add(entry)
        if due < self._next:
            self._set(due)
        return entry

    def remove(self, entry: Entry) -> None:
        """Call a deadline off; harmless if it has fired."""
        self._entries.discard(entry)

    def _set(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = when
        self._timer = self._clock.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        self._next = _NEVER
        now = self._time()
        for entry in [entry for entry in self._entries if entry.due <= now]:
            self._entries.discard(entry)
            entry.fire()
        if self._entries:
            self._set(max(min(entry.due for entry in self._entries), now + self._tick))


class Deadline:
    """Cancels an attempt whose time is up.

    A read runs in the caller's own task. An effect gets a task of its own, because it must not
    be torn by a caller who leaves: it is given `grace` seconds to end, and its outcome leaves
    with the cancellation as `Abandoned`.
    """

    __slots__ = ("_deadlines", "_effect", "_grace", "_name", "_seconds")

    def __init__(self, tool: Tool, deadlines: Deadlines, *, grace: float) -> None:
        """Keep the bounds.

        Args:
            tool: Its time-out and effect.
            deadlines: Where deadlines are kept.
            grace: Seconds a started effect may go on after its caller left.
        """
        self._name = tool.name
        self._seconds = tool.limits.least(None)
        self._effect = tool.effect is not Effect.READ
        self._deadlines = deadlines
        self._grace = grace

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Make the attempt within its time."""
        seconds = self._seconds
        if call.timeout is not None and (seconds is None or call.timeout < seconds):
            seconds = call.timeout
        if self._effect:
            return await self._protect(call, call_next, seconds)
        if seconds is None:
            return await call_next(call)
        entry = self._deadlines.add(seconds)
        try:
            return await call_next(call)
        except asyncio.CancelledError:
            if not entry.expired():
                raise
            return ToolResult(status=Status.ERROR, error=self._late(seconds))
        finally:
            self._deadlines.remove(entry)

    async def _protect(
        self, call: ToolCall, call_next: Handler, seconds: float | None
    ) -> ToolResult:
        effect = asyncio.ensure_future(call_next(call))
        entry = None if seconds is None else self._deadlines.add(seconds)
        try:
            return await asyncio.shield(effect)
        except asyncio.CancelledError:
            if entry is not None and entry.expired():
                await self._stop(effect)
                return self._outcome(effect, self._late(seconds or 0.0))
            await self._finish(effect)
            gone = InDoubtError(f"{self._name} was still executing when its caller left.")
            raise Abandoned(self._outcome(effect, gone)) from None
        finally:
            if entry is not None:
                self._deadlines.remove(entry)

    async def _finish(self, effect: asyncio.Future[ToolResult]) -> None:
        entry = self._deadlines.add(self._grace)
        try:
            await asyncio.shield(effect)
        except asyncio.CancelledError:
            entry.expired()
            await self._stop(effect)
        finally:
            self._deadlines.remove(entry)

    async def _stop(self, effect: asyncio.Future[ToolResult]) -> None:
        # A tool may catch its cancellation; it is not waited for longer than the grace time.
        effect.cancel()
        await asyncio.wait({effect}, timeout=self._grace)

    def _outcome(
        self, effect: asyncio.Future[ToolResult], error: DeadlineError | InDoubtError
    ) -> ToolResult:
        if effect.done() and not effect.cancelled():
            return effect.result()
        return ToolResult(status=Status.IN_DOUBT, error=error)

    def _late(self, seconds: float) -> DeadlineError:
        return DeadlineError(f"{self._name} did not end within {seconds:g} s.")


class DeadlineFactory:
    """Bounds every tool: a call may bring a time-out of its own."""

    def __init__(self, deadlines: Deadlines, *, grace: float = 5.0) -> None:
        """Keep what all tools share.

        Args:
            deadlines: Where deadlines are kept.
            grace: Seconds a started effect may go on after its caller left; defaults to 5.
        """
        self._deadlines = deadlines
        self._grace = grace

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the deadline of `tool`."""
        return Deadline(tool, self._deadlines, grace=self._grace)

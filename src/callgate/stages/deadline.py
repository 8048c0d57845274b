"""`deadline`: bounds the seconds an attempt may execute, and lets a started effect finish."""

from __future__ import annotations

import asyncio

from callgate.errors import DeadlineError, InDoubtError
from callgate.pipeline import Abandoned, Clock, Handler, Stage, Timer
from callgate.types import Effect, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Deadline", "DeadlineFactory", "Entry", "Wheel"]

_current_task = asyncio.current_task


class Entry:
    """One attempt with a deadline.

    Attributes:
        task: The task that is cancelled when time is up.
        among: The entries of the same spoke of the wheel.
        before: How often the task had been asked to cancel when the attempt began.
        fired: Whether time was up.
    """

    __slots__ = ("among", "before", "fired", "task")

    # Filled by `Wheel.add`: an `__init__` would double what an entry costs.
    task: asyncio.Task[object]
    among: set[Entry]
    before: int
    fired: bool

    def fire(self) -> None:
        """Cancel the task: its time is up."""
        self.fired = True
        self.task.cancel()

    def expired(self) -> bool:
        """Tell whether a cancellation just caught was ours and nobody else's."""
        return self.fired and self.task.uncancel() <= self.before


class Wheel:
    """All deadlines of a gate behind one timer.

    A timer object per call would cost more than the rest of the path. Deadlines are rounded up
    to the next tick, so an attempt is never cut short and lasts at most one tick longer.

    Attributes:
        loop: The running loop, if it is known: asking for it costs a system call in Python 3.11.
    """

    def __init__(self, clock: Clock, *, tick: float = 0.02) -> None:
        """Start with no deadline.

        Args:
            clock: The time.
            tick: Seconds between two spokes; the precision of every deadline.
        """
        self.loop: asyncio.AbstractEventLoop | None = None
        self._clock = clock
        self._time = clock.time
        self._tick = tick
        self._spokes: dict[int, set[Entry]] = {}
        self._due = 0
        self._timer: Timer | None = None

    def add(self, seconds: float) -> Entry:
        """Give the current task `seconds` from now.

        Raises:
            RuntimeError: Called outside a task.
        """
        task = _current_task(self.loop) or _current_task()
        if task is None:
            raise RuntimeError("a deadline needs a running task")
        spoke = int((self._time() + seconds) / self._tick) + 1
        entry = Entry()
        entry.task = task
        entry.before = task.cancelling()
        entry.fired = False
        among = self._spokes.get(spoke)
        if among is None:
            among = self._spokes[spoke] = set()
            if self._timer is None or spoke < self._due:
                self._wind(spoke)
        among.add(entry)
        entry.among = among
        return entry

    def remove(self, entry: Entry) -> None:
        """Call a deadline off; harmless if it has fired."""
        entry.among.discard(entry)

    def _wind(self, spoke: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = spoke
        self._timer = self._clock.call_at(spoke * self._tick, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._clock.time() / self._tick
        for spoke in [spoke for spoke in self._spokes if spoke <= now]:
            for entry in self._spokes.pop(spoke):
                entry.fire()
        # An empty spoke goes too: whoever hangs on a new one sees to the timer.
        self._spokes = {spoke: entries for spoke, entries in self._spokes.items() if entries}
        if self._spokes:
            self._wind(min(self._spokes))


class Deadline:
    """Cancels an attempt whose time is up.

    A read runs in the caller's own task. An effect gets a task of its own, because it must not
    be torn by a caller who leaves: it is given `grace` seconds to end, and its outcome leaves
    with the cancellation as `Abandoned`.
    """

    __slots__ = ("_effect", "_grace", "_name", "_seconds", "_wheel")

    def __init__(self, tool: Tool, wheel: Wheel, *, grace: float) -> None:
        """Keep the bounds.

        Args:
            tool: Its time-out and effect.
            wheel: Where deadlines hang.
            grace: Seconds a started effect may go on after its caller left.
        """
        self._name = tool.name
        self._seconds = tool.limits.timeout
        self._effect = tool.effect is not Effect.READ
        self._wheel = wheel
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
        entry = self._wheel.add(seconds)
        try:
            return await call_next(call)
        except asyncio.CancelledError:
            if not entry.expired():
                raise
            return ToolResult(status=Status.ERROR, error=self._late(seconds))
        finally:
            self._wheel.remove(entry)

    async def _protect(
        self, call: ToolCall, call_next: Handler, seconds: float | None
    ) -> ToolResult:
        effect = asyncio.ensure_future(call_next(call))
        entry = None if seconds is None else self._wheel.add(seconds)
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
                self._wheel.remove(entry)

    async def _finish(self, effect: asyncio.Future[ToolResult]) -> None:
        entry = self._wheel.add(self._grace)
        try:
            await asyncio.shield(effect)
        except asyncio.CancelledError:
            entry.expired()
            await self._stop(effect)
        finally:
            self._wheel.remove(entry)

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

    def __init__(self, wheel: Wheel, *, grace: float = 5.0) -> None:
        """Keep what all tools share.

        Args:
            wheel: Where deadlines hang.
            grace: Seconds a started effect may go on after its caller left; defaults to 5.
        """
        self._wheel = wheel
        self._grace = grace

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the deadline of `tool`."""
        return Deadline(tool, self._wheel, grace=self._grace)

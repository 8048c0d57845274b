"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

__all__ = ["FakeClock"]


class _Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class FakeClock:
    """A `Clock` that a test owns.

    Attributes:
        slept: The seconds of every `sleep`, in order.
    """

    def __init__(self, *, start: float = 1000.0, instant: bool = False) -> None:
        """Stand still at `start`.

        Args:
            start: The first reading in seconds.
            instant: Whether `sleep` moves the clock itself and returns at once.
        """
        self._now = start
        self._instant = instant
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _Timer]] = []
        self.slept: list[float] = []

    def time(self) -> float:
        """Return the reading in seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was moved by `seconds`."""
        self.slept.append(seconds)
        if self._instant:
            self.advance(seconds)
            await asyncio.sleep(0)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_at(self._now + seconds, lambda: _wake(done))
        try:
            await done
        finally:
            timer.cancel()

    def call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        """Run `callback` once the clock has reached `when`."""
        timer = _Timer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move the clock and run what has become due, in order."""
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, when)
            if timer.callback is not None:
                timer.callback()
        self._now = end

    async def settle(self, *, turns: int = 50) -> None:
        """Let other tasks run until they wait; gives the loop `turns` turns."""
        for _ in range(turns):
            await asyncio.sleep(0)

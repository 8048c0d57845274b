"""The bound on a run's seconds while the model is at work: one timer for a whole leg."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from callgate.agents.budget import Spending
from callgate.pipeline import Clock, Timer

__all__ = ["Alarm", "TimeUpError"]

_T = TypeVar("_T")


class TimeUpError(Exception):
    """The run's seconds were used up while the model was at work."""


class Alarm:
    """Cuts a model request when the run's seconds are used up.

    `asyncio.timeout` for every request would cost half of what the loop does. This timer is set
    once. It may go off early, because only time in requests and tools counts; then it is set
    again, by itself or by the next request.
    """

    __slots__ = ("_clock", "_loop", "_rang", "_seconds", "_spent", "_started", "_task", "_timer")

    def __init__(self, clock: Clock, seconds: float | None, spent: Spending) -> None:
        """Set nothing yet.

        Args:
            clock: The time.
            seconds: What the run may spend; None for no bound.
            spent: What it has spent, kept up by others.
        """
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seconds = seconds
        self._spent = spent
        self._started = 0.0
        self._task: asyncio.Task[object] | None = None
        self._timer: Timer | None = None
        self._rang = False

    def __enter__(self) -> None:
        """Note the running loop; the first request sets the timer."""
        self._loop = asyncio.get_running_loop()

    def __exit__(self, *exc: object) -> None:
        """Call the timer off."""
        if self._timer is not None:
            self._timer.cancel()

    async def bound(self, work: Awaitable[_T], started: float) -> _T:
        """Await `work` for no longer than the run's seconds allow.

        Args:
            work: The request, or the wait for its next piece.
            started: When the request began; seconds of the clock.

        Raises:
            TimeUpError: The seconds are used up.
        """
        task = asyncio.current_task(self._loop)
        if self._seconds is None or task is None:
            return await work
        before = task.cancelling()
        self._started = started
        self._task = task
        if self._timer is None:
            self._set(self._seconds)
        try:
            return await work
        except asyncio.CancelledError:
            if self._rang and task.uncancel() <= before:
                raise TimeUpError from None
            raise
        finally:
            self._task = None

    def _set(self, seconds: float) -> None:
        now = self._clock.time()
        left = seconds - self._spent.seconds - (now - self._started)
        self._timer = self._clock.call_at(now + left, lambda: self._ring(seconds))

    def _ring(self, seconds: float) -> None:
        self._timer = None
        if self._task is None:
            return
        if self._clock.time() - self._started < seconds - self._spent.seconds:
            self._set(seconds)
        else:
            self._rang = True
            self._task.cancel()

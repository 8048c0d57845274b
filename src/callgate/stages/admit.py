"""`admit`: a bulkhead per tool and backend, and a rate per backend, for every attempt."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from callgate.controls import BackendRules, Controls, Rate
from callgate.controls.bucket import Bucket
from callgate.errors import BusyError
from callgate.pipeline import Clock, Handler, Soon, Stage
from callgate.types import Decision, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Admit", "AdmitFactory", "AdmitState", "MemoryRates", "Rates", "Slots", "Wanted"]

_LEAST = 0.001  # seconds an attempt gets that has waited for as long as the call may take
_MOST = 10_000  # buckets kept in memory before those go that are full again

Wanted: TypeAlias = tuple[tuple[str, Rate], ...]
"""Buckets by name, with how each of them fills."""


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


# --- rates ----------------------------------------------------------------------------------


class Rates(Protocol):
    """Token buckets by name; they outlive surfaces."""

    def take(self, wanted: Wanted) -> Soon[float]:
        """Take a token out of every bucket or of none.

        Args:
            wanted: The buckets by name, with how each of them fills.

        Returns:
            0.0 if they were taken, else the seconds until every bucket holds one.
        """
        ...


class MemoryRates:
    """Token buckets in the memory of this process."""

    def __init__(self, clock: Clock) -> None:
        """Begin with full buckets.

        Args:
            clock: Fills them.
        """
        self._time = clock.time
        self._buckets: dict[str, tuple[Bucket, Rate]] = {}
        self._sweep = _MOST

    def take(self, wanted: Wanted) -> float:
        """Take a token out of every bucket or of none."""
        now = self._time()
        found: list[Bucket] = []
        wait = 0.0
        for name, rate in wanted:
            kept = self._buckets.get(name)
            bucket = self._begin(name, rate, now) if kept is None else kept[0]
            lack = bucket.lacks(rate, now)
            if lack > wait:
                wait = lack
            found.append(bucket)
        if not wait:
            for bucket in found:
                bucket.take()
        return wait

    def _begin(self, name: str, rate: Rate, now: float) -> Bucket:
        if len(self._buckets) >= self._sweep:
            # One that is full again is as good as none.
            for old in [n for n, (b, r) in self._buckets.items() if b.full(r, now)]:
                del self._buckets[old]
            self._sweep = max(_MOST, 2 * len(self._buckets))
        bucket = Bucket(rate.size, now)
        self._buckets[name] = bucket, rate
        return bucket


# --- the stage ------------------------------------------------------------------------------


class Admit:
    """Lets an attempt through when tool and backend bear it, and has it wait its turn before.

    No slot is held while `retry` waits, because every attempt is admitted anew, and none while
    an attempt waits for its backend's rate. The seconds it waits are seconds of the call.
    """

    __slots__ = (
        "_clock",
        "_enforce",
        "_limits",
        "_name",
        "_queue",
        "_rate",
        "_rates",
        "_slots",
        "_wanted",
    )

    def __init__(
        self, tool: Tool, rules: BackendRules, state: AdmitState, *, enforce: bool = True
    ) -> None:
        """Keep the bounds.

        Args:
            tool: Its name, concurrency and patience.
            rules: What its backend bears.
            state: Slots, rates and time.
            enforce: Whether attempts are refused; else it only tells what it would refuse.
        """
        limits, backend = tool.limits, f"backend:{tool.limits.backend}"
        self._name = tool.name
        self._limits = limits
        self._slots = state.slots
        self._rates = state.rates
        self._clock = state.clock
        self._enforce = enforce
        # Always the tool's own slot first: two orders could wait for each other.
        bounds = ((tool.name, limits.concurrency), (backend, rules.concurrency))
        self._wanted = tuple((name, bound) for name, bound in bounds if bound is not None)
        self._rate: Wanted | None = None if rules.rate is None else ((backend, rules.rate),)
        self._queue = min(limits.queue, rules.queue)

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Wait for rate and slots, make the attempt, give the slots back."""
        wait = 0.0 if self._rate is None else self._rates.take(self._rate)
        if wait != 0.0 or not self._take():
            entry = await self._wait(call, wait)
            if isinstance(entry, BusyError):
                return await self._refuse(call, call_next, entry)
            call = entry
        try:
            return await call_next(call)
        finally:
            give = self._slots.give
            for name, _ in self._wanted:
                give(name)

    def _take(self) -> bool:
        slots = self._slots
        for place, (name, bound) in enumerate(self._wanted):
            if not slots.take(name, bound):
                self._back(place)
                return False
        return True

    def _back(self, taken: int) -> None:
        for name, _ in self._wanted[:taken]:
            self._slots.give(name)

    async def _wait(self, call: ToolCall, wait: Soon[float]) -> ToolCall | BusyError:
        """Return the call with the time that it has left, once rate and slots are taken."""
        started = self._clock.time()
        until = started + self._patience(call)
        error = await self._pace(until, wait) or await self._queue_up(until)
        if error is not None:
            return error
        bounds = [one for one in (self._limits.timeout, call.timeout) if one is not None]
        if not bounds:
            return call
        waited = self._clock.time() - started
        return replace(call, timeout=max(_LEAST, min(bounds) - waited)) if waited else call

    async def _pace(self, until: float, wait: Soon[float]) -> BusyError | None:
        while True:
            seconds = await wait if isinstance(wait, Awaitable) else wait
            if not seconds or self._rate is None:
                return None
            if self._clock.time() + seconds > until:
                return BusyError(
                    f"The backend of {self._name} bears no more calls now. "
                    f"Try again in {max(1, math.ceil(seconds))} s.",
                    retry_after=seconds,
                )
            await self._clock.sleep(seconds)
            wait = self._rates.take(self._rate)

    async def _queue_up(self, until: float) -> BusyError | None:
        taken = 0
        try:
            for name, bound in self._wanted:
                left = until - self._clock.time()
                if not self._slots.take(name, bound) and not await self._slots.wait(name, left):
                    break
                taken += 1
        finally:
            # Refused or given up: what was taken before goes back.
            if taken < len(self._wanted):
                self._back(taken)
        if taken == len(self._wanted):
            return None
        bound = self._wanted[taken][1]
        return BusyError(f"{self._name} is busy: {bound} calls run at once and none ended in time.")

    def _patience(self, call: ToolCall) -> float:
        bounds = (self._queue, self._limits.timeout, call.timeout)
        return min(bound for bound in bounds if bound is not None)

    async def _refuse(self, call: ToolCall, call_next: Handler, error: BusyError) -> ToolResult:
        verdict = "refused" if self._enforce else "would_refuse"
        call.scope.emit(Decision(call=call, stage="admit", verdict=verdict, reason=error.message))
        if not self._enforce:
            return await call_next(call)
        return ToolResult(status=Status.ERROR, error=error, attempts=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitState:
    """What all tools share.

    Attributes:
        slots: Where running attempts are counted.
        rates: Where the rates of backends are kept.
        clock: Measures how long an attempt waits.
    """

    slots: Slots
    rates: Rates
    clock: Clock


class AdmitFactory:
    """Admits the tools that declare a concurrency or stand on a backend that has rules."""

    def __init__(
        self, state: AdmitState, controls: Controls = Controls(), *, enforce: bool = True
    ) -> None:
        """Keep what all tools share.

        Args:
            state: Slots, rates and time.
            controls: What backends bear.
            enforce: Whether attempts are refused; else it only tells what it would refuse.
        """
        self._state = state
        self._backends = controls.backends
        self._enforce = enforce

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the admission of `tool`, or None if nothing bounds it."""
        rules = self._backends.get(tool.limits.backend) if tool.limits.backend else None
        if rules is None:
            if tool.limits.concurrency is None:
                return None
            rules = BackendRules(queue=tool.limits.queue)
        return Admit(tool, rules, self._state, enforce=self._enforce)

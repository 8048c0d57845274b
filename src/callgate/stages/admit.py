"""`admit`: a bulkhead per tool and backend, and a rate per backend, for every attempt."""

from __future__ import annotations

import asyncio
import math
import sys
from collections import deque
from collections.abc import Awaitable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from callgate.controls import BackendRules, Controls, Rate
from callgate.controls.bucket import Bucket
from callgate.errors import BusyError
from callgate.pipeline import Clock, Handler, Soon, Stage
from callgate.types import Decision, Limits, Status, Surface, Tool, ToolCall, ToolResult

__all__ = [
    "Admit",
    "AdmitFactory",
    "AdmitState",
    "AdmitTogether",
    "Line",
    "MemoryRates",
    "Rates",
    "Seat",
    "Seats",
    "Slot",
    "Slots",
    "Wanted",
]

_LEAST = 0.001  # seconds an attempt gets that has waited for as long as the call may take
_SOON, _LATER = 0.02, 0.25  # seconds until who waits asks again: at first, and at most
_MOST = 10_000  # buckets kept in memory before those go that are full again

Wanted: TypeAlias = tuple[tuple[str, Rate], ...]
"""Buckets by name, with how each of them fills."""


class Slot:
    """The slots of one tool or backend.

    Attributes:
        used: How many are taken.
        bound: How many there are.
        waiting: Who is in line for one.
    """

    __slots__ = ("bound", "used", "waiting")

    def __init__(self) -> None:
        """Begin with none taken, and no bound."""
        self.used = 0
        self.bound = sys.maxsize
        self.waiting: deque[asyncio.Future[bool]] = deque()

    def give(self) -> None:
        """Give one back; the first in line gets it, unless more are taken than there are."""
        self.used -= 1
        waiting = self.waiting
        while waiting and self.used < self.bound:
            turn = waiting.popleft()
            if not turn.done():
                self.used += 1
                turn.set_result(True)


class Slots:
    """The slots of all tools and backends of a gate, by name; they outlive surfaces.

    Work that cannot be stopped, such as a thread, keeps a slot of its tool until it ends: a
    source says so with `hold`.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with every slot free.

        Args:
            clock: Measures how long an attempt waits for a slot.
        """
        self._clock = clock
        self._slots: dict[str, Slot] = {}

    def slot(self, name: str, bound: int | None = None) -> Slot:
        """Return the slots of a tool or backend; `bound`, if given, is how many there are."""
        slot = self._slots.get(name)
        if slot is None:
            slot = self._slots[name] = Slot()
        if bound is not None:
            slot.bound = bound
        return slot

    def used(self, name: str) -> int:
        """Return how many slots of the tool are taken."""
        return self.slot(name).used

    async def wait(self, slot: Slot, patience: float) -> bool:
        """Wait in line for a slot that another attempt gives back.

        Args:
            slot: Of which tool or backend.
            patience: Seconds to wait at most.

        Returns:
            Whether a slot was taken; the caller must give it back.
        """
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        slot.waiting.append(turn)
        timer = self._clock.call_at(self._clock.time() + patience, lambda: _settle(turn, False))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                slot.give()
            raise
        finally:
            timer.cancel()

    def hold(self, name: str, work: Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Keep one more slot of the tool until `work` ends.

        Args:
            name: The tool.
            work: What cannot be stopped.
            loop: The loop the slots belong to; the work may end in a thread.
        """
        slot = self.slot(name)
        slot.used += 1

        def release(_: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(slot.give)

        work.add_done_callback(release)


def _settle(turn: asyncio.Future[bool], value: bool) -> None:
    if not turn.done():
        turn.set_result(value)


# --- rates ----------------------------------------------------------------------------------


class Line(Protocol):
    """Some buckets that every call takes from together."""

    def take(self) -> Soon[float]:
        """Take a token out of every bucket or of none.

        Returns:
            0.0 if they were taken, else the seconds until every bucket holds one.
        """
        ...


class Rates(Protocol):
    """Token buckets by name; they outlive surfaces."""

    def line(self, wanted: Wanted) -> Line:
        """Return a line to buckets, which begin full.

        Args:
            wanted: The buckets by name, with how each of them fills.
        """
        ...


class MemoryRates:
    """Token buckets in the memory of this process.

    Attributes:
        sweeps: How often buckets that nobody uses were forgotten.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with full buckets.

        Args:
            clock: Fills them.
        """
        self._clock = clock
        self._buckets: dict[str, tuple[Bucket, Rate]] = {}
        self._sweep = _MOST
        self.sweeps = 0

    def line(self, wanted: Wanted) -> Line:
        """Return a line to buckets, which begin full."""
        return _MemoryLine(self, wanted, self._clock)

    def bucket(self, name: str, rate: Rate) -> Bucket:
        """Return a bucket; a new one is full."""
        kept = self._buckets.get(name)
        if kept is not None:
            return kept[0]
        now = self._clock.time()
        if len(self._buckets) >= self._sweep:
            # One that is full again is as good as none.
            for old in [n for n, (b, r) in self._buckets.items() if b.full(r, now)]:
                del self._buckets[old]
            self._sweep = max(_MOST, 2 * len(self._buckets))
            self.sweeps += 1
        bucket = Bucket(rate.size, now)
        self._buckets[name] = bucket, rate
        return bucket


class _MemoryLine:
    __slots__ = ("_buckets", "_rates", "_sweeps", "_time", "_wanted")

    def __init__(self, rates: MemoryRates, wanted: Wanted, clock: Clock) -> None:
        self._rates = rates
        self._wanted = wanted
        self._time = clock.time
        self._sweeps = -1
        self._buckets: list[tuple[Bucket, Rate]] = []

    def take(self) -> float:
        if self._sweeps != self._rates.sweeps:
            self._find()
        now = self._time()
        for bucket, rate in self._buckets:
            if bucket.draw(rate, now):
                return self._short(bucket, now)
        return 0.0

    def _short(self, empty: Bucket, now: float) -> float:
        for bucket, _ in self._buckets:
            if bucket is empty:
                break
            bucket.level += 1.0
        return max(bucket.lacks(rate, now) for bucket, rate in self._buckets)

    def _find(self) -> None:
        found = [(self._rates.bucket(name, rate), rate) for name, rate in self._wanted]
        self._buckets, self._sweeps = found, self._rates.sweeps


# --- slots that processes share -------------------------------------------------------------


class Seat(Protocol):
    """The slots of one backend, of which all processes together have so many."""

    async def take(self) -> str | None:
        """Take a slot, without waiting for one.

        Returns:
            What gives it back; None if none is free.
        """
        ...

    async def give(self, held: str) -> None:
        """Give a slot back that `take` has taken."""
        ...


class Seats(Protocol):
    """Slots that processes share, by the backend's name; they outlive surfaces."""

    def seat(self, name: str, bound: int) -> Seat:
        """Return the slots of a backend.

        Args:
            name: The backend.
            bound: How many attempts all processes together may make at once.
        """
        ...


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
        self._clock = state.clock
        self._enforce = enforce
        # Always the tool's own slot first: two orders could wait for each other.
        bounds = ((tool.name, limits.concurrency), (backend, rules.concurrency))
        self._wanted = tuple(
            state.slots.slot(name, bound) for name, bound in bounds if bound is not None
        )
        rate = rules.rate
        self._rate = None if rate is None else state.rates.line(((backend, rate),)).take
        self._queue = min(limits.queue, rules.queue)

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Wait for rate and slots, make the attempt, give the slots back."""
        wanted = self._wanted
        wait = 0.0 if self._rate is None else self._rate()
        full = wait != 0.0
        for slot in wanted:
            if slot.used >= slot.bound or slot.waiting:
                full = True
        if full:
            entry = await self._wait(call, wait)
            if isinstance(entry, BusyError):
                return await self.refuse(call, call_next, entry)
            call = entry
        else:
            for slot in wanted:
                slot.used += 1
        try:
            return await call_next(call)
        finally:
            for slot in wanted:
                if slot.waiting:
                    slot.give()
                else:
                    slot.used -= 1

    async def _wait(self, call: ToolCall, wait: Soon[float]) -> ToolCall | BusyError:
        """Return the call with the time that it has left, once rate and slots are taken."""
        started = self._clock.time()
        until = started + self.patience(call)
        error = await self._pace(until, wait) or await self._queue_up(until)
        if error is not None:
            return error
        return _shortened(call, self._limits, self._clock.time() - started)

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
            wait = self._rate()

    async def _queue_up(self, until: float) -> BusyError | None:
        taken: list[Slot] = []
        try:
            for slot in self._wanted:
                if slot.used < slot.bound and not slot.waiting:
                    slot.used += 1
                elif not await self._slots.wait(slot, until - self._clock.time()):
                    return BusyError(
                        f"{self._name} is busy: {slot.bound} calls run at once and none ended in "
                        "time."
                    )
                taken.append(slot)
        finally:
            # Refused or given up: what was taken before goes back.
            if len(taken) < len(self._wanted):
                for slot in taken:
                    slot.give()
        return None

    def patience(self, call: ToolCall) -> float:
        """Return the seconds that an attempt may wait in all."""
        bounds = (self._queue, self._limits.timeout, call.timeout)
        return min(bound for bound in bounds if bound is not None)

    async def refuse(self, call: ToolCall, call_next: Handler, error: BusyError) -> ToolResult:
        """Refuse an attempt, or tell that it would be refused and make it."""
        verdict = "refused" if self._enforce else "would_refuse"
        call.scope.emit(Decision(call=call, stage="admit", verdict=verdict, reason=error.message))
        if not self._enforce:
            return await call_next(call)
        return ToolResult(status=Status.ERROR, error=error, attempts=0)


def _shortened(call: ToolCall, limits: Limits, waited: float) -> ToolCall:
    """Return the call with the time that it has left after a wait."""
    bounds = [one for one in (limits.timeout, call.timeout) if one is not None]
    if not bounds or not waited:
        return call
    return replace(call, timeout=max(_LEAST, min(bounds) - waited))


class AdmitTogether:
    """Admits an attempt, and then takes one of the slots that all processes share.

    Who waits asks again after a while, so there is no line across processes. The slots of this
    process bound how many ask at once.
    """

    __slots__ = ("_admit", "_clock", "_limits", "_name", "_seat")

    def __init__(self, admit: Admit, seat: Seat, tool: Tool, clock: Clock) -> None:
        """Keep both.

        Args:
            admit: The admission to what is this process's own.
            seat: The slots that processes share.
            tool: Whose attempts they are.
            clock: Measures how long an attempt waits.
        """
        self._admit = admit
        self._seat = seat
        self._name = tool.name
        self._limits = tool.limits
        self._clock = clock

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Wait for all that the attempt needs, make it, give the slots back."""
        until = self._clock.time() + self._admit.patience(call)

        async def seated(admitted: ToolCall) -> ToolResult:
            return await self._seated(admitted, call_next, until)

        return await self._admit(call, seated)

    async def _seated(self, call: ToolCall, call_next: Handler, until: float) -> ToolResult:
        started = self._clock.time()
        held, pause = await self._seat.take(), _SOON
        while held is None:
            if self._clock.time() + pause > until:
                error = BusyError(
                    f"The backend of {self._name} is busy: all processes together make as many "
                    "calls at once as it bears, and none ended in time."
                )
                return await self._admit.refuse(call, call_next, error)
            await self._clock.sleep(pause)
            held, pause = await self._seat.take(), min(2 * pause, _LATER)
        try:
            return await call_next(_shortened(call, self._limits, self._clock.time() - started))
        finally:
            await self._seat.give(held)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitState:
    """What all tools share.

    Attributes:
        slots: Where running attempts are counted.
        rates: Where the rates of backends are kept.
        clock: Measures how long an attempt waits.
        seats: The slots that processes share; None if every process has its own.
    """

    slots: Slots
    rates: Rates
    clock: Clock
    seats: Seats | None = None


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
        state = self._state
        admit = Admit(tool, rules, state, enforce=self._enforce)
        if not rules.shared or rules.concurrency is None or state.seats is None:
            return admit
        seat = state.seats.seat(tool.limits.backend, rules.concurrency)
        return AdmitTogether(admit, seat, tool, state.clock)

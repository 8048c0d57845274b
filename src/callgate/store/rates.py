"""Token buckets that processes share."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from callgate.controls.bucket import Bucket
from callgate.errors import StoreError
from callgate.pipeline import LoopClock, Soon
from callgate.stages.admit import Line, MemoryRates, Rates, Wanted
from callgate.store.cells import Cells

__all__ = ["SharedRates"]

_log = logging.getLogger("callgate")


class SharedRates:
    """Implements `Rates` for many processes.

    With `ahead` above 1 a process takes several tokens at once and spends them on its next calls
    without asking: all processes together never take more than the rate allows, but what one of
    them has taken ahead and does not need within a second is lost to the others.

    While the database is out, every process keeps the rates for itself alone.
    """

    def __init__(
        self,
        cells: Cells,
        *,
        ahead: int = 1,
        beside: Rates | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep where buckets are.

        Args:
            cells: Where the buckets are.
            ahead: Tokens that are taken at once at most; a tenth of a bucket at most.
            beside: Keeps the rates while the database is out; defaults to memory.
            clock: Tells when tokens that were taken ahead are too old.
        """
        self._cells = cells
        self._ahead = ahead
        self._beside = beside or MemoryRates(LoopClock())
        self._time = clock
        self._held: dict[str, tuple[int, float]] = {}

    def line(self, wanted: Wanted) -> Line:
        """Return a line to buckets, which begin full; see `Rates.line`."""
        return _SharedLine(self, wanted, self._beside.line(wanted))

    def spend(self, wanted: Wanted) -> bool:
        """Take tokens that were taken ahead; return whether there was one of each."""
        if not self._held:
            return False
        oldest = self._time() - 1.0
        held = [self._held.get(name) for name, _ in wanted]
        if any(one is None or one[0] < 1 or one[1] < oldest for one in held):
            return False
        for (name, _), one in zip(wanted, held, strict=True):
            if one is not None:
                self._held[name] = (one[0] - 1, one[1])
        return True

    async def ask(self, wanted: Wanted) -> float:
        """Take tokens out of the buckets; return the seconds to wait if there are none.

        Raises:
            StoreError: The database does not do what it must.
        """

        def step(states: dict[str, Any], now: float) -> tuple[float, dict[str, int]]:
            found = {
                name: Bucket.load(states[_cell(name)])
                if _cell(name) in states
                else Bucket(rate.size, now)
                for name, rate in wanted
            }
            wait = max(found[name].lacks(rate, now) for name, rate in wanted)
            taken: dict[str, int] = {}
            for name, rate in wanted:
                most = min(self._ahead, int(rate.size / 10)) or 1
                if not wait:
                    taken[name] = found[name].take(most)
                states[_cell(name)] = found[name].dump()
            return wait, taken

        wait, taken = await self._cells.change([_cell(name) for name, _ in wanted], step)
        at = self._time()
        for name, count in taken.items():
            if count > 1:
                self._held[name] = (count - 1, at)
        return wait


class _SharedLine:
    __slots__ = ("_beside", "_rates", "_wanted")

    def __init__(self, rates: SharedRates, wanted: Wanted, beside: Line) -> None:
        self._rates = rates
        self._wanted = wanted
        self._beside = beside

    def take(self) -> Soon[float]:
        return 0.0 if self._rates.spend(self._wanted) else self._ask()

    async def _ask(self) -> float:
        try:
            return await self._rates.ask(self._wanted)
        except StoreError as exc:
            _log.warning("Rates are kept by this process alone: %s", exc.message)
            beside = self._beside.take()
            return await beside if isinstance(beside, Awaitable) else beside


def _cell(name: str) -> str:
    return f"rate:{name}"

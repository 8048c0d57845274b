"""Generations of what sources tell, counted by all processes."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from callgate.errors import StoreError
from callgate.pipeline import Soon
from callgate.store.cells import Cells

__all__ = ["SharedGenerations"]

_log = logging.getLogger("callgate")


class SharedGenerations:
    """Implements `Generations` for many processes.

    While the database is out, nobody knows what has changed: nothing that was kept is found.
    """

    def __init__(
        self,
        cells: Cells,
        *,
        staleness: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep where generations are counted.

        Args:
            cells: Where they are counted.
            staleness: Seconds for which a read may miss an effect of another process; 0 asks
                each time. Effects of this process are never missed.
            clock: Measures them.
        """
        self._cells = cells
        self._staleness = staleness
        self._clock = clock
        self._known: dict[str, tuple[int, float]] = {}
        self._unknown = itertools.count(-1, -1)

    def now(self, tenant: str, source: str) -> Soon[int]:
        """Return the present generation of what `source` tells `tenant`."""
        cell = _cell(tenant, source)
        known = self._known.get(cell)
        if known is not None and self._clock() < known[1]:
            return known[0]
        return self._learn(cell, self._cells.get(cell))

    async def bump(self, tenant: str, source: str) -> None:
        """Begin another generation: an effect may have changed it."""
        cell = _cell(tenant, source)

        def step(states: dict[str, Any], now: float) -> int:
            states[cell] = states.get(cell, 0) + 1
            return states[cell]

        self._known.pop(cell, None)
        await self._learn(cell, self._cells.change([cell], step))

    async def _learn(self, cell: str, telling: Awaitable[int | None]) -> int:
        asked = self._clock()
        try:
            count = await telling or 0
        except StoreError as exc:
            _log.warning("Nothing that was kept is given: %s", exc.message)
            return next(self._unknown)
        if self._staleness:
            self._known[cell] = (count, asked + self._staleness)
        return count


def _cell(tenant: str, source: str) -> str:
    return f"generation:{quote(tenant, safe='')}/{source}"

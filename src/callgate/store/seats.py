"""Slots of backends that processes share: each is held under a lease, so a dead one comes back."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from callgate.errors import StoreError
from callgate.store.cells import Cells

__all__ = ["SharedSeat", "SharedSeats"]

_log = logging.getLogger("callgate")

_PREFIX = "seats:"

_UNKNOWN = ""
"""Held while nobody can tell how many are taken; giving it back changes nothing."""


class SharedSeats:
    """Implements `Seats` for many processes.

    What a process holds it shows again every third of the lease. A process that dies, or does not
    show itself for so long, loses its slots to the others. While the database is out, attempts are
    let through: each process then keeps to its own slots alone.
    """

    def __init__(self, cells: Cells, *, lease: float = 15.0) -> None:
        """Keep where slots are.

        Args:
            cells: Where the slots are.
            lease: Seconds for which a slot is held by a process that does not show itself.
        """
        self._cells = cells
        self._lease = lease

    def seat(self, name: str, bound: int) -> SharedSeat:
        """Return the slots of a backend, of which there are `bound`."""
        return SharedSeat(self._cells, name, bound, self._lease)


class SharedSeat:
    """The slots of one backend, as one process sees them; see `Seat`."""

    __slots__ = ("_bound", "_cell", "_cells", "_held", "_keeping", "_lease", "_name")

    def __init__(self, cells: Cells, name: str, bound: int, lease: float) -> None:
        """Hold nothing yet; the arguments are those of `SharedSeats`."""
        self._cells = cells
        self._cell = _PREFIX + name
        self._name = name
        self._bound = bound
        self._lease = lease
        self._held: set[str] = set()
        self._keeping: asyncio.Task[None] | None = None

    async def take(self) -> str | None:
        """Take a slot, or return None if none is free."""
        mark = os.urandom(8).hex()

        def step(states: dict[str, Any], now: float) -> bool:
            taken = self._living(states, now)
            free = len(taken) < self._bound
            if free:
                taken[mark] = now + self._lease
            states[self._cell] = taken
            return free

        try:
            if not await self._cells.change([self._cell], step):
                return None
        except StoreError as exc:
            _log.warning("Slots of %s are kept by this process alone: %s", self._name, exc.message)
            return _UNKNOWN
        self._held.add(mark)
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.get_running_loop().create_task(
                self._keep(), name=f"callgate-seats-{self._name}"
            )
        return mark

    async def give(self, held: str) -> None:
        """Give a slot back; what lapsed or was never taken here changes nothing."""
        if held not in self._held:
            return
        self._held.discard(held)
        if not self._held and self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

        def step(states: dict[str, Any], now: float) -> None:
            taken = self._living(states, now)
            taken.pop(held, None)
            states[self._cell] = taken

        try:
            await self._cells.change([self._cell], step)
        except StoreError as exc:
            _log.warning(
                "A slot of %s comes back in %g s: %s", self._name, self._lease, exc.message
            )

    async def _keep(self) -> None:
        """Show what is held, until nothing is."""
        while self._held:
            await asyncio.sleep(self._lease / 3)
            await self.show()

    async def show(self) -> None:
        """Show what is held, so that it is held for another lease.

        Also what was lost to the lease meanwhile: its attempt runs, whoever knows of it.
        """

        def step(states: dict[str, Any], now: float) -> None:
            taken = self._living(states, now)
            taken |= dict.fromkeys(self._held, now + self._lease)
            states[self._cell] = taken

        try:
            await self._cells.change([self._cell], step)
        except StoreError as exc:
            _log.warning("Slots of %s could not be held: %s", self._name, exc.message)

    def _living(self, states: dict[str, Any], now: float) -> dict[str, float]:
        """Return what is held under a lease that stands.

        One that ends later than a lease from now was written by a clock that has jumped since.
        """
        latest = now + 2 * self._lease
        taken: dict[str, float] = states.get(self._cell) or {}
        return {mark: until for mark, until in taken.items() if now < until <= latest}

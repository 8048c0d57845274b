"""The kill switch that all processes share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from callgate.errors import StoreError
from callgate.pipeline import Soon
from callgate.stages.resolve import Switch
from callgate.store.database import Database
from callgate.store.tables import switches

__all__ = ["SharedSwitches"]

_log = logging.getLogger("callgate")


class SharedSwitches:
    """Implements `Switches` for many processes.

    With a `staleness` of 0, the default, every call looks before it goes on, so that a tool which
    is switched off is off at the next call of every process; calls that come together look once.
    With more, a call may still be let through for so many seconds, and looking costs nothing.

    While the database is out, what was known last holds; a process that has never known lets
    nothing through.
    """

    def __init__(
        self,
        database: Database,
        *,
        staleness: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Keep the database.

        Args:
            database: Where it is written what is off.
            staleness: Seconds for which what was read holds.
            clock: Measures them.
            now: Seconds since 1970, for the time of a switch.
        """
        self._database = database
        self._staleness = staleness
        self._clock = clock
        self._now = now
        self._lock = asyncio.Lock()
        self._off: dict[tuple[str, str | None], Switch] | None = None
        self._until = 0.0
        self._begun = 0
        self._ended = 0

    def off(self, tool: str, tenant: str) -> Soon[Switch | None]:
        """Return why calls of `tool` by `tenant` are refused; None if they are not."""
        if self._clock() < self._until:
            return self._find(tool, tenant)
        return self._ask(tool, tenant)

    async def disable(self, switch: Switch) -> None:
        """Switch a tool off.

        Raises:
            StoreError: The database does not do what it must.
        """
        at = self._now()

        def work(connection: Connection) -> None:
            connection.execute(delete(switches).where(_of(switch.tool, switch.tenant)))
            connection.execute(
                insert(switches).values(
                    tool=switch.tool,
                    tenant=switch.tenant or "",
                    everyone=switch.tenant is None,
                    reason=switch.reason,
                    at=at,
                )
            )

        await self._database.run(work)
        self._until = 0.0

    async def enable(self, tool: str, tenant: str | None = None) -> bool:
        """Switch a tool on again; return whether it was off for this tenant, or for all.

        Raises:
            StoreError: The database does not do what it must.
        """
        gone = delete(switches).where(_of(tool, tenant))
        found = await self._database.run(lambda connection: connection.execute(gone).rowcount)
        self._until = 0.0
        return bool(found)

    async def look(self) -> tuple[Switch, ...]:
        """Return what is off, by name.

        Raises:
            StoreError: The database does not do what it must.
        """
        return await self._database.run(_all, reading=True)

    def _find(self, tool: str, tenant: str) -> Switch | None:
        off = self._off
        if off is None:
            return Switch(tool=tool, reason="the kill switch cannot be read")
        return off.get((tool, None)) or off.get((tool, tenant))

    async def _ask(self, tool: str, tenant: str) -> Switch | None:
        ticket = self._begun
        async with self._lock:
            # A look that began after this call asked knows all that this one has to know.
            if self._ended <= ticket:
                await self._read()
        return self._find(tool, tenant)

    async def _read(self) -> None:
        self._begun += 1
        began, at = self._begun, self._clock()
        try:
            found = await self._database.run(_all, reading=True)
        except StoreError as exc:
            _log.warning("What was switched off last stays so: %s", exc.message)
        else:
            self._off = {(one.tool, one.tenant): one for one in found}
        self._ended = began
        self._until = at + self._staleness


def _all(connection: Connection) -> tuple[Switch, ...]:
    rows = connection.execute(select(switches).order_by(switches.c.tool, switches.c.tenant))
    return tuple(
        Switch(tool=row.tool, tenant=None if row.everyone else row.tenant, reason=row.reason)
        for row in rows
    )


def _of(tool: str, tenant: str | None) -> ColumnElement[bool]:
    return (
        (switches.c.tool == tool)
        & (switches.c.tenant == (tenant or ""))
        & (switches.c.everyone == (tenant is None))
    )

"""`Store`: all that one database keeps, each part behind the protocol of the stage that uses it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property

from callgate.backends import Backends
from callgate.stages.journal import Entry, State
from callgate.store.approvals import SqlApprovals
from callgate.store.audit import Verified, verify
from callgate.store.blobs import SqlBlobs
from callgate.store.cells import Cells
from callgate.store.circuits import SharedCircuits
from callgate.store.database import Database, Sync
from callgate.store.denials import Denials
from callgate.store.generations import SharedGenerations
from callgate.store.journal import SqlJournal
from callgate.store.rates import SharedRates
from callgate.store.records import Records
from callgate.store.retention import Keep, prune
from callgate.store.runs import SqlRuns
from callgate.store.seats import SharedSeats
from callgate.store.spend import SharedSpend
from callgate.store.switches import SharedSwitches
from callgate.types import ToolResult

__all__ = ["Store"]


class Store:
    """What one process keeps in one database.

    Attributes:
        database: The database itself.
    """

    def __init__(self, url: str, *, sync: str = "full", owner: str | None = None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            url: `sqlite:///path/to/file.db` or `postgresql://user@host/name`.
            sync: What a commit that has to last waits for: `full`, the disk, or `normal`, the
                operating system. Defaults to `full`.
            owner: Names this process among all that share the database; see `SqlJournal`.

        Raises:
            SettingsError: The URL is of no store.
            MissingDependencyError: The extra `postgres` is not installed.
        """
        self.database = Database(url, sync=Sync(sync))
        self._url = url
        self._owner = owner

    @cached_property
    def journal(self) -> SqlJournal:
        """The journal of effects."""
        return SqlJournal(self.database, owner=self._owner)

    @cached_property
    def quick(self) -> Database:
        """The same database for what may be lost with the machine: no commit waits for the disk."""
        return Database(self._url, sync=Sync.NORMAL)

    @cached_property
    def cells(self) -> Cells:
        """Rates, slots, accounts, circuits and generations."""
        return Cells(self.quick)

    @cached_property
    def circuits(self) -> SharedCircuits:
        """Which backends are out."""
        return SharedCircuits(self.cells)

    def switches(self, *, staleness: float = 0.0) -> SharedSwitches:
        """Return the kill switch.

        Args:
            staleness: Seconds for which a call may still be let through; see `SharedSwitches`.
        """
        return SharedSwitches(self.quick, staleness=staleness)

    @cached_property
    def approvals(self) -> SqlApprovals:
        """The approvals and grants."""
        return SqlApprovals(self.database, self.journal)

    @cached_property
    def records(self) -> Records:
        """The listener that keeps what calls were like."""
        return Records(self.database)

    @cached_property
    def denials(self) -> Denials:
        """The listener that adds what was denied to the audit."""
        return Denials(self.journal)

    @cached_property
    def runs(self) -> SqlRuns:
        """The logs of runs."""
        return SqlRuns(self.database)

    async def prune(self, days: Mapping[str, float | None]) -> Mapping[str, int]:
        """Delete what is older than it is to be kept; return how many rows of each kind.

        Args:
            days: How long each kind is kept, by the names of `retention.Keep`; and `controls` for
                rates, slots, accounts, circuits and generations that nobody has changed since.

        Raises:
            StoreError: The database does not do what it must.
        """
        rows = {kind: count for kind, count in days.items() if kind != "controls"}
        keep, states = Keep(**rows), days.get("controls")
        deleted = await self.database.run(lambda connection: prune(connection, keep, time.time()))
        if states is None:
            return deleted
        return {**deleted, "controls": await self.cells.prune(states * 86_400.0)}

    async def resolve(
        self, key: str, state: State, result: ToolResult | None, *, note: str
    ) -> Entry | None:
        """Decide about an effect that is in doubt.

        Args:
            key: Of the call.
            state: `DONE` or `NOT_HAPPENED`.
            result: What it gave, if it is done.
            note: Who decided, and why.

        Returns:
            The entry as it is now; None if nothing of that key is in doubt.

        Raises:
            StoreError: The database does not do what it must.
        """
        entry = await self.journal.find(key)
        if entry is None or entry.state not in (State.IN_DOUBT, State.STARTED):
            return None
        if entry.state is State.STARTED and entry.live:
            return None
        return await self.journal.change(entry, state, result, note=note)

    async def verify(self) -> Verified:
        """Follow the chains of the audit.

        Raises:
            StoreError: The database does not do what it must.
        """
        return await self.database.run(verify, reading=True)

    def backends(self, *, staleness: float = 0.0, ahead: int = 1) -> Backends:
        """Return what a gate needs of the store.

        Args:
            staleness: Seconds for which the kill switch and what effects of other processes have
                changed may be out of date; 0, the default, looks before each call.
            ahead: Tokens of a rate that a process may take at once; see `SharedRates`.

        Raises:
            SchemaError: The tables are of another version, or there are none.
            StoreError: The database does not do what it must.
        """
        self.database.check()
        return Backends(
            journal=self.journal,
            blobs=SqlBlobs(self.database),
            rates=SharedRates(self.cells, ahead=ahead),
            seats=SharedSeats(self.cells),
            spend=SharedSpend(self.cells),
            circuits=self.circuits,
            generations=SharedGenerations(self.cells, staleness=staleness),
            switches=self.switches(staleness=staleness),
            runs=self.runs,
        )

    def close(self) -> None:
        """Write what is still to be written, and let the database go; blocks."""
        # Only what was used: looking at it would make it.
        used = self.__dict__
        if "journal" in used:
            self.journal.close()
        if "records" in used:
            self.records.close()
        if "quick" in used:
            self.quick.close()
        self.database.close()

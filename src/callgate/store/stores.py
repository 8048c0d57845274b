"""`Store`: all that one database keeps, each part behind the protocol of the stage that uses it."""

from __future__ import annotations

from functools import cached_property

from callgate.backends import Backends
from callgate.store.approvals import SqlApprovals
from callgate.store.database import Database, Sync
from callgate.store.journal import SqlJournal

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
        self._owner = owner

    @cached_property
    def journal(self) -> SqlJournal:
        """The journal of effects."""
        return SqlJournal(self.database, owner=self._owner)

    @cached_property
    def approvals(self) -> SqlApprovals:
        """The approvals and grants."""
        return SqlApprovals(self.database, self.journal)

    def backends(self) -> Backends:
        """Return what a gate needs of the store.

        Raises:
            SchemaError: The tables are of another version, or there are none.
            StoreError: The database does not do what it must.
        """
        self.database.check()
        return Backends(journal=self.journal)

    def close(self) -> None:
        """Write what is still to be written, and let the database go; blocks."""
        if "journal" in self.__dict__:
            self.journal.close()
        self.database.close()

"""`Link`: one connection of the writer, past SQLAlchemy, which would cost more than the disk.

Statements are still made of the tables: each is compiled once to the driver's own text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from callgate.store.database import Database, told
from callgate.store.sqlite import SqliteLink

__all__ = ["Link", "link_to"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Link(Protocol):
    """One connection, used by one thread; raises what `error` says and translates nothing."""

    @property
    def error(self) -> type[Exception]:
        """The root of what the driver raises."""
        ...

    def begin(self, *, sync: bool) -> None:
        """Begin to write; `sync` says whether the commit must be on disk."""
        ...

    def commit(self) -> None:
        """Commit."""
        ...

    def execute(self, statement: Any, values: Mapping[str, Any] = _NOTHING) -> int:
        """Execute a statement of SQLAlchemy; return how many rows it changed."""
        ...

    def fetch(self, statement: Any, values: Mapping[str, Any] = _NOTHING) -> list[Sequence[Any]]:
        """Execute a query of SQLAlchemy; return its rows."""
        ...

    def savepoint(self) -> Any:
        """Return a context manager: what is done in it is undone if it raises."""
        ...

    def now(self) -> float:
        """Return seconds since 1970 by the clock that all who share the database go by."""
        ...

    def again(self, exc: Exception) -> bool:
        """Tell whether the same work may succeed by itself, or on a new connection."""
        ...

    def close(self) -> None:
        """Let the connection go; what was not committed is undone."""
        ...


def link_to(database: Database, now: Callable[[], float] = time.time) -> Link:
    """Open a connection of the kind that the database needs.

    Args:
        database: Which.
        now: Seconds since 1970, where the database has no clock of its own.

    Raises:
        StoreError: It cannot be opened.
    """
    if not database.postgres:
        return _opened(lambda: SqliteLink(database, now), SqliteLink.error, database)
    from callgate.store.postgres import PostgresLink

    return _opened(lambda: PostgresLink(database), PostgresLink.error, database)


def _opened(open: Callable[[], Link], error: type[Exception], database: Database) -> Link:
    try:
        return open()
    except error as exc:
        raise told(exc, database.name) from exc

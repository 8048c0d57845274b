"""`SqliteLink`: see `callgate.store.links`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from sqlalchemy.dialects.sqlite import dialect

from callgate.store.database import Database, Sync
from callgate.store.texts import Texts

__all__ = ["SqliteLink"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class SqliteLink:
    """A connection to an SQLite file."""

    error = sqlite3.Error

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        """Open the file.

        Args:
            database: Which file, and how its commits are synced.
            now: Seconds since 1970; all who share the file are on one machine.
        """
        self._texts = Texts(dialect(paramstyle="named"))
        self._may_sync = database.sync is Sync.FULL
        self._synced = True
        self._now = now
        self._connection = database.connect_sqlite()
        self._run = self._connection.execute

    def begin(self, *, sync: bool) -> None:
        """Begin to write; `sync` says whether the commit must be on disk."""
        sync = sync and self._may_sync
        if sync is not self._synced:
            self._run("PRAGMA synchronous=FULL" if sync else "PRAGMA synchronous=NORMAL")
            self._synced = sync
        self._run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit."""
        self._run("COMMIT")

    def execute(self, statement: Any, values: Mapping[str, Any] = _NOTHING) -> int:
        """Execute a statement; return how many rows it changed."""
        return self._run(*self._texts.of(statement, values)).rowcount

    def fetch(self, statement: Any, values: Mapping[str, Any] = _NOTHING) -> list[Sequence[Any]]:
        """Execute a query; return its rows."""
        return self._run(*self._texts.of(statement, values)).fetchall()

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Undo what is done within if it raises."""
        self._run("SAVEPOINT claim")
        try:
            yield
        except BaseException:
            self._run("ROLLBACK TO claim")
            raise
        finally:
            self._run("RELEASE claim")

    def now(self) -> float:
        """Return seconds since 1970."""
        return self._now()

    def again(self, exc: Exception) -> bool:
        """Tell whether the same work may succeed by itself."""
        # A wrong statement is one job's; locked, full and read-only are everybody's.
        if not isinstance(exc, sqlite3.OperationalError):
            return True
        return exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_ERROR

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

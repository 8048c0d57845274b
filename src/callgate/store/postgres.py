"""`PostgresLink`: see `callgate.store.links`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import psycopg
from sqlalchemy.dialects.postgresql import dialect

from callgate.store.database import Database, Sync
from callgate.store.texts import Texts

__all__ = ["PostgresLink"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class PostgresLink:
    """A connection to PostgreSQL."""

    error = psycopg.Error

    def __init__(self, database: Database) -> None:
        """Connect.

        Args:
            database: Which, and how its commits are synced.
        """
        url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._texts = Texts(dialect())
        self._may_sync = database.sync is Sync.FULL
        # Seconds; a server that is gone without a word is found out by the kernel.
        patience = max(2, round(database.patience))
        self._connection = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=patience,
            keepalives_idle=patience,
            tcp_user_timeout=1000 * patience,
        )
        self._connection.execute(f"SET lock_timeout = {round(1000 * database.patience)}".encode())

    def begin(self, *, sync: bool) -> None:
        """Begin to write; `sync` says whether the commit must be on disk."""
        lasting = sync and self._may_sync
        self._connection.execute(
            b"BEGIN" if lasting else b"BEGIN; SET LOCAL synchronous_commit = off"
        )

    def commit(self) -> None:
        """Commit."""
        self._connection.execute(b"COMMIT")

    def execute(self, statement: Any, values: Mapping[str, Any] = _NOTHING) -> int:
        """Execute a statement; return how many rows it changed."""
        return self._ask(statement, values).rowcount

    def fetch(self, statement: Any, values: Mapping[str, Any] = _NOTHING) -> list[Sequence[Any]]:
        """Execute a query; return its rows."""
        return cast(
            "list[Sequence[Any]]",
            self._ask(statement, values).fetchall(),
        )

    def savepoint(self) -> Any:
        """Undo what is done within if it raises."""
        return self._connection.transaction()

    def now(self) -> float:
        """Return seconds since 1970 by the server's clock."""
        (found,) = self._connection.execute(
            b"SELECT extract(epoch FROM clock_timestamp())::float8"
        ).fetchall()
        return cast("float", found[0])

    def again(self, exc: Exception) -> bool:
        """Tell whether the same work may succeed by itself, or on a new connection."""
        if not isinstance(exc, psycopg.OperationalError) or self._connection.closed:
            return True
        return isinstance(exc, psycopg.errors.DeadlockDetected)

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    def _ask(self, statement: Any, values: Mapping[str, Any]) -> psycopg.Cursor[Any]:
        text, given = self._texts.of(statement, values)
        return self._connection.execute(text.encode(), given)

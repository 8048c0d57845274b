"""Statements over an SQLite database."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

from callgate.errors import CallError, ResultError, ToolFailedError, TransientError
from callgate.sources.sql.database import Rows
from callgate.sources.sql.statements import Statement

__all__ = ["Running", "SqliteDatabase"]

_THREADS = 4
_STEPS = 1_000
"""Steps of SQLite's machine between two looks at the clock; some tens of microseconds."""
_MOST_BYTES = 8 * 1024 * 1024
"""Bytes that one value, and all rows together, may have."""

_READS = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_WRITES = _READS | {
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_TRANSACTION,
}
_FORBIDDEN_FUNCTIONS = frozenset(
    {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}
)


class SqliteDatabase:
    """One database file.

    Each statement has a connection of its own, in a worker thread. One that only reads is opened
    read-only (`mode=ro`), under `query_only`, behind an authoriser that lets reading through: three
    locks that the text of a statement cannot open. When the time is up or the caller leaves, the
    statement is interrupted and its transaction undone.

    Attributes:
        running: The statements that are on their way.
    """

    def __init__(self, path: Path) -> None:
        """Keep the path; nothing is opened yet.

        Args:
            path: The file; it must be there.
        """
        self._path = path
        self._pool: ThreadPoolExecutor | None = None
        self.running: set[Running] = set()

    def __repr__(self) -> str:
        return f"SqliteDatabase({self._path.name!r})"

    async def run(
        self,
        statement: Statement,
        values: Mapping[str, Any],
        *,
        rows: int,
        timeout: float,
        write: bool,
    ) -> Rows:
        """Run a statement; see `Database.run`."""
        running = Running(self._path, timeout=timeout, write=write)
        return await self._in_thread(running, lambda: running.run(statement, values, rows))

    async def tables(self) -> Sequence[Mapping[str, Any]]:
        """Return tables and views with their columns."""
        running = Running(self._path, timeout=5.0, write=False)
        return await self._in_thread(running, running.tables)

    async def aclose(self) -> None:
        """Let idle threads end."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    async def _in_thread(self, running: Running, work: Any) -> Any:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="callgate-sql")
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        self.running.add(running)
        future.add_done_callback(lambda _: self.running.discard(running))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            running.stop()
            # It is interrupted within microseconds; its outcome interests nobody any more.
            await asyncio.wait({future}, timeout=5.0)
            if future.done() and not future.cancelled():
                future.exception()
            raise


class Running:
    """One statement on its way, which another thread may stop."""

    def __init__(self, path: Path, *, timeout: float, write: bool) -> None:
        """Keep what is to be done.

        Args:
            path: The database.
            timeout: Seconds it may run.
            write: Whether it may change anything.
        """
        self._path = path
        self._timeout = timeout
        self._write = write
        self._due = 0.0
        self._stopped = threading.Event()

    @property
    def begun(self) -> bool:
        """Whether its thread is at work."""
        return self._due > 0

    def stop(self) -> None:
        """Let it end within microseconds; harmless when it has ended."""
        self._stopped.set()

    def run(self, statement: Statement, values: Mapping[str, Any], most: int) -> Rows:
        """Run a statement in the calling thread.

        Raises:
            CallError: It did not succeed.
        """
        text = _text(statement)
        connection = self._open(statement.name)
        try:
            cursor = connection.execute(text, dict(values))
            found = _some(cursor, most + 1) if cursor.description else []
            columns = [column[0] for column in cursor.description or ()]
            changed = None if cursor.rowcount < 0 else cursor.rowcount
            rows = [[_json(value) for value in row] for row in found[:most]]
            if self._stopped.is_set():
                raise TransientError(f"{statement.name} was stopped.")
            connection.commit()
        except (sqlite3.Error, OverflowError) as exc:
            raise self._failed(statement.name, exc) from exc
        finally:
            connection.close()  # what is not committed is undone
        more = len(found) > most
        return Rows(columns=columns, rows=rows, more=more, changed=changed if self._write else None)

    def tables(self) -> list[Mapping[str, Any]]:
        """Return tables and views with their columns.

        Raises:
            CallError: They cannot be read.
        """
        connection = self._open("tables", free=True)
        try:
            names = connection.execute(
                "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') "
                "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
            ).fetchall()
            return [
                {
                    "name": name,
                    "kind": kind,
                    "columns": [
                        {"name": column, "type": declared, "null": not must, "key": bool(key)}
                        for column, declared, must, key in connection.execute(
                            'SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (name,)
                        )
                    ],
                }
                for name, kind in names
            ]
        except sqlite3.Error as exc:
            raise self._failed("tables", exc) from exc
        finally:
            connection.close()

    def _open(self, name: str, *, free: bool = False) -> sqlite3.Connection:
        mode = "rw" if self._write else "ro"
        self._due = time.monotonic() + self._timeout
        try:
            connection = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode={mode}",
                uri=True,
                timeout=self._timeout,
                isolation_level="IMMEDIATE" if self._write else None,
            )
        except sqlite3.Error as exc:
            raise TransientError(f"{name}: the database cannot be opened: {exc}.") from exc
        try:
            if not self._write:
                connection.execute("PRAGMA query_only = 1")
            connection.execute("PRAGMA trusted_schema = 0")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        except sqlite3.Error as exc:
            connection.close()
            raise TransientError(f"{name}: the database cannot be read: {exc}.") from exc
        connection.set_progress_handler(self._look, _STEPS)
        if not free:
            connection.set_authorizer(_authoriser(_WRITES if self._write else _READS))
        return connection

    def _look(self) -> int:
        return int(self._stopped.is_set() or time.monotonic() > self._due)

    def _failed(self, name: str, exc: Exception) -> CallError:
        told = str(exc)
        if "interrupted" in told:
            if self._stopped.is_set():
                return TransientError(f"{name} was stopped.")
            return ToolFailedError(
                f"{name} did not end within {self._timeout:g} s and was stopped; ask for less."
            )
        if "not authorized" in told or "readonly" in told or "query_only" in told:
            return ToolFailedError(f"{name} may only read, and its statement does more: {told}.")
        if "locked" in told or "busy" in told:
            return TransientError(f"{name}: the database is busy: {told}.")
        if "too big" in told:
            return ResultError(f"{name} gave a value that is too long.")
        return ToolFailedError(f"{name}: the database refused the statement: {told}.")


def _text(statement: Statement) -> str:
    pieces = [statement.parts[0]]
    for name, part in zip(statement.names, statement.parts[1:], strict=True):
        pieces += [f":{name}", part]
    return "".join(pieces)


def _authoriser(allowed: frozenset[int]) -> Any:
    def allow(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action not in allowed:
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS:
            return sqlite3.SQLITE_DENY
        if action not in _READS and (first or "").lower().startswith("sqlite_"):
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    return allow


def _some(cursor: sqlite3.Cursor, most: int) -> list[tuple[Any, ...]]:
    """Return rows until there are enough, or enough bytes."""
    found: list[tuple[Any, ...]] = []
    size = 0
    for row in cursor:
        found.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(found) >= most:
            break
        if size > _MOST_BYTES:
            raise ToolFailedError("The rows have too many bytes; ask for less.")
    return found


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value

"""Statements over a PostgreSQL database. Needs the extra `postgres` (psycopg)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, cast

import orjson
import psycopg
from psycopg import errors

from callgate.errors import CallError, SettingsError, ToolFailedError, TransientError
from callgate.sources.secrets import Secrets
from callgate.sources.sql.database import Rows
from callgate.sources.sql.statements import Statement

__all__ = ["PostgresDatabase"]

_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "text": "text",
        "integer": "bigint",
        "number": "double precision",
        "boolean": "boolean",
        "date": "date",
        "timestamp": "timestamptz",
    }
)
_MOST_BYTES = 8 * 1024 * 1024
"""Bytes that all rows together may have."""

_TABLES = """
SELECT t.table_schema, t.table_name, t.table_type, c.column_name, c.data_type, c.is_nullable
FROM information_schema.tables t
JOIN information_schema.columns c USING (table_schema, table_name)
WHERE t.table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2, c.ordinal_position
"""


class PostgresDatabase:
    """One database.

    Each statement has a connection and a transaction of its own. One that only reads runs in a
    read-only transaction, and the server's `statement_timeout` ends it; when the caller leaves, the
    server is told to cancel it.
    """

    def __init__(self, place: str, secrets: Secrets) -> None:
        """Keep where the connection string is; nothing is opened yet.

        Args:
            place: The place of the secret.
            secrets: Where secrets are.
        """
        self._place = place
        self._secrets = secrets

    def __repr__(self) -> str:
        return f"PostgresDatabase({self._place!r})"

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
        text = _text(statement)
        connection = await self._open(statement.name, timeout, write=write)
        try:
            async with connection.transaction():
                if write:
                    found, columns, changed = await _changing(connection, text, values, rows + 1)
                else:
                    found, columns = await _reading(connection, text, values, rows + 1)
                    changed = None
        except psycopg.Error as exc:
            raise _failed(statement.name, exc, timeout, write=write) from None
        finally:
            await connection.close()
        kept = [[_json(value) for value in row] for row in found[:rows]]
        return Rows(columns=columns, rows=kept, more=len(found) > rows, changed=changed)

    async def tables(self) -> Sequence[Mapping[str, Any]]:
        """Return tables and views with their columns."""
        connection = await self._open("tables", 5.0, write=False)
        try:
            cursor = await connection.execute(_TABLES.encode())
            found = await cursor.fetchall()
        except psycopg.Error as exc:
            raise _failed("tables", exc, 5.0, write=False) from None
        finally:
            await connection.close()
        shown: dict[str, dict[str, Any]] = {}
        for schema, name, kind, column, declared, null in found:
            whole = name if schema == "public" else f"{schema}.{name}"
            table = shown.setdefault(
                whole,
                {"name": whole, "kind": "view" if kind == "VIEW" else "table", "columns": []},
            )
            table["columns"].append({"name": column, "type": declared, "null": null == "YES"})
        return list(shown.values())

    async def aclose(self) -> None:
        """Do nothing: no connection is kept."""

    async def _open(
        self, name: str, timeout: float, *, write: bool
    ) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        milliseconds = max(1, round(timeout * 1000))
        options = f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"
        if not write:
            options += " -c default_transaction_read_only=on"
        try:
            secret = await self._secrets.get(self._place)
        except SettingsError as exc:
            raise ToolFailedError(f"{name}: {exc.message}") from None
        with suppress(psycopg.Error):
            return await psycopg.AsyncConnection.connect(
                secret.reveal(),
                autocommit=True,
                connect_timeout=max(2, round(timeout)),
                options=options,
            )
        # Not while its error is handled: its message and frames hold the connection string, and
        # would be the context of ours.
        raise TransientError(f"{name}: the database at {self._place} cannot be reached.")


async def _reading(
    connection: psycopg.AsyncConnection[tuple[Any, ...]],
    text: bytes,
    values: Mapping[str, Any],
    most: int,
) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Read through a cursor of the server, so that no more rows come than are wanted."""
    async with connection.cursor("callgate") as cursor:
        await cursor.execute(text, values)
        columns = [column.name for column in cursor.description or ()]
        found: list[tuple[Any, ...]] = []
        size = 0
        while len(found) < most:
            piece = await cursor.fetchmany(min(50, most - len(found)))
            if not piece:
                break
            found += piece
            size += sum(len(one) for row in piece for one in row if isinstance(one, str | bytes))
            if size > _MOST_BYTES:
                raise ToolFailedError("The rows have too many bytes; ask for less.")
        return found, columns


async def _changing(
    connection: psycopg.AsyncConnection[tuple[Any, ...]],
    text: bytes,
    values: Mapping[str, Any],
    most: int,
) -> tuple[list[tuple[Any, ...]], list[str], int]:
    async with connection.cursor() as cursor:
        await cursor.execute(text, values)
        columns = [column.name for column in cursor.description or ()]
        found = await cursor.fetchmany(most) if columns else []
        return found, columns, cursor.rowcount


def _text(statement: Statement) -> bytes:
    """Return the statement with typed placeholders; the server gets the values apart from it."""
    pieces = [statement.parts[0].replace("%", "%%")]
    for name, part in zip(statement.names, statement.parts[1:], strict=True):
        kind = _TYPES[statement.types.get(name, "text")]
        pieces += [f"CAST(%({name})s AS {kind})", part.replace("%", "%%")]
    return "".join(pieces).encode()


def _failed(name: str, exc: psycopg.Error, timeout: float, *, write: bool) -> CallError:
    told = (exc.diag.message_primary or type(exc).__name__)[:300]
    match exc:
        case errors.QueryCanceled():
            return ToolFailedError(
                f"{name} did not end within {timeout:g} s and was stopped; ask for less."
            )
        case errors.ReadOnlySqlTransaction():
            return ToolFailedError(f"{name} may only read, and its statement does more: {told}.")
        case errors.SerializationFailure() | errors.DeadlockDetected() | errors.LockNotAvailable():
            return TransientError(f"{name}: the database is busy: {told}.")
        case psycopg.OperationalError() | psycopg.InterfaceError() if exc.sqlstate is None:
            return TransientError(f"{name}: the connection to the database broke.", acted=write)
        case errors.AdminShutdown() | errors.CrashShutdown():
            return TransientError(f"{name}: the database was shut down.", acted=write)
        case _:
            return ToolFailedError(f"{name}: the database refused the statement: {told}.")


def _json(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(cast("bytes", value)).decode()
    return orjson.loads(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))

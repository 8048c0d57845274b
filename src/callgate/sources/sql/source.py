"""The source behind statements: typed parameters in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from callgate.errors import MissingDependencyError, SettingsError
from callgate.settings.sources.sql import SqlSettings
from callgate.sources.secrets import Secrets
from callgate.sources.sql.database import Database, Rows
from callgate.sources.sql.sqlite import SqliteDatabase
from callgate.sources.sql.statements import OWN, Statement, read
from callgate.types import Effect, JsonSchema, Limits, Status, Tool, ToolCall, ToolResult

__all__ = ["SqlSource", "sql"]

_SCHEMA = "Show the tables and views of the database with their columns."


class SqlSource:
    """Named statements over one database.

    Attributes:
        statements: The statements, by the names of their tools.
    """

    def __init__(
        self,
        statements: Iterable[Statement],
        database: Database,
        *,
        rows: int = 200,
        timeout: float = 5.0,
        prefix: str = "",
        schema: bool = True,
    ) -> None:
        """Keep the statements; nothing is opened yet.

        Args:
            statements: What can be called.
            database: Runs them.
            rows: Rows a result may have.
            timeout: Seconds a statement may run.
            prefix: What stands before the names of the tools.
            schema: Whether a tool that shows the tables is offered.
        """
        self.statements = {f"{prefix}{one.name}": one for one in statements}
        self._database = database
        self._rows = rows
        self._timeout = timeout
        # A moment more than the database has, so that it speaks first.
        limits = Limits(timeout=timeout + 1.0)
        self._tools = [
            Tool(
                name=name,
                description=one.description,
                parameters=one.parameters,
                effect=one.effect,
                limits=limits,
            )
            for name, one in self.statements.items()
        ]
        self._schema = f"{prefix}tables" if schema else None
        if self._schema is not None:
            nothing: JsonSchema = {
                "type": "object",
                "properties": {},
                "additionalProperties": False,
            }
            self._tools.append(
                Tool(
                    name=self._schema,
                    description=_SCHEMA,
                    parameters=nothing,
                    effect=Effect.READ,
                    limits=limits,
                )
            )

    def __repr__(self) -> str:
        return f"SqlSource({len(self._tools)} tools over {self._database!r})"

    def list(self) -> Sequence[Tool]:
        """Return the tools."""
        return self._tools

    async def call(self, call: ToolCall) -> ToolResult:
        """Run the statement of a call.

        Raises:
            CallError: It did not succeed; what it had done was undone.
        """
        if call.name == self._schema:
            return _result(await self._database.tables(), ())
        statement = self.statements[call.name]
        who = call.scope.principal
        own = {"call_key": call.key, "call_principal": who.id, "call_tenant": who.tenant}
        values = {**call.arguments, **{name: own[name] for name in OWN if name in statement.names}}
        found = await self._database.run(
            statement,
            {name: values.get(name) for name in statement.names},
            rows=self._rows,
            timeout=self._timeout,
            write=statement.effect is not Effect.READ,
        )
        return _result(_value(found), _notes(found, self._rows))

    async def aclose(self) -> None:
        """Let connections go; a later call opens new ones."""
        await self._database.aclose()


def _value(found: Rows) -> Any:
    if not found.columns:
        return {"changed": found.changed}
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def _notes(found: Rows, most: int) -> tuple[str, ...]:
    if not found.more:
        return ()
    return (f"[Only the first {most} rows are shown: narrow the question down.]",)


def _result(value: Any, notes: tuple[str, ...]) -> ToolResult:
    return ToolResult(status=Status.OK, value=value, body=orjson.dumps(value), notes=notes)


def sql(name: str, settings: SqlSettings, *, root: Path, secrets: Secrets) -> SqlSource:
    """Make the source of a table `[sources.NAME]` with `kind = "sql"`.

    Args:
        name: The table's name, for errors.
        settings: The table.
        root: What paths are relative to.
        secrets: Where secrets are.

    Raises:
        SettingsError: A file is not there, a statement is not understood, or one would change
            something and may not.
        MissingDependencyError: The extra `postgres` is not installed.
    """
    statements = read(settings.statements, root)
    for one in statements:
        if one.effect is not Effect.READ and not settings.write:
            where = f"sources.{name}.write"
            raise SettingsError(
                f"{where}: {one.name} says it is {one.effect.value}; `write = true` allows that",
                details={"key": where},
            )
    return SqlSource(
        statements,
        _database(name, settings, root, secrets),
        rows=settings.rows,
        timeout=settings.timeout,
        prefix=settings.prefix,
        schema=settings.schema,
    )


def _database(name: str, settings: SqlSettings, root: Path, secrets: Secrets) -> Database:
    if settings.sqlite is not None:
        path = root / settings.sqlite
        if not path.is_file():
            raise SettingsError(
                f"sources.{name}.sqlite: there is no file {path}",
                details={"key": f"sources.{name}.sqlite"},
            )
        return SqliteDatabase(path)
    assert settings.postgresql is not None
    try:
        from callgate.sources.sql.postgres import PostgresDatabase
    except ImportError as exc:
        raise MissingDependencyError(
            f"sources.{name} needs psycopg: pip install 'callgate[postgres]'",
            details={"extra": "postgres"},
        ) from exc
    return PostgresDatabase(settings.postgresql, secrets)

"""A table of SQL statements: `kind = "sql"`."""

from __future__ import annotations

from dataclasses import dataclass

from callgate.settings.table import Table, flag, seconds, secret, text, texts, whole

__all__ = ["SqlSettings", "sql"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlSettings:
    """Named statements over one database; exactly one of `sqlite` and `postgresql` is given.

    Attributes:
        statements: Files of statements; a path may have `*` in it.
        sqlite: The file of an SQLite database.
        postgresql: Where the connection string is, such as `env:ORDERS_DSN`.
        write: Whether statements may change anything; only those that say so can.
        rows: Rows a result may have.
        timeout: Seconds a statement may run.
        schema: Whether a tool that shows the tables is offered.
        prefix: What stands before the names of the tools.
    """

    statements: tuple[str, ...]
    sqlite: str | None = None
    postgresql: str | None = None
    write: bool = False
    rows: int = 200
    timeout: float = 5.0
    schema: bool = True
    prefix: str = ""


def sql(table: Table) -> SqlSettings:
    """Read the table."""
    made = table.fill(
        SqlSettings,
        {
            "statements": texts,
            "sqlite": text,
            "postgresql": secret,
            "write": flag,
            "rows": whole,
            "timeout": seconds,
            "schema": flag,
            "prefix": text,
        },
    )
    if bool(made.sqlite) == bool(made.postgresql):
        raise table.error("sqlite", "both or neither", "either sqlite or postgresql")
    return made

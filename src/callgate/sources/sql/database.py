"""What a source of statements needs of a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from callgate.sources.sql.statements import Statement

__all__ = ["Database", "Rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What came of a statement.

    Attributes:
        columns: Names of the columns.
        rows: The rows, as JSON values.
        more: Whether there were more rows than asked for.
        changed: How many rows were changed; None where nothing could be.
    """

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    more: bool = False
    changed: int | None = None


class Database(Protocol):
    """Runs statements, each in a transaction of its own that ends with it."""

    async def run(
        self,
        statement: Statement,
        values: Mapping[str, Any],
        *,
        rows: int,
        timeout: float,
        write: bool,
    ) -> Rows:
        """Run a statement.

        Args:
            statement: The statement.
            values: A value for each of its parameters.
            rows: How many rows are wanted at most.
            timeout: Seconds it may run; the database itself stops it then.
            write: Whether it may change anything; if not, the database itself refuses to.

        Raises:
            CallError: It did not succeed; what it had done was undone.
        """
        ...

    async def tables(self) -> Sequence[Mapping[str, Any]]:
        """Return tables and views with their columns."""
        ...

    async def aclose(self) -> None:
        """Let connections go; a later call opens new ones."""
        ...

"""`SqlRuns`: run logs in a database, as the lines that `agents.runlog` writes and reads.

A line is on disk when `append` returns, so that whatever depends on it may go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from callgate.errors import RunError
from callgate.store.database import Database
from callgate.store.tables import run_events

__all__ = ["KeptRun", "SqlRuns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """A run that is kept.

    Attributes:
        run: Its id.
        events: How many events it has.
        at: When the last one was kept, in seconds since 1970.
        last: The last one, as its line.
    """

    run: str
    events: int
    at: float
    last: str


class SqlRuns:
    """The logs of all runs."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        """Keep the database.

        Args:
            database: Where.
            now: Seconds since 1970.
        """
        self._database = database
        self._now = now
        kind = postgresql if database.postgres else sqlite
        # What it returns tells whether it did: drivers count rows of such an insert differently.
        self._insert = (
            kind.insert(run_events).on_conflict_do_nothing().returning(run_events.c.sequence)
        )

    async def append(self, run: str, start: int, lines: Iterable[str]) -> int:
        """Append lines, idempotently: the same line at its place again changes nothing.

        Two processes that go on with one run cannot both append: the second one is told.

        Args:
            run: The run's id.
            start: The sequence number of the first line.
            lines: As `RunLog.lines(start)` gives them.

        Returns:
            The sequence number that comes next.

        Raises:
            RunError: Another line has this place, or places before it are empty.
            StoreError: It could not be written.
        """
        at = self._now()
        rows: list[Mapping[str, Any]] = [
            {"run": run, "sequence": place, "at": at, "line": line}
            for place, line in enumerate(lines, start)
        ]
        if rows:
            await self._database.run(lambda connection: self._append(connection, run, rows))
        return start + len(rows)

    def _append(self, connection: Connection, run: str, rows: Sequence[Mapping[str, Any]]) -> None:
        first = rows[0]["sequence"]
        mine = run_events.c.run == run
        if (
            first
            and connection.execute(
                select(run_events.c.run).where(mine, run_events.c.sequence == first - 1)
            ).first()
            is None
        ):
            raise RunError(f"Run {run}: event {first} cannot follow: event {first - 1} is missing.")
        for row in rows:
            if connection.execute(self._insert, row).first() is not None:
                continue
            place = row["sequence"]
            known = connection.execute(
                select(run_events.c.line).where(mine, run_events.c.sequence == place)
            ).scalar_one()
            if known != row["line"]:
                raise RunError(
                    f"Run {run}: event {place} is in the log already and differs: another process "
                    "has gone on with the run. Read its log again."
                )

    async def lines(self, run: str, start: int = 0) -> Sequence[str]:
        """Return the lines of a run, for `RunLog.load`; none if there is no such run.

        Args:
            run: The run's id.
            start: The first sequence number wanted.

        Raises:
            StoreError: They could not be read.
        """
        found = (
            select(run_events.c.line)
            .where(run_events.c.run == run, run_events.c.sequence >= start)
            .order_by(run_events.c.sequence)
        )
        return await self._database.run(
            lambda connection: list(connection.execute(found).scalars()), reading=True
        )

    async def list(self, *, limit: int = 100) -> Sequence[KeptRun]:
        """Return the runs, the one that was at work last first.

        Args:
            limit: How many at most; 100 by default.

        Raises:
            StoreError: They could not be read.
        """
        ends = (
            select(run_events.c.run, func.max(run_events.c.sequence).label("end"))
            .group_by(run_events.c.run)
            .subquery()
        )
        found = (
            select(run_events)
            .join(ends, (run_events.c.run == ends.c.run) & (run_events.c.sequence == ends.c.end))
            .order_by(run_events.c.at.desc(), run_events.c.run)
            .limit(limit)
        )

        def work(connection: Connection) -> Sequence[KeptRun]:
            return [
                KeptRun(run=row.run, events=row.sequence + 1, at=row.at, last=row.line)
                for row in connection.execute(found)
            ]

        return await self._database.run(work, reading=True)

"""`Backends`: what stages keep their state in, handed to a gate as one value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from callgate.approvals.desk import Approvals
from callgate.stages.admit import Rates, Seats
from callgate.stages.bound import Blobs
from callgate.stages.breaker import Circuits
from callgate.stages.cache import Generations
from callgate.stages.guard import Spend
from callgate.stages.journal import Journal, MemoryJournal
from callgate.stages.resolve import Switches
from callgate.types import Tool

__all__ = ["Backends", "Runs"]


class Runs(Protocol):
    """Keeps the logs of runs, line by line; `agents.runlog` says what a line is."""

    async def append(self, run: str, start: int, lines: Iterable[str]) -> int:
        """Keep lines for good before returning; the same line at its place changes nothing.

        Args:
            run: The run's id.
            start: The sequence number of the first line.
            lines: The lines.

        Returns:
            The sequence number that comes next.

        Raises:
            RunError: Another line has this place: another process has gone on with the run.
            StoreError: They could not be kept.
        """
        ...

    async def lines(self, run: str, start: int = 0) -> Sequence[str]:
        """Return the lines of a run from a sequence number on; none if there is no such run.

        Raises:
            StoreError: They could not be read.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """What stands behind the stages that remember; what is None is left out.

    Every field is a small protocol of the stage that uses it, so memory, SQLite and PostgreSQL fit
    alike. What several gates or processes share is one object, or one database.

    Attributes:
        journal: Where effects are written down before they are tried: `recall` and `journal`.
        rates: Token buckets of principals, tenants and backends: `guard` and `admit`. None keeps
            them in memory, and so do the four after it.
        seats: The slots of backends whose `concurrency` is for all processes together: `admit`.
        spend: What principals and tenants have spent: `guard`.
        circuits: Which backends are out: `breaker`.
        generations: How often effects may have changed what reads tell: `cache`.
        switches: Which tools are switched off: `resolve`. None if none can be.
        approvals: Which calls need a person, and where people decide: `approve`. An approval is
            used up where the call is claimed, so it is kept where the journal is.
        blobs: Where results too long to show are kept; in memory by default.
        runs: Where `agents.run` keeps the logs of runs, so that one that was killed goes on.
    """

    journal: Journal | None = None
    rates: Rates | None = None
    seats: Seats | None = None
    spend: Spend | None = None
    circuits: Circuits | None = None
    generations: Generations | None = None
    switches: Switches | None = None
    approvals: Approvals | None = None
    blobs: Blobs | None = None
    runs: Runs | None = None

    def for_tools(self, tools: Iterable[Tool]) -> Backends:
        """Return these back ends with what the tools cannot be called without, in memory.

        A tool that declares `approval` is never called without it; what people say is kept in
        memory then, and an approval needs a journal that uses it up.
        """
        approvals, journal = self.approvals, self.journal
        if approvals is None and any(tool.approval for tool in tools):
            approvals = Approvals()
        if approvals is not None and journal is None:
            journal = MemoryJournal()
        return replace(self, approvals=approvals, journal=journal)

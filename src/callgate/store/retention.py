"""How long what is kept: `prune` deletes what is older, and nothing that is still open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Delete, delete, func, select

from callgate.stages.journal import State
from callgate.store.tables import audit, blobs, journal, owners, records, run_events

__all__ = ["Keep", "prune"]

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Days that each kind is kept; None for ever.

    Attributes:
        records: Evidence.
        blobs: Long results.
        runs: Run logs, from their last event on.
        journal: Effects that are known or known not to have happened; what is open, waiting or in
            doubt always stays. Without its entry a key protects nothing any more.
        audit: The chains, from their beginnings.
    """

    records: float | None = None
    blobs: float | None = None
    runs: float | None = None
    journal: float | None = None
    audit: float | None = None


def prune(connection: Connection, keep: Keep, now: float) -> Mapping[str, int]:
    """Delete what is older than it is to be kept.

    Args:
        connection: In a transaction.
        keep: How long.
        now: Seconds since 1970.

    Returns:
        How many rows of each kind were deleted.
    """

    def before(days: float) -> float:
        return now - days * _DAY

    work: dict[str, Delete] = {}
    if keep.records is not None:
        work["records"] = delete(records).where(records.c.at < before(keep.records))
    if keep.blobs is not None:
        work["blobs"] = delete(blobs).where(blobs.c.at < before(keep.blobs))
    if keep.runs is not None:
        old = (
            select(run_events.c.run)
            .group_by(run_events.c.run)
            .having(func.max(run_events.c.at) < before(keep.runs))
        )
        work["runs"] = delete(run_events).where(run_events.c.run.in_(old))
    if keep.journal is not None:
        ended = (State.DONE, State.FAILED_AFTER_EFFECT, State.NOT_HAPPENED)
        work["journal"] = delete(journal).where(
            journal.c.changed < before(keep.journal),
            journal.c.state.in_([state.value for state in ended]),
        )
    if keep.audit is not None:
        work["audit"] = delete(audit).where(audit.c.at < before(keep.audit))
    deleted = {name: connection.execute(step).rowcount for name, step in work.items()}
    connection.execute(delete(owners).where(owners.c.expires < before(1)))
    return deleted

"""How long what is kept: `prune` deletes what is older, and nothing that is still open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Delete, and_, delete, exists, func, or_, select

from callgate.stages.journal import State
from callgate.store.tables import (
    approvals,
    audit,
    blobs,
    grant_uses,
    grants,
    journal,
    owners,
    records,
    run_events,
)

__all__ = ["Keep", "prune"]

_DAY = 86_400.0

_ENDED = tuple(state.value for state in (State.DONE, State.FAILED_AFTER_EFFECT, State.NOT_HAPPENED))
_GIVEN = select(grants.c.id)


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
        approvals: Questions that are over: used, refused, changed or expired. Those whose call is
            still open, waiting or in doubt always stay.
        grants: Grants that have ended, or whose last use was made, and what they covered.
    """

    records: float | None = None
    blobs: float | None = None
    runs: float | None = None
    journal: float | None = None
    audit: float | None = None
    approvals: float | None = None
    grants: float | None = None


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
        work["journal"] = delete(journal).where(
            journal.c.changed < before(keep.journal), journal.c.state.in_(_ENDED)
        )
    if keep.audit is not None:
        work["audit"] = delete(audit).where(audit.c.at < before(keep.audit))
    if keep.approvals is not None:
        work["approvals"] = _approvals(before(keep.approvals))
    if keep.grants is not None:
        work["grants"] = _grants(before(keep.grants))
        work["grant_uses"] = delete(grant_uses).where(grant_uses.c.grant_id.not_in(_GIVEN))
    deleted = {name: connection.execute(step).rowcount for name, step in work.items()}
    connection.execute(delete(owners).where(owners.c.expires < before(1)))
    return deleted


def _approvals(before: float) -> Delete:
    """Delete what was used or has expired by then; what was refused is over when it expires."""
    over = func.coalesce(approvals.c.used_at, approvals.c.expires_at) < before
    open_still = exists().where(journal.c.key == approvals.c.key, journal.c.state.not_in(_ENDED))
    return delete(approvals).where(over, ~open_still)


def _grants(before: float) -> Delete:
    """Delete what has ended by then; a grant that was taken back is over when it would end."""
    recent = exists().where(grant_uses.c.grant_id == grants.c.id, grant_uses.c.at >= before)
    used_up = and_(grants.c.used >= grants.c.uses, grants.c.given_at < before, ~recent)
    return delete(grants).where(or_(grants.c.expires_at < before, used_up))

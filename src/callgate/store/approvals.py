"""Approvals and grants in SQL; an approval is used up in the journal's own transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    Connection,
    Select,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from callgate.approvals.memory import RECLAIMED, event_of
from callgate.approvals.records import (
    Approval,
    Grant,
    Standing,
    approval_from_json,
    approval_to_json,
    grant_from_json,
    grant_to_json,
)
from callgate.errors import NotApprovedError
from callgate.riders import Claimed, Rider, Transaction
from callgate.schema.canonical import digest
from callgate.store import tables
from callgate.store.database import Database
from callgate.store.journal import SqlJournal
from callgate.store.json_text import dump, load
from callgate.store.links import Link

__all__ = ["SqlApprovals"]

_APPROVALS, _GRANTS, _USES = tables.approvals, tables.grants, tables.grant_uses

_SEEN = (_APPROVALS.c.body, _APPROVALS.c.state, _APPROVALS.c.revision)
_SEEN_GRANT = (_GRANTS.c.body, _GRANTS.c.used, _GRANTS.c.revoked_by)

_UNDER = select(*_SEEN).where(_APPROVALS.c.key == bindparam("of_key"))
_PUT = (
    update(_APPROVALS)
    .where(_APPROVALS.c.id == bindparam("of_id"), _APPROVALS.c.revision == bindparam("of_revision"))
    .values({name: bindparam(name) for name in ("state", "revision", "body")})
)
_GIVE = insert(_GRANTS)
_GRANT = select(*_SEEN_GRANT).where(_GRANTS.c.id == bindparam("of_id"))
_REVOKE = (
    update(_GRANTS)
    .where(_GRANTS.c.id == bindparam("of_id"), _GRANTS.c.revoked_by == "")
    .values(revoked_by=bindparam("by"))
)
_FORGET_USE = delete(_USES).where(
    _USES.c.grant_id == bindparam("of_grant"), _USES.c.key == bindparam("of_key")
)
_UNCOUNT_USE = (
    update(_GRANTS).where(_GRANTS.c.id == bindparam("of_grant")).values(used=_GRANTS.c.used - 1)
)

# The statements of a claim: built once, with all that changes as a parameter.
_USE_NEW = (
    update(_APPROVALS)
    .where(
        _APPROVALS.c.id == bindparam("approval"),
        _APPROVALS.c.key == bindparam("of_key"),
        _APPROVALS.c.arguments == bindparam("of_arguments"),
        _APPROVALS.c.state == Standing.APPROVED.value,
        _APPROVALS.c.expires_at > bindparam("now"),
    )
    .values(
        state=Standing.CONSUMED.value,
        revision=_APPROVALS.c.revision + 1,
        used_at=bindparam("used"),
    )
)
_USE_AGAIN = (
    update(_APPROVALS)
    .where(
        _APPROVALS.c.id == bindparam("approval"),
        _APPROVALS.c.key == bindparam("of_key"),
        _APPROVALS.c.arguments == bindparam("of_arguments"),
        or_(
            _APPROVALS.c.state == Standing.APPROVED.value,
            _APPROVALS.c.state == Standing.CONSUMED.value,
        ),
        _APPROVALS.c.expires_at > bindparam("now"),
    )
    .values(
        state=Standing.CONSUMED.value,
        revision=_APPROVALS.c.revision + 1,
        used_at=bindparam("used"),
    )
)
_COUNT_USE = (
    update(_GRANTS)
    .where(
        _GRANTS.c.id == bindparam("of_grant"),
        _GRANTS.c.revoked_by == "",
        _GRANTS.c.expires_at > bindparam("now"),
        or_(_GRANTS.c.uses.is_(None), _GRANTS.c.used < _GRANTS.c.uses),
    )
    .values(used=_GRANTS.c.used + 1)
)


class SqlApprovals:
    """Keeps approvals and grants where the journal is, and writes with it."""

    def __init__(
        self, database: Database, journal: SqlJournal, *, now: Callable[[], float] = time.time
    ) -> None:
        """Keep the database.

        Args:
            database: Its tables are up to date.
            journal: The journal in the same database; it also writes the audit.
            now: Seconds since 1970.
        """
        kind: Any = postgresql if database.postgres else sqlite
        self._insert: Any = kind.insert(_APPROVALS).on_conflict_do_nothing()
        self._note_use: Any = kind.insert(_USES).on_conflict_do_nothing()
        self._database = database
        self._journal = journal
        self._now = now

    # --- approvals --------------------------------------------------------------------------

    async def under(self, key: str) -> Approval | None:
        """Return the approval of the call with this key; None if nobody was asked."""
        return await self._one(select(*_SEEN).where(_APPROVALS.c.key == key))

    async def get(self, id: str) -> Approval | None:
        """Return the approval with this id; None if there is none."""
        return await self._one(select(*_SEEN).where(_APPROVALS.c.id == id))

    async def open(self, approval: Approval) -> Approval:
        """Keep a new question; return it, or the one that its key has already."""

        def work(link: Link) -> Approval:
            if link.execute(self._insert, _columns(approval)):
                self._noted(link, "asked", approval)
                return approval
            (row,) = link.fetch(_UNDER, {"of_key": approval.binding.key})
            return _approval(row)

        return await self._journal.transact(work)

    async def change(
        self, before: Approval, after: Approval, *, fresh: Approval | None = None
    ) -> bool:
        """Put `after` in the place of `before`, if that is still the newest revision."""
        seen = {"of_id": before.id, "of_revision": before.revision}

        def work(link: Link) -> bool:
            if not link.execute(_PUT, {**_columns(after), **seen}):
                return False
            if fresh is not None and link.execute(self._insert, _columns(fresh)):
                self._noted(link, "asked", fresh)
            event, _, who = event_of(before, after)
            self._noted(link, event, after, by=who, reason=digest(after.reason.encode()))
            return True

        return await self._journal.transact(work)

    async def list(
        self,
        *,
        tenant: str | None,
        states: Sequence[Standing],
        after: float | None = None,
        limit: int = 100,
    ) -> Sequence[Approval]:
        """Return approvals in these states, the oldest first; the state is that without time."""
        wanted = select(*_SEEN).where(_APPROVALS.c.state.in_([state.value for state in states]))
        if tenant is not None:
            wanted = wanted.where(_APPROVALS.c.tenant == tenant)
        if after is not None:
            wanted = wanted.where(_APPROVALS.c.expires_at > after)
        ordered = wanted.order_by(_APPROVALS.c.asked_at, _APPROVALS.c.id).limit(limit)
        return [_approval(row) for row in await self._rows(ordered)]

    def using(self, approval: Approval) -> Rider:
        """Return what uses an approval up in the transaction that claims its call."""
        bound = approval.binding

        def use(
            transaction: Transaction | None, intent: Claimed, before: str | None
        ) -> NotApprovedError | None:
            if (error := _elsewhere(transaction)) is not None or transaction is None:
                return error
            if (bound.key, bound.arguments) != (intent.key, digest(intent.arguments)):
                return NotApprovedError(f"{approval.id} is for another call.")
            now = self._now()
            values: dict[str, Any] = {
                "approval": approval.id,
                "of_key": intent.key,
                "of_arguments": bound.arguments,
                # What may have begun is settled, however long ago that was.
                "now": 0.0 if before in RECLAIMED else now,
                "used": now,
            }
            if transaction.execute(_USE_NEW if before is None else _USE_AGAIN, values) == 1:
                self._noted(cast("Link", transaction), "used", approval)
                return None
            return NotApprovedError(f"{approval.id} was used already, taken back or has expired.")

        return use

    # --- grants -----------------------------------------------------------------------------

    async def give(self, grant: Grant) -> None:
        """Keep a new grant."""
        row = {
            "id": grant.id,
            "tenant": grant.tenant,
            "tool": grant.tool,
            "given_at": grant.given_at,
            "expires_at": grant.expires_at,
            "uses": grant.uses,
            "used": grant.used,
            "revoked_by": grant.revoked_by,
            "body": dump(grant_to_json(grant)),
        }

        def work(link: Link) -> None:
            link.execute(_GIVE, row)
            self._granted(link, "granted", grant, by=grant.by)

        await self._journal.transact(work)

    async def grant(self, id: str) -> Grant | None:
        """Return the grant with this id; None if there is none."""
        rows = await self._rows(select(*_SEEN_GRANT).where(_GRANTS.c.id == id))
        return _grant(rows[0]) if rows else None

    async def grants(self, *, tenant: str | None, tool: str | None) -> Sequence[Grant]:
        """Return the grants, the oldest first; None stands for all tenants or tools."""
        wanted = select(*_SEEN_GRANT)
        if tenant is not None:
            wanted = wanted.where(_GRANTS.c.tenant == tenant)
        if tool is not None:
            wanted = wanted.where(_GRANTS.c.tool == tool)
        rows = await self._rows(wanted.order_by(_GRANTS.c.given_at, _GRANTS.c.id))
        return [_grant(row) for row in rows]

    async def revoke(self, id: str, *, by: str) -> bool:
        """Take a grant back; tell whether it stood."""

        def work(link: Link) -> bool:
            if not link.execute(_REVOKE, {"of_id": id, "by": by}):
                return False
            (row,) = link.fetch(_GRANT, {"of_id": id})
            self._granted(link, "revoked", _grant(row), by=by)
            return True

        return await self._journal.transact(work)

    async def give_back(self, grant: str, key: str) -> None:
        """Let a grant cover one more call: the call with this key was refused after its claim."""

        def work(link: Link) -> None:
            if link.execute(_FORGET_USE, {"of_grant": grant, "of_key": key}):
                link.execute(_UNCOUNT_USE, {"of_grant": grant})

        await self._journal.transact(work)

    def using_grant(self, grant: Grant, key: str) -> Rider:
        """Return what counts a use of a grant in the transaction that claims the call `key`."""

        def use(
            transaction: Transaction | None, intent: Claimed, before: str | None
        ) -> NotApprovedError | None:
            if (error := _elsewhere(transaction)) is not None or transaction is None:
                return error
            if intent.key != key:
                return NotApprovedError(f"{grant.id} was looked up for another call.")
            now = self._now()
            use = {"grant_id": grant.id, "key": key, "at": now}
            if transaction.execute(self._note_use, use) == 0 and before is not None:
                return None
            if transaction.execute(_COUNT_USE, {"of_grant": grant.id, "now": now}) == 1:
                self._granted(cast("Link", transaction), "used", grant, by=grant.by, key=key)
                return None
            return NotApprovedError(f"{grant.id} was used up, has ended or was taken back.")

        return use

    # --- rows -------------------------------------------------------------------------------

    def _noted(self, link: Link, event: str, approval: Approval, **detail: str) -> None:
        bound = approval.binding
        self._journal.noted(
            link,
            f"approval_{event}",
            key=bound.key,
            tenant=bound.tenant,
            principal=bound.principal,
            detail={
                "approval": approval.id,
                "tool": bound.tool,
                "arguments": bound.arguments,
                "policy": bound.policy,
                **detail,
            },
        )

    def _granted(self, link: Link, event: str, grant: Grant, *, by: str, key: str = "") -> None:
        self._journal.noted(
            link,
            f"grant_{event}",
            key=key,
            tenant=grant.tenant,
            principal=grant.principal,
            detail={"grant": grant.id, "tool": grant.tool, "by": by},
        )

    async def _one(self, wanted: Select[Any, Any, Any]) -> Approval | None:
        rows = await self._rows(wanted)
        return _approval(rows[0]) if rows else None

    async def _rows(self, wanted: Select[Any, Any, Any]) -> Sequence[Sequence[Any]]:
        def work(connection: Connection) -> Sequence[Sequence[Any]]:
            return [tuple(row) for row in connection.execute(wanted)]

        return await self._database.run(work, reading=True)


def _elsewhere(transaction: Transaction | None) -> NotApprovedError | None:
    if transaction is not None:
        return None
    return NotApprovedError(
        "The approval is in a database and the journal in memory, so it cannot be used up: give "
        "the gate the journal of the same database."
    )


def _columns(approval: Approval) -> Mapping[str, Any]:
    return {
        "id": approval.id,
        "key": approval.binding.key,
        "tenant": approval.binding.tenant,
        "arguments": approval.binding.arguments,
        "state": approval.state.value,
        "revision": approval.revision,
        "asked_at": approval.asked_at,
        "expires_at": approval.expires_at,
        "used_at": None,
        "body": dump(approval_to_json(approval)),
    }


def _approval(row: Sequence[Any]) -> Approval:
    body, state, revision = row
    return approval_from_json({**load(body), "state": state, "revision": revision})


def _grant(row: Sequence[Any]) -> Grant:
    body, used, revoked_by = row
    return grant_from_json({**load(body), "used": used, "revoked_by": revoked_by})

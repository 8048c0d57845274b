"""Approvals and grants in SQL; an approval is used up in the journal's own transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    Row,
    Select,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from callgate.approvals.memory import RECLAIMED
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

__all__ = ["SqlApprovals"]

_APPROVALS, _GRANTS, _USES = tables.approvals, tables.grants, tables.grant_uses

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
        _APPROVALS.c.state.in_([Standing.APPROVED.value, Standing.CONSUMED.value]),
        _APPROVALS.c.expires_at > bindparam("now"),
    )
    .values(
        state=Standing.CONSUMED.value,
        revision=_APPROVALS.c.revision + 1,
        used_at=bindparam("used"),
    )
)
_NOTE_USE = insert(_USES).from_select(
    ["grant_id", "key", "at"],
    select(
        literal(bindparam("use_grant", type_=_USES.c.grant_id.type)),
        literal(bindparam("use_key", type_=_USES.c.key.type)),
        literal(bindparam("use_at", type_=_USES.c.at.type)),
    ).where(
        ~exists().where(
            _USES.c.grant_id == bindparam("use_grant"), _USES.c.key == bindparam("use_key")
        )
    ),
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
    """Keeps approvals and grants where the journal is."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        """Keep the database.

        Args:
            database: The one that the journal is in; its tables are up to date.
            now: Seconds since 1970.
        """
        self._database = database
        self._now = now

    # --- approvals --------------------------------------------------------------------------

    async def under(self, key: str) -> Approval | None:
        """Return the approval of the call with this key; None if nobody was asked."""
        return await self._one(select(_APPROVALS).where(_APPROVALS.c.key == key))

    async def get(self, id: str) -> Approval | None:
        """Return the approval with this id; None if there is none."""
        return await self._one(select(_APPROVALS).where(_APPROVALS.c.id == id))

    async def open(self, approval: Approval) -> Approval:
        """Keep a new question; return it, or the one that its key has already."""

        def work(connection: Connection) -> Approval:
            self._insert(connection, approval)
            found = select(_APPROVALS).where(_APPROVALS.c.key == approval.binding.key)
            return _approval(connection.execute(found).one())

        return await self._database.run(work)

    async def change(
        self, before: Approval, after: Approval, *, fresh: Approval | None = None
    ) -> bool:
        """Put `after` in the place of `before`, if that is still the newest revision."""

        def work(connection: Connection) -> bool:
            put = update(_APPROVALS).where(
                _APPROVALS.c.id == before.id, _APPROVALS.c.revision == before.revision
            )
            if connection.execute(put.values(_columns(after))).rowcount != 1:
                return False
            if fresh is not None:
                self._insert(connection, fresh)
            return True

        return await self._database.run(work)

    async def list(
        self,
        *,
        tenant: str | None,
        states: Sequence[Standing],
        after: float | None = None,
        limit: int = 100,
    ) -> Sequence[Approval]:
        """Return approvals in these states, the oldest first; the state is that without time."""
        wanted = select(_APPROVALS).where(_APPROVALS.c.state.in_([state.value for state in states]))
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
            "body": json.dumps(grant_to_json(grant), separators=(",", ":")),
        }

        def work(connection: Connection) -> None:
            connection.execute(insert(_GRANTS).values(row))

        await self._database.run(work)

    async def grant(self, id: str) -> Grant | None:
        """Return the grant with this id; None if there is none."""
        rows = await self._rows(select(_GRANTS).where(_GRANTS.c.id == id))
        return _grant(rows[0]) if rows else None

    async def grants(self, *, tenant: str | None, tool: str | None) -> Sequence[Grant]:
        """Return the grants, the oldest first; None stands for all tenants or tools."""
        wanted = select(_GRANTS)
        if tenant is not None:
            wanted = wanted.where(_GRANTS.c.tenant == tenant)
        if tool is not None:
            wanted = wanted.where(_GRANTS.c.tool == tool)
        rows = await self._rows(wanted.order_by(_GRANTS.c.given_at, _GRANTS.c.id))
        return [_grant(row) for row in rows]

    async def revoke(self, id: str, *, by: str) -> bool:
        """Take a grant back; tell whether it stood."""

        def work(connection: Connection) -> bool:
            put = update(_GRANTS).where(_GRANTS.c.id == id, _GRANTS.c.revoked_by == "")
            return connection.execute(put.values(revoked_by=by)).rowcount == 1

        return await self._database.run(work)

    async def give_back(self, grant: str, key: str) -> None:
        """Let a grant cover one more call: the call with this key was refused after its claim."""

        def work(connection: Connection) -> None:
            gone = delete(_USES).where(_USES.c.grant_id == grant, _USES.c.key == key)
            if connection.execute(gone).rowcount == 1:
                put = update(_GRANTS).where(_GRANTS.c.id == grant)
                connection.execute(put.values(used=_GRANTS.c.used - 1))

        await self._database.run(work)

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
            use = {"use_grant": grant.id, "use_key": key, "use_at": now}
            if transaction.execute(_NOTE_USE, use) == 0 and before is not None:
                return None
            if transaction.execute(_COUNT_USE, {"of_grant": grant.id, "now": now}) == 1:
                return None
            return NotApprovedError(f"{grant.id} was used up, has ended or was taken back.")

        return use

    # --- rows -------------------------------------------------------------------------------

    def _insert(self, connection: Connection, approval: Approval) -> None:
        kind: Callable[..., Any] = postgresql.insert if self._database.postgres else sqlite.insert
        put: Insert = kind(_APPROVALS).values(_columns(approval)).on_conflict_do_nothing()
        connection.execute(put)

    async def _one(self, wanted: Select[Any]) -> Approval | None:
        rows = await self._rows(wanted)
        return _approval(rows[0]) if rows else None

    async def _rows(self, wanted: Select[Any]) -> Sequence[Row[Any]]:
        def work(connection: Connection) -> Sequence[Row[Any]]:
            return connection.execute(wanted).all()

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
        "body": json.dumps(approval_to_json(approval), separators=(",", ":")),
    }


def _approval(row: Row[Any]) -> Approval:
    told = json.loads(row.body)
    return approval_from_json({**told, "state": row.state, "revision": row.revision})


def _grant(row: Row[Any]) -> Grant:
    told = json.loads(row.body)
    return grant_from_json({**told, "used": row.used, "revoked_by": row.revoked_by})

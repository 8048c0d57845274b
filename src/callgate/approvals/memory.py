"""Approvals and grants in memory: for tests, and for programs that ask within one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from callgate.approvals.records import Approval, Grant, Standing
from callgate.errors import NotApprovedError
from callgate.riders import Claimed, Rider, Transaction
from callgate.schema.canonical import digest

__all__ = ["RECLAIMED", "MemoryApprovals", "event_of", "unusable"]

RECLAIMED = frozenset({"started", "waiting", "in_doubt"})
"""States of an intent in which its effect may have begun, so that time no longer matters."""


class MemoryApprovals:
    """Keeps approvals and grants as long as its process lives.

    Attributes:
        audit: What was asked, decided, used, given and taken back, in order.
    """

    def __init__(self, *, now: Callable[[], float] = time.time, most: int = 100_000) -> None:
        """Start empty.

        Args:
            now: Seconds since 1970.
            most: Approvals kept; the oldest that are decided or too old make room. Defaults to
                100,000.
        """
        self._most = most
        self._now = now
        self._approvals: dict[str, Approval] = {}
        self._keys: dict[str, str] = {}
        self._grants: dict[str, Grant] = {}
        self._uses: set[tuple[str, str]] = set()
        self.audit: list[tuple[str, str, str]] = []

    async def under(self, key: str) -> Approval | None:
        """Return the approval of the call with this key; None if nobody was asked."""
        id = self._keys.get(key)
        return None if id is None else self._approvals[id]

    async def get(self, id: str) -> Approval | None:
        """Return the approval with this id; None if there is none."""
        return self._approvals.get(id)

    async def open(self, approval: Approval) -> Approval:
        """Keep a new question; return it, or the one that its key has already."""
        id = self._keys.setdefault(approval.binding.key, approval.id)
        if id != approval.id or id in self._approvals:
            return self._approvals[id]
        if len(self._approvals) >= self._most:
            self._make_room()
        self._approvals[id] = approval
        self._note("asked", id, approval.binding.principal)
        return approval

    async def change(
        self, before: Approval, after: Approval, *, fresh: Approval | None = None
    ) -> bool:
        """Put `after` in the place of `before`, if that is still the newest revision."""
        if self._approvals[before.id].revision != before.revision:
            return False
        self._approvals[after.id] = after
        self._note(*event_of(before, after))
        if fresh is not None:
            await self.open(fresh)
        return True

    async def list(
        self,
        *,
        tenant: str | None,
        states: Sequence[Standing],
        after: float | None = None,
        limit: int = 100,
    ) -> Sequence[Approval]:
        """Return approvals in these states, the oldest first; the state is that without time."""
        found = [
            one
            for one in self._approvals.values()
            if one.state in states
            and tenant in (None, one.binding.tenant)
            and (after is None or one.expires_at > after)
        ]
        return sorted(found, key=lambda one: (one.asked_at, one.id))[:limit]

    async def give(self, grant: Grant) -> None:
        """Keep a new grant."""
        self._grants[grant.id] = grant
        self._note("granted", grant.id, grant.by)

    async def grant(self, id: str) -> Grant | None:
        """Return the grant with this id; None if there is none."""
        return self._grants.get(id)

    async def grants(self, *, tenant: str | None, tool: str | None) -> Sequence[Grant]:
        """Return the grants, the oldest first; None stands for all tenants or tools."""
        found = [
            one
            for one in self._grants.values()
            if tenant in (None, one.tenant) and tool in (None, one.tool)
        ]
        return sorted(found, key=lambda one: (one.given_at, one.id))

    async def revoke(self, id: str, *, by: str) -> bool:
        """Take a grant back; tell whether it stood."""
        known = self._grants.get(id)
        if known is None or known.revoked_by:
            return False
        self._grants[id] = replace(known, revoked_by=by)
        self._note("revoked", id, by)
        return True

    async def give_back(self, grant: str, key: str) -> None:
        """Let a grant cover one more call: the call with this key was refused after its claim."""
        if (grant, key) in self._uses:
            self._uses.discard((grant, key))
            self._grants[grant] = replace(self._grants[grant], used=self._grants[grant].used - 1)

    def using(self, approval: Approval) -> Rider:
        """Return what uses an approval up in the transaction that claims its call."""

        def use(
            transaction: Transaction | None, intent: Claimed, before: str | None
        ) -> NotApprovedError | None:
            known = self._approvals.get(approval.id, approval)
            if (why := unusable(known, approval, intent, before, self._now())) is not None:
                return NotApprovedError(f"{approval.id} {why}.")
            if known.state is not Standing.CONSUMED:
                used = replace(known, state=Standing.CONSUMED, revision=known.revision + 1)
                self._approvals[known.id] = used
                self._note("used", known.id, known.binding.principal)
            return None

        return use

    def using_grant(self, grant: Grant, key: str) -> Rider:
        """Return what counts a use of a grant in the transaction that claims the call `key`."""

        def use(
            transaction: Transaction | None, intent: Claimed, before: str | None
        ) -> NotApprovedError | None:
            if intent.key != key:
                return NotApprovedError(f"{grant.id} was looked up for another call.")
            if before is not None and (grant.id, key) in self._uses:
                return None
            known = self._grants.get(grant.id)
            if known is None or not known.stands(self._now()):
                return NotApprovedError(f"{grant.id} was used up, has ended or was taken back.")
            self._grants[grant.id] = replace(known, used=known.used + 1)
            self._uses.add((grant.id, key))
            self._note("used", grant.id, key)
            return None

        return use

    def _make_room(self) -> None:
        now = self._now()
        open_still = (Standing.PENDING, Standing.APPROVED)
        closed = [one for one in self._approvals.values() if one.standing(now) not in open_still]
        for one in closed[: max(1, self._most // 10)]:
            del self._approvals[one.id], self._keys[one.binding.key]

    def _note(self, event: str, id: str, who: str) -> None:
        self.audit.append((event, id, who))


def event_of(before: Approval, after: Approval) -> tuple[str, str, str]:
    """Return what happened to an approval, for the audit: the event, its id, and who did it."""
    if len(after.votes) == len(before.votes):
        return "asked", after.id, after.binding.principal
    vote = after.votes[-1]
    return vote.verdict, after.id, vote.by


def unusable(
    known: Approval, seen: Approval, intent: Claimed, before: str | None, now: float
) -> str | None:
    """Return why an approval cannot be used for an intent; None if it can.

    Args:
        known: The approval as it is now.
        seen: The approval as it was when the call was let through.
        intent: What is being claimed.
        before: The state the intent was in; None for a new one.
        now: Seconds since 1970.
    """
    bound = known.binding
    if bound != seen.binding or bound.key != intent.key:
        return "is for another call"
    if bound.arguments != digest(intent.arguments):
        return "is for other arguments"
    if now >= known.expires_at and before not in RECLAIMED:
        return "has expired"
    if known.state is Standing.CONSUMED:
        return None if before is not None else "was used already"
    return None if known.state is Standing.APPROVED else f"is {known.state.value}"

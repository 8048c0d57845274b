"""Where approvals and grants are kept: one protocol for memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from callgate.approvals.records import Approval, Grant, Standing
from callgate.riders import Rider

__all__ = ["ApprovalStore"]


class ApprovalStore(Protocol):
    """Keeps approvals and grants, each change of which is a transaction with its audit entry.

    Every method may raise `StoreError`: then nothing was changed.
    """

    async def under(self, key: str) -> Approval | None:
        """Return the approval of the call with this key; None if nobody was asked."""
        ...

    async def get(self, id: str) -> Approval | None:
        """Return the approval with this id; None if there is none."""
        ...

    async def open(self, approval: Approval) -> Approval:
        """Keep a new question; return it, or the one that its key has already."""
        ...

    async def change(
        self, before: Approval, after: Approval, *, fresh: Approval | None = None
    ) -> bool:
        """Put `after` in the place of `before`, if that is still the newest revision.

        Args:
            before: The approval as it was seen.
            after: The same one, changed.
            fresh: Another approval that is kept in the same transaction.

        Returns:
            Whether it was changed; if not, it must be looked at again.
        """
        ...

    async def list(
        self,
        *,
        tenant: str | None,
        states: Sequence[Standing],
        after: float | None = None,
        limit: int = 100,
    ) -> Sequence[Approval]:
        """Return approvals in these states, the oldest first; the state is that without time.

        Args:
            tenant: Only this tenant's; None for all.
            states: Only these.
            after: Only those that expire after this time, in seconds since 1970; None for all.
            limit: How many at most; 100 by default.
        """
        ...

    async def give(self, grant: Grant) -> None:
        """Keep a new grant."""
        ...

    async def grant(self, id: str) -> Grant | None:
        """Return the grant with this id; None if there is none."""
        ...

    async def grants(self, *, tenant: str | None, tool: str | None) -> Sequence[Grant]:
        """Return the grants, the oldest first; None stands for all tenants or tools."""
        ...

    async def revoke(self, id: str, *, by: str) -> bool:
        """Take a grant back; tell whether it stood."""
        ...

    async def give_back(self, grant: str, key: str) -> None:
        """Let a grant cover one more call: the call with this key was refused after its claim."""
        ...

    def using(self, approval: Approval) -> Rider:
        """Return what uses an approval up in the transaction that claims its call.

        It accepts only the call that was approved, within its time. An approval that was used is
        accepted again only for an intent that was claimed with it before.
        """
        ...

    def using_grant(self, grant: Grant, key: str) -> Rider:
        """Return what counts a use of a grant in the transaction that claims the call `key`."""
        ...

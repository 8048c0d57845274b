"""`Leases`: which processes are alive, so that what a dead one had begun is settled by others.

A process shows itself by counting up its row. It counts as dead when its lease has run out by the
common clock, or when another one has seen it not count for as long as a lease by its own clock: so
a clock that jumps backwards keeps nobody alive.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from callgate.errors import StoreError
from callgate.store.links import Link
from callgate.store.tables import owners

__all__ = ["Leases"]

_FORGOTTEN = 86_400.0  # seconds after which the row of a dead process is of no use to anybody

_ALL = select(owners.c.owner, owners.c.nonce, owners.c.beat, owners.c.expires)
_ONE = _ALL.where(owners.c.owner == bindparam("of_owner"))
_LOCK = _ONE.with_for_update()
_INSERT = insert(owners)
_OLD = delete(owners).where(owners.c.expires < bindparam("before"))
_TAKE = (
    update(owners)
    .where(owners.c.owner == bindparam("of_owner"), owners.c.nonce == bindparam("of_nonce"))
    .values(nonce=bindparam("nonce"), beat=bindparam("beat"), expires=bindparam("expires"))
)


@dataclass(frozen=True, slots=True)
class _Seen:
    beat: int
    since: float


class Leases:
    """The lease of this process, and what it knows of the others; used in the writer's thread.

    Attributes:
        id: Owner and incarnation: a process that comes back under its name is another one.
    """

    def __init__(self, database: str, owner: str, seconds: float) -> None:
        """Prepare.

        Args:
            database: What messages call the database.
            owner: The name of this process.
            seconds: How long a process that does not show itself counts as alive.
        """
        self._database = database
        self._owner = owner
        self._nonce = os.urandom(4).hex()
        self._seconds = seconds
        self._beat = 0
        self._held = False
        self._next = 0.0
        self._seen: dict[str, _Seen] = {}
        self.id = f"{owner}#{self._nonce}"

    def forget(self) -> None:
        """Take the lease anew before it is relied on: a transaction was undone."""
        self._held = False

    def hold(self, link: Link) -> None:
        """Make sure that the lease is ours, within the transaction of `link`.

        Raises:
            StoreError: Another process that lives has the same name.
        """
        if self._held and time.monotonic() < self._next:
            return
        if not (self._held and self._renew(link)):
            self._take(link)
        self._held = True
        self._next = time.monotonic() + self._seconds / 2

    def beat(self, link: Link, *, last: bool = False) -> None:
        """Show that this process lives, if it has a lease at all.

        Args:
            link: Where.
            last: Whether the process ends, so that others need not wait for the lease to run out.
        """
        if self._held and last:
            link.execute(_TAKE, self._values(link, 0.0) | {"of_nonce": self._nonce})
        elif self._held:
            self._next = 0.0
            self.hold(link)

    def live(self, link: Link, id: str) -> bool:
        """Tell whether the incarnation `id` lives.

        Args:
            link: Where to look.
            id: As `Leases.id` of the other process.
        """
        if id == self.id:
            return True
        owner, _, nonce = id.rpartition("#")
        rows = link.fetch(_ONE, {"of_owner": owner})
        if not rows or rows[0][1] != nonce or rows[0][3] <= link.now():
            return False
        return not self._stalled(id, rows[0][2])

    def _stalled(self, id: str, beat: int) -> bool:
        now, seen = time.monotonic(), self._seen.get(id)
        if seen is None or seen.beat != beat:
            self._seen[id] = _Seen(beat, now)
            return False
        return now - seen.since > self._seconds

    def _renew(self, link: Link) -> bool:
        return bool(link.execute(_TAKE, self._values(link) | {"of_nonce": self._nonce}))

    def _take(self, link: Link) -> None:
        link.execute(_OLD, {"before": link.now() - _FORGOTTEN})
        rows = link.fetch(_LOCK, {"of_owner": self._owner})
        values = self._values(link)
        if not rows:
            link.execute(_INSERT, {**values, "owner": self._owner})
            return
        _, nonce, _, _ = rows[0]
        if nonce != self._nonce and self.live(link, f"{self._owner}#{nonce}"):
            raise StoreError(
                f"{self._database}: another process that lives is called {self._owner!r} too. Give "
                "every process an owner id of its own, or none; one that has just died is "
                f"forgotten after {self._seconds:g} s."
            )
        link.execute(_TAKE, values | {"of_nonce": nonce})

    def _values(self, link: Link, seconds: float | None = None) -> dict[str, Any]:
        self._beat += 1
        return {
            "of_owner": self._owner,
            "nonce": self._nonce,
            "beat": self._beat,
            "expires": link.now() + (self._seconds if seconds is None else seconds),
        }

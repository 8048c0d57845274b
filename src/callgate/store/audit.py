"""The audit: who was allowed, denied, who approved and what became of it, in chains of hashes.

Every writer has a chain of its own, so that processes need not wait for each other. An entry holds
the hash of the one before it: nothing can be changed, left out or put in between without a break.
Only that the newest entries were cut off cannot be seen from what is left: keep the heads that
`verify` returns elsewhere, and compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from callgate.schema.canonical import canonical
from callgate.store.links import Link
from callgate.store.tables import audit

__all__ = ["Chain", "Verified", "verify"]

_INSERT = insert(audit)
_LAST = (
    select(audit.c.sequence, audit.c.hash)
    .where(audit.c.writer == bindparam("whose"))
    .order_by(audit.c.sequence.desc())
    .limit(1)
)
_FIELDS = ("writer", "sequence", "at", "kind", "key", "tenant", "principal", "detail", "previous")
_PAGE = 1000


class Chain:
    """The chain of one writer; used in its thread, in its transactions."""

    def __init__(self, writer: str) -> None:
        """Continue where the writer ended.

        Args:
            writer: Names it; unique among all that write.
        """
        self._writer = writer
        self._head: tuple[int, str] | None = None

    def forget(self) -> None:
        """Look again where the chain ends: a transaction was undone, or nobody knows."""
        self._head = None

    def add(
        self,
        link: Link,
        kind: str,
        *,
        at: float,
        key: str,
        tenant: str,
        principal: str,
        detail: Mapping[str, Any],
    ) -> None:
        """Add an entry within the transaction of `link`.

        Args:
            link: The writer's connection.
            kind: What happened, such as `claimed`, `done`, `denied` or `approved`.
            at: When, in seconds since 1970.
            key: The key of the call.
            tenant: Whose call.
            principal: On whose behalf.
            detail: JSON values: digests and decisions, never arguments or secrets.
        """
        if self._head is None:
            rows = link.fetch(_LAST, {"whose": self._writer})
            self._head = (rows[0][0], rows[0][1]) if rows else (0, "")
        sequence, previous = self._head
        row = {
            "writer": self._writer,
            "sequence": sequence + 1,
            "at": at,
            "kind": kind,
            "key": key,
            "tenant": tenant,
            "principal": principal,
            "detail": canonical(detail).decode(),
            "previous": previous,
        }
        row["hash"] = _hash(row)
        link.execute(_INSERT, row)
        self._head = (sequence + 1, row["hash"])


def _hash(row: Mapping[str, Any]) -> str:
    return sha256(canonical([row[name] for name in _FIELDS])).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a look at all chains found.

    Attributes:
        entries: How many there are.
        breaks: Where a chain is broken, in words; empty if all is well.
        heads: The hash at the end of each chain, by writer.
    """

    entries: int
    breaks: Sequence[str]
    heads: Mapping[str, str]


def verify(connection: Connection) -> Verified:
    """Follow every chain from its first entry that is still kept to its last."""
    entries = 0
    breaks: list[str] = []
    heads: dict[str, str] = {}
    last: tuple[str, int] = ("", 0)
    query = select(audit).order_by(audit.c.writer, audit.c.sequence)
    with connection.execution_options(yield_per=_PAGE).execute(query) as rows:
        for mapping in rows.mappings():
            row: dict[str, Any] = {**mapping}
            entries += 1
            writer, sequence = row["writer"], row["sequence"]
            place = f"{writer} {sequence}"
            if row["hash"] != _hash(row):
                breaks.append(f"{place}: the entry was changed")
            elif writer in heads and (last[1] + 1, heads[writer]) != (sequence, row["previous"]):
                breaks.append(f"{place}: entries before it are missing or were changed")
            heads[writer] = row["hash"]
            last = (writer, sequence)
    return Verified(entries=entries, breaks=breaks, heads=heads)

"""What tests of the journal share: intents, and several owners over one set of entries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from callgate.stages.journal import Entry, Intent, Journal, MemoryJournal
from callgate.store.database import Database
from callgate.store.journal import SqlJournal
from callgate.types import Effect, Status, ToolResult

__all__ = ["LEASE", "MemoryOwners", "Owners", "SqlOwners", "intent", "ok"]

LEASE = 10.0


def intent(key: str = "acme/ana/s/1/0", **changed: Any) -> Intent:
    values: dict[str, Any] = {
        "key": key,
        "tenant": "acme",
        "principal": "ana",
        "session": "s",
        "tool": "pay",
        "version": "1",
        "effect": Effect.IRREVERSIBLE,
        "arguments": b'{"cents":5}',
        "digest": "sha256:1",
    }
    return Intent(**(values | changed))


def ok(value: Any = "paid") -> ToolResult:
    return ToolResult(status=Status.OK, value=value, body=b'"paid"' if value == "paid" else b"1")


class Owners(Protocol):
    """Journals of several owners over one set of entries."""

    def journal(self, owner: str) -> Any:
        """Return the journal of an owner; a new incarnation if it has died."""
        ...

    def die(self, owner: str) -> None:
        """Let an owner die as by kill -9, long enough ago for others to know."""
        ...

    def close(self) -> None:
        """Let all go."""
        ...


class MemoryOwners:
    """Owners that share a dict."""

    def __init__(self) -> None:
        self._first = MemoryJournal(owner="nobody")
        self._alive: dict[str, MemoryJournal] = {}
        self._made = 0

    def journal(self, owner: str) -> Journal:
        if owner not in self._alive:
            self._made += 1
            self._alive[owner] = MemoryJournal(owner=f"{owner}#{self._made}", beside=self._first)
        return self._alive[owner]

    def die(self, owner: str) -> None:
        self._alive.pop(owner, self._first).die()

    def close(self) -> None:
        self._alive.clear()


class SqlOwners:
    """Owners that share a database and a wall clock."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._alive: dict[str, SqlJournal] = {}

    def journal(self, owner: str) -> SqlJournal:
        if owner not in self._alive:
            self._alive[owner] = SqlJournal(self._database, owner=owner, lease=LEASE)
        return self._alive[owner]

    def die(self, owner: str) -> None:
        journal = self._alive.pop(owner, None)
        if journal is not None:
            # Its thread ends without a word; then its lease runs out.
            journal._writer.close()
            with self._database.begin() as connection:
                connection.exec_driver_sql(f"UPDATE owners SET expires = 0 WHERE owner = '{owner}'")

    def close(self) -> None:
        for journal in self._alive.values():
            journal.close()


async def claimed(journal: Journal, **changed: Any) -> Entry:
    entry = await journal.claim(intent(**changed))
    assert entry.mine
    return entry


async def gathered(count: int, make: Callable[[int], Any]) -> list[Any]:
    return list(await asyncio.gather(*(make(n) for n in range(count))))

"""`SqlBlobs`: results too long to show, kept in a database for whom they were made."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from sqlalchemy import insert, select

from callgate.store.database import Database
from callgate.store.json_text import dump, load
from callgate.store.tables import blobs
from callgate.types import Scope

__all__ = ["SqlBlobs"]


class SqlBlobs:
    """Keeps long results, readable in their session; the twin of `sources.results.MemoryBlobs`."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        """Keep the database.

        Args:
            database: Where.
            now: Seconds since 1970.
        """
        self._database = database
        self._now = now

    async def put(self, data: bytes, scope: Scope) -> str:
        """Keep `data` for the session behind `scope` and return the handle to read it with.

        Raises:
            StoreError: It could not be written.
        """
        handle = f"r{os.urandom(8).hex()}"
        row = {
            "handle": handle,
            "scope": scope.prefix,
            "tenant": scope.principal.tenant,
            "principal": scope.principal.id,
            "labels": dump(sorted(scope.labels)),
            "at": self._now(),
            "data": data,
        }
        await self._database.run(lambda connection: connection.execute(insert(blobs), row))
        return handle

    async def get(self, handle: str, scope: Scope) -> bytes | None:
        """Return what was kept under `handle`; None if there is nothing for this session.

        A session that has lost a label which the result was made under does not get it: it has
        not seen what the result may tell.

        Raises:
            StoreError: It could not be read.
        """
        found = select(blobs.c.data, blobs.c.labels).where(
            blobs.c.scope == scope.prefix,
            blobs.c.handle == handle,
            blobs.c.tenant == scope.principal.tenant,
            blobs.c.principal == scope.principal.id,
        )
        row = await self._database.run(
            lambda connection: connection.execute(found).first(), reading=True
        )
        if row is None or not scope.labels.issuperset(load(row.labels)):
            return None
        return row.data

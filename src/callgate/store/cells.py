"""`Cells`: small states that processes share, each changed by one of them at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import orjson
from sqlalchemy import Connection, bindparam, delete, select, text, update

from callgate.store.database import Database
from callgate.store.tables import controls

__all__ = ["Cells", "Step"]

_Told = TypeVar("_Told")

Step: TypeAlias = Callable[[dict[str, Any], float], _Told]
"""Changes states in place, given those that exist by name and the seconds since 1970."""

_INSERT = text(
    "INSERT INTO controls (name, state, changed) VALUES (:name, 'null', :changed)"
    " ON CONFLICT DO NOTHING"
)
_UPDATE = (
    update(controls)
    .where(controls.c.name == bindparam("its_name"))
    .values(state=bindparam("state"), changed=bindparam("changed"))
)


class Cells:
    """States as JSON, by name.

    Losing the newest of them with the machine is harmless, so a commit does not wait for the
    disk: hand over a `Database` with `Sync.NORMAL`.
    """

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        """Keep the database.

        Args:
            database: Where the states are.
            now: Seconds since 1970, by the clock that all processes share.
        """
        self._database = database
        self._now = now

    async def change(self, names: Sequence[str], step: Step[_Told]) -> _Told:
        """Change states in one transaction, while nobody else does; return what `step` tells.

        Args:
            names: Whose states `step` may change.
            step: Given the states that exist; those it puts in are made.

        Raises:
            StoreError: The database does not do what it must; nothing was changed.
        """
        return await self._database.run(lambda connection: self._change(connection, names, step))

    async def get(self, name: str) -> Any:
        """Return one state, without waiting for who changes it; None if there is none.

        Raises:
            StoreError: The database does not do what it must.
        """
        chosen = select(controls.c.state).where(controls.c.name == name)

        def work(connection: Connection) -> str | None:
            return connection.execute(chosen).scalar_one_or_none()

        state = await self._database.run(work, reading=True)
        return None if state is None else orjson.loads(state)

    async def read(self, start: str) -> Mapping[str, Any]:
        """Return the states whose names begin so.

        Raises:
            StoreError: The database does not do what it must.
        """

        def work(connection: Connection) -> dict[str, Any]:
            chosen = select(controls.c.name, controls.c.state).where(
                controls.c.name.startswith(start, autoescape=True)
            )
            return {name: orjson.loads(state) for name, state in connection.execute(chosen)}

        return await self._database.run(work, reading=True)

    async def prune(self, older: float) -> int:
        """Forget states that nobody has changed for so many seconds; return how many.

        Raises:
            StoreError: The database does not do what it must.
        """
        before = self._now() - older
        gone = delete(controls).where(controls.c.changed < before)
        return await self._database.run(lambda connection: connection.execute(gone).rowcount)

    def _change(self, connection: Connection, names: Sequence[str], step: Step[_Told]) -> _Told:
        now = self._now()
        if self._database.postgres:
            connection.execute(text("SET LOCAL synchronous_commit TO OFF"))
        # In the order of their names, or two processes could wait for each other.
        wanted = sorted(set(names))
        found = self._locked(connection, wanted)
        if len(found) < len(wanted):
            missing = [{"name": name, "changed": now} for name in wanted if name not in found]
            connection.execute(_INSERT, missing)
            found = self._locked(connection, wanted)
        states = {name: orjson.loads(text) for name, text in found.items() if text != "null"}
        told = step(states, now)
        changed = [
            {"its_name": name, "state": state, "changed": now}
            for name in wanted
            if name in states and (state := orjson.dumps(states[name]).decode()) != found[name]
        ]
        if changed:
            connection.execute(_UPDATE, changed)
        return told

    def _locked(self, connection: Connection, wanted: Sequence[str]) -> dict[str, str]:
        rows = connection.execute(
            select(controls.c.name, controls.c.state)
            .where(controls.c.name.in_(wanted))
            .order_by(controls.c.name)
            .with_for_update()
        )
        return {row.name: row.state for row in rows}

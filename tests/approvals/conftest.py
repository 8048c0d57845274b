"""A scene for each kind of store: memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import delete

from callgate.approvals.memory import MemoryApprovals
from callgate.stages.journal import MemoryJournal
from callgate.store.approvals import SqlApprovals
from callgate.store.database import Database
from callgate.store.journal import SqlJournal
from callgate.store.tables import METADATA
from tests.approvals.scenes import Scene, Wall
from tests.databases import postgres

__all__ = ["postgres"]


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture(scope="session")
def databases(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Database]]:
    """One database of each kind with our tables, made when it is first asked for."""
    made: dict[str, Database] = {}

    def of(kind: str) -> Database:
        if kind not in made:
            file = f"sqlite:///{tmp_path_factory.mktemp('approvals') / 'store.db'}"
            url = file if kind == "sqlite" else request.getfixturevalue("postgres")
            made[kind] = Database(url)
            made[kind].upgrade()
        return made[kind]

    yield of
    for database in made.values():
        database.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def scene(
    request: pytest.FixtureRequest, wall: Wall, databases: Callable[[str], Database]
) -> Iterator[Scene]:
    kind: str = request.param
    if kind == "memory":
        yield Scene(store=MemoryApprovals(now=wall), journal=MemoryJournal(now=wall), wall=wall)
        return
    database = databases(kind)
    journal = SqlJournal(database)
    store = SqlApprovals(database, journal, now=wall)
    yield Scene(store=store, journal=journal, wall=wall, kind=kind, database=database)
    journal.close()
    with database.begin() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(delete(table))

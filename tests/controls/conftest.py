"""Every test here gets the shared state of each kind: memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.store.database import Database
from tests.controls.states import Kind, memory, shared
from tests.databases import postgres, postgres_url

__all__ = ["kind", "postgres", "postgres_url"]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    """Each kind of state."""
    if request.param == "memory":
        yield Kind(make=memory, examples=100)
        return
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    databases = Database(url), Database(url)
    databases[0].upgrade()
    yield Kind(make=shared(*databases), examples=8)
    for database in databases:
        database.close()

"""Every test here gets the shared state of each kind: memory, SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.store.database import Database
from tests.controls.states import Kind, memory, shared
from tests.databases import postgres, postgres_url

__all__ = ["kind", "postgres", "postgres_url"]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Each kind of state."""
    if request.param == "memory":
        return Kind(make=memory, examples=100)
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    databases = Database(url), Database(url)
    request.addfinalizer(lambda: [database.close() for database in databases])
    databases[0].upgrade()
    return Kind(make=shared(*databases), examples=10)

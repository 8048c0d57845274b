"""The store's tables and connections, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, delete, func, insert, select, text

from callgate.errors import SchemaError, SettingsError, StoreError
from callgate.store.database import Database
from callgate.store.tables import METADATA, owners

ROW = {"owner": "a", "nonce": "n", "beat": 1, "expires": 2.5}


def _add(connection: Connection) -> None:
    connection.execute(insert(owners), ROW)


def _count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(owners)).scalar_one()


def test_the_migrations_make_the_tables_that_the_program_uses(database: Database) -> None:
    with database.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_upgrading_twice_or_at_once_changes_nothing(store_url: str) -> None:
    stores = [Database(store_url, patience=30) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(Database.upgrade, stores))
    assert versions == [versions[0]] * 4
    for store in stores:
        store.check()
        store.close()


async def test_work_is_one_transaction(database: Database) -> None:
    def fails(connection: Connection) -> None:
        _add(connection)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.run(fails)
    assert await database.run(_count, reading=True) == 0
    await database.run(_add)
    assert await database.run(_count, reading=True) == 1


async def test_two_writers_at_once_wait_for_each_other(database: Database) -> None:
    def count_up(connection: Connection) -> None:
        if not database.postgres:
            assert connection.in_transaction()
        connection.execute(owners.update().values(beat=owners.c.beat + 1))

    await database.run(_add)
    await asyncio.gather(*(database.run(count_up) for _ in range(20)))
    found = await database.run(lambda c: c.execute(select(owners.c.beat)).scalar_one())
    assert found == 21


def test_tables_of_a_newer_version_are_refused(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("INSERT INTO alembic_version VALUES ('from_the_future')"))
    for use in (database.check, database.upgrade):
        with pytest.raises(
            SchemaError, match=r"newer version \(from_the_future\).*update callgate"
        ):
            use()


def test_missing_tables_are_made_in_a_new_file_and_asked_for_on_a_server(store_url: str) -> None:
    store = Database(store_url)
    if store.postgres:
        with pytest.raises(SchemaError, match=r"older version \(none\): callgate db upgrade"):
            store.check()
        store.upgrade()
    store.check()
    with store.begin() as connection:
        connection.execute(delete(owners))
    store.close()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "cannot be read"),
        ("sqlite://", "no store"),
        ("sqlite:///:memory:", "no store"),
        ("mysql://u:secret@h/d", r"mysql://u:\*\*\*@h/d is no store"),
        ("postgresql+asyncpg://h/d", "no store"),
    ],
)
def test_a_url_of_no_store_is_refused_without_its_password(url: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_what_cannot_be_opened_says_why_and_what_to_do(tmp_path: Path) -> None:
    store = Database(f"sqlite:///{tmp_path}/missing/file.db")
    with pytest.raises(StoreError, match=r"unable to open.*check that the folder exists"):
        store.check()
    (tmp_path / "text.db").write_text("no database " * 100)
    store = Database(f"sqlite:///{tmp_path}/text.db")
    with pytest.raises(StoreError, match=r"not a database; the file is no SQLite database"):
        store.check()
    store = Database("postgresql://nobody@127.0.0.1:1/none", patience=2)
    with pytest.raises(StoreError, match="onnection"):
        store.check()


def test_a_new_file_that_somebody_else_is_making_too_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked: list[float] = []

        def waits(seconds: float) -> None:
            asked.append(seconds)
            other.execute("COMMIT")

        monkeypatch.setattr("callgate.store.database.time.sleep", waits)
        database = Database(f"sqlite:///{tmp_path}/new.db")
        with closing(database.connect_sqlite()) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        database.close()
    assert len(asked) == 1


def test_a_new_file_that_stays_locked_is_an_error_in_bounded_time(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        database = Database(f"sqlite:///{tmp_path}/new.db", patience=0.05)
        with pytest.raises(StoreError, match="locked; another process holds it"):
            database.upgrade()
        database.close()

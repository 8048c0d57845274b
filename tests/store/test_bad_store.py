"""Databases that are locked, full, read-only or gone, clocks that jump, names that are taken."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text

from callgate import CallContext, Gate, Principal, tool
from callgate.backends import Backends
from callgate.errors import MissingDependencyError, SchemaError, StoreError
from callgate.stages.journal import State
from callgate.store import tables
from callgate.store.audit import verify
from callgate.store.database import Database, Sync
from callgate.store.journal import SqlJournal
from callgate.store.stores import Store
from callgate.types import Effect, Status
from tests.store.journals import intent, ok

ANA = Principal(id="ana", tenant="acme")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """An SQLite file with tables and little patience."""
    database = Database(f"sqlite:///{tmp_path / 'store.db'}", patience=1.0)
    database.upgrade()
    yield database
    database.close()


def whole(database: Database) -> dict[str, str]:
    """Return the states by key, and make sure that file and audit are whole."""
    with database.begin(reading=True) as connection:
        if not database.postgres:
            assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
        assert verify(connection).breaks == []
        found = select(tables.journal.c.key, tables.journal.c.state)
        return {row.key: row.state for row in connection.execute(found)}


def paying(journal: Any, done: list[int]) -> Gate:
    @tool(effect="irreversible", attempts=1)
    async def pay(cents: int, call: CallContext) -> int:
        """Pay."""
        done.append(cents)
        return cents

    return Gate([pay], backends=Backends(journal=journal))


async def test_a_locked_file_is_told_in_time_and_nothing_is_tried(file: Database) -> None:
    done: list[int] = []
    journal = SqlJournal(file)
    session = paying(journal, done).session(ANA)
    with sqlite3.connect(str(file.url.database), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        result = await session.call("pay", {"cents": 1}, key="k")
        assert (result.status, result.error.code if result.error else "") == (
            Status.ERROR,
            "not_written",
        )
        assert "another process" in result.text()
        other.execute("COMMIT")
    assert done == []
    assert (await session.call("pay", {"cents": 1}, key="k")).value == 1
    journal.close()
    assert whole(file) == {"acme/ana//k": "done"}


async def test_a_lock_between_start_and_outcome_loses_no_outcome(file: Database) -> None:
    other = sqlite3.connect(str(file.url.database), isolation_level=None)
    done: list[int] = []

    @tool(effect="irreversible", attempts=1)
    async def pay(cents: int) -> int:
        """Pay."""
        other.execute("BEGIN IMMEDIATE")
        done.append(cents)
        return cents

    journal = SqlJournal(file, lease=0.6)
    session = Gate([pay], backends=Backends(journal=journal)).session(ANA)
    assert (await session.call("pay", {"cents": 1}, key="k")).value == 1
    while not journal._unwritten:  # the writer is still waiting for the lock
        await asyncio.to_thread(threading.Event().wait, 0.05)
    entry = await journal.find("acme/ana//k")
    assert entry is not None
    assert entry.state is State.DONE
    assert not (await journal.claim(entry.intent)).mine
    assert (await session.call("pay", {"cents": 1}, key="k")).value == 1
    assert done == [1]
    other.execute("COMMIT")
    other.close()
    journal.close()
    assert whole(file) == {"acme/ana//k": "done"}


async def test_a_full_disk_is_told_and_nothing_committed_is_lost(file: Database) -> None:
    done: list[int] = []
    journal = SqlJournal(file)
    session = paying(journal, done).session(ANA)
    assert (await session.call("pay", {"cents": 0}, key="k0")).ok
    await _full(journal, True)
    results = [await session.call("pay", {"cents": n}, key=f"k{n}") for n in range(1, 400)]
    refused = [result for result in results if not result.ok]
    assert refused
    assert all("disk is full: make room" in result.text() for result in refused)
    # What was tried is what the journal knows, or still holds in memory.
    assert len(done) == 1 + sum(result.ok for result in results)
    await _full(journal, False)
    assert (await session.call("pay", {"cents": 999}, key="k999")).ok
    journal.close()
    states = whole(file)
    assert sorted(states.values()).count("done") == len(done)
    assert "started" not in states.values()


async def _full(journal: SqlJournal, full: bool) -> None:
    def work(link: Any) -> None:
        run = link._connection.execute
        (pages,) = run("PRAGMA page_count").fetchone()
        run(f"PRAGMA max_page_count={pages + 4 if full else 2**30}")

    # The bound belongs to the connection of the writer.
    await journal._writer.submit(work)


def test_a_file_that_may_not_grow_any_more_stays_whole(file: Database) -> None:
    # RLIMIT_FSIZE is of a process, so it has one of its own.
    code = f"""
import asyncio, resource, signal
from callgate.store.database import Database
from callgate.store.journal import SqlJournal
from callgate.errors import StoreError
from tests.store.journals import intent

async def main():
    journal = SqlJournal(Database({str(file.url)!r}, patience=2))
    await journal.claim(intent("first"))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (262144, 262144))
    told = ""
    for n in range(3000):
        try:
            await journal.claim(intent(f"k{{n}}"))
        except StoreError as exc:
            told = exc.message
            break
    print(n, told)

asyncio.run(main())
import os
os._exit(0)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    count, _, told = ended.stdout.partition(" ")
    assert "disk" in told
    assert len(whole(file)) >= int(count) + 1


async def test_a_read_only_file_is_told(file: Database) -> None:
    journal = SqlJournal(file)
    await journal.claim(intent("before"))

    def only_read(link: Any) -> None:
        link._connection.execute("PRAGMA query_only=1")

    await journal._writer.submit(only_read)
    with pytest.raises(StoreError, match=r"readonly database; it may not be written"):
        await journal.claim(intent())
    journal.close()
    assert whole(file) == {"before": "claimed"}


async def test_a_lost_connection_is_opened_again_and_nothing_is_done_twice(
    postgres_url: str,
) -> None:
    database = Database(postgres_url)
    database.upgrade()
    done: list[int] = []
    journal = SqlJournal(database)
    gate = paying(journal, done)

    def cut() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    session = gate.session(ANA)

    async def many(start: int) -> list[Any]:
        return await asyncio.gather(
            *(session.call("pay", {"cents": n}, key=f"k{n}") for n in range(start, start + 20))
        )

    first = await many(0)
    await asyncio.to_thread(cut)
    second, _ = await asyncio.gather(many(20), asyncio.to_thread(cut))
    third = await many(0)
    assert all(result.ok for result in first + third)
    sure = [n for n, result in enumerate(second, 20) if result.ok]
    assert sorted(done) == sorted({*range(20), *sure, *(set(done) - set(range(20)))})
    assert len(done) == len(set(done))
    journal.close()
    assert set(whole(database).values()) <= {"done", "not_happened", "claimed"}
    database.close()


async def test_a_server_that_is_gone_is_told_and_nothing_is_tried(postgres_url: str) -> None:
    database = Database(postgres_url.replace("/t", "/none"), patience=2)
    done: list[int] = []
    journal = SqlJournal(database)
    result = await paying(journal, done).session(ANA).call("pay", {"cents": 1})
    assert (result.error.code if result.error else "", done) == ("not_written", [])
    journal.close()
    database.close()


async def test_a_clock_that_jumps_backwards_breaks_nothing(database: Database) -> None:
    times = iter([1e9, 1e9 + 5, *[1e9 - 3600 + n for n in range(500)]])
    last = [0.0]

    def jumping() -> float:
        last[0] = next(times, last[0])
        return last[0]

    done: list[int] = []
    journal = SqlJournal(database, now=jumping)
    session = paying(journal, done).session(ANA)
    for n in range(20):
        assert (await session.call("pay", {"cents": n}, key=f"k{n}")).value == n
        assert (await session.call("pay", {"cents": n}, key=f"k{n}")).value == n
    assert done == list(range(20))
    journal.close()
    assert set(whole(database).values()) == {"done"}


async def test_an_owner_whose_lease_lies_in_the_future_is_found_out_by_its_silence(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = SqlJournal(database, owner="dead", lease=0.2)
    await dead.claim(intent())
    dead._writer.close()
    with database.begin() as connection:
        connection.execute(tables.owners.update().values(expires=9e12))
    journal = SqlJournal(database, owner="heir", lease=0.2)
    assert not (await journal.claim(intent())).mine
    until = asyncio.get_running_loop().time() + 30
    while not (await journal.claim(intent())).mine:
        assert asyncio.get_running_loop().time() < until
        await asyncio.to_thread(threading.Event().wait, 0.05)
    journal.close()


async def test_two_processes_under_one_name_are_found_out(database: Database) -> None:
    first = SqlJournal(database, owner="worker-1")
    second = SqlJournal(database, owner="worker-1")
    await first.claim(intent("k1"))
    with pytest.raises(StoreError, match=r"another process that lives is called 'worker-1' too"):
        await second.claim(intent("k2"))
    assert (await second.find("k1")) is not None  # looking is harmless
    first.close()
    # Who has ended as it should is not waited for.
    assert (await second.claim(intent("k2"))).mine
    second.close()


async def test_a_name_that_was_taken_meanwhile_is_not_used_any_more(database: Database) -> None:
    first = SqlJournal(database, owner="worker-1")
    entry = await first.claim(intent("k1"))
    with database.begin() as connection:
        connection.execute(tables.owners.update().values(nonce="other", expires=9e12))
    first._leases._next = 0.0  # it is time to renew the lease
    with pytest.raises(StoreError, match="another process that lives"):
        await first.change(entry, State.STARTED)
    first.close()


async def test_tables_of_a_newer_version_stop_a_store_before_a_call(store_url: str) -> None:
    store = Store(store_url)
    store.database.upgrade()
    with store.database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'future'"))
    with pytest.raises(SchemaError, match=r"newer version \(future\)"):
        store.backends()
    store.close()


async def test_a_database_without_tables_says_so(store_url: str) -> None:
    database = Database(store_url)
    journal = SqlJournal(database)
    with pytest.raises(StoreError, match=r"its tables are missing.*callgate db upgrade"):
        await journal.claim(intent())
    journal.close()
    database.close()


async def test_who_stops_waiting_for_a_claim_leaves_nothing_open(database: Database) -> None:
    journal = SqlJournal(database)
    held, go = threading.Event(), threading.Event()

    def hold(link: Any) -> None:
        held.set()
        go.wait(10)

    blocker = journal._writer.submit(hold)
    await asyncio.to_thread(held.wait, 10)
    waiting = asyncio.ensure_future(journal.claim(intent()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    await blocker
    found = await journal.find(intent().key)
    while found is not None and found.state is State.CLAIMED:
        found = await journal.find(intent().key)
    assert found is not None
    assert (found.state, found.note) == (State.NOT_HAPPENED, "given up")
    journal.close()


async def test_a_store_that_is_stuck_is_waited_for_only_so_long(file: Database) -> None:
    journal = SqlJournal(file)
    go = threading.Event()
    blocker = journal._writer.submit(lambda link: go.wait(10))
    with pytest.raises(StoreError, match=r"nothing was written for 1 s"):
        await journal.claim(intent())
    go.set()
    with pytest.raises(StoreError):
        await blocker
    journal.close()
    assert set(whole(file).values()) <= {"not_happened", "claimed"}
    with pytest.raises(StoreError, match="the store is closed"):
        await journal.find("k")


async def test_what_rides_with_a_claim_and_breaks_takes_no_other_claim_along(
    database: Database,
) -> None:
    journal = SqlJournal(database)

    def broken(transaction: Any) -> None:
        transaction.execute(tables.owners.delete().where(tables.owners.c.owner == "x"), {})
        raise TypeError("a defect")

    def wrong(transaction: Any) -> None:
        transaction.execute(text("SELECT no_such_column FROM journal"), {})

    riders: list[list[Callable[[Any], Any]]] = [[], [broken], [], [wrong], []]
    made = await asyncio.gather(
        *(journal.claim(intent(f"k{n}"), riders[n]) for n in range(5)), return_exceptions=True
    )
    assert [isinstance(one, StoreError) for one in made] == [False, True, False, True, False]
    assert "TypeError within a transaction: a defect" in str(made[1])
    journal.close()
    assert sorted(whole(database)) == ["k0", "k2", "k4"]


async def test_a_rider_uses_statements_with_values_of_their_own(database: Database) -> None:
    journal = SqlJournal(database)
    seen: list[int] = []

    def rider(transaction: Any) -> None:
        statement = tables.owners.update().where(tables.owners.c.beat.in_([1, 2]))
        seen.append(transaction.execute(statement.values(beat=2), {}))

    await journal.claim(intent(), [rider])
    assert seen == [1]
    journal.close()


def test_a_normal_sync_never_waits_for_the_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'n.db'}", sync=Sync.NORMAL)
    database.upgrade()
    with database.begin() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 1
    database.close()


async def test_parallel_effects_share_syncs(database: Database) -> None:
    journal = SqlJournal(database)

    async def effect(n: int) -> None:
        entry = await journal.claim(intent(f"k{n}", effect=Effect.IDEMPOTENT))
        started = await journal.change(entry, State.STARTED)
        assert started is not None
        await journal.change(started, State.DONE, ok())

    await effect(100)
    await journal.find("wait for what is idle")
    before = journal.syncs
    await asyncio.gather(*map(effect, range(20)))
    assert journal.syncs - before <= 3
    journal.close()
    with database.begin() as connection:
        count = connection.execute(select(func.count()).select_from(tables.journal)).scalar_one()
    assert count == 21


def test_postgres_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependencyError, match=r"callgate\[postgres\]"):
        Database("postgresql://h/d")

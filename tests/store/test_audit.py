"""The audit: in the journal's own transactions, and a chain that shows every break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from callgate.backends import Backends
from callgate.controls import Controls
from callgate.errors import DeniedError, StoreError, ToolFailedError
from callgate.gate import Gate
from callgate.stages.journal import State
from callgate.stages.resolve import MemorySwitches, Switch
from callgate.store.audit import verify
from callgate.store.database import Database
from callgate.store.denials import Denials
from callgate.store.journal import SqlJournal
from callgate.store.tables import audit, journal
from callgate.testing import FakeSource
from callgate.types import Principal
from tests.path.tools import spec
from tests.store.journals import intent, ok


@pytest.fixture
def sql(database: Database) -> Iterator[SqlJournal]:
    made = SqlJournal(database, owner="one")
    yield made
    made.close()


def rows(database: Database) -> list[Any]:
    with database.begin(reading=True) as connection:
        return list(
            connection.execute(select(audit).order_by(audit.c.writer, audit.c.sequence)).mappings()
        )


async def test_what_was_claimed_and_became_of_it_is_audited_with_digests_only(
    sql: SqlJournal, database: Database
) -> None:
    entry = await sql.claim(intent())
    started = await sql.change(entry, State.STARTED)
    assert started is not None
    doubt = await sql.change(started, State.IN_DOUBT)
    assert doubt is not None
    await sql.change(doubt, State.DONE, ok(), note="ana: it is paid")
    await sql.note("denied", key="k", tenant="acme", principal="bob", detail={"rule": "r1"})
    found = rows(database)
    assert [(row["sequence"], row["kind"], row["principal"]) for row in found] == [
        (1, "claimed", "ana"),
        (2, "in_doubt", "ana"),
        (3, "done", "ana"),
        (4, "denied", "bob"),
    ]
    assert json.loads(found[2]["detail"]) == {
        "tool": "pay",
        "version": "1",
        "effect": "irreversible",
        "digest": "sha256:1",
        "note": "ana: it is paid",
    }
    assert "cents" not in str(found)
    verified = await database.run(verify)
    assert (verified.entries, verified.breaks) == (4, [])
    assert list(verified.heads.values()) == [found[3]["hash"]]


async def test_what_was_undone_leaves_no_gap(sql: SqlJournal, database: Database) -> None:
    def refuses(transaction: Any, meant: Any, before: str | None) -> DeniedError:
        return DeniedError("no")

    tried = [sql.claim(intent(f"k{n}"), [refuses] if n % 2 else []) for n in range(10)]
    await asyncio.gather(*tried, return_exceptions=True)
    assert [row["kind"] for row in rows(database)] == ["claimed"] * 5
    assert (await database.run(verify)).breaks == []


async def test_every_writer_has_a_chain_of_its_own(database: Database) -> None:
    writers = [SqlJournal(database, owner=name) for name in ("a", "b")]
    for n in range(6):
        await writers[n % 2].claim(intent(f"k{n}"))
    for writer in writers:
        writer.close()
    verified = await database.run(verify)
    assert (verified.entries, verified.breaks, len(verified.heads)) == (6, [], 2)


@pytest.mark.parametrize("how", ["changed", "removed", "inserted"])
async def test_a_change_to_the_audit_is_found(
    sql: SqlJournal, database: Database, how: str
) -> None:
    for n in range(4):
        await sql.claim(intent(f"k{n}"))
    second = audit.c.sequence == 2
    with database.begin() as connection:
        if how == "changed":
            connection.execute(update(audit).where(second).values(principal="mallory"))
        elif how == "removed":
            connection.execute(delete(audit).where(second))
        else:
            row = dict(rows(database)[1])
            connection.execute(audit.insert(), row | {"sequence": 9, "previous": "x"})
    verified = await database.run(verify)
    assert len(verified.breaks) == 1
    assert {
        "changed": "2: the entry was changed",
        "removed": "3: entries before it are missing",
        "inserted": "9: the entry was changed",
    }[how] in verified.breaks[0]


async def test_audit_and_journal_are_in_one_transaction(
    sql: SqlJournal, database: Database
) -> None:
    await asyncio.gather(*(sql.claim(intent(f"k{n}")) for n in range(20)))
    with database.begin(reading=True) as connection:
        claimed = set(connection.execute(select(journal.c.key)).scalars())
    assert claimed == {row["key"] for row in rows(database)}


# ------------------------------------------------------------------ denials


async def test_every_denial_is_audited_with_its_code_and_digests_only(
    sql: SqlJournal, database: Database
) -> None:
    switches = MemorySwitches()
    denials = Denials(sql)
    gate = Gate(
        [FakeSource([spec("pay"), spec("off")], pay=1, off=1)],
        backends=Backends(switches=switches),
        listeners=[denials],
        controls=Controls(repeats=1),
    )
    await switches.disable(Switch(tool="off"))
    session = gate.session(Principal(id="ana", tenant="acme"), id="s", max_calls=2)
    for name, cents in (("pay", 5), ("pay", 5), ("off", 1), ("none", 1), ("pay", 6), ("pay", 7)):
        await session.call(name, {"secret": cents})
    await sql.doubts()  # jobs are done one after the other
    found = rows(database)
    assert {(row["kind"], row["tenant"], row["principal"]) for row in found} == {
        ("denied", "acme", "ana")
    }
    told = [json.loads(row["detail"]) for row in found]
    assert [(one["tool"], one["code"]) for one in told] == [
        ("pay", "repeated_call"),
        ("off", "disabled"),
        ("none", "unknown_tool"),
        ("pay", "budget"),
        ("pay", "budget"),
    ]
    assert "secret" not in str(found)
    assert len({one["arguments"] for one in told}) == 4
    assert ((await database.run(verify)).breaks, denials.failed) == ([], 0)


async def test_what_is_no_denial_is_not_audited(sql: SqlJournal, database: Database) -> None:
    source = FakeSource([spec("pay")], pay=ToolFailedError("no"))
    session = Gate([source], listeners=[Denials(sql)]).session()
    await session.call("pay", {})
    await session.call("pay", "{")
    await sql.doubts()
    assert rows(database) == []


async def test_denials_beyond_a_bound_are_counted_and_what_a_model_wrote_is_kept_short(
    sql: SqlJournal, database: Database
) -> None:
    denials = Denials(sql, most=2)
    session = Gate([FakeSource([spec("pay")], pay=1)], listeners=[denials]).session()
    names = [*(f"tool{n}" for n in range(5)), "x" * 1000, "\ud800"]
    for name in names[:5]:  # nobody yields to the loop in between
        await session.call(name, "\ud800")
    await sql.doubts()
    for name in names[5:]:
        await session.call(name, {"n": 2**70})
        await sql.doubts()
    told = [json.loads(row["detail"]) for row in rows(database)]
    assert [(one["tool"], one.get("beyond", 0)) for one in told] == [
        ("tool0", 0),
        ("tool1", 0),
        ("x" * 200, 3),
        ("?", 0),
    ]


async def test_a_denial_that_cannot_be_written_is_counted_and_refuses_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Database(f"sqlite:///{tmp_path}/missing/store.db")
    journal = SqlJournal(gone)
    denials = Denials(journal)
    session = Gate([FakeSource([spec("pay")], pay=1)], listeners=[denials]).session()
    result = await session.call("none", {})
    assert result.error is not None
    assert result.error.code == "unknown_tool"
    with pytest.raises(StoreError):
        await journal.doubts()
    journal.close()
    await session.call("none", {})
    assert denials.failed == 2
    assert "1 denials are not in the audit" in caplog.text
    gone.close()

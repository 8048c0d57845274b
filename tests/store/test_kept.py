"""Run logs, long results, records and how long they are kept, on both databases."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import aclosing, closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from callgate import Gate, Principal, agents, tool
from callgate.agents.runlog import RunLog
from callgate.approvals.desk import Approvals
from callgate.approvals.records import Standing
from callgate.backends import Backends
from callgate.errors import RunError, StoreError
from callgate.messages import ModelRequest, ModelResponse
from callgate.stages.journal import State
from callgate.store import tables
from callgate.store.approvals import SqlApprovals
from callgate.store.blobs import SqlBlobs
from callgate.store.database import Database
from callgate.store.journal import SqlJournal
from callgate.store.records import Records
from callgate.store.redaction import redact
from callgate.store.retention import Keep, prune
from callgate.store.runs import KeptRun, SqlRuns
from callgate.store.stores import Store
from callgate.testing import ScriptedModel, calls, says
from callgate.types import CallClosed, CallOpened, Scope, Status, ToolCall, ToolResult
from tests.store.journals import intent, ok

ANA = Principal(id="ana", tenant="acme")
DAY = 86_400.0


def scope(session: str = "s", who: Principal = ANA, labels: frozenset[str] = frozenset()) -> Scope:
    return Scope(
        session=session,
        principal=who,
        prefix=f"{who.tenant}/{who.id}/{session}",
        emit=lambda event: None,
        labels=labels,
    )


# --- run logs -------------------------------------------------------------------------------


async def test_a_run_log_is_kept_event_by_event_and_continues_from_any_prefix(
    database: Database,
) -> None:
    done: list[int] = []

    @tool(effect="irreversible")
    async def pay(cents: int) -> int:
        """Pay."""
        done.append(cents)
        return cents

    runs, journal = SqlRuns(database), SqlJournal(database)
    gate = Gate([pay], backends=Backends(journal=journal))
    model = ScriptedModel([calls(("pay", {"cents": 5})), says("paid")])
    session = gate.session(ANA)
    run = await agents.run(session, "pay", model=model)
    lines = list(run.log.lines())
    placed = 0
    for place, line in enumerate(lines):
        placed = await runs.append(run.log.run, place, [line])
    assert placed == len(lines)
    assert list(await runs.lines(run.log.run)) == lines
    for length in range(1, len(lines)):
        log = RunLog.load(lines[:length])
        script = [calls(("pay", {"cents": 5})), says("paid")]
        answered = sum("model_answered" in line for line in lines[:length])
        again = await agents.resume(
            gate.restore(log.state().session or session.state),
            log,
            model=ScriptedModel(script[answered:]),
        )
        assert again.answer == "paid"
        assert list(again.log.lines())[:length] == lines[:length]
    assert done == [5]  # the journal knows what every prefix has lost
    journal.close()


async def test_the_same_line_again_changes_nothing_and_another_one_is_refused(
    database: Database,
) -> None:
    runs = SqlRuns(database)
    assert await runs.append("r", 0, ["a", "b"]) == 2
    assert await runs.append("r", 1, ["b", "c"]) == 3
    assert await runs.append("r", 3, []) == 3
    with pytest.raises(RunError, match=r"event 2 is in the log already and differs: another"):
        await runs.append("r", 2, ["C", "D"])
    with pytest.raises(RunError, match=r"event 5 cannot follow: event 4 is missing"):
        await runs.append("r", 5, ["f"])
    assert await runs.lines("r") == ["a", "b", "c"]
    assert await runs.lines("r", 2) == ["c"]
    assert await runs.lines("none") == []


async def test_of_two_processes_that_go_on_with_one_run_one_is_told(database: Database) -> None:
    runs = [SqlRuns(database), SqlRuns(database)]
    tried = await asyncio.gather(
        *(own.append("r", 0, [f"by {n}"]) for n, own in enumerate(runs)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in tried) == ["RunError", "int"]


async def test_runs_are_listed_by_their_last_event(database: Database) -> None:
    wall = [1.0]
    runs = SqlRuns(database, now=lambda: wall[0])
    for run, lines in (("a", ["1", "2"]), ("b", ["1"]), ("a", ["3"])):
        wall[0] += 1.0
        await runs.append(run, len(await runs.lines(run)), lines)
    newest = KeptRun(run="a", events=3, at=4.0, last="3")
    assert await runs.list() == [newest, KeptRun(run="b", events=1, at=3.0, last="1")]
    assert await runs.list(limit=1) == [newest]


# --- long results ---------------------------------------------------------------------------


async def test_a_long_result_is_read_by_its_session_only(database: Database) -> None:
    blobs = SqlBlobs(database)
    handle = await blobs.put(b"\x00long", scope())
    assert await blobs.get(handle, scope()) == b"\x00long"
    for other in (
        scope("t"),
        scope(who=Principal(id="bob", tenant="acme")),
        scope(who=Principal(id="ana", tenant="other")),
    ):
        assert await blobs.get(handle, other) is None
    assert await blobs.get("r0", scope()) is None


async def test_a_long_result_needs_the_labels_it_was_made_under(database: Database) -> None:
    blobs = SqlBlobs(database)
    handle = await blobs.put(b"secret", scope(labels=frozenset({"untrusted"})))
    assert await blobs.get(handle, scope()) is None
    assert await blobs.get(handle, scope(labels=frozenset({"untrusted", "x"}))) == b"secret"


async def test_another_process_reads_on_in_a_result_of_a_restored_session(
    database: Database,
) -> None:
    @tool(effect="read", result_bytes=10)
    async def long() -> str:
        """Tell a lot."""
        return "0123456789" * 3

    gates = [Gate([long], backends=Backends(blobs=SqlBlobs(database))) for _ in range(2)]
    session = gates[0].session(ANA)
    cut = await session.call("long", {})
    rest = await (
        gates[1].restore(session.state).call("read_result", {"handle": cut.handle, "offset": 10})
    )
    assert rest.unwrap()["text"] == "90123456789" + '0123456789"'


# --- records --------------------------------------------------------------------------------


def bodies(database: Database) -> list[Any]:
    with database.begin(reading=True) as connection:
        rows = connection.execute(select(tables.records).order_by(tables.records.c.id)).mappings()
        return [{**row, "body": json.loads(row["body"])} for row in rows]


async def test_a_record_keeps_the_shape_of_a_call_and_nothing_it_says(database: Database) -> None:
    @tool(effect="irreversible")
    async def pay(to: str, cents: int, notes: dict[str, str]) -> list[str]:
        """Pay."""
        return [to]

    records = Records(database)
    gate = Gate([pay], listeners=[records])
    records.know(gate.surface.tools)
    session = gate.session(ANA)
    secret = "swordfish"
    await session.call("pay", {"to": secret, "cents": 77, "notes": {secret: secret}})
    await session.call("pay", f'{{"to": "{secret}", "cents": "x", "notes": {{}}}}')
    await session.call(secret, f"not json {secret}")
    records.close()
    first, second, third = bodies(database)
    assert secret not in str((first, second, third))
    assert (first["tool"], first["status"], first["tenant"]) == ("pay", "ok", "acme")
    assert first["body"]["arguments"] == {
        "to": {"$redacted": "string", "length": "8-15"},
        "cents": {"$redacted": "integer"},
        "notes": {"$0": {"$redacted": "string", "length": "8-15"}},
    }
    assert first["body"]["result"] == [{"$redacted": "string", "length": "8-15"}]
    assert (second["status"], second["body"]["error"]) == ("error", "arguments")
    assert (third["tool"], third["body"]["error"]) == ("?", "unknown_tool")


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_redaction_keeps_no_text_and_no_number(value: Any) -> None:
    def leaves(one: Any) -> list[Any]:
        if isinstance(one, dict):
            return [leaf for inner in one.values() for leaf in leaves(inner)]
        if isinstance(one, list):
            return [leaf for inner in one for leaf in leaves(inner)]
        return [one]

    lengths = {f"{1 << n}-{(2 << n) - 1}" for n in range(1, 24)} | {"0", "1"}
    types = {"string", "integer", "number"}
    for leaf in leaves(redact(value)):
        assert leaf is None or isinstance(leaf, bool) or leaf in types | lengths


def test_redaction_keeps_what_the_schema_lists() -> None:
    schema = {"properties": {"unit": {"enum": ["cm", "m"]}, "kind": {"const": 1}}}
    assert redact({"unit": "cm", "kind": 1}, schema) == {"unit": "cm", "kind": 1}
    assert redact({"unit": "km", "kind": True}, schema) == {
        "unit": {"$redacted": "string", "length": "2-3"},
        "kind": True,
    }
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    assert "nested" in str(redact(deep))
    assert redact(["x"] * 70)[-1] == {"$redacted": "6 more"}
    assert redact({f"k{n}": None for n in range(70)})["$redacted"] == "6 more"


def closed(n: int, size: int = 10) -> CallClosed:
    call = ToolCall(id=f"c{n}", key=f"k{n}", name="t", arguments="{}", scope=scope())
    result = ToolResult(status=Status.OK, value="x", body=b"x" * size)
    return CallClosed(call=call, result=result, seconds=0.1)


async def test_records_are_bounded_and_say_what_they_dropped(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    records = Records(database, most=10, every=60)
    by_bytes = Records(database, most_bytes=5000, every=60)
    for n in range(25):
        records(closed(n))
        by_bytes(closed(n, 1000))
        records(CallOpened(call=closed(n).call))
    assert (records.dropped, by_bytes.dropped) == (15, 23)
    records.close()
    by_bytes.close()
    found = bodies(database)
    assert [row["status"] for row in found].count("ok") == 12
    assert [row["body"]["dropped"] for row in found if row["status"] == "dropped"] == [15, 23]
    assert "15 records were dropped" in caplog.text


async def test_records_wait_for_a_store_that_comes_back(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    records = Records(database, every=60)
    begin = database.begin

    def fail(**options: Any) -> Any:
        raise StoreError("the disk is full")

    monkeypatch.setattr(database, "begin", fail)
    records(closed(1))
    records._write_all()
    assert "1 records wait to be written: the disk is full" in caplog.text
    monkeypatch.setattr(database, "begin", begin)
    records.close()
    assert [row["key"] for row in bodies(database)] == ["k1"]
    lost = Records(database, every=60)
    monkeypatch.setattr(database, "begin", fail)
    lost(closed(2))
    lost.close()
    assert lost.dropped == 1


# --- retention ------------------------------------------------------------------------------


async def test_pruning_deletes_what_is_old_and_nothing_that_is_open(database: Database) -> None:
    journal = SqlJournal(database, now=lambda: 1000.0)
    for state in State:
        entry = await journal.claim(intent(f"{state.value}"))
        if state is not State.CLAIMED:
            await journal.change(entry, state, ok())
    await SqlRuns(database, now=lambda: 1000.0).append("old", 0, ["a"])
    await SqlRuns(database, now=lambda: 1000.0).append("going on", 0, ["a"])
    await SqlRuns(database, now=lambda: 9e9).append("going on", 1, ["b"])
    await SqlBlobs(database, now=lambda: 1000.0).put(b"x", scope())
    records = Records(database, now=lambda: 1000.0)
    records(closed(1))
    records.close()
    journal.close()
    nothing = await database.run(lambda connection: prune(connection, Keep(), 9e9))
    assert nothing == {}
    keep = Keep(records=1, blobs=1, runs=1, journal=1, audit=1)
    deleted = await database.run(lambda connection: prune(connection, keep, 9e9))
    assert deleted == {"records": 1, "blobs": 1, "runs": 1, "journal": 3, "audit": 12}
    with database.begin(reading=True) as connection:
        left = set(connection.execute(select(tables.journal.c.state)).scalars())
        events = connection.execute(
            select(func.count()).select_from(tables.run_events)
        ).scalar_one()
    assert left == {"claimed", "started", "waiting", "in_doubt"}
    assert events == 2


async def test_a_store_offers_all_and_makes_only_what_is_used(store_url: str) -> None:
    store = Store(store_url)
    if store.database.postgres:
        store.database.upgrade()
    backends = store.backends()
    assert backends.journal is store.journal
    assert await store.prune({"records": 1}) == {"records": 0}
    assert (await store.verify()).entries == 0
    store.close()
    other = Store(store_url, sync="normal", owner="me")
    records = other.records
    records(closed(1))
    assert await other.runs.lines("none") == []
    other.close()
    store = Store(store_url)
    with store.database.begin() as connection:
        connection.execute(
            insert(tables.owners), {"owner": "x", "nonce": "", "beat": 1, "expires": 0}
        )
    assert len(bodies(store.database)) == 1
    store.close()


# --- approvals and grants -------------------------------------------------------------------


async def test_approvals_and_grants_are_kept_until_they_have_been_over_for_so_long(
    store_url: str,
) -> None:
    with closing(Database(store_url)) as made:
        made.upgrade()
    wall = [1_000_000.0]
    with closing(Store(store_url)) as store:
        ids = count(1)
        approvals = SqlApprovals(store.database, store.journal, now=lambda: wall[0])
        desk = Approvals(approvals, now=lambda: wall[0], ids=lambda: str(next(ids)))

        @tool(effect="irreversible", approval=True)
        async def pay(n: int) -> int:
            """Pay."""
            if n == 4:
                raise ValueError("cut off")
            return n

        gate = Gate([pay], backends=Backends(journal=store.journal, approvals=desk))
        session = gate.session(ANA, id="s")
        boss = Principal(id="boss", tenant="acme", roles=frozenset({"approver", "granter"}))

        async def asked(n: int) -> str:
            answer = await session.call("pay", {"n": n}, key=f"k{n}")
            assert answer.pending is not None
            return answer.pending.id

        used, refused, doubtful, _open = [await asked(n) for n in (1, 2, 4, 5)]
        for one in (used, doubtful):
            await desk.approve(one, boss)
        await desk.deny(refused, boss)
        assert (await session.call("pay", {"n": 1}, key="k1")).ok
        assert (await session.call("pay", {"n": 4}, key="k4")).status is Status.IN_DOUBT
        spent = await desk.give("pay", boss, principal="ana", uses=1, seconds=9e6)
        await desk.give("pay", boss, principal="bob", seconds=100.0)
        assert (await session.call("pay", {"n": 6}, key="k6")).ok  # by the grant

        days = {"approvals": 10.0, "grants": 10.0}

        async def pruned(at: float) -> Mapping[str, int]:
            keep = Keep(**days)
            return await store.database.run(lambda one: prune(one, keep, wall[0] + at))

        assert await pruned(9 * DAY) == {"approvals": 0, "grants": 0, "grant_uses": 0}
        # What was used is over since then; what was not, since it has expired a day later.
        assert await pruned(10.5 * DAY) == {"approvals": 1, "grants": 2, "grant_uses": 1}
        assert await pruned(11.5 * DAY) == {"approvals": 2, "grants": 0, "grant_uses": 0}
        assert await pruned(1000 * DAY) == {"approvals": 0, "grants": 0, "grant_uses": 0}
        # Its effect is in doubt, so whoever decides still finds who has allowed it.
        assert (await desk.get(doubtful)).state is Standing.CONSUMED
        assert spent.uses == 1
        # Without its approval a call that is known is still told, and never made again.
        again = await gate.session(ANA, id="s").call("pay", {"n": 1}, key="k1")
        assert (again.value, again.attempts) == (1, 0)


# --- runs that keep themselves --------------------------------------------------------------


async def test_a_run_keeps_every_step_before_the_next_one(database: Database) -> None:
    runs, journal = SqlRuns(database), SqlJournal(database)
    seen: list[tuple[str, int]] = []

    async def look(what: str) -> None:
        seen.append((what, len(await runs.lines("r"))))

    @tool(effect="irreversible")
    async def pay(cents: int) -> int:
        """Pay."""
        await look("pay")
        return cents

    class Watched(ScriptedModel):
        async def complete(self, request: ModelRequest) -> ModelResponse:
            await look("model")
            return await super().complete(request)

    gate = Gate([pay], backends=Backends(journal=journal, runs=runs))
    model = Watched([calls(("pay", {"cents": 5})), says("paid")])
    run = await agents.run(
        gate.session(ANA),
        "pay",
        model=model,
        options=agents.Options(id="r"),
    )
    assert seen == [("model", 1), ("pay", 2), ("model", 3)]
    assert list(await runs.lines("r")) == list(run.log.lines())
    async with aclosing(
        agents.stream(
            gate.session(ANA),
            "again",
            model=ScriptedModel([says("yes")]),
            options=agents.Options(id="q"),
        )
    ) as events:
        told = [len(await runs.lines("q")) async for event in events]
    assert told == [1, 1, 2, 3, 3]  # kept before it is told
    journal.close()


async def test_a_run_that_another_process_has_gone_on_with_goes_no_further(
    database: Database,
) -> None:
    runs = SqlRuns(database)
    gate = Gate([], backends=Backends(runs=runs))
    session = gate.session(ANA)
    options = agents.Options(id="r")
    run = await agents.run(session, "hello", model=ScriptedModel([says("hi")]), options=options)
    begun = list(run.log.lines())[:1]
    other = ScriptedModel([says("good day")])
    with pytest.raises(RunError, match="another process has gone on with the run"):
        await agents.resume(session, RunLog.load(begun), model=other)
    assert list(await runs.lines("r")) == list(run.log.lines())


async def test_a_run_whose_steps_cannot_be_kept_asks_nobody(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path}/missing/store.db")) as gone:
        gate = Gate([], backends=Backends(runs=SqlRuns(gone)))
        model = ScriptedModel([says("hi")])
        with pytest.raises(StoreError, match="cannot be opened"):
            await agents.run(gate.session(ANA), "hello", model=model)
    assert model.requests == 0

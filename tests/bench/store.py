"""What is kept: effects beside one sync of the disk, and records off the path."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from callgate import CallContext, Gate, tool
from callgate.backends import Backends
from callgate.store.database import Database
from callgate.store.journal import SqlJournal
from callgate.store.records import Records
from callgate.types import ANYONE, CallClosed, Event, Scope, Status, ToolCall, ToolResult
from tests.bench.measure import Figure, Plan, Spread, above, alone, counted, side_by_side

__all__ = ["figures"]

US, MS = 1e-6, 1e-3
_PAGE = b"x" * 4096
_TOGETHER = 20
_RECORDS = 10_000


@tool(effect="idempotent", parallel=True)
async def put(n: int, call: CallContext) -> int:
    """Put a number under the key of the call."""
    return n


async def figures(plan: Plan) -> list[Figure]:
    """Measure all of this module."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return [
            await _journaled(plan, _made(folder / "one.db")),
            await _parallel(plan, _made(folder / "many.db")),
            await _recorded(plan, _made(folder / "records.db")),
            _written(plan, _made(folder / "batches.db")),
        ]


def _made(file: Path) -> Database:
    database = Database(f"sqlite:///{file}")
    database.upgrade()
    return database


async def _journaled(plan: Plan, database: Database) -> Figure:
    plan = plan.fewer(20)
    journal = SqlJournal(database)
    gate = Gate([put], backends=Backends(journal=journal))
    disk = os.open(f"{database.url.database}.floor", os.O_WRONLY | os.O_CREAT)

    async def floor() -> None:
        for _ in range(plan.batch):
            os.pwrite(disk, _PAGE, 0)
            os.fsync(disk)

    async def ours() -> None:
        session = gate.session()
        for n in range(plan.batch):
            (await session.call("put", {"n": n})).unwrap()

    took = await side_by_side({"floor": floor, "ours": ours}, repeats=plan.repeats, ops=plan.batch)
    os.close(disk)
    await asyncio.to_thread(journal.close)
    database.close()
    return above("store.journal", took["ours"], took["floor"], unit=US)


async def _parallel(plan: Plan, database: Database) -> Figure:
    journal = SqlJournal(database)
    gate = Gate([put], backends=Backends(journal=journal))
    syncs: list[float] = []
    for _ in range(plan.repeats):
        session = gate.session()
        before = journal.syncs
        await asyncio.gather(*(session.call("put", {"n": n}) for n in range(_TOGETHER)))
        syncs.append(journal.syncs - before)
    await asyncio.to_thread(journal.close)
    database.close()
    return counted("store.syncs", syncs)


def _closed() -> CallClosed:
    scope = Scope(session="s", principal=ANYONE, prefix="/anyone/s", emit=_look)
    call = ToolCall(id="c", key="/anyone/s/1/0", name="put", arguments='{"n": 1}', scope=scope)
    return CallClosed(
        call=call, result=ToolResult(status=Status.OK, value=1, body=b"1"), seconds=0.1
    )


def _look(event: Event) -> None:
    """See one event and do nothing."""


async def _recorded(plan: Plan, database: Database) -> Figure:
    event = _closed()
    kept: list[Records] = []

    def calling(listen: Callable[[Event], None]) -> None:
        for _ in range(plan.batch):
            listen(event)

    async def floor() -> None:
        calling(_look)

    async def ours() -> None:
        # A new one each time, whose thread sleeps: what is measured is what a call waits for.
        kept.append(Records(database, every=60.0))
        calling(kept[-1])

    took = await side_by_side({"floor": floor, "ours": ours}, repeats=plan.repeats, ops=plan.batch)
    for records in kept:
        await asyncio.to_thread(records.close)
    return above("store.records.added", took["ours"], took["floor"], unit=US)


def _written(plan: Plan, database: Database) -> Figure:
    event, wall = _closed(), []
    for _ in range(max(1, plan.repeats // 10)):
        records = Records(database, every=60.0)
        for _ in range(_RECORDS):
            records(event)
        began = time.perf_counter()
        records.close()
        wall.append(time.perf_counter() - began)
        assert records.dropped == 0
    return alone("store.records.written", Spread(wall=wall), unit=MS, basis="wall")

"""Slots that processes share: `concurrency` with `shared = true`, on both databases."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from callgate.backends import Backends
from callgate.controls import BackendRules, Controls
from callgate.gate import Gate
from callgate.store.cells import Cells
from callgate.store.database import Database
from callgate.store.seats import SharedSeats
from callgate.store.stores import Store
from callgate.testing import FakeClock
from callgate.types import Decision, Status, ToolCall
from tests.path.tools import one
from tests.store.seated import seated


@pytest.fixture
def clock() -> FakeClock:
    """The time of all processes."""
    return FakeClock()


@pytest.fixture
def cells(database: Database, clock: FakeClock) -> Cells:
    """Shared states under a clock that a test owns."""
    return Cells(database, now=clock.time)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store of each kind."""
    with closing(Database(store_url)) as made:
        made.upgrade()
    with closing(Store(store_url)) as opened:
        yield opened


def _started(url: str, lease: float, what: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.store.seated", url, str(lease), what]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


@contextmanager
def _hanging(url: str, lease: float) -> Iterator[subprocess.Popen[str]]:
    process = _started(url, lease, "hang")
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


# ------------------------------------------------------------------ two processes


def test_two_processes_make_no_more_attempts_at_once_than_the_backend_bears(
    store: Store, store_url: str
) -> None:
    store.database.check()
    processes = [_started(store_url, 15.0, "12") for _ in range(2)]
    spans = [span for one in processes for span in json.loads(one.communicate(timeout=60)[0])]
    assert len(spans) == 24
    edges = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    running = most = 0
    for _, change in edges:
        running += change
        most = max(most, running)
    assert most == 2


async def test_the_slots_of_a_process_killed_with_9_come_back_and_not_before(
    store: Store, store_url: str
) -> None:
    lease = 1.0
    with _hanging(store_url, lease) as process:
        patient, _ = seated(store, "done", lease=lease, queue=30.0)
        hasty, captured = seated(store, "done", lease=lease, queue=2.5 * lease)
        # The process shows itself, so its leases outlast themselves.
        refused = await hasty.session().call("t", {})
        assert refused.error is not None
        assert (refused.error.code, refused.attempts) == ("busy", 0)
        assert refused.error.message.startswith("The backend of t is busy: all processes together")
        assert [event.verdict for event in captured.of(Decision)] == ["refused"]
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert (await patient.session().call("t", {})).value == "done"
    assert await store.cells.get("seats:shop") == {}


# ------------------------------------------------------------------ the slots themselves


async def test_a_slot_is_taken_by_one_and_given_back_for_the_next(cells: Cells) -> None:
    here, there = [SharedSeats(cells).seat("shop", 1) for _ in range(2)]
    held = await here.take()
    assert held
    assert await there.take() is None
    await there.give(held)  # what is not its own it cannot give back
    assert await there.take() is None
    await here.give(held)
    again = await there.take()
    assert again
    await there.give(again)


async def test_a_slot_that_nobody_shows_lapses_and_one_from_the_future_is_none(
    cells: Cells, clock: FakeClock
) -> None:
    seat = SharedSeats(cells, lease=10.0).seat("shop", 1)

    def left(states: dict[str, Any], now: float) -> None:
        states["seats:shop"] = {"dead": now + 10.0}

    await cells.change(["seats:shop"], left)
    assert await seat.take() is None
    clock.advance(10.0)
    held = await seat.take()
    assert held
    await seat.give(held)

    def jumped(states: dict[str, Any], now: float) -> None:
        # A clock that went backwards by an hour leaves leases that would stand for an hour.
        states["seats:shop"] = {"dead": now + 3600.0}

    await cells.change(["seats:shop"], jumped)
    held = await seat.take()
    assert held
    await seat.give(held)


async def test_while_the_database_is_out_each_process_keeps_to_its_own_slots(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    running = most = 0

    async def work(call: ToolCall) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return call.arguments["n"]

    with closing(Database(f"sqlite:///{tmp_path}/missing/store.db")) as gone:
        seats = SharedSeats(Cells(gone))
        gate = _gate(work, seats=seats)
        session = gate.session()
        results = await asyncio.gather(*(session.call("t", {"n": n}) for n in range(6)))
    assert ([result.value for result in results], most) == (list(range(6)), 2)
    assert "Slots of shop are kept by this process alone" in caplog.text


async def test_a_slot_that_cannot_be_shown_or_given_back_comes_back_with_its_lease(
    database: Database, cells: Cells, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    here, there = [SharedSeats(cells, lease=10.0).seat("shop", 1) for _ in range(2)]
    held = await here.take()
    assert held

    def renamed(before: str, after: str) -> None:
        with database.begin() as connection:
            connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    renamed("controls", "away")
    await here.show()
    await here.give(held)
    renamed("away", "controls")
    assert "Slots of shop could not be held" in caplog.text
    assert "A slot of shop comes back in 10 s" in caplog.text
    assert await there.take() is None
    clock.advance(10.0)
    taken = await there.take()
    assert taken
    await there.give(taken)


def _gate(reply: Any, *, seats: Any, shared: bool = True, **options: Any) -> Gate:
    rules = BackendRules(concurrency=2, shared=shared)
    return Gate(
        [one(reply, backend="shop", attempts=1)],
        backends=Backends(seats=seats),
        controls=Controls(backends={"shop": rules}),
        **options,
    )


async def test_who_asks_for_nothing_shared_asks_no_database(cells: Cells) -> None:
    gate = _gate("done", seats=SharedSeats(cells), shared=False)
    assert (await gate.session().call("t", {})).value == "done"
    assert await cells.get("seats:shop") is None


class Full:
    """Slots of which none is ever free."""

    def __init__(self) -> None:
        self.asked = 0

    def seat(self, name: str, bound: int) -> Full:
        return self

    async def take(self) -> str | None:
        self.asked += 1
        return None

    async def give(self, held: str) -> None:
        raise AssertionError(held)


async def test_who_waits_asks_again_less_and_less_and_its_wait_is_time_of_the_call() -> None:
    full = Full()
    result = await _gate("done", seats=full, clock=FakeClock(instant=True)).session().call("t", {})
    assert (result.status, result.error and result.error.code) == (Status.ERROR, "busy")
    assert 15 < full.asked < 40  # 5 seconds


async def test_an_observing_admission_tells_and_lets_pass() -> None:
    gate = _gate("done", seats=Full(), observe={"admit"}, clock=FakeClock(instant=True))
    assert (await gate.session().call("t", {})).value == "done"

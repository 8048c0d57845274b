"""Rates, accounts, circuits, generations and switches that processes share, on both databases."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from callgate.backends import Backends
from callgate.controls import Allowance, BackendRules, BreakerRules, Controls, Rate
from callgate.controls.circuit import CircuitState, Out, Outcome, Probe
from callgate.errors import TransientError
from callgate.gate import Gate
from callgate.stages.resolve import Switch
from callgate.store.cells import Cells
from callgate.store.circuits import SharedCircuits
from callgate.store.database import Database
from callgate.store.generations import SharedGenerations
from callgate.store.rates import SharedRates
from callgate.store.spend import SharedSpend
from callgate.store.stores import Store
from callgate.store.switches import SharedSwitches
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import CircuitChanged, Effect, Principal, Tool
from tests.controls.states import known
from tests.path.tools import one

RULES = BreakerRules(failures=2, pause=10.0)
RATE = (("r", Rate(calls=3, seconds=3.0)),)
MOST = (("principal:a", Allowance(amount=Decimal("1.00"), seconds=60.0)),)


@pytest.fixture
def clock() -> FakeClock:
    """The time of all processes."""
    return FakeClock()


@pytest.fixture
def cells(database: Database, clock: FakeClock) -> Cells:
    """Shared states under a clock that a test owns."""
    return Cells(database, now=clock.time)


@pytest.fixture
def gone(tmp_path: Any) -> Iterator[Database]:
    """A database that cannot be opened."""
    made = Database(f"sqlite:///{tmp_path}/missing/store.db")
    yield made
    made.close()


# ------------------------------------------------------------------ cells


async def test_a_change_is_made_by_one_at_a_time_and_a_failed_one_not_at_all(cells: Cells) -> None:
    def count(states: dict[str, Any], now: float) -> None:
        for name in ("b", "a"):
            states[name] = states.get(name, 0) + 1

    await asyncio.gather(*(cells.change(["a", "b"], count) for _ in range(20)))

    def fail(states: dict[str, Any], now: float) -> None:
        states["a"] = 99
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await cells.change(["a"], fail)
    assert (await cells.get("a"), await cells.get("b"), await cells.get("c")) == (20, 20, None)
    await cells.change(["c%"], lambda states, now: states.update({"c%": 1}))
    assert await cells.read("c%") == {"c%": 1}


async def test_states_that_nobody_changes_are_forgotten(cells: Cells, clock: FakeClock) -> None:
    await cells.change(["old"], lambda states, now: states.update(old=1))
    clock.advance(100.0)
    await cells.change(["new"], lambda states, now: states.update(new=1))
    assert await cells.prune(50.0) == 1
    assert (await cells.get("old"), await cells.get("new")) == (None, 1)


# ------------------------------------------------------------------ each holds across processes


async def test_a_rate_holds_for_all_processes_together(cells: Cells, clock: FakeClock) -> None:
    lines = [SharedRates(cells).line(RATE) for _ in range(2)]
    waits = [await known(lines[n % 2].take()) for n in range(5)]
    assert waits == [0.0, 0.0, 0.0, 1.0, 1.0]
    clock.advance(1.0)
    assert [await known(line.take()) for line in lines] == [0.0, 1.0]


async def test_tokens_taken_ahead_are_spent_without_asking_and_never_more_than_there_are(
    cells: Cells, clock: FakeClock
) -> None:
    wanted = (("r", Rate(calls=100, seconds=100.0)),)
    lines = [SharedRates(cells, ahead=10, clock=clock.time).line(wanted) for _ in range(2)]
    taken = [lines[n % 2].take() for n in range(2)]
    assert [await known(one) for one in taken] == [0.0, 0.0]
    assert [line.take() for line in lines for _ in range(9)] == [0.0] * 18  # at once
    count = 20
    while await known(lines[count % 2].take()) == 0.0:
        count += 1
    # When the bucket is empty, the other process may still hold some.
    assert 91 <= count <= 100
    clock.advance(2.0)  # what was taken ahead is too old by now
    assert await known(lines[0].take()) == 0.0


async def test_an_allowance_holds_for_all_processes_together(
    cells: Cells, clock: FakeClock
) -> None:
    purses = [SharedSpend(cells).purse(MOST) for _ in range(2)]
    amount = Decimal("0.40")
    spans = [await known(purses[n % 2].reserve(amount)) for n in range(3)]
    assert spans == [(16,), (16,), "principal:a"]
    await known(purses[0].settle((16,), amount, Decimal("0.10")))
    assert await known(purses[1].reserve(amount)) == (16,)
    clock.advance(60.0)
    await known(purses[0].settle((16,), amount, Decimal(0)))  # that span is over
    assert await known(purses[0].reserve(Decimal("1.00"))) == (17,)
    assert await known(purses[1].reserve(Decimal("0.01"))) == "principal:a"


async def test_a_circuit_that_one_process_opens_is_open_for_all(
    cells: Cells, clock: FakeClock
) -> None:
    first, second = [
        SharedCircuits(cells, staleness=0.25, clock=clock.time).door("t", RULES) for _ in range(2)
    ]
    epochs = [await known(door.enter()) for door in (first, second)]
    assert epochs == [0, 0]
    assert await known(first.leave(0, Outcome.BAD, "down")) is None
    assert await known(first.leave(0, Outcome.BAD, "down")) is CircuitState.OPEN
    assert isinstance(await known(first.enter()), Out)
    assert second.enter() == 0  # for as long as what it knows holds
    clock.advance(0.25)
    refused = await known(second.enter())
    assert isinstance(refused, Out)
    assert (refused.wait, refused.reason) == (
        9.75,
        "2 attempts in a row failed, the last with: down",
    )
    clock.advance(9.75)
    assert await known(second.enter()) == Probe(epoch=2, first=True)
    assert isinstance(await known(first.enter()), Out)  # one probe for all processes
    assert await known(second.passed(2)) is CircuitState.CLOSED
    assert await known(first.enter()) == 3
    look = await known(SharedCircuits(cells).look())
    assert {name: circuit.state for name, circuit in look.items()} == {"t": CircuitState.CLOSED}


async def test_successes_are_counted_where_they_happen_and_told_with_the_next_question(
    cells: Cells, clock: FakeClock
) -> None:
    rules = BreakerRules(failures=2, share=0.5, least=4)
    door = SharedCircuits(cells, staleness=5.0, clock=clock.time).door("t", rules)
    epoch = await known(door.enter())
    for _ in range(3):
        assert door.enter() == epoch
        assert door.passed(epoch) is None
    await known(door.leave(epoch, Outcome.BAD, "down"))
    assert door.leave(epoch, Outcome.VOID, "") is None
    (circuit,) = (await known(SharedCircuits(cells).look())).values()
    assert (circuit.row, [part[1:] for part in circuit.parts]) == (1, [[3, 1]])


async def test_an_effect_of_one_process_is_seen_by_the_caches_of_all(
    cells: Cells, clock: FakeClock
) -> None:
    first, second = [
        SharedGenerations(cells, staleness=staleness, clock=clock.time) for staleness in (0.0, 1.0)
    ]
    assert [await known(one.now("acme", "s")) for one in (first, second)] == [0, 0]
    await first.bump("acme", "s")
    assert await known(first.now("acme", "s")) == 1
    assert second.now("acme", "s") == 0  # for as long as what it knows holds
    clock.advance(1.0)
    assert await known(second.now("acme", "s")) == 1
    await second.bump("acme", "s")
    assert second.now("acme", "s") == 2  # its own effects it never misses
    assert await known(first.now("other", "s")) == 0


async def test_a_tool_that_one_process_switches_off_is_off_at_the_next_call_of_all(
    database: Database,
) -> None:
    here, there = SharedSwitches(database), SharedSwitches(database)
    assert await known(there.off("t", "acme")) is None
    everyone, tenant = Switch(tool="t", reason="it pays twice"), Switch(tool="u", tenant="acme")
    for switch in (everyone, tenant, everyone):
        await here.disable(switch)
    assert await known(there.off("t", "acme")) == everyone
    assert await known(there.off("u", "acme")) == tenant
    assert await known(there.off("u", "")) is None
    assert await there.look() == (everyone, tenant)
    assert await here.enable("t")
    assert not await here.enable("u")
    assert await known(there.off("t", "acme")) is None
    assert await there.look() == (tenant,)


async def test_calls_that_come_together_look_once_and_what_was_read_may_hold_for_a_while(
    database: Database, clock: FakeClock
) -> None:
    switches = SharedSwitches(database)
    found = await asyncio.gather(*(known(switches.off("t", "")) for _ in range(50)))
    assert found == [None] * 50
    assert switches._begun <= 3
    slow = SharedSwitches(database, staleness=0.5, clock=clock.time)
    assert await known(slow.off("t", "")) is None
    await switches.disable(Switch(tool="t"))
    assert slow.off("t", "") is None
    clock.advance(0.5)
    assert await known(slow.off("t", "")) == Switch(tool="t")


# ------------------------------------------------------------------ while the database is out


async def test_while_the_database_is_out_each_does_what_is_least_harmful(
    gone: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    cells = Cells(gone)
    line = SharedRates(cells).line(RATE)
    assert [await known(line.take()) > 0 for _ in range(4)] == [False, False, False, True]
    purse = SharedSpend(cells).purse(MOST)
    assert await known(purse.reserve(Decimal("0.01"))) == "principal:a"
    await known(purse.settle((1,), Decimal(1), Decimal(0)))
    door = SharedCircuits(cells).door("t", RULES)
    epoch = await known(door.enter())
    assert (epoch, door.leave(epoch, Outcome.BAD, "down")) == (-1, None)
    assert await known(door.leave(5, Outcome.BAD, "down")) is None
    generations = SharedGenerations(cells)
    assert [await known(generations.now("acme", "s")) for _ in range(2)] == [-1, -2]
    await generations.bump("acme", "s")
    off = await known(SharedSwitches(gone).off("t", ""))
    assert off == Switch(tool="t", reason="the kill switch cannot be read")
    assert "unable to open" in caplog.text


async def test_what_was_switched_off_last_stays_so_while_the_database_is_out(
    store_url: str,
) -> None:
    made = Database(store_url)
    made.upgrade()
    switches = SharedSwitches(made)
    await switches.disable(Switch(tool="t"))
    assert await known(switches.off("t", "")) == Switch(tool="t")
    made.engine.dispose()
    with made.engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE switches")
        connection.commit()
    assert await known(switches.off("t", "")) == Switch(tool="t")
    assert await known(switches.off("u", "")) is None
    made.close()


# ------------------------------------------------------------------ two gates, one store


def _upgrade(url: str) -> None:
    with closing(Database(url)) as made:
        made.upgrade()


def _gate(store: Store, outcome: Any, effect: Effect = Effect.READ, **options: Any) -> Gate:
    controls = Controls(
        breaker=BreakerRules(failures=2, pause=600.0),
        principal=Rate(calls=8, seconds=3600.0),
        principal_spend=Allowance(amount=Decimal("0.05"), seconds=1e9),
        backends={"shop": BackendRules(rate=Rate(calls=100, seconds=3600.0), concurrency=2)},
    )
    source = one(outcome, effect, attempts=1, backend="shop", **options)
    circuits = SharedCircuits(store.cells, staleness=0.0)
    backends = replace(store.backends(), circuits=circuits)
    return Gate([source], backends=backends, controls=controls, clock=FakeClock())


async def test_two_gates_over_one_store_hold_one_set_of_limits(store_url: str) -> None:
    _upgrade(store_url)
    stores = [Store(store_url), Store(store_url)]
    ana = Principal(id="ana")
    gates = [_gate(store, 1, cost=Decimal("0.02")) for store in stores]
    results = [await gates[n % 2].session(ana).call("t", {"n": n}) for n in range(3)]
    assert [result.error and result.error.code for result in results] == [None, None, "budget"]
    free = [_gate(store, TransientError("down")) for store in stores]
    results = [await free[n % 2].session(ana).call("t", {"n": n}) for n in range(6)]
    assert [result.error and result.error.code for result in results] == [
        "transient",
        "transient",
        *["circuit_open"] * 3,
        "throttled",
    ]
    await stores[0].switches().disable(Switch(tool="t"))
    off = await free[1].session(ana).call("t", {})
    assert off.error is not None
    assert off.error.code == "disabled"
    for store in stores:
        store.close()


async def test_the_caches_of_two_gates_see_each_others_effects(store_url: str) -> None:
    _upgrade(store_url)
    stores = [Store(store_url), Store(store_url)]
    asked = iter(range(100))
    tools: list[Tool] = list(one(1, cache=60.0).list())
    gates: list[Gate] = []
    for store in stores:
        change = Tool(
            name="change",
            description="C.",
            parameters={"type": "object"},
            effect=Effect.IRREVERSIBLE,
        )
        source = FakeSource([*tools, change], t=lambda call: next(asked), change=1)
        backends = Backends(generations=store.backends().generations)
        gates.append(Gate([source], backends=backends, clock=FakeClock()))
    assert [(await gate.session().call("t", {})).value for gate in gates] == [0, 1]
    assert [(await gate.session().call("t", {})).value for gate in gates] == [0, 1]
    assert (await gates[0].session().call("change", {})).ok
    assert [(await gate.session().call("t", {})).value for gate in gates] == [2, 3]
    for store in stores:
        store.close()


async def test_listeners_hear_of_a_circuit_that_changes(store_url: str) -> None:
    _upgrade(store_url)
    store, captured, clock = Store(store_url), Captured(), FakeClock()
    gate = Gate(
        [one(TransientError("down"), attempts=1)],
        listeners=[captured],
        clock=clock,
        backends=store.backends(),
        controls=Controls(breaker=BreakerRules(failures=1, pause=600.0)),
    )
    await gate.session().call("t", {})
    assert [event.state for event in captured.of(CircuitChanged)] == ["open"]
    store.close()

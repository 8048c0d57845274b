"""Slots that processes share beside a model of them, on both databases."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from callgate.store.database import Database
from callgate.store.seats import SharedSeat, SharedSeats
from tests.controls.states import Kind, Machine, check, shared

BOUND, LEASE = 3, 3000.0  # no process shows itself by itself while a test runs
PROCESSES = st.sampled_from([0, 1, 2])


class Seated(Machine):
    """Processes that take, give back, show themselves, die, and let time pass."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        assert self.states.cells is not None
        self.cells = self.states.cells
        self.name = f"{self.tag}shop"
        self.processes = [self.born() for _ in range(3)]
        self.held: list[list[str]] = [[], [], []]
        # The model: until when each slot is held, in the common time.
        self.until: dict[str, float] = {}

    def born(self) -> SharedSeat:
        return SharedSeats(self.cells, lease=LEASE).seat(self.name, BOUND)

    def living(self) -> set[str]:
        return {mark for mark, until in self.until.items() if until > self.clock.time()}

    @rule(process=PROCESSES)
    def take(self, process: int) -> None:
        free = len(self.living()) < BOUND
        mark = self.run(self.processes[process].take())
        assert (mark is not None) == free
        if mark is not None:
            self.held[process].append(mark)
            self.until[mark] = self.clock.time() + LEASE

    @rule(process=PROCESSES, place=st.integers(min_value=0, max_value=2))
    def give(self, process: int, place: int) -> None:
        held = self.held[process]
        if held:
            mark = held.pop(place % len(held))
            self.run(self.processes[process].give(mark))
            self.until.pop(mark, None)

    @rule(process=PROCESSES, other=PROCESSES)
    def give_what_is_not_its_own(self, process: int, other: int) -> None:
        if process != other:
            for mark in self.held[other]:
                self.run(self.processes[process].give(mark))

    @rule(process=PROCESSES)
    def show(self, process: int) -> None:
        self.run(self.processes[process].show())
        self.until |= dict.fromkeys(self.held[process], self.clock.time() + LEASE)

    @rule(process=PROCESSES)
    def die(self, process: int) -> None:
        keeping = self.processes[process]._keeping
        if keeping is not None:
            keeping.cancel()
        self.processes[process], self.held[process] = self.born(), []

    @rule(part=st.sampled_from([0.25, 0.5, 1.0]))
    def advance(self, part: float) -> None:
        self.clock.advance(part * LEASE)

    @invariant()
    def what_is_kept_is_what_is_held(self) -> None:
        kept = self.run(self.cells.get(f"seats:{self.name}")) or {}
        now = self.clock.time()
        assert {mark for mark, until in kept.items() if until > now} == self.living()


def test_a_slot_is_held_by_who_shows_itself_and_by_nobody_else(database: Database) -> None:
    check(Seated, Kind(make=shared(database, database), examples=10))

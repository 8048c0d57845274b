"""The breaker beside a model of it, in every kind of state."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from callgate.controls import BreakerRules
from callgate.controls.circuit import Out, Outcome, Probe
from callgate.stages.breaker import Door
from tests.controls.states import Kind, Machine, check, known

RULES = BreakerRules(failures=3, share=0.5, least=6, window=10.0, pause=8.0, probes=2)
PROCESSES = st.sampled_from([0, 1])


class Model:
    """A circuit as simple as can be: all it ever saw, looked through each time."""

    def __init__(self) -> None:
        self.state, self.epoch, self.until = "closed", 0, 0.0
        self.seen: list[tuple[float, bool]] = []
        self.probes: list[float] = []
        self.proved = 0

    def turn(self, state: str) -> None:
        self.state, self.epoch = state, self.epoch + 1
        self.seen, self.probes, self.proved = [], [], 0

    def enter(self, now: float) -> str:
        if self.state == "closed":
            return "in"
        first = self.state == "open"
        if first:
            if now < self.until:
                return "out"
            self.turn("half")
        self.probes = [lost for lost in self.probes if lost > now]
        if len(self.probes) >= RULES.probes:
            return "out"
        self.probes.append(now + RULES.pause)
        return "first probe" if first else "probe"

    def leave(self, epoch: int, outcome: Outcome, now: float) -> str | None:
        before = self.state
        if epoch == self.epoch and outcome is not Outcome.VOID:
            if self.state == "closed":
                self.seen.append((now, outcome is Outcome.GOOD))
                if outcome is Outcome.BAD and self.broken(now):
                    self.open(now)
            elif self.state == "half":
                self.probes = self.probes[1:]
                self.probe(outcome, now)
        elif epoch == self.epoch and self.state == "half":
            self.probes = self.probes[1:]
        return self.state if self.state != before else None

    def probe(self, outcome: Outcome, now: float) -> None:
        if outcome is Outcome.BAD:
            self.open(now)
            return
        self.proved += 1
        if self.proved >= RULES.probes:
            self.turn("closed")

    def broken(self, now: float) -> bool:
        row = 0
        for _, good in reversed(self.seen):
            if good:
                break
            row += 1
        part = int(now)  # a part of the window is a second
        lately = [good for at, good in self.seen if int(at) > part - 10]
        bad = lately.count(False)
        return row >= RULES.failures or (
            len(lately) >= RULES.least and bad >= RULES.share * len(lately)
        )

    def open(self, now: float) -> None:
        self.turn("open")
        self.until = now + RULES.pause


class Breaker(Machine):
    """Two processes make attempts through one circuit."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.doors: list[Door] = [
            circuits.door(f"{self.tag}t", RULES) for circuits in self.states.circuits
        ]
        self.model = Model()
        self.running: list[int] = []
        self.told: list[list[int]] = [[], []]

    def flush(self, process: int) -> None:
        """Tell the model of the successes that a process has kept for its next question."""
        for epoch in self.told[process]:
            self.model.leave(epoch, Outcome.GOOD, self.clock.time())
        self.told[process].clear()

    @rule(processes=st.lists(PROCESSES, min_size=1, max_size=4))
    def enter(self, processes: list[int]) -> None:
        for process in processes:
            self.enter_one(process)

    def enter_one(self, process: int) -> None:
        self.flush(process)
        entry = self.run(known(self.doors[process].enter()))
        expected = self.model.enter(self.clock.time())
        if isinstance(entry, Out):
            assert expected == "out"
            assert entry.wait <= RULES.pause
            return
        if isinstance(entry, Probe):
            assert expected == ("first probe" if entry.first else "probe")
            entry = entry.epoch
        else:
            assert expected == "in"
        assert entry == self.model.epoch
        self.running.append(entry)

    @precondition(lambda self: self.running)
    @rule(
        process=PROCESSES,
        outcomes=st.lists(
            st.sampled_from([Outcome.BAD, Outcome.BAD, Outcome.GOOD, Outcome.VOID]),
            min_size=1,
            max_size=4,
        ),
        which=st.integers(min_value=0, max_value=100),
    )
    def leave(self, process: int, outcomes: list[Outcome], which: int) -> None:
        for outcome in outcomes[: len(self.running)]:
            self.leave_one(process, outcome, which)

    def leave_one(self, process: int, outcome: Outcome, which: int) -> None:
        epoch = self.running.pop(which % len(self.running))
        door = self.doors[process]
        if outcome is Outcome.GOOD:
            soon = door.passed(epoch)
        else:
            soon = door.leave(epoch, outcome, "it is down")
        if self.states.late and soon is None:
            if outcome is Outcome.GOOD:
                self.told[process].append(epoch)
            return
        changed = self.run(known(soon))
        self.flush(process)
        expected = self.model.leave(epoch, outcome, self.clock.time())
        names = {"closed": "closed", "open": "open", "half": "half_open"}
        assert (changed and changed.value) == (expected and names[expected])

    @rule(quarters=st.sampled_from([1, 3, 4, 16, 32, 33]))
    def advance(self, quarters: int) -> None:
        self.clock.advance(quarters / 4)

    @invariant()
    def never_more_probes_than_allowed(self) -> None:
        assert len(self.model.probes) <= RULES.probes


def test_two_processes_meet_one_circuit_that_does_as_its_model(kind: Kind) -> None:
    check(Breaker, kind, steps=50)

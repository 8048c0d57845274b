"""What stages keep their state in, as two processes see it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from callgate.pipeline import Clock, Soon
from callgate.stages.admit import MemoryRates, Rates
from callgate.stages.breaker import Circuits, MemoryCircuits
from callgate.stages.cache import Generations, MemoryGenerations
from callgate.stages.guard import MemorySpend, Spend
from callgate.store.cells import Cells
from callgate.store.circuits import SharedCircuits
from callgate.store.database import Database
from callgate.store.generations import SharedGenerations
from callgate.store.rates import SharedRates
from callgate.store.spend import SharedSpend
from callgate.testing import FakeClock

__all__ = ["Kind", "Machine", "States", "check", "known", "memory", "shared"]

_tags = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """The states, once for each of two processes.

    Attributes:
        rates: Token buckets.
        spend: Accounts.
        circuits: Circuits, that are asked each time.
        generations: Generations, that are asked each time.
        late: Whether successes are told only with the next question.
        cells: What all of them are made of; None for memory.
    """

    rates: tuple[Rates, Rates]
    spend: tuple[Spend, Spend]
    circuits: tuple[Circuits, Circuits]
    generations: tuple[Generations, Generations]
    late: bool
    cells: Cells | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of state.

    Attributes:
        make: Makes states under a clock.
        examples: How many examples it is quick enough for.
    """

    make: Callable[[Clock], States]
    examples: int


def memory(clock: Clock) -> States:
    """Return states in memory: two processes are then two gates of one."""
    rates, spend = MemoryRates(clock), MemorySpend(clock)
    circuits, generations = MemoryCircuits(clock), MemoryGenerations()
    return States(
        rates=(rates, rates),
        spend=(spend, spend),
        circuits=(circuits, circuits),
        generations=(generations, generations),
        late=False,
    )


def shared(one: Database, two: Database) -> Callable[[Clock], States]:
    """Return what makes states in a database, each process over its own connections."""

    def make(clock: Clock) -> States:
        a, b = (Cells(database, now=clock.time) for database in (one, two))
        return States(
            rates=(SharedRates(a), SharedRates(b)),
            spend=(SharedSpend(a), SharedSpend(b)),
            circuits=(
                SharedCircuits(a, staleness=0.0, clock=clock.time),
                SharedCircuits(b, staleness=0.0, clock=clock.time),
            ),
            generations=(SharedGenerations(a), SharedGenerations(b)),
            late=True,
            cells=a,
        )

    return make


class Machine(RuleBasedStateMachine):
    """A state machine over states of one kind, with a loop and a clock of its own."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.clock = FakeClock(start=4096.0)
        self.states = kind.make(self.clock)
        # One database serves all examples, so each has names of its own.
        self.tag = f"{next(_tags)}-"
        self.runner = asyncio.Runner()

    def run(self, awaited: Awaitable[Any]) -> Any:
        """Await something on the machine's own loop."""

        async def once() -> Any:
            return await awaited

        return self.runner.run(once())

    def teardown(self) -> None:
        """Let the loop go."""
        self.runner.close()


async def known(soon: Soon[Any]) -> Any:
    """Return what is known at once, or once it was awaited."""
    return await soon if isinstance(soon, Awaitable) else soon


def check(machine: type[Machine], kind: Kind, *, steps: int = 40) -> None:
    """Let hypothesis look for a run of the machine that breaks its model."""

    class Here(machine):
        def __init__(self) -> None:
            super().__init__(kind)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=kind.examples,
            stateful_step_count=steps,
            deadline=None,
            report_multiple_bugs=False,
        ),
    )

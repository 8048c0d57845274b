"""Circuits that processes share: one opens them for all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from callgate.controls import BreakerRules
from callgate.controls.circuit import Circuit, CircuitState, Out, Outcome, Probe
from callgate.errors import StoreError
from callgate.pipeline import Soon
from callgate.stages.breaker import Door
from callgate.store.cells import Cells

__all__ = ["SharedCircuits"]

_log = logging.getLogger("callgate")

_PREFIX = "circuit:"

# A member is looked up through its metaclass, which a hot path feels.
_GOOD, _VOID, _CLOSED = Outcome.GOOD, Outcome.VOID, CircuitState.CLOSED


class SharedCircuits:
    """Implements `Circuits` for many processes.

    A process that knows a circuit to be closed lets attempts through without asking, for
    `staleness` seconds at most; successes are counted there and told with the next question.
    Failures are told at once, and an open circuit is asked each time. While the database is out,
    attempts are let through: a breaker protects, and the backend may be well.
    """

    def __init__(
        self,
        cells: Cells,
        *,
        staleness: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep where circuits are.

        Args:
            cells: Where the circuits are.
            staleness: Seconds for which a closed circuit is taken for closed; 0 asks each time.
            clock: Measures them.
        """
        self._cells = cells
        self._staleness = staleness
        self._clock = clock

    def door(self, name: str, rules: BreakerRules) -> Door:
        """Return the door of a circuit, which begins closed."""
        return _Door(self._cells, name, rules, self._staleness, self._clock)

    async def look(self) -> Mapping[str, Circuit]:
        """Return every circuit that has seen a question.

        Raises:
            StoreError: The database does not do what it must.
        """
        found = await self._cells.read(_PREFIX)
        return {name.removeprefix(_PREFIX): Circuit.load(state) for name, state in found.items()}


class _Door:
    __slots__ = (
        "_cell",
        "_cells",
        "_clock",
        "_epoch",
        "_good",
        "_rules",
        "_staleness",
        "_until",
    )

    def __init__(
        self,
        cells: Cells,
        name: str,
        rules: BreakerRules,
        staleness: float,
        clock: Callable[[], float],
    ) -> None:
        self._cells = cells
        self._cell = _PREFIX + name
        self._rules = rules
        self._staleness = staleness
        self._clock = clock
        self._epoch: int | None = None
        self._until = 0.0
        self._good = 0

    def enter(self) -> Soon[int | Probe | Out]:
        epoch, now = self._epoch, self._clock()
        if epoch is not None and now < self._until:
            return epoch
        # Whoever comes while this asks goes on with what was known.
        self._until = now + self._staleness
        return self._ask()

    async def _ask(self) -> int | Probe | Out:
        def step(circuit: Circuit, now: float) -> int | Probe | Out:
            return circuit.enter(self._rules, now)

        entry = await self._change(step)
        if entry is None:
            # Nobody knows, so nothing is counted either: no circuit has this epoch.
            return -1
        self._epoch = entry if isinstance(entry, int) else None
        return entry

    def passed(self, epoch: int) -> Soon[CircuitState | None]:
        if epoch == self._epoch:
            self._good += 1
            return None
        return self.leave(epoch, _GOOD, "")

    def leave(self, epoch: int, outcome: Outcome, why: str) -> Soon[CircuitState | None]:
        if epoch < 0 or (outcome is _VOID and epoch == self._epoch):
            return None
        return self._tell(epoch, outcome, why)

    async def _tell(self, epoch: int, outcome: Outcome, why: str) -> CircuitState | None:
        def step(circuit: Circuit, now: float) -> tuple[bool, CircuitState, int]:
            changed = circuit.leave(self._rules, epoch, outcome, why, now)
            return changed, circuit.state, circuit.epoch

        told = await self._change(step)
        if told is None:
            return None
        changed, state, now = told
        self._epoch = now if state is _CLOSED else None
        return state if changed else None

    async def _change(self, step: Callable[[Circuit, float], Any]) -> Any:
        good, epoch, self._good = self._good, self._epoch, 0

        def work(states: dict[str, Any], now: float) -> Any:
            state = states.get(self._cell)
            circuit = Circuit() if state is None else Circuit.load(state)
            if good and circuit.epoch == epoch and circuit.state is _CLOSED:
                circuit.succeed(self._rules, now, good)
            told = step(circuit, now)
            states[self._cell] = circuit.dump()
            return told

        try:
            return await self._cells.change([self._cell], work)
        except StoreError as exc:
            self._good += good
            _log.warning("The breaker lets attempts through: %s", exc.message)
            return None

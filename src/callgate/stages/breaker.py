"""`breaker`: leaves a backend alone that does not answer, and finds out when it does again."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Mapping
from typing import Protocol

from callgate.controls import BreakerRules, Controls
from callgate.controls.circuit import Circuit, CircuitState, Out, Outcome, Probe
from callgate.errors import (
    CallError,
    CancelledCallError,
    CircuitOpenError,
    RefusedError,
    ResultError,
    ToolFailedError,
)
from callgate.pipeline import Abandoned, Clock, Handler, Soon, Stage
from callgate.types import CircuitChanged, Decision, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Breaker", "BreakerFactory", "Circuits", "Door", "MemoryCircuits"]

_WHY = 200  # characters of a failure that are kept as the reason

# A member is looked up through its metaclass, which a hot path feels.
_GOOD, _BAD, _VOID = Outcome.GOOD, Outcome.BAD, Outcome.VOID
_CLOSED = CircuitState.CLOSED


class Door(Protocol):
    """One circuit as attempts meet it."""

    def enter(self) -> Soon[int | Probe | Out]:
        """Let an attempt through, with the epoch or as a probe, or refuse it."""
        ...

    def passed(self, epoch: int) -> Soon[CircuitState | None]:
        """Tell that an attempt has succeeded; `leave` without a reason, and cheaper."""
        ...

    def leave(self, epoch: int, outcome: Outcome, why: str) -> Soon[CircuitState | None]:
        """Tell how an attempt ended that was let through.

        Args:
            epoch: The epoch that it was let through in.
            outcome: What it tells about the backend.
            why: The message of its failure.

        Returns:
            The new state, if this has changed it.
        """
        ...


class Circuits(Protocol):
    """All circuits, by name; they outlive surfaces."""

    def door(self, name: str, rules: BreakerRules) -> Door:
        """Return the door of a circuit, which begins closed."""
        ...

    def look(self) -> Soon[Mapping[str, Circuit]]:
        """Return every circuit that has seen an attempt, for people to look at."""
        ...


class MemoryCircuits:
    """Circuits in the memory of this process."""

    def __init__(self, clock: Clock) -> None:
        """Begin with no circuit.

        Args:
            clock: Measures windows and pauses.
        """
        self._clock = clock
        self._circuits: dict[str, Circuit] = {}

    def door(self, name: str, rules: BreakerRules) -> Door:
        """Return the door of a circuit, which begins closed."""
        return _MemoryDoor(self._circuits.setdefault(name, Circuit()), rules, self._clock)

    def look(self) -> Mapping[str, Circuit]:
        """Return every circuit that has seen an attempt."""
        return {name: one for name, one in self._circuits.items() if one.epoch or one.parts}


class _MemoryDoor:
    __slots__ = ("_circuit", "_parts", "_rules", "_time")

    def __init__(self, circuit: Circuit, rules: BreakerRules, clock: Clock) -> None:
        self._circuit = circuit
        self._rules = rules
        self._time = clock.time

    def enter(self) -> int | Probe | Out:
        circuit = self._circuit
        if circuit.state is _CLOSED:
            return circuit.epoch
        return circuit.enter(self._rules, self._time())

    def passed(self, epoch: int) -> CircuitState | None:
        circuit = self._circuit
        if epoch == circuit.epoch and circuit.state is _CLOSED:
            circuit.succeed(self._rules, self._time())
            return None
        return self.leave(epoch, _GOOD, "")

    def leave(self, epoch: int, outcome: Outcome, why: str) -> CircuitState | None:
        circuit = self._circuit
        changed = circuit.leave(self._rules, epoch, outcome, why, self._time())
        return circuit.state if changed else None


class Breaker:
    """Refuses attempts while the circuit of the tool is open.

    A refusal is final for the call: `retry` does not repeat it. What `admit` refuses behind it
    tells nothing about the backend, and neither does a tool that answers "no".
    """

    __slots__ = ("_enforce", "_enter", "_leave", "_name", "_passed", "_tool")

    def __init__(self, tool: Tool, name: str, door: Door, *, enforce: bool = True) -> None:
        """Keep the circuit.

        Args:
            tool: The tool whose attempts are watched.
            name: The name of the circuit.
            door: The circuit.
            enforce: Whether attempts are refused; else it only tells what it would refuse.
        """
        self._tool = tool.name
        self._name = name
        self._enter = door.enter
        self._leave = door.leave
        self._passed = door.passed
        self._enforce = enforce

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Let the attempt through and look how it ends, or refuse it."""
        epoch = self._enter()
        if type(epoch) is not int:
            epoch = await self._ask(call, epoch)
            if isinstance(epoch, CircuitOpenError):
                return await self._refuse(call, call_next, epoch)
        try:
            result = await call_next(call)
        except BaseException as exc:
            # Given up, or a defect of a stage: it tells nothing, unless an effect had begun.
            error = exc.result.error if isinstance(exc, Abandoned) else None
            await self._failed(call, epoch, error)
            raise
        if result.error is not None:
            await self._failed(call, epoch, result.error)
        elif (state := self._passed(epoch)) is not None:
            await self._tell(call, state, "")
        return result

    async def _failed(self, call: ToolCall, epoch: int, error: CallError | None) -> None:
        why = "" if error is None else error.message[:_WHY]
        state = self._leave(epoch, _VOID if error is None else _told(error), why)
        if state is not None:
            await self._tell(call, state, why)

    async def _ask(self, call: ToolCall, entry: Soon[int | Probe | Out]) -> int | CircuitOpenError:
        if isinstance(entry, Awaitable):
            entry = await entry
        if isinstance(entry, Out):
            wait = max(1, math.ceil(entry.wait))
            return CircuitOpenError(
                f"{self._tool} is out: {entry.reason} Try again in {wait} s.",
                retry_after=entry.wait,
            )
        if isinstance(entry, Probe):
            if entry.first:
                _emit(call, self._name, CircuitState.HALF_OPEN, "the pause is over")
            return entry.epoch
        return entry

    async def _tell(self, call: ToolCall, state: Soon[CircuitState | None], why: str) -> None:
        if isinstance(state, Awaitable):
            state = await state
        if state is not None:
            _emit(call, self._name, state, why or "the probes succeeded")

    async def _refuse(
        self, call: ToolCall, call_next: Handler, error: CircuitOpenError
    ) -> ToolResult:
        verdict = "refused" if self._enforce else "would_refuse"
        call.scope.emit(Decision(call=call, stage="breaker", verdict=verdict, reason=error.message))
        if not self._enforce:
            return await call_next(call)
        return ToolResult(status=Status.ERROR, error=error, attempts=0)


def _emit(call: ToolCall, name: str, state: CircuitState, reason: str) -> None:
    call.scope.emit(CircuitChanged(call=call, circuit=name, state=state.value, reason=reason))


def _told(error: CallError) -> Outcome:
    if isinstance(error, RefusedError | CancelledCallError):
        return _VOID
    return _GOOD if isinstance(error, ToolFailedError | ResultError) else _BAD


class BreakerFactory:
    """Watches the tools that operators gave rules."""

    def __init__(self, circuits: Circuits, controls: Controls, *, enforce: bool = True) -> None:
        """Keep the circuits.

        Args:
            circuits: All circuits, by name.
            controls: The rules.
            enforce: Whether attempts are refused; else it only tells what it would refuse.
        """
        self._circuits = circuits
        self._controls = controls
        self._enforce = enforce

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the breaker of `tool`, or None if no rules apply to it.

        A circuit belongs to the tool and its backend, or to the backend alone where the rules are
        given under its name: then one tool's failures keep the others away, too.
        """
        backend, rules = tool.limits.backend, self._controls.breakers
        name = f"{tool.name}@{backend}" if backend else tool.name
        found = rules.get(tool.name)
        if found is None and backend in rules:
            name, found = backend, rules[backend]
        found = found or self._controls.breaker
        if found is None:
            return None
        return Breaker(tool, name, self._circuits.door(name, found), enforce=self._enforce)

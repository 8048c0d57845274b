"""A circuit: closed while a backend answers, open while it does not, half-open to find out.

    closed --(too many failures)--> open --(pause is over)--> half-open --(probes succeed)--> closed
                                     ^--------(a probe fails)------'

What an attempt tells counts only if the circuit is still in the epoch in which it let it through.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from callgate.controls import BreakerRules

__all__ = ["Circuit", "CircuitState", "Out", "Outcome", "Probe"]

_PARTS = 10
"""Parts of the window; what is older than it is forgotten part by part."""

_BESIDE = 1.0
"""Seconds after which to ask again while all probes are on their way."""


class CircuitState(StrEnum):
    """What a circuit does with attempts."""

    CLOSED = "closed"
    """Lets them through."""
    OPEN = "open"
    """Refuses them."""
    HALF_OPEN = "half_open"
    """Lets some through, to find out."""


class Outcome(StrEnum):
    """What an attempt tells about its backend."""

    GOOD = "good"
    BAD = "bad"
    VOID = "void"
    """Nothing: it was refused on the way, or given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """An attempt is let through to find out.

    Attributes:
        epoch: The epoch that it was let through in.
        first: Whether the circuit has begun to find out with it.
    """

    epoch: int
    first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """An attempt is refused.

    Attributes:
        wait: Seconds after which to ask again.
        reason: What opened the circuit.
    """

    wait: float
    reason: str


# Members are looked up through their metaclass, which a hot path feels.
_CLOSED, _OPEN, _HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
_BAD = Outcome.BAD


class Circuit:
    """The state of one circuit.

    Attributes:
        state: What it does with attempts.
        epoch: Counts its changes; an attempt carries the one it was let through in.
        until: When an open circuit lets probes through, in seconds.
        reason: What opened it last.
        row: Failures in a row.
        ends: When the last part of the window ends, in seconds.
        parts: Of the window: number of the part, attempts that succeeded and that failed.
        probes: When each probe that is on its way counts as lost, in seconds.
        proved: Probes that succeeded.
    """

    __slots__ = ("ends", "epoch", "parts", "probes", "proved", "reason", "row", "state", "until")

    def __init__(self) -> None:
        """Begin closed."""
        self.state = CircuitState.CLOSED
        self.epoch = 0
        self.until = 0.0
        self.reason = ""
        self.row = 0
        self.ends = 0.0
        self.parts: list[list[int]] = []
        self.probes: list[float] = []
        self.proved = 0

    def enter(self, rules: BreakerRules, now: float) -> int | Probe | Out:
        """Let an attempt through, with the epoch or as a probe, or refuse it."""
        if self.state is _CLOSED:
            return self.epoch
        first = self.state is _OPEN
        if first:
            # No pause is longer than the rules', though the clock went backwards meanwhile.
            self.until = min(self.until, now + rules.pause)
            if now < self.until:
                return Out(wait=self.until - now, reason=self.reason)
            self._turn(_HALF_OPEN)
        self.probes = [lost for lost in self.probes if now < lost <= now + rules.pause]
        if len(self.probes) >= rules.probes:
            return Out(wait=min(_BESIDE, rules.pause), reason=self.reason)
        self.probes.append(now + rules.pause)
        return Probe(epoch=self.epoch, first=first)

    def leave(
        self, rules: BreakerRules, epoch: int, outcome: Outcome, why: str, now: float
    ) -> bool:
        """Count how an attempt ended; return whether that changed the state.

        Args:
            rules: When to open and to close.
            epoch: The epoch that `enter` told for the attempt.
            outcome: What it tells.
            why: The message of its failure.
            now: Seconds.
        """
        if epoch != self.epoch or self.state is _OPEN:
            return False
        if self.state is _HALF_OPEN:
            return self._probed(rules, outcome, why, now)
        if outcome is Outcome.GOOD:
            self.succeed(rules, now)
            return False
        if outcome is not _BAD:
            return False
        self.row += 1
        self._part(rules, now)[2] += 1
        told = self._too_many(rules)
        if told:
            self._open(rules, f"{told}, the last with: {why}", now)
        return bool(told)

    def succeed(self, rules: BreakerRules, now: float, count: int = 1) -> None:
        """Count successes while the circuit is closed."""
        self.row = 0
        part = self.parts[-1] if now < self.ends else self._part(rules, now)
        part[1] += count

    def _probed(self, rules: BreakerRules, outcome: Outcome, why: str, now: float) -> bool:
        if self.probes:
            self.probes.pop(0)
        if outcome is _BAD:
            self._open(rules, f"a probe failed with: {why}", now)
            return True
        if outcome is Outcome.GOOD:
            self.proved += 1
            if self.proved >= rules.probes:
                self._turn(_CLOSED)
                return True
        return False

    def _part(self, rules: BreakerRules, now: float) -> list[int]:
        number = int(now * _PARTS / rules.window)
        parts = self.parts
        if not parts or parts[-1][0] != number:
            # Also what lies ahead goes, should the clock have gone backwards.
            self.parts = parts = [p for p in parts if number - _PARTS < p[0] < number]
            parts.append([number, 0, 0])
            self.ends = (number + 1) * rules.window / _PARTS
        return parts[-1]

    def _too_many(self, rules: BreakerRules) -> str:
        if self.row >= rules.failures:
            return f"{self.row} attempts in a row failed"
        good = sum(part[1] for part in self.parts)
        bad = sum(part[2] for part in self.parts)
        if good + bad >= rules.least and bad >= rules.share * (good + bad):
            return f"{bad} of {good + bad} attempts in {rules.window:g} s failed"
        return ""

    def _open(self, rules: BreakerRules, reason: str, now: float) -> None:
        self._turn(_OPEN)
        self.until = now + rules.pause
        self.reason = reason

    def _turn(self, state: CircuitState) -> None:
        self.state = state
        self.epoch += 1
        self.row = self.proved = 0
        self.ends = 0.0
        self.parts, self.probes = [], []

    def dump(self) -> dict[str, Any]:
        """Return the circuit as a JSON value."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def load(cls, value: dict[str, Any]) -> Circuit:
        """Make the circuit that `dump` described."""
        made = cls()
        for name in cls.__slots__:
            setattr(made, name, value[name])
        made.state = CircuitState(made.state)
        return made

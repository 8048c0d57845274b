"""The calls of an attempt as a whole: matched without order, and in an order that depends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callgate.evals.cases import Call, ExpectedCall
from callgate.evals.scorers.matching import assign, assign_greedily
from callgate.evals.scorers.parameters import Strength, fits

__all__ = ["Match", "in_order", "match"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How calls meet expected ones.

    Attributes:
        pairs: Place of an expected call and of the call it is matched with, best as a whole.
        optimal: Whether all expected calls are met, and nothing else was called.
        greedy: The same by the official greedy rule, which may miss what `optimal` finds.
        ordered: Whether every matched call came after those it depends on.
        partial: Between 0 and 1: mean share of what is expected that was met; calls too many
            take from it as calls missing do.
    """

    pairs: tuple[tuple[int, int], ...]
    optimal: bool
    greedy: bool
    ordered: bool
    partial: float

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "optimal": self.optimal,
            "greedy": self.greedy,
            "ordered": self.ordered,
            "partial": round(self.partial, 6),
        }


def match(
    expected: Sequence[Sequence[ExpectedCall]],
    calls: Sequence[Call],
    strength: Strength = Strength.NORMALISED,
) -> Match:
    """Match calls with expected ones.

    Args:
        expected: The right calls, for each its alternatives.
        calls: What was called, in order.
        strength: How alike arguments have to be.
    """
    weights = [
        [max(fits(one, call, strength) for one in alternatives) for call in calls]
        for alternatives in expected
    ]
    pairs = assign(weights)
    counted = len(expected) == len(calls)
    whole = [row for row, column in pairs if weights[row][column] == 1.0]
    # The best sum may trade a whole match for two halves, so whole ones are sought alone, too.
    complete = assign([[float(fit == 1.0) for fit in row] for row in weights])
    optimal = counted and max(len(whole), len(complete)) == len(expected)
    most = max(len(expected), len(calls))
    total = sum(weights[row][column] for row, column in pairs)
    return Match(
        pairs=tuple(complete if optimal else pairs),
        optimal=optimal,
        greedy=counted and len(assign_greedily(weights)) == len(expected),
        ordered=in_order(expected, complete if optimal else pairs),
        partial=total / most if most else 1.0,
    )


def in_order(expected: Sequence[Sequence[ExpectedCall]], pairs: Sequence[tuple[int, int]]) -> bool:
    """Tell whether every matched call came after those it depends on, by its first alternative.

    Args:
        expected: The right calls, for each its alternatives.
        pairs: Place of an expected call and of the call it is matched with.
    """
    places = dict(pairs)
    return all(
        places[before] < place
        for row, place in pairs
        for before in expected[row][0].after
        if before in places
    )

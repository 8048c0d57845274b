"""Two runs over the same items, compared pair by pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from callgate.errors import EvaluationDataError
from callgate.evals.statistics import Change, compare, flip_rate, minimum_detectable_effect
from callgate.evals.suite.results import ItemResult

__all__ = ["Comparison", "compare_runs"]

_SEED = 20_260_101
"""What the bootstrap draws from: the same results give the same interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a second run differs from a first one.

    Attributes:
        change: The paired statistics, over the items of both.
        flips: Share of items whose verdict differs.
        detectable: The least difference in accuracy that so many items would show.
        regressions: Items that passed before and fail now.
        gains: Items that failed before and pass now.
        only_before: Number of items that only the first run has.
        only_after: Number of items that only the second run has.
    """

    change: Change
    flips: float
    detectable: float
    regressions: tuple[ItemResult, ...]
    gains: tuple[ItemResult, ...]
    only_before: int
    only_after: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values; the names are those that a gate may use."""
        change = self.change
        return {
            "items": change.items,
            "regressions": len(self.regressions),
            "gains": len(self.gains),
            "delta": change.delta,
            "interval": list(change.interval),
            "p": change.p,
            "flips": self.flips,
            "detectable": self.detectable,
            "only_before": self.only_before,
            "only_after": self.only_after,
            "regressed": [_told(result) for result in self.regressions],
            "gained": [_told(result) for result in self.gains],
        }


def compare_runs(before: Iterable[ItemResult], after: Iterable[ItemResult]) -> Comparison:
    """Compare two runs item by item; an item is a case in one repetition.

    Raises:
        EvaluationDataError: They have no item in common.
    """
    first = {result.key: result.passed for result in before}
    pairs: list[tuple[bool, bool]] = []
    clusters: list[str] = []
    changed: dict[bool, list[ItemResult]] = {True: [], False: []}
    only_after = 0
    for result in after:
        known = first.pop(result.key, None)
        if known is None:
            only_after += 1
            continue
        pairs.append((known, result.passed))
        clusters.append(result.cluster or result.case)
        if known != result.passed:
            changed[result.passed].append(result)
    if not pairs:
        raise EvaluationDataError("The two runs have no item in common: nothing can be compared.")
    was, now = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    flips = flip_rate(was, now)
    return Comparison(
        change=compare(was, now, seed=_SEED, clusters=clusters),
        flips=flips,
        detectable=minimum_detectable_effect(len(pairs), flips=max(flips, 1 / len(pairs))),
        regressions=tuple(changed[False]),
        gains=tuple(changed[True]),
        only_before=len(first),
        only_after=only_after,
    )


def _told(result: ItemResult) -> dict[str, Any]:
    return {
        "case": result.case,
        "repetition": result.repetition,
        "failure": result.failure,
        "difference": result.difference,
    }

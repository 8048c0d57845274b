"""What a number of an evaluation is worth: intervals, repeated trials, comparisons, power.

Everything here is exact or a named approximation, needs the standard library alone, and takes its
seed as an argument.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, log, sqrt
from statistics import NormalDist, fmean
from typing import NamedTuple, TypeVar

from callgate.errors import MisuseError

__all__ = [
    "Change",
    "Interval",
    "Passes",
    "clustered",
    "compare",
    "flip_rate",
    "kappa",
    "mcnemar",
    "minimum_detectable_effect",
    "paired_bootstrap",
    "pass_at",
    "passes",
    "wilson",
]


T = TypeVar("T")


class Interval(NamedTuple):
    """Bounds within which a value lies at the confidence that was asked for."""

    low: float
    high: float


def wilson(right: int, total: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a share; it holds for few items and at 0 and 1.

    Args:
        right: Items that count.
        total: All items, independent of each other; 0 gives the whole range.
        confidence: Between 0 and 1, defaults to 0.95.

    Raises:
        MisuseError: `right` is not between 0 and `total`.
    """
    if not 0 <= right <= total:
        raise MisuseError(f"{right} of {total} items is no share.")
    if not total:
        return Interval(0.0, 1.0)
    z = _z(confidence)
    share, weight = right / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / weight
    half = z / weight * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At the ends the exact bounds are 0 and 1, which rounding misses.
    low = 0.0 if right == 0 else max(0.0, middle - half)
    return Interval(low, 1.0 if right == total else min(1.0, middle + half))


def clustered(
    values: Sequence[float], clusters: Sequence[Hashable], *, confidence: float = 0.95
) -> Interval:
    """Return the interval of a mean whose items depend on each other within clusters.

    Items of one task, document or conversation move together; a plain interval is then too narrow.
    The standard error is the cluster-robust one of the central limit theorem.

    Args:
        values: One per item, between 0 and 1.
        clusters: The cluster of each item.
        confidence: Between 0 and 1, defaults to 0.95.

    Raises:
        MisuseError: There are no items, or not as many clusters as items.
    """
    if not values or len(values) != len(clusters):
        raise MisuseError("An interval needs items, and the cluster of every item.")
    mean = fmean(values)
    sums: defaultdict[Hashable, float] = defaultdict(float)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - mean
    error = sqrt(sum(total * total for total in sums.values())) / len(values)
    half = _z(confidence) * error
    return Interval(max(0.0, mean - half), min(1.0, mean + half))


# ------------------------------------------------------------------ repeated trials


def pass_at(right: int, trials: int, k: int) -> float | None:
    """Return the chance that one of k trials at least is right, from `right` of `trials` (pass@k).

    None where there are fewer trials than k: nothing is made up.
    """
    return None if k > trials else 1 - comb(trials - right, k) / comb(trials, k)


def _pass_hat(right: int, trials: int, k: int) -> float | None:
    return None if k > trials else comb(right, k) / comb(trials, k)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """How repeated trials of tasks went.

    The rule of the denominator: every task counts the same, and every trial that was planned
    counts in its task. One that did not finish counts as failed and is listed apart.

    Attributes:
        tasks: Number of tasks.
        trials: Number of planned trials of all tasks.
        unfinished: How many of them did not finish.
        at: pass@k, the chance that one of k trials is right at least, by k; None beyond the
            trials that every task has.
        hat: pass^k, the chance that all of k trials are right, by k; None likewise.
    """

    tasks: int
    trials: int
    unfinished: int
    at: Mapping[int, float | None]
    hat: Mapping[int, float | None]


def passes(outcomes: Mapping[str, Sequence[bool | None]], *, upto: int) -> Passes:
    """Return pass@k and pass^k of tasks.

    Args:
        outcomes: By task, one entry per planned trial: right, wrong, or None if it did not finish.
        upto: The largest k.

    Raises:
        MisuseError: There are no tasks, or a task has no trial.
    """
    if not outcomes or not all(outcomes.values()):
        raise MisuseError("Every task needs a trial; one that never ran is a trial of None.")
    counts = [(sum(map(bool, trials)), len(trials)) for trials in outcomes.values()]
    most = min(trials for _, trials in counts)

    def mean(rule: Callable[[int, int, int], float | None], k: int) -> float | None:
        if k > most:
            return None
        return fmean(rule(right, trials, k) or 0.0 for right, trials in counts)

    return Passes(
        tasks=len(outcomes),
        trials=sum(trials for _, trials in counts),
        unfinished=sum(trial is None for trials in outcomes.values() for trial in trials),
        at={k: mean(pass_at, k) for k in range(1, upto + 1)},
        hat={k: mean(_pass_hat, k) for k in range(1, upto + 1)},
    )


# ------------------------------------------------------------------ comparisons of paired items


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a second run differs from a first one over the same items.

    Attributes:
        items: Items of both runs.
        gained: Items wrong before and right after.
        lost: Items right before and wrong after.
        delta: Share right after less share right before.
        interval: Of the delta, by a paired bootstrap.
        p: Of the exact McNemar test that nothing changed.
    """

    items: int
    gained: int
    lost: int
    delta: float
    interval: Interval
    p: float


def compare(
    before: Sequence[bool],
    after: Sequence[bool],
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
) -> Change:
    """Compare two runs over the same items in the same order.

    Args:
        before: Whether each item was right in the first run.
        after: The same of the second run.
        seed: What the bootstrap draws from.
        clusters: The cluster of each item, if items depend on each other.

    Raises:
        MisuseError: The runs differ in length or are empty.
    """
    pairs = _pairs(before, after)
    gained = sum(not first and second for first, second in pairs)
    lost = sum(first and not second for first, second in pairs)
    differences = [float(second) - float(first) for first, second in pairs]
    return Change(
        items=len(pairs),
        gained=gained,
        lost=lost,
        delta=fmean(differences),
        interval=paired_bootstrap(differences, seed=seed, clusters=clusters),
        p=mcnemar(gained, lost),
    )


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p of the exact McNemar test.

    Args:
        gained: Pairs that changed one way.
        lost: Pairs that changed the other way; pairs that did not change say nothing.
    """
    changed = gained + lost
    # Whole numbers until the end: 2^-n is below the smallest float soon.
    tail = term = 1
    for k in range(min(gained, lost)):
        term = term * (changed - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / 2**changed)


def paired_bootstrap(
    differences: Sequence[float],
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 2_000,
    confidence: float = 0.95,
) -> Interval:
    """Return the percentile interval of a mean difference of pairs.

    Args:
        differences: Second less first, one per item.
        seed: What the resamples are drawn from.
        clusters: The cluster of each item; whole clusters are then drawn.
        resamples: How many, defaults to 2,000.
        confidence: Between 0 and 1, defaults to 0.95.

    Raises:
        MisuseError: There are no items, or not as many clusters as items.
    """
    if not differences or (clusters is not None and len(clusters) != len(differences)):
        raise MisuseError(
            "A bootstrap needs items, and the cluster of every item if there are any."
        )
    grouped: defaultdict[Hashable, list[float]] = defaultdict(list)
    for place, difference in enumerate(differences):
        grouped[place if clusters is None else clusters[place]].append(difference)
    # Few different sums and sizes occur, so counts are drawn instead of items.
    kinds = Counter((sum(group), len(group)) for group in grouped.values())
    means = sorted(_resampled(kinds, len(grouped), random.Random(seed), resamples))
    cut = (1 - confidence) / 2
    return Interval(
        means[int(cut * resamples)], means[min(resamples, int((1 - cut) * resamples)) - 1]
    )


def _resampled(
    kinds: Counter[tuple[float, int]], groups: int, draw: random.Random, resamples: int
) -> list[float]:
    # The commonest kind comes last and takes what the others left.
    values, weights = zip(*reversed(kinds.most_common()), strict=True)
    means: list[float] = []
    for _ in range(resamples):
        drawn = list(zip(values, _multinomial(groups, weights, draw), strict=True))
        size = sum(value[1] * count for value, count in drawn)
        means.append(sum(value[0] * count for value, count in drawn) / size)
    return means


def _multinomial(number: int, weights: Sequence[int], draw: random.Random) -> list[int]:
    left, mass, counts = number, sum(weights), list[int]()
    for weight in weights:
        counts.append(left if weight == mass else _binomial(left, weight / mass, draw))
        left -= counts[-1]
        mass -= weight
    return counts


def _binomial(number: int, share: float, draw: random.Random) -> int:
    """Draw by the gaps between successes, so that rare ones are cheap."""
    if share > 0.5:
        return number - _binomial(number, 1 - share, draw)
    gap, place, count = log(1 - share), 0, -1
    while place <= number:
        place += int(log(1 - draw.random()) / gap) + 1
        count += 1
    return count


def flip_rate(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Return the share of items whose verdict differs between two runs: the noise floor.

    Raises:
        MisuseError: The runs differ in length or are empty.
    """
    return fmean(float(one != other) for one, other in _pairs(first, second))


def minimum_detectable_effect(
    items: int, *, flips: float, confidence: float = 0.95, power: float = 0.8
) -> float:
    """Return the smallest change of accuracy that a paired comparison is likely to see.

    Args:
        items: Items of both runs.
        flips: The share of items whose verdict differs between the runs; of two runs of the same
            model if nothing better is known.
        confidence: Of the test, defaults to 0.95.
        power: The chance that it sees such a change, defaults to 0.8.

    Returns:
        A difference of shares by the normal approximation of McNemar's test, or 1 if no change
        that these flips allow would be seen.

    Raises:
        MisuseError: There are no items, or `flips` is not between 0 and 1.
    """
    if items < 1 or not 0 < flips <= 1:
        raise MisuseError("Power needs items, and a share of flips above 0 and up to 1.")
    significant, seen = _z(confidence), NormalDist().inv_cdf(power)
    low, high = 0.0, flips
    for _ in range(60):
        delta = (low + high) / 2
        needed = significant * sqrt(flips) + seen * sqrt(flips - delta * delta)
        low, high = (delta, high) if items * delta * delta < needed * needed else (low, delta)
    return 1.0 if high == flips else high


def kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Return Cohen's kappa of two raters: agreement beyond chance, 1 at most.

    None if chance alone would agree always, so that nothing is said.

    Raises:
        MisuseError: The raters differ in length or are empty.
    """
    pairs = _pairs(first, second)
    agreed = fmean(float(one == other) for one, other in pairs)
    ones, others = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(ones[label] * others[label] for label in ones) / len(pairs) ** 2
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def _pairs(first: Sequence[T], second: Sequence[T]) -> list[tuple[T, T]]:
    if not first or len(first) != len(second):
        raise MisuseError("A comparison needs items, and the same ones on both sides.")
    return list(zip(first, second, strict=True))


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)

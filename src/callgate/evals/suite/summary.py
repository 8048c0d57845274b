"""What the results of a run say together: shares with intervals, confusion, cost and time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from callgate.evals.statistics import Interval, clustered, passes, wilson
from callgate.evals.suite.results import ItemResult

__all__ = ["Summary", "ToolCounts", "summarise"]


@dataclass(slots=True)
class ToolCounts:
    """How often a tool was rightly called, wrongly called, and missed."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float | None:
        """Right calls among those made; None if there was none."""
        return _share(self.right, self.right + self.wrong)

    @property
    def recall(self) -> float | None:
        """Right calls among those expected; None if there was none."""
        return _share(self.right, self.right + self.missed)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; None if the tool was neither called nor expected."""
        return _share(2 * self.right, 2 * self.right + self.wrong + self.missed)


@dataclass(slots=True)
class Summary:
    """The figures of a run; filled from one pass over its results.

    Attributes:
        items: Items judged.
        passed: Items that passed.
        unfinished: Items that did not come to their end; they count as failed.
        outcomes: Items by outcome.
        failures: Items by the class of their failure.
        tools: Counts by tool.
        confused: How often one tool (or nothing, empty) was called where another was expected.
        arguments: Right arguments, and expected ones, in calls of the right tool.
        tags: Items and passed ones by tag.
        usage: Requests, tokens read and written.
        cost: US dollars; None if one price is not known.
        seconds: Seconds of all items together.
        trials: Whether each repetition of a case passed; None for an unfinished one.
        clusters: The cluster of each case that names one.
    """

    items: int = 0
    passed: int = 0
    unfinished: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    failures: Counter[str] = field(default_factory=Counter[str])
    tools: defaultdict[str, ToolCounts] = field(default_factory=lambda: defaultdict(ToolCounts))
    confused: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    arguments: list[int] = field(default_factory=lambda: [0, 0])
    tags: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    usage: list[int] = field(default_factory=lambda: [0, 0, 0])
    cost: Decimal | None = Decimal(0)
    seconds: float = 0.0
    trials: defaultdict[str, list[bool | None]] = field(
        default_factory=lambda: defaultdict(list[bool | None])
    )
    clusters: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, result: ItemResult) -> None:
        """Count one result."""
        finished = result.outcome != "unfinished"
        self.items += 1
        self.passed += result.passed
        self.unfinished += not finished
        self.outcomes[result.outcome] += 1
        self.trials[result.case].append(result.passed if finished else None)
        if result.failure:
            self.failures[result.failure] += 1
        if result.cluster:
            self.clusters[result.case] = result.cluster
        for tag in result.tags:
            self.tags[tag][0] += result.passed
            self.tags[tag][1] += 1
        self._add_calls(result)
        for place, amount in enumerate((result.requests, result.input, result.output)):
            self.usage[place] += amount
        self.seconds += result.seconds
        known = None if result.cost is None else Decimal(result.cost)
        self.cost = None if self.cost is None or known is None else self.cost + known

    def _add_calls(self, result: ItemResult) -> None:
        for wanted, made in result.selected:
            self.confused[wanted, made] += 1
            if wanted == made:
                self.tools[wanted].right += 1
                continue
            if made:
                self.tools[made].wrong += 1
            if wanted:
                self.tools[wanted].missed += 1
        self.arguments[0] += result.arguments
        self.arguments[1] += result.argument_count

    @property
    def accuracy(self) -> float | None:
        """Passed items among all; unfinished ones have failed. None without items."""
        return _share(self.passed, self.items)

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the accuracy: Wilson's, or clustered where items depend.

        Repetitions of one case depend on each other, as do cases of one cluster.
        """
        alone = all(len(trials) == 1 for trials in self.trials.values())
        if alone and not self.clusters:
            return wilson(self.passed, self.items)
        values: list[float] = []
        clusters: list[str] = []
        for case, trials in self.trials.items():
            values += [float(bool(passed)) for passed in trials]
            clusters += [self.clusters.get(case, case)] * len(trials)
        return clustered(values, clusters)

    @property
    def selection(self) -> ToolCounts:
        """The counts of all tools together."""
        whole = ToolCounts()
        for counts in self.tools.values():
            whole.right += counts.right
            whole.wrong += counts.wrong
            whole.missed += counts.missed
        return whole

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values; the names are those that a gate may use."""
        interval = self.interval if self.items else None
        upto = max(map(len, self.trials.values()), default=1)
        tried = passes(self.trials, upto=upto) if self.items else None
        return {
            "items": self.items,
            "passed": self.passed,
            "unfinished": self.unfinished,
            "accuracy": self.accuracy,
            "interval": None if interval is None else [interval.low, interval.high],
            "outcomes": dict(self.outcomes),
            "failures": dict(self.failures.most_common()),
            "selection": _scores(self.selection),
            "arguments": {
                "right": self.arguments[0],
                "expected": self.arguments[1],
                "accuracy": _share(*self.arguments),
            },
            "tools": {name: _scores(self.tools[name]) for name in sorted(self.tools) if name},
            "tags": {
                tag: {
                    "passed": right,
                    "items": count,
                    "accuracy": _share(right, count),
                    "interval": list(wilson(right, count)),
                }
                for tag, (right, count) in sorted(self.tags.items())
            },
            "repetitions": {
                "cases": len(self.trials),
                "pass_at": {} if tried is None else _numbered(tried.at),
                "pass_hat": {} if tried is None else _numbered(tried.hat),
            },
            "efficiency": self._efficiency(),
        }

    def _efficiency(self) -> dict[str, Any]:
        requests, read, written = self.usage
        return {
            "requests": requests,
            "input": read,
            "output": written,
            "seconds": round(self.seconds, 3),
            "cost": None if self.cost is None else str(self.cost),
        }


def summarise(results: Iterable[ItemResult]) -> Summary:
    """Sum results up; they are read once and not kept."""
    summary = Summary()
    for result in results:
        summary.add(result)
    return summary


def _scores(counts: ToolCounts) -> dict[str, Any]:
    return {
        "right": counts.right,
        "wrong": counts.wrong,
        "missed": counts.missed,
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
    }


def _numbered(values: Mapping[int, float | None]) -> dict[str, float | None]:
    return {str(k): value for k, value in values.items()}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None

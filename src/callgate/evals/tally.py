"""Counts of a scoring: what is kept of each item, and how it is told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from callgate.evals.statistics import wilson

__all__ = ["Coverage", "Difference", "Outcome", "Share", "Tally"]

_DIGITS = 6
_SHOWN = 20
"""Differences that are told one by one; all are counted."""


class Outcome(StrEnum):
    """What a model did, before it is asked whether that was right."""

    CALLED = "called"
    ABSTAINED = "abstained"
    """It answered without a call."""
    UNPARSABLE = "unparsable"
    """It tried to call, and what it wrote cannot be read as a call."""


@dataclass(slots=True)
class Share:
    """How many of how many."""

    right: int = 0
    total: int = 0

    def add(self, right: bool) -> None:
        """Count one item."""
        self.right += right
        self.total += 1

    def to_json(self) -> dict[str, Any]:
        """Return the numbers, the share and its Wilson interval."""
        low, high = wilson(self.right, self.total)
        return {
            "right": self.right,
            "total": self.total,
            "accuracy": round(self.right / self.total, _DIGITS) if self.total else None,
            "interval": [round(low, _DIGITS), round(high, _DIGITS)],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A verdict of ours that is not the official one.

    Attributes:
        model: Whose output it is.
        category: Of the item.
        id: Of the item.
        ours: Our error type, or None for right.
        official: The official one, likewise.
    """

    model: str
    category: str
    id: str
    ours: str | None
    official: str | None


class Coverage:
    """Which items each model has an output for: a byte for each of them."""

    def __init__(self, keys: Iterable[tuple[str, str]]) -> None:
        """Begin with no output.

        Args:
            keys: Category and id of every item.
        """
        self._places = {key: place for place, key in enumerate(keys)}
        self._marks: dict[str, bytearray] = {}

    def add(self, model: str, key: tuple[str, str]) -> None:
        """Mark an item."""
        if model not in self._marks:
            self._marks[model] = bytearray(len(self._places))
        self._marks[model][self._places[key]] = 1

    def left_out(self) -> Iterator[str]:
        """Yield the model of each item that stands in none of its outputs.

        A category that a model has no output in at all was not asked of it.
        """
        for model, marks in self._marks.items():
            begun = {key[0] for key, place in self._places.items() if marks[place]}
            for (category, _), place in self._places.items():
                if not marks[place] and category in begun:
                    yield model


@dataclass(slots=True)
class Tally:
    """What a scoring counts; its size does not grow with the items.

    Attributes:
        items: Verdicts given.
        compared: Verdicts that an official one stood beside.
        accuracy: Shares by model and category.
        outcomes: Outcomes by model.
        errors: Error types by model.
        different: How many verdicts are not the official ones, by model.
        examples: The first of them.
        missing: Items whose output is null, by model; failed, and no verdict is compared.
        absent: Items that stand in no line of the outputs, by model; not counted, for who scores
            a part of a set asks for that part.
    """

    items: int = 0
    compared: int = 0
    accuracy: defaultdict[str, defaultdict[str, Share]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Share))
    )
    outcomes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    errors: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    different: Counter[str] = field(default_factory=Counter[str])
    examples: list[Difference] = field(default_factory=list[Difference])
    missing: Counter[str] = field(default_factory=Counter[str])
    absent: Counter[str] = field(default_factory=Counter[str])

    def add(self, model: str, category: str, error: str | None, outcome: Outcome) -> None:
        """Count one verdict of ours."""
        self.items += 1
        self.accuracy[model][category].add(error is None)
        self.outcomes[model][outcome] += 1
        if error is not None:
            self.errors[model][error] += 1

    def miss(self, model: str, category: str) -> None:
        """Count an item that a model has answered with nothing."""
        self.items += 1
        self.accuracy[model][category].add(False)
        self.missing[model] += 1

    def note(self, coverage: Coverage) -> None:
        """Tell what the outputs leave out."""
        self.absent.update(coverage.left_out())

    def compare(self, difference: Difference, *, same: bool) -> None:
        """Count one official verdict that stands beside ours."""
        self.compared += 1
        if same:
            return
        self.different[difference.model] += 1
        if len(self.examples) < _SHOWN:
            self.examples.append(difference)

    @property
    def differences(self) -> int:
        """How many verdicts are not the official ones."""
        return self.different.total()

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "items": self.items,
            "compared": self.compared,
            "differences": self.differences,
            "differences_by_model": _counts(self.different),
            "different": [
                {
                    "model": one.model,
                    "category": one.category,
                    "id": one.id,
                    "ours": one.ours,
                    "official": one.official,
                }
                for one in self.examples
            ],
            "accuracy": {
                model: {category: share.to_json() for category, share in shares.items()}
                for model, shares in self.accuracy.items()
            },
            "missing": _counts(self.missing),
            "absent": _counts(self.absent),
            "outcomes": {model: _counts(counts) for model, counts in self.outcomes.items()},
            "errors": {model: _counts(counts) for model, counts in self.errors.items()},
        }


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(name): count for name, count in sorted(counts.items())}

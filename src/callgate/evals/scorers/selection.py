"""Which tools were chosen: precision, recall and F1 by tool, and what was taken for what."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Selection", "is_sibling"]

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")


def is_sibling(one: str, other: str) -> bool:
    """Tell whether two tools belong together by their names: one dotted prefix, or a shared verb.

    A wrong sibling is the commonest confusion and asks for a clearer description; another tool
    altogether asks for a better search.
    """
    if one == other:
        return False
    prefix, _, _ = one.rpartition(".")
    if prefix:
        return other.startswith(f"{prefix}.")
    words, others = _words(one), _words(other)
    return bool(words and others) and (words[0] == others[0] or words[1:] == others[1:] != [])


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


@dataclass(slots=True)
class Selection:
    """Counts of chosen tools over items; calls of one item are compared without their order.

    Attributes:
        hits: Right calls, by tool.
        missed: Expected calls that were not made, by tool.
        extra: Calls that were not expected, by tool.
        confusion: What was called instead, by expected tool; "" is nothing.
        siblings: How many of these were wrong siblings.
    """

    hits: Counter[str] = field(default_factory=Counter[str])
    missed: Counter[str] = field(default_factory=Counter[str])
    extra: Counter[str] = field(default_factory=Counter[str])
    confusion: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    siblings: int = 0

    def add(self, expected: Sequence[str], called: Sequence[str]) -> None:
        """Count the names of one item's calls."""
        wanted, made = Counter(expected), Counter(called)
        both = wanted & made
        missing, extra = list((wanted - made).elements()), list((made - wanted).elements())
        self.hits += both
        self.missed.update(missing)
        self.extra.update(extra)
        for name in both.elements():
            self.confusion[name][name] += 1
        for name in missing:
            # The nearest of what came in its place; what is left over was called for nothing.
            taken = next((other for other in extra if is_sibling(name, other)), None)
            self.siblings += taken is not None
            taken = taken if taken is not None else (extra[0] if extra else "")
            if taken:
                extra.remove(taken)
            self.confusion[name][taken] += 1
        for name in extra:
            self.confusion[""][name] += 1

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values, sums over all tools first."""
        tools = sorted(self.hits | self.missed | self.extra)
        totals = (self.hits.total(), self.missed.total(), self.extra.total())
        return {
            **_measures(*totals),
            "wrong_sibling": self.siblings,
            "tools": {
                name: _measures(self.hits[name], self.missed[name], self.extra[name])
                for name in tools
            },
            "confusion": {name: dict(row) for name, row in sorted(self.confusion.items())},
        }


def _measures(hits: int, missed: int, extra: int) -> dict[str, Any]:
    precision = hits / (hits + extra) if hits + extra else None
    recall = hits / (hits + missed) if hits + missed else None
    total = 2 * hits + missed + extra
    return {
        "hits": hits,
        "missed": missed,
        "extra": extra,
        "precision": precision,
        "recall": recall,
        "f1": 2 * hits / total if total else None,
    }

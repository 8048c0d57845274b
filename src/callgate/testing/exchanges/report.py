"""What a replay found: counts per wire and check, and the differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["EXAMPLES", "Check", "FileCount", "Report", "Tally"]

EXAMPLES = 20
"""Mismatches that a report shows per wire and check; all are counted."""

_LONGEST = 600
"""Characters of a difference that a report shows."""


class Check(StrEnum):
    """What is looked at."""

    DECODE = "decode"
    """The calls are those that the provider's client read; nothing unknown is lost."""
    STREAM = "stream"
    """A stream means the same however its bytes are cut, and its pieces add up to it."""
    HISTORY = "history"
    """What the model said and the results go back as the provider accepted them."""
    TOOLS = "tools"
    """Definitions of tools are written as the provider accepted them."""
    ERRORS = "errors"
    """A refusal becomes the right error, with the provider's words and Retry-After."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """The counts of one check on one wire.

    Attributes:
        checked: Things that were compared.
        mismatches: Those of them that differ.
        skipped: Things that were not compared, by the reason.
        left_out: Kinds of parts that a recorded client did not send back at all, so that ours
            could not be compared with any.
        examples: The first `EXAMPLES` mismatches: the exchange's id and the difference.
    """

    checked: int = 0
    mismatches: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    left_out: Counter[str] = field(default_factory=Counter[str])
    examples: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def count(self, identity: str, difference: str | None) -> None:
        """Count one comparison.

        Args:
            identity: The exchange's id.
            difference: What differs, in words; None if nothing does.
        """
        self.checked += 1
        if difference is not None:
            self.mismatches += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append((identity, difference[:_LONGEST]))

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object."""
        counts: dict[str, Any] = {
            "checked": self.checked,
            "skipped": dict(sorted(self.skipped.items())),
            "mismatches": self.mismatches,
            "examples": [{"id": name, "difference": told} for name, told in self.examples],
        }
        return counts | ({"left_out": dict(sorted(self.left_out.items()))} if self.left_out else {})


@dataclass(slots=True, kw_only=True)
class FileCount:
    """What was looked at in one file.

    Attributes:
        name: The file.
        exchanges: Exchanges in it.
        checked: Comparisons made with them.
    """

    name: str
    exchanges: int
    checked: int = 0

    @property
    def idle(self) -> bool:
        """Whether it holds exchanges and none of them was compared with anything."""
        return bool(self.exchanges) and not self.checked


@dataclass(slots=True, kw_only=True)
class Report:
    """The outcome of a replay.

    Attributes:
        seed: What the cuts of streams were drawn from.
        files: The files, in the order they were given.
        wires: The counts by the recordings' names of wires, and by check.
    """

    seed: int
    files: list[FileCount] = field(default_factory=list[FileCount])
    wires: dict[str, dict[Check, Tally]] = field(default_factory=dict[str, dict[Check, Tally]])

    def tallies(self, wire: str) -> dict[Check, Tally]:
        """Return the counts of a wire, made when it is first met."""
        return self.wires.setdefault(wire, {check: Tally() for check in Check})

    @property
    def mismatches(self) -> int:
        """All mismatches."""
        return sum(tally.mismatches for tally in self._all())

    @property
    def idle(self) -> tuple[str, ...]:
        """Files in which nothing was checked although they are not empty."""
        return tuple(file.name for file in self.files if file.idle)

    @property
    def ok(self) -> bool:
        """Whether there is no mismatch and no idle file."""
        return not self.mismatches and not self.idle

    def _all(self) -> Iterator[Tally]:
        for checks in self.wires.values():
            yield from checks.values()

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object."""
        return {
            "seed": self.seed,
            "checked": sum(tally.checked for tally in self._all()),
            "mismatches": self.mismatches,
            "files": [
                {"name": file.name, "exchanges": file.exchanges, "checked": file.checked}
                | ({"error": "nothing in it was checked"} if file.idle else {})
                for file in self.files
            ],
            "wires": {
                wire: {check.value: tally.to_json() for check, tally in checks.items()}
                for wire, checks in self.wires.items()
            },
        }

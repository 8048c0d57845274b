"""One change to a tool or a surface, and how much it asks of a version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Change", "Level", "highest"]


class Level(StrEnum):
    """What a version has to go up by, from the least to the most."""

    NONE = "none"
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"


_ORDER = tuple(Level)


def highest(levels: Iterable[Level]) -> Level:
    """Return the highest of some levels; `none` of none."""
    return max(levels, key=_ORDER.index, default=Level.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is different.

    Attributes:
        kind: A stable word, such as `property_added`, `effect` or `tool_removed`.
        words: The change in one sentence.
        level: What it asks of the version by itself; None where the verdict on the whole schema
            says so.
        path: Where it is: `parameters#/properties/city`; empty for the tool itself.
        before: What it was, a JSON value.
        after: What it is now.
    """

    kind: str
    words: str
    level: Level | None = None
    path: str = ""
    before: Any = None
    after: Any = None

    def to_json(self) -> dict[str, Any]:
        """Return the change as a JSON object."""
        return {
            "kind": self.kind,
            "path": self.path,
            "words": self.words,
            "semver": self.level,
            "before": self.before,
            "after": self.after,
        }

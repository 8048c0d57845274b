"""What a search for a value can end with."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

__all__ = ["EMPTY", "Answer", "Empty", "Found", "Unknown", "too_hard"]


class Found(NamedTuple):
    """There is a value.

    Attributes:
        value: A JSON value; treat it as frozen, it may be part of others.
        doubts: Keywords that were left out when it was made; empty if it surely satisfies all.
    """

    value: Any
    doubts: frozenset[str] = frozenset()


class Empty(NamedTuple):
    """It is proved that there is none."""


class Unknown(NamedTuple):
    """Neither a value nor a proof was found.

    Attributes:
        keywords: What made it too hard.
    """

    keywords: frozenset[str]


Answer: TypeAlias = Found | Empty | Unknown

EMPTY = Empty()


def too_hard(answer: Answer) -> frozenset[str]:
    """Return the keywords that made it too hard; none if there is an answer."""
    return answer.keywords if isinstance(answer, Unknown) else frozenset()

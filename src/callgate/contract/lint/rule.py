"""What a rule is: a name, why it matters, what to do, and a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from callgate.contract.lint.finding import Edit, Severity
from callgate.contract.lint.subject import Subject

__all__ = ["Across", "Check", "Hit", "Rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A place where a check found what its rule is about.

    Attributes:
        subject: The tool.
        words: What is wrong, in a sentence.
        path: Where in the tool; empty for all of it.
        evidence: What was seen; cut to 160 characters in the finding.
        fix: What to do, where it can be said better than the rule says it.
        edits: Safe changes.
        other: The name of the other tool of a pair.
    """

    subject: Subject
    words: str
    path: str = ""
    evidence: str = ""
    fix: str = ""
    edits: tuple[Edit, ...] = ()
    other: str = ""


Check: TypeAlias = Callable[[Subject], Iterable[Hit]]
"""Looks at one tool."""

Across: TypeAlias = Callable[[Sequence[Subject]], Iterable[Hit]]
"""Looks at the whole surface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        id: Its name, stable.
        severity: Of its findings.
        reason: Why it matters, in a sentence.
        fix: What to do about a finding.
        each: Its check of one tool; None for a rule about the surface.
        across: Its check of the surface.
        on: Whether it runs unless it is switched off; rules that are often wrong do not.
    """

    id: str
    severity: Severity
    reason: str
    fix: str
    each: Check | None = None
    across: Across | None = None
    on: bool = True

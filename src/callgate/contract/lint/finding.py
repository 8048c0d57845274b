"""What a rule has to say about a tool."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from callgate.contract.listing import Steps

__all__ = ["Edit", "Finding", "Severity"]


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """Calls will fail or do harm, or a provider refuses the tool."""
    WARNING = "warning"
    """A model will sometimes call wrongly."""
    INFO = "info"
    """Worth a look: tokens, or what could be said better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change that is safe: no valid call becomes invalid, and nothing a model reads is lost.

    Attributes:
        steps: Where in the document the value stands.
        value: What to put there; None takes the key away.
    """

    steps: Steps
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a tool.

    Attributes:
        rule: The rule's id.
        severity: How much it matters.
        tool: The tool's name.
        place: Where the tool stands in its source.
        path: Where in the tool: `name`, `description`, `parameters/limit`; empty for all of it.
        words: What is wrong, in a sentence.
        fix: What to do about it.
        evidence: The text or value that the rule saw, bounded; never a secret.
        edits: Changes that mend it and are safe.
        other: The name of the other tool, for a rule about pairs.
    """

    rule: str
    severity: Severity
    tool: str
    place: str
    path: str
    words: str
    fix: str
    evidence: str = ""
    edits: tuple[Edit, ...] = ()
    other: str = ""

    @property
    def id(self) -> str:
        """A short digest that stays the same while the finding does."""
        parts = (self.rule, self.tool, self.path, self.evidence, self.other)
        joined = "\0".join(parts).encode("utf-8", "surrogatepass")
        return hashlib.sha256(joined).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        told = {
            "id": self.id,
            "rule": self.rule,
            "severity": self.severity.value,
            "tool": self.tool,
            "place": self.place,
            "path": self.path,
            "message": self.words,
            "fix": self.fix,
            "evidence": self.evidence,
            "fixable": bool(self.edits),
        }
        return told | ({"other": self.other} if self.other else {})

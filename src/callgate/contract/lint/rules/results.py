"""What comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from callgate.contract.lint.finding import Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Subject
from callgate.contract.lint.words import has
from callgate.schema.values import is_object

__all__ = ["RULES"]

_MUTE = frozenset({"openai", "anthropic", "bedrock", "schema", "calls", "langchain"})
"""Forms that have no place for the schema of a result."""

_LISTING = frozenset({"all", "browse", "dump", "export", "list"})
_SMALL = ("boolean", "integer", "number")
_PAGED = re.compile(
    r"limit|page|offset|cursor|count|max|top|size|first|take|head|tail|rows|per|from|start|end|"
    r"since|until|depth|num",
    re.IGNORECASE,
)
_BOUNDED = re.compile(
    r"\b(?:top|first|last|latest|limit(?:ed)?|at most|up to|max(?:imum)?|paginat\w*|page|single|"
    r"the most)\b|\d",
    re.IGNORECASE,
)


def _missing(subject: Subject) -> Iterator[Hit]:
    if subject.tool.returns is None and subject.listed.form not in _MUTE:
        yield Hit(
            subject=subject,
            path="returns",
            words="Nothing is said about the structure of the result.",
        )


def _unbounded(subject: Subject) -> Iterator[Hit]:
    verb = [word for word in subject.action[:2] if word in _LISTING]
    if not verb or subject.problem:
        return
    if any(has(_PAGED, parameter.name) for parameter in subject.parameters):
        return
    if has(_BOUNDED, subject.tool.description) or _is_short(subject):
        return
    yield Hit(
        subject=subject,
        words=f"The tool lists ({verb[0]}), and nothing bounds how much comes back.",
        evidence=subject.tool.description or subject.tool.name,
    )


def _is_short(subject: Subject) -> bool:
    """Tell whether the result is promised to be one small value."""
    returns = subject.tool.returns
    if returns is None:
        return False
    if returns.get("type") in _SMALL:
        return True
    properties: Any = returns.get("properties")
    held = list(properties.values()) if is_object(properties) else []
    return bool(held) and all(is_object(inner) and inner.get("type") in _SMALL for inner in held)


RULES = (
    Rule(
        id="returns-missing",
        severity=Severity.INFO,
        reason="A change of the result breaks agents in silence; only a promise can be checked.",
        fix="Give the schema of the result (`returns`, `outputSchema`).",
        each=_missing,
        on=False,
    ),
    Rule(
        id="result-unbounded",
        severity=Severity.WARNING,
        reason="One long list fills the window of the model.",
        fix="Give a limit or a cursor, with a small default.",
        each=_unbounded,
        on=False,
    ),
)

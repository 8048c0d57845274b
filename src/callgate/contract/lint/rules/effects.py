"""What a call does to the world, as it is declared, named and hinted."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.contract.lint.finding import Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Subject
from callgate.contract.lint.words import said
from callgate.types import Effect

__all__ = ["RULES"]

_CAN_TELL = frozenset({"callgate", "mcp"})
"""Forms that have a place for it."""

_CHANGES = frozenset(
    said(
        "add append approve archive assign book buy cancel charge close commit create deactivate "
        "delete deploy destroy disable drop edit enable erase execute grant insert invite kill "
        "merge modify move overwrite pay post publish purchase purge push put refund register "
        "remove rename replace reply reset restart revoke schedule send set share start stop "
        "store submit terminate transfer unsubscribe update upload wipe withdraw write"
    )
)
_READS = frozenset(
    said(
        "browse check compare count describe explain fetch find get inspect list lookup peek "
        "query read retrieve search show view"
    )
)


def _missing(subject: Subject) -> Iterator[Hit]:
    if subject.listed.form in _CAN_TELL and not subject.listed.effect_told:
        yield Hit(
            subject=subject,
            path="effect",
            words="Nothing says what a call does to the world, so it counts as irreversible.",
        )


def _contradicts(subject: Subject) -> Iterator[Hit]:
    if not subject.listed.effect_told or not subject.action:
        return
    if len(subject.action) < 2 or subject.action[:2] == ("post", "code"):
        # One word alone is as often a noun: `schedule`, `book`, `post`.
        return
    verb, effect = subject.action[0], subject.tool.effect
    if effect is Effect.READ and verb in _CHANGES and not _reads(subject):
        yield Hit(
            subject=subject,
            path="effect",
            words=f"It is declared to change nothing, and its name says {verb}.",
            evidence=subject.tool.name,
        )
    if effect is not Effect.READ and verb in _READS and not _changes(subject):
        yield Hit(
            subject=subject,
            path="effect",
            words=f"It is declared to change something, and its name says {verb}.",
            evidence=subject.tool.name,
            fix="Declare it as read, so that it may be repeated and run beside others; or say in "
            "the description what it changes.",
        )


def _reads(subject: Subject) -> bool:
    opening = said(subject.tool.description)[:3]
    return any(word.removesuffix("s") in _READS for word in opening)


def _changes(subject: Subject) -> bool:
    stems = {word.removesuffix("e") for word in _CHANGES}
    return any(
        word.removesuffix("s").removesuffix("e") in stems for word in said(subject.tool.description)
    )


def _hints(subject: Subject) -> Iterator[Hit]:
    hints = subject.listed.annotations
    if hints.get("readOnlyHint") is True and hints.get("destructiveHint") is True:
        yield Hit(
            subject=subject,
            path="annotations",
            words="It is hinted to be read-only and destructive at once.",
            evidence=str(dict(hints)),
        )


RULES = (
    Rule(
        id="effect-missing",
        severity=Severity.INFO,
        reason="What a call does decides whether it may be repeated, run beside others, or must be "
        "approved.",
        fix="Declare the effect; for MCP by `readOnlyHint`, `idempotentHint`, `destructiveHint`.",
        each=_missing,
    ),
    Rule(
        id="effect-contradicts-name",
        severity=Severity.ERROR,
        reason="A tool that is taken for a read is repeated, cached and never approved.",
        fix="Declare what the tool does, or name it after what it does.",
        each=_contradicts,
    ),
    Rule(
        id="hints-contradict",
        severity=Severity.ERROR,
        reason="Clients believe one hint or the other.",
        fix="Keep the one that is true.",
        each=_hints,
    ),
)

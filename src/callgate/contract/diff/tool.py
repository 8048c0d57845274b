"""What a change to one tool, or to one schema, breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from callgate.contract.diff.change import Change, Level, highest
from callgate.contract.diff.migration import Migration, suggest
from callgate.contract.diff.schemas import alike, schema_changes
from callgate.contract.inclusion.include import Inclusion, Verdict, include
from callgate.types import Effect, JsonSchema, Problem, Tool

__all__ = ["Count", "Part", "Shown", "ToolDiff", "diff_schemas", "diff_tools"]

Count = Callable[[Tool], int]
"""Counts the tokens that a tool's definition takes."""

_DANGER = (Effect.READ, Effect.IDEMPOTENT, Effect.RECONCILABLE, Effect.IRREVERSIBLE)


class Part(StrEnum):
    """What of a tool a verdict is about."""

    PARAMETERS = "parameters"
    """Every old valid call has to stay valid."""
    RETURNS = "returns"
    """Every new possible result has to have been possible."""
    TOOL = "tool"
    """The tool itself has to be there, under its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What shows that a change breaks something.

    Attributes:
        part: What is broken.
        witness: Arguments that were valid and are not, or a result that is possible and was not.
        problems: Why the other schema does not allow it.
    """

    part: Part
    witness: Any
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "part": self.part,
            "witness": self.witness,
            "problems": [
                {"path": one.path, "got": one.got, "allowed": one.allowed} for one in self.problems
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDiff:
    """What is different between two versions of a tool, or between two schemas.

    Attributes:
        name: The new name; for a tool that is gone the old one.
        verdict: Whether callers break.
        semver: What the version has to go up by; undecided counts as `major`.
        changes: What is different.
        broken: What shows that callers break; calls first.
        undecided: By part: keywords that made it too hard.
        migration: How old calls become new ones; None where that is not needed.
        tokens: What the definition took and takes; None if nobody counted.
    """

    name: str
    verdict: Verdict
    semver: Level
    changes: tuple[Change, ...] = ()
    broken: tuple[Shown, ...] = ()
    undecided: tuple[tuple[Part, tuple[str, ...]], ...] = ()
    migration: Migration | None = None
    tokens: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the diff as a JSON object."""
        told: dict[str, Any] = {
            "name": self.name,
            "verdict": self.verdict,
            "witness": self.broken[0].witness if self.broken else None,
            "semver": self.semver,
            "broken": [one.to_json() for one in self.broken],
            "undecided": {part: list(keywords) for part, keywords in self.undecided},
            "migration": self.migration.to_json() if self.migration else None,
            "changes": [one.to_json() for one in self.changes],
        }
        if self.tokens is not None:
            told["tokens"] = {"before": self.tokens[0], "after": self.tokens[1]}
        return told


def diff_schemas(
    before: JsonSchema, after: JsonSchema, part: Part = Part.PARAMETERS, name: str = ""
) -> ToolDiff:
    """Judge a change to one schema.

    Args:
        before: The old schema.
        after: The new one.
        part: As what it is used; defaults to parameters.
        name: What to call it.

    Raises:
        DefinitionError: One of them is not a schema that values can be checked against.
    """
    return _judged(name, [_compared(part, before, after, objects=False)], ())


def diff_tools(before: Tool, after: Tool, count: Count | None = None) -> ToolDiff:
    """Judge a change to one tool; its name is not compared.

    Args:
        before: The old tool.
        after: The new one.
        count: Counts the tokens of a definition; defaults to not counting.

    Raises:
        DefinitionError: A schema of theirs is not one.
    """
    parts = [_compared(Part.PARAMETERS, before.parameters, after.parameters, objects=True)]
    if before.returns is not None or after.returns is not None:
        # No schema promises nothing: any result is possible.
        one, other = before.returns or {}, after.returns or {}
        parts.append(_compared(Part.RETURNS, one, other, objects=False))
    migration = suggest(before.parameters, after.parameters)
    breaking = parts[0].inclusion.verdict is not Verdict.COMPATIBLE
    return _judged(
        after.name,
        parts,
        tuple(_about(before, after)),
        migration=migration if migration and breaking else None,
        tokens=None if count is None else (count(before), count(after)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    part: Part
    inclusion: Inclusion
    changes: tuple[Change, ...]
    level: Level


def _compared(part: Part, before: JsonSchema, after: JsonSchema, *, objects: bool) -> _Compared:
    """Compare one schema of a tool, in the direction that its part asks for."""
    one, other = (before, after) if part is Part.PARAMETERS else (after, before)
    inclusion = include(one, other, objects=objects)
    changes = schema_changes(before, after, part)
    level = Level.MAJOR
    if inclusion.verdict is Verdict.COMPATIBLE:
        level = highest(change.level for change in changes if change.level is not None)
        # What allows more, or promises more, is new; what allows and promises the same is not.
        if any(change.level is None for change in changes):
            same = include(other, one, objects=objects).verdict is Verdict.COMPATIBLE
            level = highest((level, Level.PATCH if same else Level.MINOR))
    return _Compared(part=part, inclusion=inclusion, changes=changes, level=level)


def _judged(
    name: str,
    parts: list[_Compared],
    about: tuple[Change, ...],
    *,
    migration: Migration | None = None,
    tokens: tuple[int, int] | None = None,
) -> ToolDiff:
    verdicts = [one.inclusion.verdict for one in parts]
    verdict = next(
        (kind for kind in (Verdict.BREAKING, Verdict.UNDECIDED) if kind in verdicts),
        Verdict.COMPATIBLE,
    )
    levels = [one.level for one in parts] + [one.level for one in about if one.level is not None]
    broken = tuple(
        Shown(part=one.part, witness=one.inclusion.witness, problems=one.inclusion.problems)
        for one in parts
        if one.inclusion.verdict is Verdict.BREAKING
    )
    return ToolDiff(
        name=name,
        verdict=verdict,
        semver=highest(levels),
        changes=(*about, *(change for one in parts for change in one.changes)),
        broken=broken,
        undecided=tuple(
            (one.part, one.inclusion.keywords)
            for one in parts
            if one.inclusion.verdict is Verdict.UNDECIDED
        ),
        migration=migration,
        tokens=tokens,
    )


# --- what is no schema ----------------------------------------------------------------------


def _about(before: Tool, after: Tool) -> Iterator[Change]:
    if before.description != after.description:
        yield Change(
            kind="description",
            words="the description is another; what a model does with it may change",
            level=Level.PATCH,
            before=before.description,
            after=after.description,
        )
    if before.effect is not after.effect:
        raised = _DANGER.index(after.effect) > _DANGER.index(before.effect)
        yield Change(
            kind="effect",
            words=f"the effect was {before.effect} and is {after.effect} now",
            # What was harmless to repeat no longer is: policies and retries rely on it.
            level=Level.MAJOR if raised else Level.MINOR,
            before=before.effect,
            after=after.effect,
        )
    yield from _limits(before, after)
    for name in ("parallel", "poll", "version"):
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            words = f"{name} was {one} and is {other} now"
            level = Level.PATCH if name != "version" else Level.NONE
            yield Change(kind=name, words=words, level=level, before=one, after=other)
    one, other = ([dict(item.arguments) for item in tool.examples] for tool in (before, after))
    if not alike(one, other):
        yield Change(
            kind="examples",
            words="the examples are others",
            level=Level.PATCH,
            before=one,
            after=other,
        )
    if before.tags != after.tags:
        one, other = sorted(before.tags), sorted(after.tags)
        words = "the tags are others; policies may go by them"
        yield Change(kind="tags", words=words, level=Level.PATCH, before=one, after=other)


def _limits(before: Tool, after: Tool) -> Iterator[Change]:
    for limit in fields(before.limits):
        one, other = getattr(before.limits, limit.name), getattr(after.limits, limit.name)
        if one != other:
            lowered = other is not None and (one is None or other < one)
            yield Change(
                kind="limit",
                words=f"{limit.name} was {_bound(one)} and is {_bound(other)} now",
                level=Level.MINOR if lowered else Level.PATCH,
                path=f"limits/{limit.name}",
                before=one,
                after=other,
            )


def _bound(value: float | None) -> str:
    return "unbounded" if value is None else str(value)

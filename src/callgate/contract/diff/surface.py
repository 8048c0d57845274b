"""What a change to a whole surface breaks: tools added, removed, renamed and changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any

import orjson

from callgate.contract.diff.change import Change, Level, highest
from callgate.contract.diff.schemas import alike
from callgate.contract.diff.tool import Count, Part, Shown, ToolDiff, diff_tools
from callgate.contract.inclusion.include import Verdict, example
from callgate.errors import DefinitionError
from callgate.schema.definition import bare
from callgate.types import Tool

__all__ = ["Prefix", "SurfaceDiff", "diff_surfaces"]

_SAME_WORDS = 0.75
"""How much alike two descriptions have to be for a renaming."""

_MOST_PAIRS = 2_500
"""Pairs of a tool that is gone and one that is new; beyond, none is taken for a renaming."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """What of the tools a provider's prompt cache still has: all up to the first change.

    Attributes:
        kept: Tools at the start that are unchanged.
        of: Tools the surface had.
        bytes_kept: Bytes of their definitions, as JSON.
        bytes_lost: Bytes of the new definitions behind them: to be read anew once.
        tokens_lost: The same in tokens; None if nobody counted.
    """

    kept: int
    of: int
    bytes_kept: int
    bytes_lost: int
    tokens_lost: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "tools_kept": self.kept,
            "of": self.of,
            "bytes_kept": self.bytes_kept,
            "bytes_lost": self.bytes_lost,
            "tokens_lost": self.tokens_lost,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceDiff:
    """What is different between two surfaces.

    Attributes:
        verdict: Whether callers break.
        semver: What the version of the surface has to go up by.
        tools: The tools that are different, in the new order; gone ones last.
        changes: What is different about the surface itself.
        prefix: What of a prompt cache is kept.
        tokens: What all definitions took and take; None if nobody counted.
    """

    verdict: Verdict
    semver: Level
    tools: tuple[ToolDiff, ...]
    changes: tuple[Change, ...]
    prefix: Prefix
    tokens: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the diff as a JSON object; the witness is that of the first tool that breaks."""
        first = next((one for one in self.tools if one.broken), None)
        inner = [
            {"tool": one.name, **change.to_json()} for one in self.tools for change in one.changes
        ]
        told: dict[str, Any] = {
            "verdict": self.verdict,
            "witness": first.broken[0].witness if first else None,
            "witness_of": {"tool": first.name, "part": first.broken[0].part} if first else None,
            "semver": self.semver,
            "changes": [*(one.to_json() for one in self.changes), *inner],
            "tools": [one.to_json() for one in self.tools],
            "cache_prefix": self.prefix.to_json(),
        }
        if self.tokens is not None:
            told["tokens"] = {"before": self.tokens[0], "after": self.tokens[1]}
        return told


def diff_surfaces(
    before: Sequence[Tool], after: Sequence[Tool], count: Count | None = None
) -> SurfaceDiff:
    """Judge a change to a surface.

    Args:
        before: The old tools, in their order; of several with one name the n-th is compared with
            the n-th.
        after: The new tools.
        count: Counts the tokens of a definition; defaults to not counting.

    Raises:
        DefinitionError: A schema of theirs is not one; it says of which tool.
    """
    old, new = _keyed(before), _keyed(after)
    gone = {key: tool for key, tool in old.items() if key not in new}
    come = {key: tool for key, tool in new.items() if key not in old}
    renamed = _renamed(gone.values(), come.values())
    tools: list[ToolDiff] = []
    changes: list[Change] = []
    for key, tool in new.items():
        if key in old:
            if not _same(old[key], tool):
                tools.append(_judged(old[key], tool, count))
        elif (first := renamed.get(tool.name)) is not None:
            tools.append(_moved(first, tool, count))
            changes.append(_renaming(first, tool))
        else:
            changes.append(_added(tool))
    back = {one.name for one in renamed.values()}
    for tool in gone.values():
        if tool.name not in back:
            tools.append(_removed(tool))
            changes.append(tools[-1].changes[0])
    changes += _order(old, new)
    return _summed(tools, changes, before, after, count)


def _keyed(tools: Sequence[Tool]) -> dict[tuple[str, int], Tool]:
    found: dict[tuple[str, int], Tool] = {}
    seen: dict[str, int] = {}
    for tool in tools:
        seen[tool.name] = seen.get(tool.name, 0) + 1
        found[tool.name, seen[tool.name]] = tool
    return found


def _same(one: Tool, other: Tool) -> bool:
    # Schemas are compared as text: what is nested too deep for that is no schema.
    plain = [replace(tool, parameters={}, returns=None) for tool in (one, other)]
    try:
        return plain[0] == plain[1] and alike(
            [one.parameters, one.returns], [other.parameters, other.returns]
        )
    except TypeError:
        return False


def _judged(before: Tool, after: Tool, count: Count | None) -> ToolDiff:
    try:
        return diff_tools(before, after, count)
    except DefinitionError as error:
        raise DefinitionError(f"The tool {after.name}: {error.message}") from error


# --- tools that come and go -----------------------------------------------------------------


def _renamed(gone: Iterable[Tool], come: Iterable[Tool]) -> dict[str, Tool]:
    """Return old tools by the new name that each seems to have."""
    left, found = list(gone), dict[str, Tool]()
    arrived = list(come)
    alone = len(left) == len(arrived) == 1
    if len(left) * len(arrived) > _MOST_PAIRS:
        return found
    for tool in arrived:
        best = max(left, key=lambda one: _likeness(one, tool), default=None)
        if best is not None and (_likeness(best, tool) >= _SAME_WORDS or alone):
            found[tool.name] = best
            left.remove(best)
    return found


def _likeness(one: Tool, other: Tool) -> float:
    words = SequenceMatcher(None, one.description[:400], other.description[:400]).ratio()
    names = SequenceMatcher(None, one.name, other.name).ratio()
    shape = alike(bare(one.parameters), bare(other.parameters))
    if not one.description or not other.description:
        words = 0.0
    # Many tools take the same few parameters; the same words are needed, too.
    return (words + names + 1) / 3 if shape else max(words, names) * 0.8


def _renaming(before: Tool, after: Tool) -> Change:
    return Change(
        kind="tool_renamed",
        words=f"the tool {before.name!r} seems to be {after.name!r} now",
        level=Level.MAJOR,
        before=before.name,
        after=after.name,
    )


def _moved(before: Tool, after: Tool, count: Count | None) -> ToolDiff:
    """Judge a renamed tool: whoever calls it by the old name breaks."""
    judged = _judged(before, after, count)
    shown = (_call(before),) if not judged.broken else judged.broken
    return replace(
        judged,
        verdict=Verdict.BREAKING,
        semver=Level.MAJOR,
        broken=shown,
        changes=(_renaming(before, after), *judged.changes),
    )


def _removed(tool: Tool) -> ToolDiff:
    change = Change(
        kind="tool_removed",
        words=f"the tool {tool.name!r} is gone",
        level=Level.MAJOR,
        before=tool.name,
    )
    return ToolDiff(
        name=tool.name,
        verdict=Verdict.BREAKING,
        semver=Level.MAJOR,
        changes=(change,),
        broken=(_call(tool),),
    )


def _call(tool: Tool) -> Shown:
    return Shown(part=Part.TOOL, witness=example(tool.parameters, objects=True))


def _added(tool: Tool) -> Change:
    return Change(
        kind="tool_added",
        words=f"the tool {tool.name!r} is new",
        level=Level.MINOR,
        after=tool.name,
    )


def _order(old: dict[tuple[str, int], Tool], new: dict[tuple[str, int], Tool]) -> Iterator[Change]:
    before = [key for key in old if key in new]
    after = [key for key in new if key in old]
    if before != after:
        yield Change(
            kind="order",
            words="the tools stand in another order; a prompt cache starts anew there",
            level=Level.PATCH,
            before=[name for name, _ in before],
            after=[name for name, _ in after],
        )


# --- all together ---------------------------------------------------------------------------


def _summed(
    tools: list[ToolDiff],
    changes: list[Change],
    before: Sequence[Tool],
    after: Sequence[Tool],
    count: Count | None,
) -> SurfaceDiff:
    verdicts = {one.verdict for one in tools}
    verdict = next(
        (kind for kind in (Verdict.BREAKING, Verdict.UNDECIDED) if kind in verdicts),
        Verdict.COMPATIBLE,
    )
    levels = [one.semver for one in tools]
    levels += [one.level for one in changes if one.level is not None]
    return SurfaceDiff(
        verdict=verdict,
        semver=highest(levels),
        tools=tuple(tools),
        changes=tuple(changes),
        prefix=_prefix(before, after, count),
        tokens=None if count is None else (sum(map(count, before)), sum(map(count, after))),
    )


def _prefix(before: Sequence[Tool], after: Sequence[Tool], count: Count | None) -> Prefix:
    one, other = [_text(tool) for tool in before], [_text(tool) for tool in after]
    kept = sum(1 for _ in takewhile(bool, (a == b for a, b in zip(one, other, strict=False))))
    return Prefix(
        kept=kept,
        of=len(one),
        bytes_kept=sum(map(len, other[:kept])),
        bytes_lost=sum(map(len, other[kept:])),
        tokens_lost=None if count is None else sum(map(count, after[kept:])),
    )


def _text(tool: Tool) -> bytes:
    # In the order it was written: a prompt cache goes by bytes.
    return orjson.dumps([tool.name, tool.description, tool.parameters])

"""Tools as they were found somewhere: the contracts, where each stood, and what was made of it.

Whatever judges a surface (lint, diff) takes a `Listing`, so that it does not matter whether the
tools came from Python, a live server or a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from callgate.types import Tool

__all__ = ["Listed", "Listing", "Steps"]

Steps: TypeAlias = tuple[str | int, ...]
"""The way from the root of a JSON document to a value in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One tool, and how it was found.

    Attributes:
        tool: The contract. Its name is the one that was found, which no provider may accept.
        place: Where it stood: a JSON pointer, a line, or `module:attribute`.
        form: How it was written, such as `mcp`, `openai` or `bfcl`.
        notes: What was read otherwise than written, such as a type that JSON Schema does not know.
        effect_told: Whether the source says what a call does; else the effect is the default.
        annotations: MCP's hints as they came; empty for other forms.
        ignored: Rules of lint that the tool itself switches off.
        steps: Where `name`, `description`, `parameters` and `returns` stand in the document; only
            those that stand there as they are, so that they can be changed in place.
        written: The name that its author gave it, where reading put another one before it.
        surfaces: The places of what it is offered in, where a source holds several surfaces, such
            as the questions of a benchmark; empty if all that the source holds is one.
    """

    tool: Tool
    place: str
    form: str
    notes: tuple[str, ...] = ()
    effect_told: bool = False
    annotations: Mapping[str, Any] = field(default_factory=dict[str, Any])
    ignored: frozenset[str] = frozenset()
    steps: Mapping[str, Steps] = field(default_factory=dict[str, Steps])
    written: str = ""
    surfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The tools of one source, in its order; a name may stand in it more than once.

    Attributes:
        source: What was read, as a person would name it.
        entries: The tools.
        notes: What was left out or merged.
    """

    source: str
    entries: tuple[Listed, ...]
    notes: tuple[str, ...] = ()

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools alone."""
        return tuple(entry.tool for entry in self.entries)

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that occur, each once, in the order of the tools."""
        return tuple(dict.fromkeys(entry.form for entry in self.entries))

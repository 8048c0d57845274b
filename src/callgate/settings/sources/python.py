"""A table of Python tools: `kind = "python"`."""

from __future__ import annotations

from dataclasses import dataclass

from callgate.settings.table import Table, texts

__all__ = ["PythonSettings", "python"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSettings:
    """Python tools under a name of their own.

    Attributes:
        tools: What is offered, each `module:attribute` or `path/file.py:attribute`.
    """

    tools: tuple[str, ...]


def python(table: Table) -> PythonSettings:
    """Read the table."""
    return table.fill(PythonSettings, {"tools": texts})

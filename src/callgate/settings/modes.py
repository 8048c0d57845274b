"""`[modes]`: which stages only tell what they would do."""

from __future__ import annotations

from callgate.controls import DECIDING
from callgate.settings.table import RefusedError, Table

__all__ = ["modes"]


def modes(table: Table) -> frozenset[str]:
    """Read `[modes]`.

    Returns:
        The names of the stages that observe; every other one enforces.
    """
    table.only(DECIDING)
    return frozenset(name for name in DECIDING if table.take(name, _observes, False))


def _observes(value: object) -> bool:
    if value in ("observe", "enforce"):
        return value == "observe"
    raise RefusedError("observe or enforce")

"""`Texts`: statements of SQLAlchemy as what a driver takes, each compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Dialect

__all__ = ["Texts"]

_MOST = 256


class Texts:
    """The statements of one connection."""

    def __init__(self, dialect: Dialect) -> None:
        """Start empty.

        Args:
            dialect: Whose text it is.
        """
        self._dialect = dialect
        self._known: dict[Any, tuple[str, Mapping[str, Any]]] = {}

    def of(self, statement: Any, values: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Return text and values of a statement; keep statements, so that each is compiled once.

        Args:
            statement: Of SQLAlchemy, with named parameters.
            values: Of its parameters; those that stand in the statement itself are added.
        """
        known = self._known.get(statement)
        if known is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            compiled = statement.compile(
                dialect=self._dialect, compile_kwargs={"render_postcompile": True}
            )
            own = {name: value for name, value in compiled.params.items() if value is not None}
            known = self._known[statement] = (str(compiled), own)
        text, own = known
        return (text, {**own, **values}) if own else (text, values)

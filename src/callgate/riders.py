"""What rides on the claim of an intent: it holds in that transaction, or nothing is claimed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from callgate.errors import RefusedError

__all__ = ["Claimed", "Rider", "Transaction"]


class Claimed(Protocol):
    """The intent that is being claimed, as what rides on it sees it."""

    @property
    def key(self) -> str:
        """Its name for ever."""
        ...

    @property
    def arguments(self) -> bytes:
        """The canonical arguments: what will execute."""
        ...


class Transaction(Protocol):
    """The transaction in which an intent is claimed, as what rides with it sees it."""

    def execute(self, statement: Any, values: Mapping[str, Any]) -> int:
        """Execute a statement of SQLAlchemy with its values; return how many rows it changed."""
        ...


class Rider(Protocol):
    """What must hold in the very transaction that claims an intent, such as using up an approval.

    It may run in the thread of the database, and must do nothing but what the transaction does.
    """

    def __call__(
        self, transaction: Transaction | None, intent: Claimed, before: str | None, /
    ) -> RefusedError | None:
        """Do it, or say why not: then nothing is claimed.

        Args:
            transaction: The transaction; None for a claim in memory.
            intent: What is claimed.
            before: The state that the intent was in; None if it is claimed for the first time.
        """
        ...

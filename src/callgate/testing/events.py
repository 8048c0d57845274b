"""A listener that keeps what it sees."""

from __future__ import annotations

from typing import TypeVar

from callgate.types import Event

__all__ = ["Captured"]

_E = TypeVar("_E")


class Captured:
    """Keeps every event in order.

    Attributes:
        events: All events so far.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep one event."""
        self.events.append(event)

    def of(self, kind: type[_E]) -> list[_E]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

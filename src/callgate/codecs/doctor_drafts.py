"""What the history doctor works on: messages taken apart, and the chart of what was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast

from callgate.messages import CallPart, Message, Opaque, Part, ResultPart, Role
from callgate.types import Text

__all__ = ["BELONGS_TO", "Chart", "Draft", "Fault", "HistoryRepair", "Unit", "taken_apart"]

BELONGS_TO: Mapping[str, type[Part]] = MappingProxyType(
    {"call": CallPart, "text": Text, "result": ResultPart}
)
"""Keys of opaque parts that say more about the part that follows, and what part that must be; the
same on every wire."""


class Fault(StrEnum):
    """What can be wrong with a history."""

    FOREIGN_PART = "foreign_part"
    """Signed reasoning and the like of another provider or model."""
    MISSING_SIGNATURE = "missing_signature"
    UNANSWERED_CALL = "unanswered_call"
    ORPHANED_RESULT = "orphaned_result"
    """The result of a call that is not there."""
    REPEATED_RESULT = "repeated_result"
    MISPLACED_RESULT = "misplaced_result"
    """It does not follow its call."""
    UNMATCHED_RESULT = "unmatched_result"
    """It follows a call of its tool but has an id that no call has."""
    UNNAMED_RESULT = "unnamed_result"
    """It does not have the name of its call's tool, and the wire sends it."""
    MISPLACED_PART = "misplaced_part"
    """A part in a message of the wrong role."""
    DUPLICATE_ID = "duplicate_id"
    MISSING_ID = "missing_id"
    GONE_TOOL = "gone_tool"
    """A call of a tool that there is no longer."""
    ARGUMENTS = "arguments"
    """Arguments that are no JSON object."""
    NOT_CARRIED = "not_carried"
    """The wire has no place for a part."""
    EMPTY_MESSAGE = "empty_message"
    BEGINNING = "beginning"
    """The conversation begins with the assistant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRepair:
    """One change that was made to a history before it is sent.

    Attributes:
        place: Where in the history as it was given, such as `messages[3].parts[0]`.
        fault: What was wrong.
        done: What was done about it, in words.
    """

    place: str
    fault: Fault
    done: str


@dataclass(slots=True)
class Chart:
    """What was done so far."""

    repairs: list[HistoryRepair] = field(default_factory=list[HistoryRepair])

    def note(self, place: str, fault: Fault, done: str) -> None:
        """Write down a repair."""
        self.repairs.append(HistoryRepair(place=place, fault=fault, done=done))


@dataclass(slots=True, kw_only=True, eq=False)
class Unit:
    """A part with the opaque parts before it that say more about it.

    Attributes:
        place: Where it stood.
        main: The part.
        about: The opaque parts that must stay directly before it.
    """

    place: str
    main: Part
    about: tuple[Opaque, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of it, in order."""
        return (*self.about, self.main)

    def about_call(self) -> dict[str, Any]:
        """Return the fields that the parts before a call say about it."""
        said: dict[str, Any] = {}
        for part in self.about:
            fields: Any = part.data.get("call")
            said |= cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}
        return said


@dataclass(slots=True, kw_only=True, eq=False)
class Draft:
    """A message that may change.

    Attributes:
        place: Where it stood.
        role: Who speaks.
        units: Its parts.
        origin: The message it was; None for a new one.
    """

    place: str
    role: Role
    units: list[Unit]
    origin: Message | None = None

    def message(self) -> Message:
        """Return the message: the one it was, if nothing has changed."""
        parts = tuple(part for unit in self.units for part in unit.parts)
        if self.origin is not None and _same(self.origin.parts, parts):
            return self.origin
        return Message(role=self.role, parts=parts)


def _same(old: Sequence[Part], new: Sequence[Part]) -> bool:
    return len(old) == len(new) and all(a is b for a, b in zip(old, new, strict=True))


def taken_apart(messages: Iterable[Message]) -> list[Draft]:
    """Return a draft for each message."""
    return [
        Draft(
            place=f"messages[{index}]",
            role=message.role,
            units=_units(message.parts, f"messages[{index}]"),
            origin=message,
        )
        for index, message in enumerate(messages)
    ]


def _units(parts: Sequence[Part], place: str) -> list[Unit]:
    units: list[Unit] = []
    about: list[Opaque] = []
    for index, part in enumerate(parts):
        if isinstance(part, Opaque) and _belongs_to_next(part) and index + 1 < len(parts):
            about.append(part)
            continue
        units.append(Unit(place=f"{place}.parts[{index}]", main=part, about=tuple(about)))
        about = []
    return units


def _belongs_to_next(part: Opaque) -> bool:
    data: Any = part.data
    return isinstance(data, dict) and not BELONGS_TO.keys().isdisjoint(cast("dict[str, Any]", data))

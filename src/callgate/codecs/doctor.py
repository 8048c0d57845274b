"""The history doctor: makes a conversation one that a wire accepts, and says what it did.

A conversation that was cut off, edited, or begun with another provider would be refused for ever:
every request sends it again. Nothing is changed in a history that is well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from callgate.codecs import by_name
from callgate.codecs.doctor_drafts import Chart, Draft, Fault, HistoryRepair, Unit, taken_apart
from callgate.codecs.doctor_pairing import Habit, pair
from callgate.codecs.doctor_parts import (
    carry,
    drop_empty,
    drop_foreign,
    read_arguments,
    retell_gone,
    sign,
    sort_by_role,
)
from callgate.messages import Message, Role
from callgate.types import Text

__all__ = ["Fault", "HistoryRepair", "Treated", "examine"]

_HABITS = MappingProxyType(
    {
        "anthropic": Habit(runs=True, user_first=True, blank=False),
        "bedrock": Habit(runs=True, user_first=True, blank=False),
        "gemini": Habit(runs=True, user_first=True, named=True),
        "gemini_interactions": Habit(runs=True, named=True),
        "ollama": Habit(named=True),
        "openai_responses": Habit(anywhere=True),
    }
)
"""Wires that are not here want results directly after the message with the calls."""

_STRICT = Habit()
_BEGINNING = "(The conversation begins with the assistant.)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Treated:
    """A history that may be sent.

    Attributes:
        messages: The messages; those that are well are the same objects as before.
        repairs: What was changed, in the order it was done; empty if nothing was.
    """

    messages: tuple[Message, ...]
    repairs: tuple[HistoryRepair, ...]


def examine(
    messages: Sequence[Message],
    *,
    wire: str,
    model: str = "",
    tools: Collection[str] | None = None,
) -> Treated:
    """Return a history as a wire accepts it, and what had to be changed.

    Args:
        messages: The history, as our messages.
        wire: The wire it will be sent on, as for `by_name`.
        model: The model that will read it; parts bound to another one are left out. Empty (the
            default) leaves all parts of the wire in.
        tools: Names of the tools there are now; None (the default) takes every tool as there.

    Raises:
        SettingsError: There is no such wire.
    """
    codec = by_name(wire)
    habit = _HABITS.get(codec.wire, _STRICT)
    chart = Chart()
    drafts = taken_apart(messages)
    drop_foreign(drafts, wire=codec.wire, model=model, chart=chart)
    read_arguments(drafts, wire=codec.wire, chart=chart)
    drafts = drop_empty(sort_by_role(drafts, chart), blank=habit.blank, chart=chart)
    drafts = pair(drafts, habit, chart)
    if tools is not None:
        drafts = retell_gone(drafts, tools, chart)
    if codec.wire == "gemini":
        sign(drafts, model=model, chart=chart)
    carry(drafts, codec=codec, model=model, chart=chart)
    drafts = drop_empty(drafts, blank=habit.blank, chart=chart)
    if habit.user_first:
        drafts = _begun(drafts, chart)
    return Treated(
        messages=tuple(draft.message() for draft in drafts), repairs=tuple(chart.repairs)
    )


def _begun(drafts: list[Draft], chart: Chart) -> list[Draft]:
    """Let the user begin, where the assistant does."""
    first = next((at for at, draft in enumerate(drafts) if draft.role is not Role.SYSTEM), None)
    if first is None or drafts[first].role is not Role.ASSISTANT:
        return drafts
    place = drafts[first].place
    chart.note(place, Fault.BEGINNING, "A message of the user that says so was put before it.")
    unit = Unit(place=place, main=Text(text=_BEGINNING))
    begin = Draft(place=place, role=Role.USER, units=[unit])
    return [*drafts[:first], begin, *drafts[first:]]

"""Conversations of wires whose messages alternate between the user and the assistant.

On these wires a message is a list of blocks, the system's words stand beside the conversation, and
all results of a turn come first in the one user message that follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from callgate.messages import Message, Role

__all__ = ["Turns", "Written", "arranged", "speaks_late"]

Json: TypeAlias = dict[str, Any]

# A member is looked up through its metaclass, which every message would feel.
_SYSTEM = Role.SYSTEM


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One of our messages as blocks.

    Attributes:
        role: Who speaks, in the wire's words.
        blocks: What stands in the conversation.
        system: What stands beside it.
        notes: What else a request has to say because of it, such as a container's id.
    """

    role: str
    blocks: tuple[Json, ...] = ()
    system: tuple[Json, ...] = ()
    notes: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """A conversation so far; immutable, because beginnings share it.

    Attributes:
        system: The system's words so far.
        role: Who speaks in the last message, which may still grow; empty before the first.
        blocks: What the last message holds so far.
        notes: What else a request has to say.
    """

    system: tuple[Json, ...] = ()
    role: str = ""
    blocks: tuple[Json, ...] = ()
    notes: Json = field(default_factory=dict[str, Any])

    @property
    def open(self) -> list[Json]:
        """The last message, if there is one."""
        return [{"role": self.role, "content": list(self.blocks)}] if self.role else []


def arranged(
    messages: Iterable[Message],
    state: Turns,
    *,
    write: Callable[[Message], Written],
    is_result: Callable[[Json], bool],
) -> tuple[list[Json], Turns]:
    """Return the messages that are complete, and the state with the one that may still grow.

    Args:
        messages: The next messages, in order.
        state: The conversation before them.
        write: Writes one of them.
        is_result: Whether a block is the result of a call.

    Raises:
        ModelRequestError: The wire has no place for a part of a message.
    """
    done: list[Json] = []
    for message in messages:
        new = write(message)
        state = replace(state, system=state.system + new.system, notes=state.notes | new.notes)
        if not new.blocks:
            continue
        blocks = new.blocks
        if new.role == state.role:
            blocks = state.blocks + new.blocks
        else:
            done += state.open
        state = replace(state, role=new.role, blocks=_results_first(blocks, is_result))
    return done, state


def speaks_late(messages: Iterable[Message]) -> bool:
    """Whether the system says something after the conversation has begun."""
    begun = False
    for message in messages:
        if message.role is not _SYSTEM:
            begun = True
        elif begun:
            return True
    return False


def _results_first(blocks: tuple[Json, ...], is_result: Callable[[Json], bool]) -> tuple[Json, ...]:
    return tuple(sorted(blocks, key=lambda block: not is_result(block)))

"""`resolve`: from the name the model used to the tool meant, and into that tool's own stack."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

from callgate.errors import DisabledError, RefusedError, UnknownToolError
from callgate.pipeline import Handler, Soon
from callgate.types import Decision, Status, Surface, ToolCall, ToolResult

__all__ = ["MemorySwitches", "Resolve", "Switch", "Switches"]

_SHOWN = 120  # characters of an unknown name that are repeated to the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A tool that an operator has switched off.

    Attributes:
        tool: Its name.
        tenant: For which tenant; None for all.
        reason: Why, as the model is told.
    """

    tool: str
    tenant: str | None = None
    reason: str = ""


class Switches(Protocol):
    """The kill switch: which tools are off, at the next call of every process that shares it."""

    def off(self, tool: str, tenant: str) -> Soon[Switch | None]:
        """Return why calls of `tool` by `tenant` are refused; None if they are not."""
        ...


class MemorySwitches:
    """The kill switch of this process alone."""

    def __init__(self) -> None:
        """Begin with every tool on."""
        self._off: dict[tuple[str, str | None], Switch] = {}

    def off(self, tool: str, tenant: str) -> Switch | None:
        """Return why calls of `tool` by `tenant` are refused; None if they are not."""
        off = self._off
        return (off.get((tool, None)) or off.get((tool, tenant))) if off else None

    async def disable(self, switch: Switch) -> None:
        """Switch a tool off."""
        self._off[switch.tool, switch.tenant] = switch

    async def enable(self, tool: str, tenant: str | None = None) -> bool:
        """Switch a tool on again; return whether it was off for this tenant, or for all."""
        return self._off.pop((tool, tenant), None) is not None

    async def look(self) -> tuple[Switch, ...]:
        """Return what is off."""
        return tuple(self._off.values())


class Resolve:
    """Hands a call to its tool's own stack; refuses a name that nobody was shown.

    Composed once per surface, before the tools' stacks, so that an unknown name is recorded like
    any other call.
    """

    __slots__ = ("_stacks", "_surface", "_switches")

    def __init__(
        self,
        surface: Surface,
        stacks: Mapping[str, Handler],
        switches: Switches | None = None,
    ) -> None:
        """Keep the surface and its stacks.

        Args:
            surface: The tools that may be named.
            stacks: The handler of each tool, by name.
            switches: What is switched off; None if nothing can be.
        """
        self._surface = surface
        self._stacks = stacks
        self._switches = switches

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        """Pass the call to its tool's stack; `call_next` is for a name that has none."""
        stack = self._stacks.get(call.name)
        if stack is None:
            return call_next(call)
        if self._switches is None:
            return stack(call)
        off = self._switches.off(call.name, call.scope.principal.tenant)
        return stack(call) if off is None else self._held(call, stack, off)

    async def _held(self, call: ToolCall, stack: Handler, off: Soon[Switch | None]) -> ToolResult:
        if isinstance(off, Awaitable):
            off = await off
        if off is None:
            return await stack(call)
        why = f": {off.reason}" if off.reason else "."
        return _refused(call, DisabledError(f"{off.tool} is switched off by an operator{why}"))

    async def refuse(self, call: ToolCall) -> ToolResult:
        """Answer a call whose name was not shown: the end of the path for it."""
        shown = call.name if len(call.name) <= _SHOWN else call.name[:_SHOWN] + "..."
        near = difflib.get_close_matches(call.name[:_SHOWN], self._surface.tools, n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        error = UnknownToolError(
            f"There is no tool named {shown!r}.{hint}", details={"suggestions": near}
        )
        return _refused(call, error)


def _refused(call: ToolCall, error: RefusedError) -> ToolResult:
    call.scope.emit(Decision(call=call, stage="resolve", verdict="refused", reason=error.message))
    return ToolResult(status=Status.ERROR, error=error, attempts=0)

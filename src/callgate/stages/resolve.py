"""`resolve`: from the name the model used to the tool meant, and into that tool's own stack."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Mapping

from callgate.errors import UnknownToolError
from callgate.pipeline import Handler
from callgate.types import Decision, Status, Surface, ToolCall, ToolResult

__all__ = ["Resolve"]

_SHOWN = 120  # characters of an unknown name that are repeated to the model


class Resolve:
    """Hands a call to its tool's own stack; refuses a name that nobody was shown.

    Composed once per surface, before the tools' stacks, so that an unknown name is recorded like
    any other call.
    """

    __slots__ = ("_stacks", "_surface")

    def __init__(self, surface: Surface, stacks: Mapping[str, Handler]) -> None:
        """Keep the surface and its stacks.

        Args:
            surface: The tools that may be named.
            stacks: The handler of each tool, by name.
        """
        self._surface = surface
        self._stacks = stacks

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        """Pass the call to its tool's stack; `call_next` is for a name that has none."""
        stack = self._stacks.get(call.name)
        return call_next(call) if stack is None else stack(call)

    async def refuse(self, call: ToolCall) -> ToolResult:
        """Answer a call whose name was not shown: the end of the path for it."""
        shown = call.name if len(call.name) <= _SHOWN else call.name[:_SHOWN] + "..."
        near = difflib.get_close_matches(call.name[:_SHOWN], self._surface.tools, n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        error = UnknownToolError(
            f"There is no tool named {shown!r}.{hint}", details={"suggestions": near}
        )
        call.scope.emit(
            Decision(call=call, stage="resolve", verdict="refused", reason=error.message)
        )
        return ToolResult(status=Status.ERROR, error=error, attempts=0)

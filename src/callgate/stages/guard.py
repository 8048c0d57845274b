"""`guard`: stops a model that makes one call again and again, and keeps a session's call budget."""

from __future__ import annotations

from hashlib import blake2b

from callgate.errors import BudgetError, RefusedError, RepeatedCallError
from callgate.pipeline import Handler, Stage
from callgate.types import Decision, Effect, Scope, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Guard", "GuardFactory", "Memory"]

_KEPT = 256  # calls remembered per session
_LONG = 1024  # bytes of arguments above which only their digest is remembered


class Memory:
    """What the guard remembers of one session.

    Attributes:
        calls: Calls admitted so far.
        seen: For each call, a hash of its last outcome and how often that outcome came in a row.
    """

    __slots__ = ("calls", "seen")

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.calls = 0
        self.seen: dict[tuple[str, bytes], tuple[int, int]] = {}

    @classmethod
    def of(cls, scope: Scope) -> Memory:
        """Return the memory of the session behind `scope`."""
        memory = scope.memory.get("guard")
        if memory is None:
            memory = scope.memory["guard"] = cls()
        return memory


class Guard:
    """Refuses a call that was made `repeats` times with the same arguments and the same result.

    Any effect that succeeds clears what was seen of other calls, because they may now answer
    differently. A tool declared `poll` is exempt.
    """

    __slots__ = ("_changes", "_name", "_poll", "_repeats")

    def __init__(self, tool: Tool, *, repeats: int) -> None:
        """Keep what is needed of the tool.

        Args:
            tool: The tool whose calls are watched.
            repeats: How often one call may give one result.
        """
        self._name = tool.name
        self._poll = tool.poll
        self._changes = tool.effect is not Effect.READ
        self._repeats = repeats

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Refuse the call or pass it on and remember how it ended."""
        scope = call.scope
        memory = Memory.of(scope)
        if scope.max_calls is not None and memory.calls >= scope.max_calls:
            return _refuse(
                call, BudgetError(f"The session may make {scope.max_calls} calls, and has.")
            )
        memory.calls += 1
        if self._poll:
            return await call_next(call)
        body = call.body
        mark = (self._name, body if len(body) <= _LONG else blake2b(body).digest())
        last = memory.seen.get(mark)
        if last is not None and last[1] >= self._repeats:
            return _refuse(
                call,
                RepeatedCallError(
                    f"{self._name} was called {last[1]} times with these arguments "
                    "and gave the same result each time."
                ),
            )
        result = await call_next(call)
        self._remember(memory.seen, mark, result)
        return result

    def _remember(
        self,
        seen: dict[tuple[str, bytes], tuple[int, int]],
        mark: tuple[str, bytes],
        result: ToolResult,
    ) -> None:
        outcome = hash(result.body if result.error is None else result.error.message)
        last = seen.get(mark)
        if self._changes and result.status is Status.OK:
            seen.clear()
        elif last is None and len(seen) >= _KEPT:
            del seen[next(iter(seen))]
        seen[mark] = (outcome, last[1] + 1) if last and last[0] == outcome else (outcome, 1)


def _refuse(call: ToolCall, error: RefusedError) -> ToolResult:
    call.scope.emit(Decision(call=call, stage="guard", verdict="refused", reason=error.message))
    return ToolResult(status=Status.ERROR, error=error, attempts=0)


class GuardFactory:
    """Guards every tool: the budget counts all calls, also of tools that may be polled."""

    def __init__(self, *, repeats: int = 3) -> None:
        """Set the bound.

        Args:
            repeats: How often one call may give one result before it is refused; defaults to 3.
        """
        self._repeats = repeats

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the guard of `tool`."""
        return Guard(tool, repeats=self._repeats)

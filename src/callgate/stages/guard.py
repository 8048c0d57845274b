"""`guard`: stops a model that makes one call again and again, and keeps a session's call budget."""

from __future__ import annotations

from hashlib import blake2b

from callgate.errors import BudgetError, RefusedError, RepeatedCallError
from callgate.pipeline import Handler, Stage
from callgate.types import Decision, Effect, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Guard", "GuardFactory", "Memory"]

_PENDING = Status.PENDING

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
        self.seen: dict[bytes, tuple[int, int]] = {}


class Guard:
    """Refuses a call that was made `repeats` times with the same arguments and the same result.

    Any effect that succeeds clears what was seen of other calls, because they may now answer
    differently. A tool declared `poll` is exempt.
    """

    __slots__ = ("_changes", "_enforce", "_name", "_poll", "_repeats", "_start")

    def __init__(self, tool: Tool, *, repeats: int, enforce: bool = True) -> None:
        """Keep what is needed of the tool.

        Args:
            tool: The tool whose calls are watched.
            repeats: How often one call may give one result.
            enforce: Whether calls are refused; else it only tells what it would refuse.
        """
        self._enforce = enforce
        self._name = tool.name
        self._start = tool.name.encode()
        self._poll = tool.poll
        self._changes = tool.effect is not Effect.READ
        self._repeats = repeats

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Refuse the call or pass it on and remember how it ended."""
        scope = call.scope
        memory: Memory | None = scope.memory.get("guard")
        if memory is None:
            memory = scope.memory["guard"] = Memory()
        if scope.max_calls is not None and memory.calls >= scope.max_calls:
            error = BudgetError(f"The session may make {scope.max_calls} calls, and has.")
            return await self._refuse(call, call_next, error)
        memory.calls += 1
        if self._poll:
            return await call_next(call)
        # Name and arguments, which begin with a brace, as one text: its hash is computed once.
        body = call.body
        mark = self._start + (body if len(body) <= _LONG else blake2b(body).digest())
        last = memory.seen.get(mark)
        if last is not None and last[1] >= self._repeats:
            error = RepeatedCallError(
                f"{self._name} was called {last[1]} times with these arguments "
                "and gave the same result each time."
            )
            return await self._refuse(call, call_next, error)
        result = await call_next(call)
        if result.status is _PENDING:
            return result
        outcome = hash(result.body if result.error is None else result.error.message)
        seen = memory.seen
        last = seen.get(mark)  # looked up again: the same call may have run beside this one
        if last is None:
            if len(seen) >= _KEPT:
                del seen[next(iter(seen))]
            count = 1
        else:
            count = last[1] + 1 if last[0] == outcome else 1
        if self._changes and result.error is None:
            seen.clear()
        seen[mark] = (outcome, count)
        return result

    async def _refuse(self, call: ToolCall, call_next: Handler, error: RefusedError) -> ToolResult:
        verdict = "refused" if self._enforce else "would_refuse"
        call.scope.emit(Decision(call=call, stage="guard", verdict=verdict, reason=error.message))
        if not self._enforce:
            return await call_next(call)
        return ToolResult(status=Status.ERROR, error=error, attempts=0)


class GuardFactory:
    """Guards every tool: the budget counts all calls, also of tools that may be polled."""

    def __init__(self, *, repeats: int = 3, enforce: bool = True) -> None:
        """Set the bound.

        Args:
            repeats: How often one call may give one result before it is refused; defaults to 3.
            enforce: Whether calls are refused; else it only tells what it would refuse.
        """
        self._repeats = repeats
        self._enforce = enforce

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the guard of `tool`."""
        return Guard(tool, repeats=self._repeats, enforce=self._enforce)

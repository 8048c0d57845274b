"""`retry`: tries again what effect class and error allow, within the time of the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from callgate.errors import CallError, RefusedError, ToolFailedError
from callgate.pipeline import Clock, Handler, Stage
from callgate.types import Effect, Status, Surface, Tool, ToolCall, ToolResult, Tried

__all__ = ["Backoff", "Retry", "RetryFactory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait between attempts: exponential with full jitter.

    The wait before attempt `n + 1` is drawn evenly from 0 to `min(most, first * 2 ** (n - 1))`
    seconds; a backend's own `retry_after` is the least.

    Attributes:
        first: Upper bound of the first wait in seconds.
        most: Upper bound of every wait in seconds.
        patience: A backend that asks for more seconds than these is not waited for.
    """

    first: float = 0.2
    most: float = 10.0
    patience: float = 60.0

    def wait(self, attempt: int, error: CallError, chance: float) -> float:
        """Return the seconds to wait after the failed attempt number `attempt`."""
        drawn = chance * min(self.most, self.first * 2.0 ** (attempt - 1))
        return max(drawn, error.retry_after or 0.0)


class Retry:
    """Repeats an attempt that failed for a reason that may pass.

    Reads and idempotent effects are repeated after any retryable error. Other effects only where
    the backend is known not to have acted; an ambiguous failure stays `in_doubt`.

    What the attempts came to is told as a whole: one that may have acted is not forgotten because
    a later one is known not to have, and a later one that was refused does not hide that an
    earlier one was made.
    """

    __slots__ = ("_backoff", "_chance", "_changes", "_clock", "_limits", "_safe", "_time")

    def __init__(
        self, tool: Tool, *, clock: Clock, chance: Callable[[], float], backoff: Backoff
    ) -> None:
        """Keep what decides about another attempt.

        Args:
            tool: Its effect and limits.
            clock: Sleeps between attempts.
            chance: Draws from [0, 1).
            backoff: How long to wait.
        """
        self._limits = tool.limits
        self._safe = tool.effect in (Effect.READ, Effect.IDEMPOTENT)
        self._changes = tool.effect is not Effect.READ
        self._clock = clock
        self._time = clock.time
        self._chance = chance
        self._backoff = backoff

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Make attempts until one succeeds, may not be repeated, or time or attempts run out."""
        started = self._time()
        result = await call_next(call)
        if result.error is None or not self._may_repeat(result):
            return result
        return await self._again(call, call_next, result, started)

    async def _again(
        self, call: ToolCall, call_next: Handler, last: ToolResult, started: float
    ) -> ToolResult:
        whole, made, attempt = last, last.attempts, 1
        while attempt < self._limits.attempts and self._may_repeat(last):
            error = last.error
            assert error is not None
            wait = self._backoff.wait(attempt, error, self._chance())
            left = self._left(call, started)
            if wait > self._backoff.patience or (left is not None and wait >= left):
                break
            call.scope.emit(Tried(call=replace(call, attempt=attempt), error=error, wait=wait))
            await self._clock.sleep(wait)
            attempt += 1
            last = await call_next(
                replace(call, attempt=attempt, timeout=self._left(call, started))
            )
            made += last.attempts
            whole = self._together(whole, last)
        return replace(whole, attempts=made)

    def _may_repeat(self, result: ToolResult) -> bool:
        error = result.error
        if error is None or not error.retryable:
            return False
        return self._safe or result.status is Status.ERROR

    def _together(self, before: ToolResult, last: ToolResult) -> ToolResult:
        error, earlier = last.error, before.error
        if error is None or earlier is None:
            return last
        if before.attempts and isinstance(error, RefusedError):
            return before
        if not self._changes or earlier.harmless or isinstance(error, ToolFailedError):
            return last  # a tool's own "no" to the same key is the last word, also about before
        return before if error.harmless else last

    def _left(self, call: ToolCall, started: float) -> float | None:
        bounds = [bound for bound in (call.timeout, self._limits.timeout) if bound is not None]
        # Never nothing: an attempt without time would say that it took too long, and it may have
        # slept a little longer than it was told to.
        return max(0.001, min(bounds) - (self._time() - started)) if bounds else None


class RetryFactory:
    """Retries the tools that may be tried more than once."""

    def __init__(
        self, *, clock: Clock, chance: Callable[[], float], backoff: Backoff | None = None
    ) -> None:
        """Keep what all tools share.

        Args:
            clock: Sleeps between attempts.
            chance: Draws from [0, 1).
            backoff: How long to wait; defaults to `Backoff()`.
        """
        self._clock = clock
        self._chance = chance
        self._backoff = backoff or Backoff()

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the retrying stage, or None for a tool with one attempt."""
        if tool.limits.attempts <= 1:
            return None
        return Retry(tool, clock=self._clock, chance=self._chance, backoff=self._backoff)

"""`retry`: tries again what effect class and error allow, within the time of the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from callgate.errors import CallError, TransientError
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
    """

    first: float = 0.2
    most: float = 10.0

    def wait(self, attempt: int, error: CallError, chance: float) -> float:
        """Return the seconds to wait after the failed attempt number `attempt`."""
        drawn = chance * min(self.most, self.first * 2.0 ** (attempt - 1))
        asked = error.retry_after if isinstance(error, TransientError) else None
        return max(drawn, asked or 0.0)


class Retry:
    """Repeats an attempt that failed for a reason that may pass.

    Reads and idempotent effects are repeated after any retryable error. Other effects only where
    the backend is known not to have acted; an ambiguous failure stays `in_doubt`.
    """

    __slots__ = ("_backoff", "_chance", "_clock", "_limits", "_safe", "_time")

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
        self._clock = clock
        self._time = clock.time
        self._chance = chance
        self._backoff = backoff

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Make attempts until one succeeds, may not be repeated, or time or attempts run out."""
        started = self._time()
        result = await call_next(call)
        if result.error is None:
            return result
        attempt = 1
        while self._may_repeat(result) and attempt < self._limits.attempts:
            error = result.error
            assert error is not None
            wait = self._backoff.wait(attempt, error, self._chance())
            left = self._left(call, started)
            if left is not None and wait >= left:
                break
            call.scope.emit(Tried(call=replace(call, attempt=attempt), error=error, wait=wait))
            await self._clock.sleep(wait)
            attempt += 1
            left = None if left is None else left - wait
            result = await call_next(replace(call, attempt=attempt, timeout=left))
        return result if attempt == 1 else replace(result, attempts=attempt)

    def _may_repeat(self, result: ToolResult) -> bool:
        error = result.error
        if error is None or not error.retryable:
            return False
        return self._safe or result.status is Status.ERROR

    def _left(self, call: ToolCall, started: float) -> float | None:
        bounds = [bound for bound in (call.timeout, self._limits.timeout) if bound is not None]
        return min(bounds) - (self._time() - started) if bounds else None


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

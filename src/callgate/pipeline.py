"""The call path: one signature for every step, composed in one place.

A stage may answer, refuse, change, repeat or pass a call on. A source answers at the end of the
path. A listener may only look. The order of the stages is data; it stands in `stages/__init__.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from callgate.types import Event, Surface, Tool, ToolCall, ToolResult

__all__ = [
    "Abandoned",
    "Clock",
    "Closing",
    "Handler",
    "Listener",
    "LoopClock",
    "Source",
    "Stage",
    "StageFactory",
    "Timer",
    "compose",
    "stacks",
]

Handler: TypeAlias = Callable[[ToolCall], Awaitable[ToolResult]]
"""Whatever can take a call to its end: the rest of the path, as a stage sees it."""


class Stage(Protocol):
    """One step of the call path.

    A stage is awaited as a plain coroutine: it starts no task and opens no cancel scope unless
    it needs one; one with nothing to do on the way back may return `call_next(call)` itself. It
    returns failures as results and lets `CancelledError` through. One stage object serves many
    calls at once, so it keeps no state of a call in itself.
    """

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        """Take `call` towards its end; `call_next` is the rest of the path."""
        ...


class StageFactory(Protocol):
    """Decides once per tool, when a surface is built, whether a stage is needed at all."""

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the stage for `tool`, or None if it could never do anything for it."""
        ...


class Source(Protocol):
    """Where tools come from and how they are executed.

    A source translates every foreign exception into the error tree; it may raise a `CallError`
    or put it into the result. It honours cancellation: when its coroutine is cancelled it stops,
    or it says what goes on without it (see `stages.admit.Slots`).
    """

    def list(self) -> Sequence[Tool]:
        """Return the tools known now."""
        ...

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute one attempt; `call.tool` and the canonical `call.arguments` are set."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A source that holds connections or processes; `Gate.close` lets it give them up."""

    async def aclose(self) -> None:
        """Give up what is held; a later call opens it anew."""
        ...


class Listener(Protocol):
    """Sees events and can change nothing; an error of a listener is logged, never raised."""

    def __call__(self, event: Event) -> None:
        """Look at one event. Called on the event loop, so it must return at once."""
        ...


class Timer(Protocol):
    """A callback that is due later and may still be called off."""

    def cancel(self) -> None:
        """Call it off; harmless if it has already run."""
        ...


class Clock(Protocol):
    """Time as the path sees it, so that tests can own it."""

    def time(self) -> float:
        """Return seconds of a monotonic clock."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` on the event loop once `time()` has reached `when`."""
        ...


class LoopClock:
    """The clock of the running event loop."""

    # The built-in itself: the path reads the time four times.
    time = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` on the running loop once `time()` has reached `when`."""
        return asyncio.get_running_loop().call_at(when, callback)


class Abandoned(asyncio.CancelledError):
    """The caller gave up, but the effect had begun; `result` is how it ended.

    It travels out like every cancellation. Stages that keep outcomes read the result on its way.
    """

    def __init__(self, result: ToolResult) -> None:
        """Keep the outcome of the effect."""
        super().__init__()
        self.result = result


def compose(stages: Sequence[Stage], execute: Handler) -> Handler:
    """Wrap `execute` in `stages`; the first stage is the outermost."""
    handler = execute
    for stage in reversed(stages):
        handler = _bind(stage.__call__, handler)
    return handler


def _bind(step: Callable[[ToolCall, Handler], Awaitable[ToolResult]], rest: Handler) -> Handler:
    # A closure with positional arguments costs half of functools.partial with a keyword.
    def handler(call: ToolCall) -> Awaitable[ToolResult]:
        return step(call, rest)

    return handler


def stacks(
    surface: Surface, executors: Mapping[str, Handler], factories: Iterable[StageFactory]
) -> dict[str, Handler]:
    """Compose the own stack of every tool of a surface.

    Args:
        surface: The tools, by name.
        executors: What executes each tool, by the same names.
        factories: The stages behind `resolve`, outermost first; each is asked once per tool.

    Returns:
        The handler of each tool, by name.
    """
    order = tuple(factories)
    return {
        name: compose(
            [stage for factory in order if (stage := factory.for_tool(tool, surface)) is not None],
            executors[name],
        )
        for name, tool in surface.tools.items()
    }

"""`order`: calls of a turn are admitted in its order; then reads run together, effects in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from callgate.errors import NotExecutedError
from callgate.pipeline import Handler, Stage
from callgate.types import Decision, Effect, Status, Surface, Tool, ToolCall, ToolResult, TurnGate

__all__ = ["Order", "OrderFactory", "Turn", "in_place_of", "run_turn"]

# A member is looked up through its metaclass, which a hot path feels.
_OK, _READ = Status.OK, Effect.READ


class Turn:
    """Where the calls of one model turn meet: the barrier between admission and execution.

    Each call that is admitted, or ends before, lets the next one start; the last one opens the
    barrier. Behind it reads run at once. An effect waits for the effects before it, and once one
    of them did not succeed, or was refused, every later one is refused.
    """

    __slots__ = (
        "_before",
        "_failed",
        "_loop",
        "_ranks",
        "_size",
        "_starting",
        "_together",
        "_waiting",
    )

    def __init__(self, size: int) -> None:
        """Prepare for `size` calls on the running loop.

        Args:
            size: How many calls the turn has.
        """
        self._loop = asyncio.get_running_loop()
        self._size = size
        self._ranks: dict[str, int] = {}
        self._starting: dict[int, asyncio.Future[None]] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._before: asyncio.Future[None] | None = None
        self._together: dict[str, asyncio.Future[None]] = {}
        self._failed: tuple[int, str] | None = None

    def may_start(self, place: int) -> bool:
        """Tell whether every call before this place is admitted or has ended."""
        return len(self._ranks) >= place

    async def start(self, place: int) -> None:
        """Wait until the call at this place may start."""
        mine = self._starting[place] = self._loop.create_future()
        await mine

    def arrive(self, call: ToolCall) -> None:
        """Count `call` as admitted or ended, whichever comes first."""
        if call.key in self._ranks:
            return
        self._ranks[call.key] = len(self._ranks)
        following = self._starting.get(len(self._ranks))
        if following is not None:
            _wake(following)
        if len(self._ranks) == self._size:
            for waiting in self._waiting:
                _wake(waiting)

    async def enter(self, call: ToolCall) -> ToolResult | None:
        """Wait until `call` may execute; return its refusal if it may not."""
        tool = call.tool
        waits: list[asyncio.Future[None]] = []
        effect = tool is not None and tool.effect is not _READ
        if tool is not None and effect:
            waits = self._queue(call, tool)
        # Appended before it arrives, so that the last call too starts after the ones before it.
        mine = self._loop.create_future()
        self._waiting.append(mine)
        self.arrive(call)
        await (asyncio.sleep(0) if mine.done() else mine)
        for earlier in waits:
            await asyncio.shield(earlier)
        if effect and self._failed is not None and self._failed[0] < self._ranks[call.key]:
            return self._refuse(call, self._failed[1])
        return None

    def _queue(self, call: ToolCall, tool: Tool) -> list[asyncio.Future[None]]:
        waits = [self._before] if self._before is not None else []
        mine: asyncio.Future[None] = self._loop.create_future()
        if not tool.parallel:
            waits.extend(self._together.values())
            self._before = mine
        self._together[call.key] = mine
        return waits

    def leave(self, call: ToolCall, result: ToolResult | None) -> None:
        """Let the effects behind `call` go on, or stop them if it did not succeed."""
        mine = self._together.get(call.key)
        if mine is None:
            return
        if result is None or result.status is not _OK:
            self.fail(call)
        _wake(mine)

    def fail(self, call: ToolCall) -> None:
        """Note an effect that did not succeed; effects before it are not touched."""
        failed = (self._ranks.get(call.key, len(self._ranks)), call.name)
        self._failed = failed if self._failed is None else min(self._failed, failed)

    def _refuse(self, call: ToolCall, failed: str) -> ToolResult:
        error = NotExecutedError(
            f"{call.name} was not executed because {failed}, "
            "called before it in the same turn, did not succeed."
        )
        call.scope.emit(Decision(call=call, stage="order", verdict="refused", reason=error.message))
        return ToolResult(status=Status.ERROR, error=error, attempts=0)


def in_place_of(call: ToolCall, turn: TurnGate) -> TurnGate:
    """Return the turn as a new call sees it that is made instead of `call`, at its place."""
    return _InPlace(call.key, turn)


class _InPlace:
    """Stands between a turn and a call with another key than the one the turn counts with."""

    __slots__ = ("_key", "_turn")

    def __init__(self, key: str, turn: TurnGate) -> None:
        self._key = key
        self._turn = turn

    async def enter(self, call: ToolCall) -> ToolResult | None:
        return await self._turn.enter(replace(call, key=self._key))

    def leave(self, call: ToolCall, result: ToolResult | None) -> None:
        self._turn.leave(replace(call, key=self._key), result)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


async def run_turn(
    size: int,
    begin: Callable[[int, Turn], tuple[Handler, ToolCall]],
    changes: Callable[[str], bool],
) -> list[ToolResult]:
    """Take all calls of one turn down the path.

    Args:
        size: How many calls the turn has.
        begin: Gives for each place the call, bound to the turn, and the path it takes.
        changes: Whether the tool of a name does more than read.

    Returns:
        The results, by place. A call that fails takes none of the others with it.
    """
    return await _Running(size, begin, changes).results()


class _Running:
    """The calls of one turn while they run: one task each, so that they can wait for each other."""

    def __init__(
        self,
        size: int,
        begin: Callable[[int, Turn], tuple[Handler, ToolCall]],
        changes: Callable[[str], bool],
    ) -> None:
        self._size = size
        self._begin = begin
        self._changes = changes
        self._turn = Turn(size)
        self._given_up = False

    async def results(self) -> list[ToolResult]:
        loop = asyncio.get_running_loop()
        # All at once, since a turn of the loop for each would cost more than the call; in their
        # order, so that a call seldom has to wait for those before it.
        tasks = [loop.create_task(self._one(place)) for place in range(self._size)]
        try:
            return [await task for task in tasks]
        finally:
            if rest := [task for task in tasks if not task.done()]:
                for task in rest:
                    task.cancel()
                await asyncio.wait(rest)

    async def _one(self, place: int) -> ToolResult:
        if not self._turn.may_start(place):
            await self._turn.start(place)
        handler, call = self._begin(place, self._turn)
        if self._given_up:
            handler = _give_up
        try:
            result = await handler(call)
        except asyncio.CancelledError:
            self._given_up = True
            self._turn.arrive(call)
            raise
        # Whoever waits for a person has not been started: it neither failed nor stops the others.
        asked = result.pending is not None and result.pending.id
        if result.status is not _OK and not asked and self._changes(call.name):
            self._turn.fail(call)  # before it arrives: a refusal stops the effects behind it
        self._turn.arrive(call)
        return result


async def _give_up(call: ToolCall) -> ToolResult:
    raise asyncio.CancelledError


class Order:
    """Waits for the call's turn, if it belongs to one."""

    __slots__ = ()

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        """Pass on a call of its own; wait with a call of a turn."""
        turn = call.turn
        return call_next(call) if turn is None else _together(turn, call, call_next)


async def _together(turn: TurnGate, call: ToolCall, call_next: Handler) -> ToolResult:
    result: ToolResult | None = None
    try:
        result = await turn.enter(call)
        if result is None:
            result = await call_next(call)
        return result
    finally:
        turn.leave(call, result)


class OrderFactory:
    """Orders every tool; one stage serves all, because it keeps nothing."""

    def __init__(self) -> None:
        """Make the one stage."""
        self._stage = Order()

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the ordering stage."""
        return self._stage

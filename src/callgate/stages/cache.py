"""`cache`: gives a read's result again for a while, to the same principal, until an effect."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from callgate.errors import DeadlineError
from callgate.pipeline import Clock, Handler, Soon, Stage
from callgate.schema.canonical import canonical
from callgate.types import (
    Decision,
    Effect,
    Principal,
    Status,
    Surface,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    make_result,
)

__all__ = ["Cache", "CacheFactory", "Changes", "Generations", "MemoryGenerations", "Shelf"]

_OK, _PENDING = Status.OK, Status.PENDING
_SCALARS = frozenset((str, int, float, bool, type(None)))
_OVERHEAD = 500  # bytes of a kept result beside its text

_Key: TypeAlias = bytes
"""Who asks, which tool, the generation and the arguments as one text, whose hash is computed once.

Its parts are JSON, each of which says itself where it ends.
"""

_Kept: TypeAlias = tuple[ToolResult, float, int]
"""A result, the time until which it is good, and its bytes."""

_Flight: TypeAlias = deque["asyncio.Future[ToolResult | None]"]
"""Calls that wait for another one with the same key; None tells the first of them to go itself."""


class Generations(Protocol):
    """How often what a source tells a tenant may have changed."""

    def now(self, tenant: str, source: str) -> Soon[int]:
        """Return the present generation of what `source` tells `tenant`."""
        ...

    def bump(self, tenant: str, source: str) -> Soon[None]:
        """Begin another generation: an effect may have changed it."""
        ...


class MemoryGenerations:
    """Generations in the memory of this process."""

    def __init__(self) -> None:
        """Begin with the first generation of everything."""
        self._counts: dict[str, dict[str, int]] = {}

    def now(self, tenant: str, source: str) -> int:
        """Return the present generation."""
        counts = self._counts.get(source)
        return 0 if counts is None else counts.get(tenant, 0)

    def bump(self, tenant: str, source: str) -> None:
        """Begin another generation."""
        counts = self._counts.setdefault(source, {})
        counts[tenant] = counts.get(tenant, 0) + 1


class Shelf:
    """Kept results, least recently used first, in bounded memory; and reads that are on their way.

    Attributes:
        kept: The results, with the time until which each is good, and its bytes.
        flights: For each key that is being read, who waits for it; None while nobody does.
    """

    def __init__(self, *, most: int = 16_777_216) -> None:
        """Begin empty.

        Args:
            most: Bytes of results that are kept in all; defaults to 16 MiB. One result takes an
                eighth of it at most.
        """
        self._most = most
        self._size = 0
        self.kept: dict[_Key, _Kept] = {}
        self.flights: dict[_Key, _Flight | None] = {}

    def __len__(self) -> int:
        """Return how many results are kept."""
        return len(self.kept)

    @property
    def size(self) -> int:
        """Bytes of the results that are kept."""
        return self._size

    def clear(self) -> None:
        """Forget every result; reads that are on their way go on."""
        self.kept.clear()
        self._size = 0

    def get(self, key: _Key, now: float) -> ToolResult | None:
        """Return what is kept under `key` and still good."""
        kept = self.kept.get(key)
        if kept is None:
            return None
        if kept[1] <= now:
            self._drop(key)
            return None
        # A dict keeps the order in which keys came: taken out and put in again, one is the newest.
        self.kept[key] = self.kept.pop(key)
        return kept[0]

    def put(self, key: _Key, result: ToolResult, until: float) -> None:
        """Keep `result` until then, if it is not too large."""
        size = _OVERHEAD + len(result.body)
        if result.content:
            size += sum(map(_size_of, result.content))
        if size > self._most // 8:
            return
        if key in self.kept:
            self._drop(key)
        self.kept[key] = (result, until, size)
        self._size += size
        if self._size > self._most:
            self._make_room()

    def _make_room(self) -> None:
        while self._size > self._most:
            self._drop(next(iter(self.kept)))

    def _drop(self, key: _Key) -> None:
        kept = self.kept.pop(key, None)
        if kept is not None:
            self._size -= kept[2]


def _size_of(part: Any) -> int:
    return len(part.text) if isinstance(part, Text) else len(part.data)


class Cache:
    """Answers a read from what was read before.

    The key holds who asks (tenant, principal, roles and attributes), the tool's version, the
    arguments and the generation of what the source tells the tenant: every effect begins another
    one, and what was read before it, or while it ran, is not found again. Errors are not kept,
    and a result too long to be shown whole is not, because its rest belongs to one session.

    Calls that ask the same at once share one read. If the one that reads is given up, or had less
    time than the others, the next one reads.
    """

    __slots__ = (
        "_clock",
        "_generations",
        "_head",
        "_limits",
        "_name",
        "_seconds",
        "_shelf",
        "_source",
        "_start",
    )

    def __init__(
        self, tool: Tool, source: str, shelf: Shelf, generations: Generations, clock: Clock
    ) -> None:
        """Keep what results are found by.

        Args:
            tool: The tool that reads.
            source: Where it comes from.
            shelf: Where results are kept.
            generations: Counts effects.
            clock: Tells how long a result is good.
        """
        self._name = tool.name
        self._head = canonical([tool.name, tool.version, source])
        self._start = (b"", 0, b"")
        self._limits = tool.limits
        self._seconds = tool.limits.cache or 0.0
        self._source = source
        self._shelf = shelf
        self._generations = generations
        self._clock = clock

    def __call__(
        self, call: ToolCall, call_next: Handler, known: int | None = None
    ) -> Awaitable[ToolResult]:
        """Give what is kept, wait for the same read, or read and keep.

        Args:
            call: The read.
            call_next: What reads.
            known: The present generation, if it has been asked for.
        """
        scope, shelf = call.scope, self._shelf
        generation = known
        if generation is None:
            generation = self._generations.now(scope.principal.tenant, self._source)
            if not isinstance(generation, int):
                return self._ask(call, call_next, generation)
        memory = scope.memory
        who: bytes | None = memory.get("cache")
        if who is None:
            who = memory["cache"] = _who(scope.principal)
        whose, now, start = self._start
        if whose is not who or now != generation:
            # Written anew for another principal or after an effect only: it is most of the key.
            start = b"%b%b%d" % (self._head, who, generation)
            self._start = (who, generation, start)
        key = start + call.body
        if key in shelf.kept:
            kept = shelf.get(key, self._clock.time())
            if kept is not None:
                return self._answer(call, kept)
        flights = shelf.flights
        if key not in flights:
            flights[key] = None
            return self._lead(call, call_next, key)
        flight = flights[key]
        if flight is None:
            flight = flights[key] = deque()
        return self._follow(call, call_next, key, flight)

    async def _ask(
        self, call: ToolCall, call_next: Handler, generation: Awaitable[int]
    ) -> ToolResult:
        return await self(call, call_next, await generation)

    async def _answer(self, call: ToolCall, kept: ToolResult) -> ToolResult:
        reason = f"read less than {self._seconds:g} s ago"
        call.scope.emit(Decision(call=call, stage="cache", verdict="answered", reason=reason))
        return _again(kept)

    async def _lead(self, call: ToolCall, call_next: Handler, key: _Key) -> ToolResult:
        shelf = self._shelf
        try:
            result = await call_next(call)
        except BaseException:
            self._hand_over(key)
            raise
        if result.status is _OK:
            if result.handle is None:
                kept = result if type(result.value) in _SCALARS else _again(result)
                shelf.put(key, kept, self._clock.time() + self._seconds)
        elif result.status is _PENDING or isinstance(result.error, DeadlineError):
            self._hand_over(key)
            return result
        flight = shelf.flights.pop(key)
        if flight is not None:
            for waiting in flight:
                _settle(waiting, result)
        return result

    def _hand_over(self, key: _Key) -> None:
        flight = self._shelf.flights[key]
        while flight:
            following = flight.popleft()
            if not following.done():
                following.set_result(None)
                return
        del self._shelf.flights[key]

    async def _follow(
        self, call: ToolCall, call_next: Handler, key: _Key, flight: _Flight
    ) -> ToolResult:
        waiting: asyncio.Future[ToolResult | None] = asyncio.get_running_loop().create_future()
        flight.append(waiting)
        started = self._clock.time()
        bounds = [one for one in (self._limits.timeout, call.timeout) if one is not None]
        timer = None
        if bounds:
            late = ToolResult(
                status=Status.ERROR,
                error=DeadlineError(f"{self._name} did not end within {min(bounds):g} s."),
                attempts=0,
            )
            timer = self._clock.call_at(started + min(bounds), lambda: _settle(waiting, late))
        try:
            shared = await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.result() is None:
                self._hand_over(key)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if shared is not None:
            return _again(shared)
        left = min(bounds) - (self._clock.time() - started) if bounds else None
        return await self._lead(replace(call, timeout=left), call_next, key)


def _who(principal: Principal) -> bytes:
    roles = sorted(principal.roles)
    return canonical([principal.tenant, principal.id, roles, dict(principal.attributes)])


def _settle(waiting: asyncio.Future[ToolResult | None], result: ToolResult) -> None:
    if not waiting.done():
        waiting.set_result(result)


def _again(result: ToolResult) -> ToolResult:
    # Two callers never share a value that one of them may change.
    value = result.value
    return make_result(
        status=result.status,
        value=value if type(value) in _SCALARS else copy.deepcopy(value),
        body=result.body,
        content=result.content,
        error=result.error,
        notes=result.notes,
        attempts=0,
        labels=result.labels,
    )


class Changes:
    """Begins another generation after an effect, however it ended."""

    __slots__ = ("_generations", "_source")

    def __init__(self, source: str, generations: Generations) -> None:
        """Keep what is counted.

        Args:
            source: Where the tool comes from.
            generations: Counts effects.
        """
        self._source = source
        self._generations = generations

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Pass the call on, then count it."""
        try:
            return await call_next(call)
        finally:
            done = self._generations.bump(call.scope.principal.tenant, self._source)
            if isinstance(done, Awaitable):
                await asyncio.shield(done)


class CacheFactory:
    """Caches the reads that ask for it, and watches the effects that they may be changed by."""

    def __init__(
        self,
        shelf: Shelf,
        generations: Generations,
        clock: Clock,
        sources: Mapping[str, str],
    ) -> None:
        """Keep what all tools share.

        Args:
            shelf: Where results are kept.
            generations: Counts effects.
            clock: Tells how long a result is good.
            sources: For each tool the name of its source, the same in every process.
        """
        self._shelf = shelf
        self._generations = generations
        self._clock = clock
        self._sources = sources

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the cache of a read, the watch over an effect, or None if neither has a use."""
        source = self._sources[tool.name]
        if tool.effect is Effect.READ:
            if tool.limits.cache is None:
                return None
            return Cache(tool, source, self._shelf, self._generations, self._clock)
        beside = (
            other
            for other in surface.tools.values()
            if other.limits.cache is not None and self._sources[other.name] == source
        )
        return Changes(source, self._generations) if any(beside) else None

"""The cache beside a model of it: what is kept, until when, and who reads."""

from __future__ import annotations

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from callgate.errors import ToolFailedError
from callgate.pipeline import Handler, Stage
from callgate.stages.cache import CacheFactory, MemoryGenerations, Shelf
from callgate.types import (
    Effect,
    Limits,
    Principal,
    Scope,
    Status,
    Surface,
    Tool,
    ToolCall,
    ToolResult,
)
from tests.controls.states import Kind, Machine, check, memory

SECONDS = 8.0
LOOK = Tool(
    name="look",
    description="",
    parameters={},
    effect=Effect.READ,
    limits=Limits(cache=SECONDS, timeout=None),
)
CHANGE = Tool(name="change", description="", parameters={})
SURFACE = Surface(tools={"look": LOOK, "change": CHANGE}, revision="")
PEOPLE = {"ana": "acme", "bob": "acme", "eve": "other"}


def _call(tag: str, who: str, number: int) -> ToolCall:
    scope = Scope(
        session="s",
        principal=Principal(id=who, tenant=tag + PEOPLE[who]),
        prefix="",
        emit=lambda event: None,
    )
    body = b'{"n":%d}' % number
    return ToolCall(id="c", key="k", name="t", arguments={}, scope=scope, body=body)


class Cached(Machine):
    """Two processes read and change, one call after another."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.reads: list[Stage] = []
        self.effects: list[Stage] = []
        for place in (0, 1):
            factory = CacheFactory(
                Shelf(),
                self.states.generations[place],
                self.clock,
                {"look": "s", "change": "s"},
            )
            read, effect = (factory.for_tool(tool, SURFACE) for tool in (LOOK, CHANGE))
            assert read is not None
            assert effect is not None
            self.reads.append(read)
            self.effects.append(effect)
        self.world = 0
        self.kept: dict[tuple[int, str, int], tuple[int, float]] = {}

    @rule(
        place=st.sampled_from([0, 1]),
        who=st.sampled_from(sorted(PEOPLE)),
        number=st.integers(min_value=1, max_value=2),
        fails=st.integers(min_value=0, max_value=4),
    )
    def read(self, place: int, who: str, number: int, fails: int) -> None:
        async def execute(call: ToolCall) -> ToolResult:
            if not fails:
                return ToolResult(status=Status.ERROR, error=ToolFailedError("no"))
            self.world += 1
            return ToolResult(status=Status.OK, value=self.world)

        result = self.run(self.reads[place](_call(self.tag, who, number), execute))
        key, now = (place, who, number), self.clock.time()
        kept = self.kept.get(key)
        if kept is not None and now < kept[1]:
            assert (result.value, result.attempts) == (kept[0], 0)
        elif fails:
            assert (result.value, result.attempts) == (self.world, 1)
            self.kept[key] = (self.world, now + SECONDS)
        else:
            assert result.error is not None

    @rule(
        place=st.sampled_from([0, 1]),
        who=st.sampled_from(sorted(PEOPLE)),
        fails=st.booleans(),
    )
    def change(self, place: int, who: str, fails: bool) -> None:
        async def execute(call: ToolCall) -> ToolResult:
            if fails:
                raise asyncio.CancelledError
            return ToolResult(status=Status.OK)

        try:
            self.run(self.effects[place](_call(self.tag, who, 0), execute))
        except asyncio.CancelledError:
            assert fails
        tenant = PEOPLE[who]
        self.kept = {key: kept for key, kept in self.kept.items() if PEOPLE[key[1]] != tenant}

    @rule(quarters=st.integers(min_value=1, max_value=40))
    def advance(self, quarters: int) -> None:
        self.clock.advance(quarters / 4)


def test_a_result_is_given_again_exactly_while_its_model_keeps_it(kind: Kind) -> None:
    check(Cached, kind, steps=50)


class Flights(Machine):
    """Calls that ask the same at once, some of which are given up at any moment."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.shelf = Shelf()
        factory = CacheFactory(
            self.shelf, MemoryGenerations(), self.clock, {"look": "s", "change": "s"}
        )
        stage = factory.for_tool(LOOK, SURFACE)
        assert stage is not None
        self.stage: Stage = stage
        self.calls: list[asyncio.Task[ToolResult]] = []
        self.reading: list[asyncio.Future[ToolResult]] = []
        self.number = 0

    def execute(self) -> Handler:
        async def read(call: ToolCall) -> ToolResult:
            mine: asyncio.Future[ToolResult] = asyncio.get_running_loop().create_future()
            self.reading.append(mine)
            try:
                return await mine
            finally:
                self.reading.remove(mine)

        return read

    async def settle(self) -> None:
        await self.clock.settle(turns=12)

    @rule(count=st.integers(min_value=1, max_value=4))
    def ask(self, count: int) -> None:
        async def go() -> None:
            for _ in range(count):
                asking = self.stage(_call("", "ana", self.number), self.execute())
                self.calls.append(asyncio.ensure_future(asking))
            await self.settle()

        self.run(go())

    @precondition(lambda self: self.calls)
    @rule(which=st.lists(st.integers(min_value=0, max_value=20), min_size=1, max_size=3))
    def give_up(self, which: list[int]) -> None:
        gone = {self.calls[place % len(self.calls)] for place in which}

        async def go() -> None:
            for call in gone:
                call.cancel()
            await self.settle()

        self.run(go())
        assert all(call.cancelled() for call in gone)
        self.calls = [call for call in self.calls if call not in gone]

    @precondition(lambda self: self.reading)
    @rule(good=st.booleans(), leaving=st.booleans())
    def answer(self, good: bool, leaving: bool) -> None:
        result = (
            ToolResult(status=Status.OK, value=self.number)
            if good
            else ToolResult(status=Status.ERROR, error=ToolFailedError("no"))
        )

        async def go() -> None:
            self.reading[0].set_result(result)
            if leaving and len(self.calls) > 1:
                self.calls.pop().cancel()  # at the very moment of the answer
            await self.settle()

        self.run(go())
        for call in self.calls:
            assert (call.result().value, call.result().error) == (result.value, result.error)
        self.calls.clear()
        self.number += 1

    @invariant()
    def one_reads_for_all_that_ask(self) -> None:
        assert len(self.reading) == (1 if self.calls else 0)
        assert len(self.shelf.flights) == len(self.reading)

    def teardown(self) -> None:
        if self.calls:
            self.give_up(list(range(len(self.calls))))
        super().teardown()


def test_there_is_one_read_while_anybody_waits_and_nobody_is_forgotten() -> None:
    check(Flights, Kind(make=memory, examples=100))

"""Admission beside what it promises: never too many at once or too often, and nothing is lost."""

from __future__ import annotations

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from callgate.controls import BackendRules, Controls, Rate
from callgate.pipeline import Stage
from callgate.stages.admit import AdmitFactory, AdmitState, Slots
from callgate.types import ANYONE, Limits, Scope, Status, Surface, Tool, ToolCall, ToolResult
from tests.controls.states import Kind, Machine, check

BOUNDS = {"a": 1, "b": 2, "c": None}
RATE = Rate(calls=4, seconds=8.0)
AT_ONCE = 3


class Admitted(Machine):
    """Attempts on three tools of one backend begin, end, and are given up."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.slots = Slots(self.clock)
        backend = f"{self.tag}shop"
        rules = BackendRules(rate=RATE, concurrency=AT_ONCE, queue=6.0)
        factory = AdmitFactory(
            AdmitState(slots=self.slots, rates=self.states.rates[0], clock=self.clock),
            Controls(backends={backend: rules}),
        )
        self.backend = f"backend:{backend}"
        self.stages: dict[str, Stage] = {}
        for name, bound in BOUNDS.items():
            limits = Limits(concurrency=bound, backend=backend, queue=6.0, timeout=20.0)
            tool = Tool(name=name, description="", parameters={}, limits=limits)
            stage = factory.for_tool(tool, Surface(tools={}, revision=""))
            assert stage is not None
            self.stages[name] = stage
        self.tasks: list[asyncio.Task[ToolResult]] = []
        self.running: dict[int, tuple[str, asyncio.Event]] = {}
        self.begun: list[float] = []
        self.started = self.clock.time()
        self.calls = 0

    async def attempt(self, name: str, number: int) -> ToolResult:
        scope = Scope(session="s", principal=ANYONE, prefix="", emit=lambda event: None)

        async def execute(call: ToolCall) -> ToolResult:
            assert call.timeout is None or 0 < call.timeout <= 20.0
            self.begun.append(self.clock.time())
            end = asyncio.Event()
            self.running[number] = (name, end)
            try:
                await end.wait()
            finally:
                del self.running[number]
            return ToolResult(status=Status.OK)

        call = ToolCall(id="c", key="k", name=name, arguments={}, scope=scope)
        return await self.stages[name](call, execute)

    async def settled(self) -> None:
        """Give the loop turns until every attempt runs, has ended, or waits for the clock."""
        while True:
            for _ in range(10):
                await asyncio.sleep(0)
            self.tasks = [task for task in self.tasks if not task.done()]
            timers = sum(timer.callback is not None for _, _, timer in self.clock._timers)
            if len(self.running) + timers >= len(self.tasks):
                return

    @rule(name=st.sampled_from(sorted(BOUNDS)))
    def begin(self, name: str) -> None:
        self.calls += 1
        number = self.calls

        async def go() -> None:
            self.tasks.append(asyncio.get_running_loop().create_task(self.attempt(name, number)))
            await self.settled()

        self.run(go())

    @precondition(lambda self: self.running)
    @rule(which=st.integers(min_value=0, max_value=100))
    def end(self, which: int) -> None:
        chosen = list(self.running.values())[which % len(self.running)]

        async def go() -> None:
            chosen[1].set()
            await self.settled()

        self.run(go())

    @precondition(lambda self: self.tasks)
    @rule(which=st.integers(min_value=0, max_value=100))
    def give_up(self, which: int) -> None:
        task = self.tasks[which % len(self.tasks)]

        async def go() -> None:
            task.cancel()
            await asyncio.wait([task])
            await self.settled()

        self.run(go())

    @rule(quarters=st.integers(min_value=1, max_value=30))
    def advance(self, quarters: int) -> None:
        async def go() -> None:
            self.clock.advance(quarters / 4)
            await self.settled()

        self.run(go())

    @invariant()
    def never_too_many_at_once(self) -> None:
        names = [name for name, _ in self.running.values()]
        assert len(names) <= AT_ONCE
        for name, bound in BOUNDS.items():
            assert bound is None or names.count(name) <= bound

    @invariant()
    def never_too_often(self) -> None:
        passed = self.clock.time() - self.started
        assert len(self.begun) <= RATE.size + RATE.speed * passed

    def teardown(self) -> None:
        async def go() -> None:
            while self.tasks:
                for _, end in list(self.running.values()):
                    end.set()
                self.clock.advance(1.0)
                await self.settled()

        self.run(go())
        assert [self.slots.used(name) for name in (*BOUNDS, self.backend)] == [0, 0, 0, 0]
        super().teardown()


def test_no_attempt_goes_too_early_and_no_slot_is_lost(kind: Kind) -> None:
    check(Admitted, kind)

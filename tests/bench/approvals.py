"""Approvals: what a call costs that a rule approves by its arguments, and one nothing reaches."""

from __future__ import annotations

from collections.abc import Sequence

from callgate import tool
from callgate.approvals.desk import Approvals
from callgate.approvals.rules import Rule
from callgate.pipeline import Handler, LoopClock, StageFactory, stacks
from callgate.sources.python import PythonSource
from callgate.stages.admit import Slots
from callgate.stages.approve import ApproveFactory
from callgate.stages.guard import GuardFactory
from callgate.stages.order import OrderFactory
from callgate.stages.validate import ValidateFactory
from callgate.types import ANYONE, Scope, Surface, ToolCall, ToolResult
from tests.bench.measure import Batch, Figure, Plan, above, side_by_side
from tests.bench.path import add, seen

__all__ = ["figures"]

US = 1e-6

_asked = tool(add.function, name="asked", effect="read", approval=True)
_RULES = (Rule(tools=("asked",), when="a < 1000000", then="approve"),)


async def figures(plan: Plan) -> list[Figure]:
    """Measure all of this module."""
    return [
        await _with_and_without(plan, "stage.approve", "asked"),
        await _with_and_without(plan, "unused.approve", "add"),
    ]


async def _with_and_without(plan: Plan, figure: str, name: str) -> Figure:
    took = await side_by_side(
        {
            "with": _taking(_path(name, approve=True), _calls(name, plan.batch)),
            "without": _taking(_path(name, approve=False), _calls(name, plan.batch)),
        },
        repeats=plan.repeats,
        ops=plan.batch,
    )
    return above(figure, took["with"], took["without"], unit=US)


def _path(name: str, *, approve: bool) -> Handler:
    source = PythonSource([add, _asked], slots=Slots(LoopClock()))
    surface = Surface(tools={one.name: one for one in source.list()}, revision="bench")
    asking = [ApproveFactory(Approvals(rules=_RULES), _nowhere)] if approve else []
    factories: list[StageFactory] = [ValidateFactory(), GuardFactory(), *asking, OrderFactory()]
    return stacks(surface, dict.fromkeys(surface.tools, source.call), factories)[name]


async def _nowhere(call: ToolCall) -> ToolResult:
    raise AssertionError("nobody changes a call here")


def _calls(name: str, count: int) -> list[ToolCall]:
    scope = Scope(session="s", principal=ANYONE, prefix="/anyone/s", emit=seen)
    return [
        ToolCall(
            id=f"call_{n}",
            key=f"/anyone/s/{n}/0",
            name=name,
            arguments=f'{{"a": {n}, "b": 2}}',
            scope=scope,
        )
        for n in range(count)
    ]


def _taking(handler: Handler, calls: Sequence[ToolCall]) -> Batch:
    memory = calls[0].scope.memory

    async def batch() -> None:
        memory.clear()  # or the guard would refuse what it has seen in earlier batches
        for call in calls:
            await handler(call)

    return batch

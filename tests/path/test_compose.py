"""The composition of the path: order, one question per tool, no hidden state."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import callgate
from callgate.gate import Gate
from callgate.pipeline import Handler, Stage, compose, stacks
from callgate.stages import ORDER
from callgate.testing import Captured, FakeSource
from callgate.types import ANYONE, Scope, Status, Surface, Tool, ToolCall, ToolResult
from tests.path.tools import spec

SOURCE = Path(callgate.__file__).parent

# Stages that a gate without back ends, or a tool without limits, has no use for.
UNUSED = {"fallback", "recall", "approve", "cache", "journal", "breaker"}


def _call() -> ToolCall:
    scope = Scope(session="s", principal=ANYONE, prefix="//s", emit=lambda event: None)
    return ToolCall(id="c1", key="//s/1/0", name="t", arguments={}, scope=scope)


class Passing:
    """A stage that writes down when it is entered and left."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self.name = name
        self.seen = seen

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        self.seen.append(f"in {self.name}")
        result = await call_next(call)
        self.seen.append(f"out {self.name}")
        return result


@given(names=st.lists(st.text(min_size=1, max_size=3), max_size=12))
async def test_stages_are_entered_in_the_order_of_the_list_and_left_in_reverse(
    names: list[str],
) -> None:
    seen: list[str] = []

    async def execute(call: ToolCall) -> ToolResult:
        seen.append("execute")
        return ToolResult(status=Status.OK, value=call.id)

    result = await compose([Passing(name, seen) for name in names], execute)(_call())
    assert result.value == "c1"
    assert seen == [
        *(f"in {name}" for name in names),
        "execute",
        *(f"out {name}" for name in reversed(names)),
    ]


@given(stop=st.integers(min_value=0, max_value=5))
async def test_a_stage_that_answers_keeps_the_call_from_all_that_follow(stop: int) -> None:
    seen: list[str] = []

    class Answering:
        async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
            return ToolResult(status=Status.OK, value="answered")

    async def execute(call: ToolCall) -> ToolResult:
        raise AssertionError("the call must not arrive here")

    stages: list[Stage] = [Passing(str(place), seen) for place in range(6)]
    stages[stop] = Answering()
    assert (await compose(stages, execute)(_call())).value == "answered"
    assert [entry for entry in seen if entry.startswith("in")] == [
        f"in {place}" for place in range(stop)
    ]


def test_a_factory_is_asked_once_for_each_tool_and_may_decline() -> None:
    asked: list[str] = []

    class Asked:
        def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
            asked.append(tool.name)
            return None

    surface = Surface(tools={"a": spec("a"), "b": spec("b")}, revision="1")

    async def execute(call: ToolCall) -> ToolResult:
        return ToolResult(status=Status.OK)

    executors: dict[str, Handler] = {"a": execute, "b": execute}
    built = stacks(surface, executors, [Asked(), Asked()])
    assert asked == ["a", "a", "b", "b"]
    assert built == executors  # a declined stage leaves nothing behind, not even a wrapper


def test_the_order_of_the_stages_is_the_one_the_design_explains() -> None:
    # record is outermost, so that refused calls are recorded; fallback makes new calls of the
    # whole path; resolve ends the part that is composed once per surface; validate comes before
    # all that judges arguments; recall tells what happened whatever the rules are by now; nobody
    # is asked (approve) about what guard refuses; order divides admission from execution; the
    # cache sees the effects of its turn; journal writes one intent above all attempts; retry
    # admits each attempt anew, ends at an open breaker and shares the deadline; bound turns
    # whatever a source does into a result.
    assert ORDER == (
        "record",
        "fallback",
        "resolve",
        "validate",
        "recall",
        "guard",
        "approve",
        "order",
        "cache",
        "journal",
        "retry",
        "breaker",
        "admit",
        "deadline",
        "bound",
    )


async def test_the_gate_composes_the_stages_in_that_order() -> None:
    seen: list[str] = []
    gate = Gate([FakeSource([spec("t", concurrency=1)])])
    handler = gate._path.handler
    while handler is not None:
        cells = dict(zip(handler.__code__.co_freevars, handler.__closure__ or (), strict=True))
        if "step" not in cells:
            break
        stage = cells["step"].cell_contents.__self__
        seen.append(type(stage).__name__.lower())
        handler = cells["rest"].cell_contents
        if seen[-1] == "resolve":
            handler = stage._stacks["t"]
    assert seen == [name for name in ORDER if name not in UNUSED]


def test_every_stage_has_one_file_of_its_own_name() -> None:
    files = {path.stem for path in (SOURCE / "stages").glob("*.py")} - {"__init__"}
    assert files == set(ORDER)


def test_a_call_carries_its_context_so_no_module_uses_context_variables() -> None:
    users = [
        path.name
        for path in SOURCE.rglob("*.py")
        if re.search(r"\bcontextvars\b|\bContextVar\b", path.read_text())
    ]
    assert users == []


def test_the_engine_stays_small_enough_to_read_at_once() -> None:
    assert len((SOURCE / "pipeline.py").read_text().splitlines()) < 200


async def test_an_unknown_tool_is_recorded_like_any_other_call() -> None:
    captured = Captured()
    session = Gate([FakeSource({"find_order": 1})], listeners=[captured]).session()
    result = await session.call("find_ordr", {})
    assert [type(event).__name__ for event in captured.events] == [
        "CallOpened",
        "Decision",
        "CallClosed",
    ]
    assert result.text() == (
        "There is no tool named 'find_ordr'. Did you mean find_order? "
        "Use only the tools you were given, by their exact names."
    )

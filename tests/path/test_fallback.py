"""The fallback, through a gate: when another tool is asked, with what, and what the model hears."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate import tool
from callgate.backends import Backends
from callgate.controls import Alternative, BreakerRules, Controls
from callgate.errors import DefinitionError, StoreError, ToolFailedError, TransientError
from callgate.gate import Gate
from callgate.messages import CallPart
from callgate.stages.journal import MemoryJournal
from callgate.stages.resolve import MemorySwitches, Switch
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import CallClosed, CallOpened, Decision, Effect, Status, ToolCall
from tests.path.tools import spec

DOWN = TransientError("connection refused")
LOST = TransientError("connection lost", acted=True)


def _gate(
    first: Any, effect: Effect = Effect.READ, second: Any = 2, **options: Any
) -> tuple[Gate, FakeSource, Captured]:
    captured = Captured()
    tools = [
        spec("a", effect, attempts=1, fallback=(Alternative(tool="b"),)),
        spec("b", effect, attempts=1),
    ]
    source = FakeSource(tools, a=first, b=second)
    options.setdefault("clock", FakeClock(instant=True))
    return Gate([source], listeners=[captured], **options), source, captured


async def test_a_new_call_of_the_next_tool_goes_down_the_whole_path_and_the_model_is_told() -> None:
    gate, source, captured = _gate(DOWN)
    result = await gate.session(id="s").call("a", {"q": 1})
    assert (result.value, result.notes) == (
        2,
        ("[a was out; b answered instead. connection refused]",),
    )
    first, second = source.calls
    assert (second.key, second.scope.parent, second.arguments) == (
        f"{first.key}+b",
        first.key,
        {"q": 1},
    )
    assert [event.call.name for event in captured.of(CallOpened)] == ["a", "b"]
    assert [(e.call.name, e.result.status) for e in captured.of(CallClosed)] == [
        ("b", Status.OK),
        ("a", Status.OK),
    ]
    assert [(e.stage, e.verdict) for e in captured.of(Decision)] == [("fallback", "answered_by")]


@pytest.mark.parametrize("effect", list(Effect))
async def test_any_effect_falls_back_where_it_is_known_not_to_have_acted(effect: Effect) -> None:
    gate, _, _ = _gate(DOWN, effect)
    assert (await gate.session().call("a", {})).value == 2


@pytest.mark.parametrize(
    ("effect", "error", "answered"),
    [
        (Effect.READ, LOST, True),
        (Effect.READ, ValueError("defect"), True),
        (Effect.READ, ToolFailedError("no such order"), False),
        (Effect.IDEMPOTENT, LOST, False),
        (Effect.RECONCILABLE, LOST, False),
        (Effect.IRREVERSIBLE, LOST, False),
        (Effect.IRREVERSIBLE, ValueError("defect"), False),
        (Effect.IRREVERSIBLE, ToolFailedError("no"), False),
    ],
)
async def test_an_effect_that_may_have_happened_never_does_and_a_no_is_an_answer(
    effect: Effect, error: Exception, answered: bool
) -> None:
    gate, source, _ = _gate(error, effect)
    result = await gate.session().call("a", {})
    assert (result.value == 2, [call.name for call in source.calls]) == (
        answered,
        ["a", "b"] if answered else ["a"],
    )


async def test_an_attempt_that_may_have_acted_is_not_forgotten_over_a_later_refusal() -> None:
    errors = iter([LOST, DOWN, DOWN])
    tools = [
        spec("a", Effect.IDEMPOTENT, attempts=3, fallback=(Alternative(tool="b"),)),
        spec("b", Effect.IDEMPOTENT),
    ]
    source = FakeSource(tools, a=lambda call: next(errors), b=2)
    result = await Gate([source], clock=FakeClock(instant=True)).session().call("a", {})
    assert result.error is LOST
    assert (result.attempts, [call.name for call in source.calls]) == (3, ["a"] * 3)


async def test_refusals_that_tell_of_the_call_and_not_of_the_tool_are_final() -> None:
    gate, source, _ = _gate(1)
    session = gate.session(max_calls=1)
    assert (await session.call("a", "[]")).error is not None
    assert (await session.call("a", {})).ok
    refused = await session.call("a", {})
    assert refused.error is not None
    assert (refused.error.code, [call.name for call in source.calls]) == ("budget", ["a"])


async def test_a_tool_that_is_switched_off_or_whose_circuit_is_open_is_out() -> None:
    switches = MemorySwitches()
    gate, source, _ = _gate(
        DOWN,
        backends=Backends(switches=switches),
        controls=Controls(breakers={"a": BreakerRules(failures=1)}),
    )
    session = gate.session()
    assert [(await session.call("a", {"n": n})).value for n in range(2)] == [2, 2]
    assert [call.name for call in source.calls] == ["a", "b", "b"]
    await switches.disable(Switch(tool="a", reason="maintenance"))
    result = await session.call("a", {"n": 2})
    assert result.notes == (
        "[a was out; b answered instead. a is switched off by an operator: maintenance]",
    )


async def test_arguments_are_mapped_as_declared_from_their_canonical_form() -> None:
    ours = {
        "type": "object",
        "properties": {"query": {"type": "string"}, "limit": {"type": "integer", "default": 5}},
        "required": ["query"],
    }
    theirs = {
        "type": "object",
        "properties": {"q": {"type": "string"}, "count": {"type": "integer"}},
        "additionalProperties": False,
    }
    names = Alternative(tool="b", arguments={"q": "query", "count": "limit"})
    tools = [
        spec("a", attempts=1, parameters=ours, fallback=(names,)),
        spec("b", parameters=theirs),
    ]
    switches = MemorySwitches()
    source = FakeSource(tools, a=DOWN, b=2)
    gate = Gate([source], clock=FakeClock(instant=True), backends=Backends(switches=switches))
    assert (await gate.session().call("a", '{"query": "x"}')).value == 2
    assert source.calls[1].arguments == {"q": "x", "count": 5}
    await switches.disable(Switch(tool="a"))
    refused = await gate.session().call("a", '{"limit": 3}')  # not even ours can read it
    assert refused.error is not None
    assert refused.error.code == "disabled"


async def test_chains_go_on_until_a_tool_answers() -> None:
    declared = {
        "a": (Alternative(tool="b"), Alternative(tool="c")),
        "c": (Alternative(tool="d"),),
    }
    source = FakeSource({"a": DOWN, "b": DOWN, "c": DOWN, "d": 4})
    gate = Gate(
        [source], clock=FakeClock(instant=True), controls=Controls(repeats=99, fallbacks=declared)
    )
    result = await gate.session().call("a", {})
    assert (result.value, len(result.notes)) == (4, 2)
    assert dict.fromkeys(call.name for call in source.calls) == dict.fromkeys("abcd")
    assert source.calls[-1].key.endswith("/1/0+c+d")


async def test_an_observing_fallback_tells_and_leaves_the_result() -> None:
    gate, source, captured = _gate(DOWN, observe={"fallback"})
    result = await gate.session().call("a", {})
    assert (result.error, [call.name for call in source.calls]) == (DOWN, ["a"])
    assert [event.verdict for event in captured.of(Decision)] == ["would_ask"]


# ------------------------------------------------------------------ effects in turns, and again


async def test_later_effects_of_a_turn_wait_for_the_whole_chain_and_go_on_if_it_succeeds() -> None:
    order: list[str] = []

    async def slow(call: ToolCall) -> int:
        await asyncio.sleep(0)
        order.append("b")
        return 2

    tools = [
        spec("a", Effect.IRREVERSIBLE, attempts=1, fallback=(Alternative(tool="b"),)),
        spec("b", Effect.IRREVERSIBLE),
        spec("c", Effect.IRREVERSIBLE),
    ]
    source = FakeSource(tools, a=DOWN, b=slow, c=lambda call: order.append("c"))
    gate = Gate([source], clock=FakeClock(instant=True))
    calls = [CallPart(id=name, name=name, arguments="{}") for name in ("a", "c")]
    answer = await gate.session().turn(calls)
    assert [item.result.status for item in answer.answered] == [Status.OK] * 2
    assert order == ["b", "c"]


async def test_later_effects_of_a_turn_are_not_executed_if_the_whole_chain_fails() -> None:
    tools = [
        spec("a", Effect.IRREVERSIBLE, attempts=1, fallback=(Alternative(tool="b"),)),
        spec("b", Effect.IRREVERSIBLE, attempts=1),
        spec("c", Effect.IRREVERSIBLE),
    ]
    source = FakeSource(tools, a=DOWN, b=DOWN, c=3)
    gate = Gate([source], clock=FakeClock(instant=True))
    calls = [CallPart(id=name, name=name, arguments="{}") for name in ("a", "c")]
    answer = await gate.session().turn(calls)
    codes = [item.result.error and item.result.error.code for item in answer.answered]
    assert codes == ["transient", "not_executed"]


async def test_a_call_made_again_is_answered_by_the_tool_that_acted_for_it() -> None:
    state: dict[str, Any] = {"a": DOWN}
    tools = [
        spec("a", Effect.IRREVERSIBLE, attempts=1, fallback=(Alternative(tool="b"),)),
        spec("b", Effect.IRREVERSIBLE, attempts=1),
    ]
    source = FakeSource(tools, a=lambda call: state["a"], b=2)
    gate = Gate(
        [source],
        clock=FakeClock(instant=True),
        backends=Backends(journal=MemoryJournal()),
    )
    assert (await gate.session().call("a", {}, key="k")).value == 2
    state["a"] = 1  # the first tool is back: it must not do again what the other one did
    again = await gate.session().call("a", {}, key="k")
    assert (again.value, [call.name for call in source.calls]) == (2, ["a", "b"])
    assert (await gate.session().call("a", {}, key="other")).value == 1


async def test_nothing_is_executed_while_nobody_can_tell_what_was_done_before() -> None:
    class Unreadable(MemoryJournal):
        async def find(self, key: str) -> Any:
            raise StoreError("the database is gone")

    gate, source, _ = _gate(1, Effect.IRREVERSIBLE, backends=Backends(journal=Unreadable()))
    result = await gate.session().call("a", {}, key="k")
    assert result.error is not None
    assert (result.error.code, source.calls) == ("not_written", [])


async def test_a_resumed_turn_keeps_the_place_of_the_tool_that_acted() -> None:
    tools = [
        spec("a", Effect.IRREVERSIBLE, attempts=1, fallback=(Alternative(tool="b"),)),
        spec("b", Effect.IRREVERSIBLE, attempts=1),
        spec("c", Effect.IRREVERSIBLE),
    ]
    source = FakeSource(tools, a=DOWN, b=2, c=3)
    journal = MemoryJournal()
    gate = Gate([source], clock=FakeClock(instant=True), backends=Backends(journal=journal))
    calls = [CallPart(id=name, name=name, arguments="{}") for name in ("a", "c")]
    session = gate.session(id="s")
    first = await session.turn(calls, turn=1)
    second = await gate.session(id="s").turn(calls, turn=1)
    for answer in (first, second):
        assert [item.result.value for item in answer.answered] == [2, 3]
    assert [call.name for call in source.calls] == ["a", "b", "c"]


# ------------------------------------------------------------------ definitions


@pytest.mark.parametrize(
    ("fallbacks", "told"),
    [
        ({"x": ("a",)}, "declared for 'x', which is no tool here"),
        ({"a": ("x",)}, "a falls back to 'x', which is no tool here"),
        ({"a": ("a",)}, "leads back to where it began: a -> a"),
        ({"a": ("b",), "b": ("c",), "c": ("a",)}, "a -> b -> c -> a"),
        ({"a": ("change",)}, "a only reads and falls back to change, which does more"),
    ],
)
def test_a_chain_that_cannot_work_is_refused_at_once(
    fallbacks: dict[str, tuple[str, ...]], told: str
) -> None:
    tools = [spec("a"), spec("b"), spec("c"), spec("change", Effect.IRREVERSIBLE)]
    declared = {
        name: tuple(Alternative(tool=one) for one in ones) for name, ones in fallbacks.items()
    }
    with pytest.raises(DefinitionError, match=told):
        Gate([FakeSource(tools)], controls=Controls(fallbacks=declared))


@pytest.mark.parametrize("names", [{"nothing": "a"}, {"a": "nothing"}])
def test_a_map_names_parameters_that_are_there(names: dict[str, str]) -> None:
    @tool(effect="read", fallback=Alternative(tool="second", arguments=names))
    def first(a: int) -> int:
        """Be first."""
        return a

    @tool(effect="read")
    def second(a: int) -> int:
        """Be second."""
        return a

    with pytest.raises(DefinitionError, match=r"'nothing', which (first|second) does not have"):
        Gate([first, second])


def test_a_tool_declares_its_chain_as_names_or_alternatives() -> None:
    def look(a: int) -> int:
        """Look."""
        return a

    other = Alternative(tool="c", arguments={"x": "a"})
    assert tool(look, effect="read", fallback="b").tool.fallback == (Alternative(tool="b"),)
    assert tool(look, effect="read", fallback=["b", other]).tool.fallback == (
        Alternative(tool="b"),
        other,
    )

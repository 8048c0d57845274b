"""The rules (a) to (h) that the path keeps whatever its stages do, each shown by behaviour.

The details of each are pinned where its stages are tested; this page is the list of them.
"""

from __future__ import annotations

import ast
import asyncio
import threading
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

import callgate
from callgate import CallContext, tool
from callgate.approvals.desk import Approvals
from callgate.approvals.rules import Rule
from callgate.backends import Backends
from callgate.controls import Alternative, BreakerRules, Controls
from callgate.errors import ToolFailedError, TransientError
from callgate.gate import Gate
from callgate.messages import CallPart
from callgate.stages import ORDER
from callgate.stages.approve import ApproveFactory
from callgate.stages.breaker import MemoryCircuits
from callgate.stages.journal import MemoryJournal, State
from callgate.stages.resolve import MemorySwitches, Switch
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import (
    CallClosed,
    CallOpened,
    Decision,
    Effect,
    Principal,
    Status,
    ToolCall,
    ToolResult,
)
from tests.path.tools import one, spec

ANA = Principal(id="ana", tenant="acme")
BOB = Principal(id="bob", tenant="acme")
SOURCE = Path(callgate.__file__).parent


def parts(*names: str) -> list[CallPart]:
    return [CallPart(id=f"c{n}", name=name, arguments={"n": n}) for n, name in enumerate(names)]


def codes(results: list[ToolResult]) -> list[str]:
    return [result.error.code if result.error else result.status.value for result in results]


# ------------------------------------------------------------------ (a) one list holds the order


async def test_a_every_call_is_recorded_also_one_of_a_tool_that_is_unknown_or_off() -> None:
    switches, captured = MemorySwitches(), Captured()
    source = FakeSource([spec("t"), spec("off")], t=1, off=1)
    gate = Gate([source], backends=Backends(switches=switches), listeners=[captured])
    await switches.disable(Switch(tool="off"))
    session = gate.session()
    results = [await session.call(name, {}) for name in ("t", "off", "unknown")]
    assert codes(results) == ["ok", "disabled", "unknown_tool"]
    for kind in (CallOpened, CallClosed):
        assert [event.call.name for event in captured.of(kind)] == ["t", "off", "unknown"]
    assert [call.name for call in source.calls] == ["t"]


async def test_a_what_is_before_in_the_list_decides_before() -> None:
    # One call that fallback, resolve, validate, guard and approve all have something to say about:
    # what each of them refuses is refused in the order of the list.
    switches = MemorySwitches()
    seen: list[str] = []

    def watch(event: Any) -> None:
        if isinstance(event, Decision):
            seen.append(event.stage)

    number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    source = FakeSource([spec("t", Effect.IRREVERSIBLE, parameters=number, approval="always")], t=1)
    gate = Gate([source], backends=Backends(switches=switches), listeners=[watch])
    session = gate.session(max_calls=1)
    await switches.disable(Switch(tool="t"))
    await session.call("t", {"n": "no number"})
    await switches.enable("t")
    await session.call("t", {"n": "no number"})
    await session.call("t", {"n": 1})
    await session.call("t", {"n": 2})
    assert seen == ["resolve", "validate", "approve", "guard"]
    places = [ORDER.index(stage) for stage in ("resolve", "validate", "guard", "approve")]
    assert places == sorted(places)
    assert source.calls == []


# ------------------------------------------------------------------ (b) surfaces do not change


async def test_b_a_surface_cannot_be_changed_and_its_state_outlives_it() -> None:
    clock = FakeClock()
    circuits = MemoryCircuits(clock)
    controls = Controls(breaker=BreakerRules(failures=1, pause=60.0))

    def built(version: str) -> tuple[Gate, FakeSource]:
        source = FakeSource([spec("t", version=version, attempts=1)], t=TransientError("down"))
        backends = Backends(circuits=circuits)
        return Gate([source], backends=backends, controls=controls, clock=clock), source

    first, _ = built("1")
    surface: Any = first.surface
    with pytest.raises(FrozenInstanceError):
        surface.revision = "changed"
    with pytest.raises(TypeError):
        surface.tools["other"] = surface.tools["t"]
    assert codes([await first.session().call("t", {})]) == ["transient"]
    second, source = built("2")
    assert second.surface.revision != first.surface.revision
    # The circuit that the first surface has opened is open for the second one.
    assert codes([await second.session().call("t", {})]) == ["circuit_open"]
    assert source.calls == []


def test_b_a_stage_is_left_out_only_where_no_rule_can_ever_reach_the_tool() -> None:
    rules = [Rule(then="ask", tools=("pay",), when="cents > 100")]
    surface = Gate([FakeSource([spec("pay"), spec("look")], pay=1, look=1)]).surface

    async def dispatch(call: ToolCall) -> ToolResult:
        raise AssertionError(call)

    factory = ApproveFactory(Approvals(rules=rules), dispatch)
    made = {name: factory.for_tool(one, surface) for name, one in surface.tools.items()}
    # Whether the rule reaches a call of `pay` is only known with its arguments.
    assert made["pay"] is not None
    assert made["look"] is None


# ------------------------------------------------------------------ (c) no stage knows an edge


def test_c_no_stage_imports_a_store_a_source_a_client_or_the_gate() -> None:
    edges = {"store", "sources", "agents", "gate", "session", "app", "cli", "path", "backends"}
    foreign = {"sqlalchemy", "psycopg", "sqlite3", "httpx2", "mcp", "contextvars"}
    for path in (SOURCE / "stages").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                head, _, rest = name.partition(".")
                assert head not in foreign, f"{path.name} imports {name}"
                assert head != "callgate" or rest.partition(".")[0] not in edges, path.name


async def test_c_a_call_carries_its_context_through_tasks_and_threads() -> None:
    meeting = threading.Barrier(2, timeout=30)

    @tool(effect="read")
    def who(call: CallContext) -> str:
        """Tell on whose behalf."""
        meeting.wait()  # both run at once, in threads that served others before
        return call.principal.id

    gate = Gate([who])
    for _ in range(3):
        results = await asyncio.gather(*(gate.session(one).call("who", {}) for one in (ANA, BOB)))
        assert [result.value for result in results] == ["ana", "bob"]
    await gate.close()


# ------------------------------------------------------------------ (d) the way back


@pytest.mark.parametrize("effect", [Effect.IRREVERSIBLE, Effect.RECONCILABLE, Effect.IDEMPOTENT])
async def test_d_an_effect_whose_result_breaks_its_promise_is_ok_flagged_and_told(
    effect: Effect,
) -> None:
    captured = Captured()
    source = one("paid, thanks", effect, returns={"type": "integer"}, result_bytes=8)
    result = await Gate([source], listeners=[captured]).session().call("t", {})
    assert (result.status, result.error, result.handle is not None) == (Status.OK, None, True)
    assert "was executed; do not repeat it" in result.text()
    assert [(event.stage, event.verdict) for event in captured.of(Decision)] == [
        ("bound", "flagged")
    ]
    read = await Gate([one("paid", returns={"type": "integer"})]).session().call("t", {})
    assert codes([read]) == ["result"]


# ------------------------------------------------------------------ (e) turns


async def test_e_admission_keeps_the_models_order_reads_run_together_effects_in_turn() -> None:
    log: list[str] = []
    reading = asyncio.Event()

    async def read(call: ToolCall) -> int:
        log.append(f"+{call.arguments['n']}")
        if call.arguments["n"] == 3:
            reading.set()  # the last read lets all of them end: they run together
        await reading.wait()
        return 1

    async def write(call: ToolCall) -> int:
        log.append(f"+{call.arguments['n']}")
        await asyncio.sleep(0)
        log.append(f"-{call.arguments['n']}")
        if call.arguments["n"] == 2:
            raise ToolFailedError("no")
        return 1

    captured = Captured()
    tools = [spec("read"), spec("write", Effect.IRREVERSIBLE)]
    gate = Gate([FakeSource(tools, read=read, write=write)], listeners=[captured])
    answer = await gate.session().turn(parts("write", "read", "write", "read", "write"))
    assert [event.call.id for event in captured.of(CallOpened)] == ["c0", "c1", "c2", "c3", "c4"]
    assert [entry for entry in log if entry[1] in "024"] == ["+0", "-0", "+2", "-2"]
    last = answer.answered[4].result
    assert codes([item.result for item in answer.answered]) == [
        "ok",
        "ok",
        "tool_failed",
        "ok",
        "not_executed",
    ]
    assert last.error is not None
    assert "was not executed because write" in last.error.message


async def test_e_what_is_counted_is_counted_when_it_is_admitted() -> None:
    source = FakeSource([spec("write", Effect.IRREVERSIBLE)], write=1)
    session = Gate([source]).session(max_calls=2)
    answer = await session.turn(parts("write", "write", "write"))
    # The third is refused though none has been executed when it is looked at.
    assert codes([item.result for item in answer.answered]) == ["ok", "ok", "budget"]


# ------------------------------------------------------------------ (f) calls within calls


async def test_f_a_call_made_for_another_is_judged_and_journaled_under_a_key_of_its_own() -> None:
    journal, captured = MemoryJournal(), Captured()
    tools = [
        spec("first", Effect.IRREVERSIBLE, attempts=1, fallback=(Alternative(tool="second"),)),
        spec("second", Effect.IRREVERSIBLE),
    ]
    source = FakeSource(tools, first=TransientError("refused"), second="done")
    gate = Gate([source], backends=Backends(journal=journal), listeners=[captured])
    result = await gate.session(ANA, id="s").call("first", {}, key="k")
    assert result.value == "done"
    outer, inner = [event.call for event in captured.of(CallOpened)]
    assert (inner.key, inner.scope.parent) == (f"{outer.key}+second", outer.key)
    entries = [await journal.find(call.key) for call in (outer, inner)]
    assert [entry and entry.state for entry in entries] == [State.NOT_HAPPENED, State.DONE]


# ------------------------------------------------------------------ (g) cancellation


async def test_g_a_started_effect_ends_and_is_written_though_its_caller_left() -> None:
    clock, journal = FakeClock(), MemoryJournal()
    started, go = asyncio.Event(), asyncio.Event()
    made: list[int] = []

    async def act(call: ToolCall) -> str:
        started.set()
        await go.wait()
        made.append(call.arguments["n"])
        return "paid"

    source = one(act, Effect.IRREVERSIBLE)
    gate = Gate([source], backends=Backends(journal=journal), clock=clock)
    turn = asyncio.ensure_future(gate.session(ANA, id="s").turn(parts("t", "t", "t"), turn=1))
    await started.wait()
    turn.cancel()
    await clock.settle()
    assert not turn.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert made == [0]  # the effects behind it were never begun
    entry = await journal.find("acme/ana/s/1/0")
    assert entry is not None
    assert (entry.state, entry.result and entry.result.value) == (State.DONE, "paid")


async def test_g_a_thread_that_cannot_be_stopped_keeps_its_slot_and_leaves_a_doubt() -> None:
    clock, go = FakeClock(), threading.Event()
    begun = threading.Event()

    @tool(effect="irreversible", concurrency=1, timeout=5, queue=1, attempts=1)
    def pay(n: int) -> str:
        """Pay."""
        begun.set()
        go.wait(30)
        return "paid"

    gate = Gate([pay], clock=clock, grace=1.0)
    session = gate.session()
    call = asyncio.ensure_future(session.call("pay", {"n": 1}))
    await asyncio.to_thread(begun.wait, 30)
    for _ in range(3):
        clock.advance(6.0)
        await clock.settle()
    assert (await call).status is Status.IN_DOUBT
    second = asyncio.ensure_future(session.call("pay", {"n": 2}))
    await clock.settle()
    clock.advance(1.1)
    assert codes([await second]) == ["busy"]
    go.set()
    await gate.close()


# ------------------------------------------------------------------ (h) modes


async def _broken(observe: set[str]) -> tuple[list[str], list[str]]:
    """Make calls that guard, approve, breaker and fallback would all decide about."""
    captured = Captured()
    tools = [
        spec("t", attempts=1, fallback=(Alternative(tool="u"),)),
        spec("u"),
        spec("v", approval="always"),
    ]
    source = FakeSource(tools, t=TransientError("down"), u=1, v=1)
    rules = BreakerRules(failures=1, pause=60.0)
    gate = Gate(
        [source],
        listeners=[captured],
        observe=observe,
        clock=FakeClock(),
        controls=Controls(breakers={"t": rules}, repeats=2),
    )
    session = gate.session()
    results = [
        await session.call("t", {}),
        await session.call("t", {}),
        await session.call("v", {}),
    ]
    results += [await session.call("u", {"n": 1}) for _ in range(3)]
    told = sorted({f"{one.stage}:{one.verdict}" for one in captured.of(Decision)})
    return codes(results), told


async def test_h_a_stage_that_observes_tells_what_it_would_do_and_does_nothing() -> None:
    enforced, _ = await _broken(set())
    assert enforced == ["ok", "ok", "pending", "ok", "ok", "repeated_call"]
    observed, told = await _broken({"fallback", "breaker", "approve", "guard"})
    assert observed == ["transient", "transient", "ok", "ok", "ok", "ok"]
    assert told == [
        "approve:would_ask",
        "breaker:would_refuse",
        "fallback:would_ask",
        "guard:would_refuse",
    ]
    # Each has a mode of its own.
    assert (await _broken({"approve"}))[0] == ["ok", "ok", "ok", "ok", "ok", "repeated_call"]


async def test_h_a_tool_that_is_switched_off_is_off_at_the_next_call_everywhere() -> None:
    switches = MemorySwitches()
    gates = [Gate([one(1)], backends=Backends(switches=switches)) for _ in range(2)]
    sessions = [gate.session() for gate in gates]
    assert codes([await session.call("t", {}) for session in sessions]) == ["ok", "ok"]
    await switches.disable(Switch(tool="t"))
    assert codes([await session.call("t", {}) for session in sessions]) == ["disabled"] * 2

"""The breaker, through a gate: what opens a circuit, what it refuses, and how it closes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate.backends import Backends
from callgate.controls import BreakerRules, Controls
from callgate.controls.circuit import Circuit, CircuitState, Out, Outcome, Probe
from callgate.errors import CircuitOpenError, ToolFailedError, TransientError
from callgate.gate import Gate
from callgate.stages.breaker import MemoryCircuits
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import CircuitChanged, Decision, Effect, Status, ToolCall
from tests.path.tools import one, spec

RULES = BreakerRules(failures=3, pause=10.0, probes=2)


class Backend:
    """A backend that a test turns on and off."""

    def __init__(self) -> None:
        self.up = True

    def __call__(self, call: ToolCall) -> int:
        if not self.up:
            raise TransientError("connection refused")
        return 1


def _gate(reply: Any, **options: Any) -> tuple[Gate, FakeSource, FakeClock, Captured]:
    clock, captured = FakeClock(instant=True), Captured()
    controls = options.pop("controls", Controls(breaker=RULES))
    observe = options.pop("observe", ())
    source = one(reply, options.pop("effect", Effect.READ), **{"attempts": 1, **options})
    gate = Gate([source], clock=clock, listeners=[captured], controls=controls, observe=observe)
    return gate, source, clock, captured


async def _fail(gate: Gate, times: int) -> list[str]:
    session = gate.session()
    results = [await session.call("t", {"n": n}) for n in range(times)]
    return [result.error.code if result.error else "ok" for result in results]


async def test_failures_in_a_row_open_the_circuit_and_the_model_is_told_when_to_try_again() -> None:
    gate, source, _, captured = _gate(TransientError("connection refused"))
    assert await _fail(gate, 5) == ["transient"] * 3 + ["circuit_open"] * 2
    assert len(source.calls) == 3
    result = await gate.session().call("t", {})
    assert isinstance(result.error, CircuitOpenError)
    assert (result.status, result.attempts, result.error.retry_after) == (Status.ERROR, 0, 10.0)
    assert result.error.details == {"retry_after": 10.0}
    assert result.text() == (
        "t is out: 3 attempts in a row failed, the last with: connection refused Try again in 10 s."
        " Nothing was executed. Go on without it, or try again when it says."
    )
    assert [(event.circuit, event.state) for event in captured.of(CircuitChanged)] == [
        ("t", "open")
    ]
    assert {event.stage for event in captured.of(Decision)} == {"breaker"}


async def test_an_open_circuit_is_never_retried() -> None:
    backend = Backend()
    backend.up = False
    gate, source, clock, _ = _gate(backend, attempts=10)
    result = await gate.session().call("t", {})
    # The third failure opens it; the fourth attempt is refused and ends the call, which tells
    # of the attempts that were made.
    assert (len(source.calls), len(clock.slept)) == (3, 3)
    assert result.error is not None
    assert (result.error.code, result.attempts) == ("transient", 3)


async def test_after_the_pause_so_many_probes_go_at_once_and_all_of_them_close_it() -> None:
    backend, go = Backend(), asyncio.Event()
    hold = False

    async def reply(call: ToolCall) -> int:
        if hold:
            await go.wait()
        return backend(call)

    gate, source, clock, captured = _gate(reply)
    backend.up = False
    await _fail(gate, 3)
    clock.advance(10.0)
    backend.up, hold = True, True
    session = gate.session()
    probes = [asyncio.ensure_future(session.call("t", {"probe": n})) for n in range(3)]
    await clock.settle()
    assert (await probes[2]).error is not None  # two are on their way, the third is refused
    go.set()
    assert [(await probe).status for probe in probes[:2]] == [Status.OK] * 2
    assert (await session.call("t", {"n": 9})).ok
    assert [event.state for event in captured.of(CircuitChanged)] == [
        "open",
        "half_open",
        "closed",
    ]
    assert len(source.calls) == 6


async def test_a_probe_that_fails_opens_the_circuit_for_another_pause() -> None:
    gate, _, clock, captured = _gate(TransientError("still down"))
    await _fail(gate, 3)
    clock.advance(10.0)
    assert await _fail(gate, 2) == ["transient", "circuit_open"]
    assert captured.of(CircuitChanged)[-1].reason == "still down"


async def test_a_probe_that_was_given_up_makes_room_for_another() -> None:
    backend = Backend()
    never = asyncio.Event()
    hold = False

    async def reply(call: ToolCall) -> int:
        if hold:
            await never.wait()
        return backend(call)

    gate, _, clock, _ = _gate(reply)
    backend.up = False
    await _fail(gate, 3)
    clock.advance(10.0)
    backend.up, hold = True, True
    session = gate.session()
    probes = [asyncio.ensure_future(session.call("t", {"probe": n})) for n in range(2)]
    await clock.settle()
    for probe in probes:
        probe.cancel()
    await asyncio.wait(probes)
    hold = False
    assert [(await session.call("t", {"n": n})).ok for n in range(3)] == [True] * 3


async def test_a_share_of_failures_opens_it_once_enough_attempts_were_made() -> None:
    backend = Backend()
    rules = BreakerRules(failures=100, share=0.5, least=10, window=30.0)
    gate, _, clock, _ = _gate(backend, controls=Controls(breaker=rules))
    session = gate.session()
    for n in range(9):
        backend.up = n % 2 == 0
        await session.call("t", {"n": n})
    backend.up = False
    assert (await session.call("t", {"n": 9})).error is not None
    refused = await session.call("t", {"n": 10})
    assert refused.error is not None
    assert "5 of 10 attempts in 30 s failed" in refused.error.message
    clock.advance(60.0)
    backend.up = True
    assert (await session.call("t", {"n": 11})).ok  # the probe
    backend.up = False
    for n in range(12, 21):
        assert (await session.call("t", {"n": n})).error is not None
    clock.advance(31.0)  # what is older than the window is forgotten
    result = await session.call("t", {"n": 30})
    assert result.error is not None
    assert result.error.code == "transient"


async def test_refusals_behind_it_and_a_tools_own_no_are_no_failures_of_the_backend() -> None:
    gate, source, _, _ = _gate(ToolFailedError("no such order"))
    assert await _fail(gate, 6) == ["tool_failed"] * 6
    go = asyncio.Event()

    async def wait(call: ToolCall) -> int:
        await go.wait()
        return 1

    clock = FakeClock()
    source = one(wait, concurrency=1, queue=1.0, attempts=1)
    gate = Gate([source], clock=clock, controls=Controls(breaker=RULES))
    session = gate.session()
    first = asyncio.ensure_future(session.call("t", {}))
    await clock.settle()
    others = [asyncio.ensure_future(session.call("t", {"n": n})) for n in range(5)]
    await clock.settle()
    clock.advance(1.0)
    codes = [result.error and result.error.code for result in await asyncio.gather(*others)]
    assert codes == ["busy"] * 5
    go.set()
    assert (await first).ok
    assert (await session.call("t", {"n": 9})).ok


async def test_an_effect_of_which_nobody_knows_counts_as_a_failure() -> None:
    gate, _, _, _ = _gate(TransientError("lost", acted=True), effect=Effect.IRREVERSIBLE)
    assert await _fail(gate, 4) == ["in_doubt"] * 3 + ["circuit_open"]


async def test_an_observing_breaker_tells_and_lets_pass() -> None:
    gate, source, _, captured = _gate(TransientError("down"), observe={"breaker"})
    assert await _fail(gate, 5) == ["transient"] * 5
    assert len(source.calls) == 5
    assert [event.verdict for event in captured.of(Decision)] == ["would_refuse"] * 2


async def test_circuits_belong_to_tool_and_backend_or_to_the_backend_that_has_rules() -> None:
    down = TransientError("down")
    tools = [
        spec("a", attempts=1, backend="shop"),
        spec("b", attempts=1, backend="shop"),
        spec("c", attempts=1, backend="mail"),
        spec("d", attempts=1, backend="mail"),
    ]
    circuits = MemoryCircuits(FakeClock())
    gate = Gate(
        [FakeSource(tools, a=down, b=1, c=down, d=1)],
        clock=FakeClock(),
        backends=Backends(circuits=circuits),
        controls=Controls(breaker=RULES, breakers={"mail": RULES}),
    )
    session = gate.session()
    for name in ("a", "c"):
        for n in range(3):
            await session.call(name, {"n": n})
    assert (await session.call("b", {})).ok
    refused = await session.call("d", {})
    assert refused.error is not None
    assert refused.error.code == "circuit_open"
    assert {name: circuit.state.value for name, circuit in circuits.look().items()} == {
        "a@shop": "open",
        "b@shop": "closed",
        "mail": "open",
    }


async def test_a_tool_without_rules_has_no_breaker() -> None:
    source = one(TransientError("down"), attempts=1)
    gate = Gate([source], controls=Controls(breakers={"other": RULES}))
    assert await _fail(gate, 10) == ["transient"] * 10


@pytest.mark.parametrize("back", [1.0, 1000.0, 1e9])
def test_a_clock_that_goes_backwards_holds_a_circuit_open_for_one_pause_at_most(
    back: float,
) -> None:
    circuit = Circuit()
    for _ in range(3):
        circuit.leave(RULES, 0, Outcome.BAD, "down", 2e9)
    assert circuit.state is CircuitState.OPEN
    now = 2e9 - back
    entry = circuit.enter(RULES, now)
    assert isinstance(entry, Out)
    assert entry.wait <= RULES.pause
    assert isinstance(circuit.enter(RULES, now + RULES.pause), Probe)

"""The agent loop: turns one after the other, calls side by side, many attached tools."""

from __future__ import annotations

import asyncio

import orjson

from callgate import Gate, tool
from callgate.agents import Budget, run
from callgate.codecs import by_name
from callgate.gate import Session
from callgate.messages import Message, ModelRequest, ModelResponse, Role
from callgate.testing import FakeSource, ScriptedModel, calls, says
from callgate.types import Effect, Text, Tool
from tests.bench.measure import Batch, Figure, Plan, Spread, above, alone, side_by_side
from tests.bench.path import add, seen

__all__ = ["figures"]

US = 1e-6
MS = 1e-3
WAIT = 0.01
TOGETHER = 20
TURNS = 3
MANY = 1000

_TIMES = 20
_ROOM = Budget(turns=1000, calls=1000)


@tool(effect="read")
async def nap(n: int) -> int:
    """Wait ten milliseconds."""
    await asyncio.sleep(WAIT)
    return n


async def figures(plan: Plan) -> list[Figure]:
    """Measure all of this module."""
    return [
        *await _sequential(plan),
        *await _parallel(plan),
        *await _attached(plan),
    ]


def _script(turns: int) -> list[ModelResponse]:
    # Each turn has arguments of its own: the guard would refuse the fourth that has not.
    return [*(calls(("add", {"a": n, "b": 1})) for n in range(turns)), says("done")]


# --- turns one after the other --------------------------------------------------------------


def _running(gate: Gate, script: list[ModelResponse], times: int = 1) -> Batch:
    async def batch() -> None:
        for _ in range(times):
            done = await run(gate.session(), "go", model=ScriptedModel(script), budget=_ROOM)
            assert done.answer == "done"

    return batch


def _by_hand(script: list[ModelResponse], times: int) -> Batch:
    """Return the loop that one would write without any library."""
    bare = add.function
    request = ModelRequest(messages=())

    async def once() -> None:
        model = ScriptedModel(script)
        messages: list[object] = []
        while made := (response := await model.complete(request)).message.calls:
            messages.append(response.message)
            (call,) = made
            messages.append(orjson.dumps(await bare(**orjson.loads(call.arguments))))

    async def batch() -> None:
        for _ in range(times):
            await once()

    return batch


async def _sequential(plan: Plan) -> list[Figure]:
    gate = Gate([add], listeners=[seen])
    spreads: dict[int, tuple[Spread, Spread]] = {}
    for turns in (10, 200):
        # A batch of some milliseconds: a single short run would be measured with cold caches.
        script, times = _script(turns), 200 // turns
        took = await side_by_side(
            {"floor": _by_hand(script, times), "ours": _running(gate, script, times)},
            repeats=plan.repeats,
            ops=times,
        )
        spreads[turns] = took["ours"], took["floor"]
    per_turn = {turns: ours.least("cpu") / turns for turns, (ours, _) in spreads.items()}
    medians = {
        turns: sorted(ours.wall)[len(ours.wall) // 2] / turns
        for turns, (ours, _) in spreads.items()
    }
    return [
        *(alone(f"loop.{turns}", *pair, unit=MS) for turns, pair in spreads.items()),
        Figure(
            name="loop.growth",
            value=per_turn[200] / per_turn[10],
            median=medians[200] / medians[10],
            ours={
                f"us_per_turn_at_{turns}": round(took / US, 2) for turns, took in per_turn.items()
            },
        ),
    ]


# --- calls side by side ---------------------------------------------------------------------


async def _parallel(plan: Plan) -> list[Figure]:
    gate = Gate([nap], listeners=[seen])
    asked = calls(*(("nap", {"n": n}) for n in range(TOGETHER)), ids=map(str, range(TOGETHER)))
    script = [asked, says("done")]
    parts = asked.message.calls
    bare = nap.function

    async def floor() -> None:
        await asyncio.gather(*(bare(n) for n in range(TOGETHER)))

    async def turn() -> None:
        answer = await gate.session().turn(parts)
        assert all(item.result.ok for item in answer.answered)

    took = await side_by_side(
        {"floor": floor, "turn": turn, "run": _running(gate, script)},
        repeats=plan.repeats,
        ops=1,
    )
    return [
        above(f"parallel.{name}", took[name], took["floor"], unit=MS, basis="wall")
        for name in ("turn", "run")
    ]


# --- many attached tools --------------------------------------------------------------------


def _tools(count: int) -> FakeSource:
    """Return that many tools beside `add`, each like what a server lists."""
    properties = {
        name: {"type": "string", "description": f"The {name} of the item that is looked for."}
        for name in ("kind", "place", "owner", "state", "text")
    }
    schema = {"type": "object", "properties": properties, "required": ["text"]}
    return FakeSource(
        [
            Tool(
                name=f"find_{n}",
                description=f"Look for an item in the collection number {n}.",
                parameters=schema,
                effect=Effect.READ,
            )
            for n in range(count)
        ]
    )


async def _attached(plan: Plan) -> list[Figure]:
    few, many = Gate([add], listeners=[seen]), Gate([add, _tools(MANY - 1)], listeners=[seen])
    script = _script(TURNS)
    took = await side_by_side(
        {"one": _running(few, script, _TIMES), "thousand": _running(many, script, _TIMES)},
        repeats=plan.repeats,
        ops=_TIMES,
    )
    share = TURNS * (MANY - 1)
    return [
        above("attached.tool", took["thousand"], took["one"], unit=US, share=share),
        await _encoded(plan, few.session(), many.session()),
    ]


async def _encoded(plan: Plan, few: Session, many: Session) -> Figure:
    messages = [Message(role=Role.USER, parts=(Text(text="Which items are there?"),))]
    encoder = by_name("openai").encoder("some-model")

    def encoding(session: Session) -> Batch:
        request = ModelRequest(messages=messages, tools=session.tools())

        async def batch() -> None:
            for _ in range(_TIMES):
                encoder.encode(request, stream=True)

        return batch

    took = await side_by_side(
        {"one": encoding(few), "thousand": encoding(many)}, repeats=plan.repeats, ops=_TIMES
    )
    return above("attached.wire", took["thousand"], took["one"], unit=US, share=MANY - 1)

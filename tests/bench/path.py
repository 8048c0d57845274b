"""The call path: the whole, each stage, and what it is made of."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from callgate import Gate, tool
from callgate.backends import Backends
from callgate.codecs import by_name
from callgate.controls import Allowance, Alternative, BackendRules, BreakerRules, Controls, Rate
from callgate.pipeline import Handler, LoopClock, Stage, StageFactory, compose, stacks
from callgate.schema.arguments import plain_reader
from callgate.schema.check import Checker
from callgate.sources.python import PythonSource
from callgate.sources.results import MemoryBlobs
from callgate.stages.admit import AdmitFactory, AdmitState, MemoryRates, Slots
from callgate.stages.bound import BoundFactory
from callgate.stages.breaker import BreakerFactory, MemoryCircuits
from callgate.stages.cache import CacheFactory, MemoryGenerations, Shelf
from callgate.stages.deadline import DeadlineFactory, Deadlines
from callgate.stages.fallback import Chain, Fallback, chains
from callgate.stages.guard import GuardFactory, MemorySpend
from callgate.stages.journal import MemoryJournal
from callgate.stages.order import OrderFactory
from callgate.stages.record import Record
from callgate.stages.resolve import MemorySwitches, Resolve
from callgate.stages.retry import RetryFactory
from callgate.stages.validate import ValidateFactory
from callgate.tool import FunctionTool
from callgate.types import ANYONE, Event, Scope, Surface, ToolCall
from tests.bench.functions import documented, read_plainly
from tests.bench.measure import Batch, Figure, Plan, Spread, above, alone, side_by_side

__all__ = ["add", "figures", "limit", "seen"]

US = 1e-6


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two integers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


CONTROLS = Controls(
    breaker=BreakerRules(),
    principal=Rate(calls=1e9),
    tenant=Rate(calls=1e9),
    principal_spend=Allowance(amount=Decimal(10**9)),
    backends={"here": BackendRules(rate=Rate(calls=1e9), concurrency=8)},
)


@tool(
    effect="read",
    name="governed",
    cache=60,
    cost=Decimal("0.000001"),
    concurrency=8,
    backend="here",
    fallback="add",
)
async def governed(a: int, b: int) -> int:
    """Add two integers, behind every stage.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


_once = tool(add.function, name="once", effect="read", attempts=1)
_bounded = tool(add.function, name="bounded", effect="read", concurrency=8)
_cached = tool(add.function, name="cached", effect="read", cache=60)
_watched = tool(add.function, name="watched", effect="read")
_paced = tool(add.function, name="paced", effect="read", backend="here")
_rated = tool(add.function, name="rated", effect="read")
_paid = tool(add.function, name="paid", effect="read", cost=Decimal("0.000001"))


def _variants() -> list[FunctionTool[..., Any]]:
    return [_once, _bounded, _cached, _watched, _paced, _rated, _paid]


def seen(event: Event) -> None:
    """Look at nothing: the least a listener can do."""


async def figures(plan: Plan) -> list[Figure]:
    """Measure all of this module."""
    return [
        await _core(plan),
        await _governed(plan),
        *await _stages(plan),
        *await _used(plan),
        *await _unused(plan),
        await _arguments(plan),
        await _infer(plan),
        *await _decode(plan),
    ]


# --- the whole ------------------------------------------------------------------------------


async def _core(plan: Plan) -> Figure:
    # Every call of a session has arguments of its own: the guard would refuse the fourth of a kind.
    gate = Gate([add], listeners=[seen])
    texts = [f'{{"a": {n}, "b": 2}}' for n in range(plan.batch)]
    bare = add.function

    async def floor() -> None:
        for n in range(plan.batch):
            await bare(n, 2)

    async def ours() -> None:
        call = gate.session().call
        for text in texts:
            await call("add", text)

    assert (await gate.session().call("add", texts[1])).unwrap() == 3
    took = await side_by_side({"floor": floor, "ours": ours}, repeats=plan.repeats, ops=plan.batch)
    return above("path.core", took["ours"], took["floor"], unit=US)


async def _governed(plan: Plan) -> Figure:
    # Every stage, and none of them answers: all calls are new to the cache, and nothing is out.
    gate = Gate(
        [governed, add],
        listeners=[seen],
        controls=CONTROLS,
        backends=Backends(journal=MemoryJournal(), switches=MemorySwitches()),
    )
    numbers = itertools.count()
    bare = governed.function

    async def floor() -> None:
        for n in range(plan.batch):
            await bare(n, 2)

    async def ours() -> None:
        call = gate.session(max_spend=Decimal(10**9)).call
        for text in [f'{{"a": {next(numbers)}, "b": 2}}' for _ in range(plan.batch)]:
            await call("governed", text)

    assert (await gate.session().call("governed", {"a": 1, "b": 2})).unwrap() == 3
    took = await side_by_side({"floor": floor, "ours": ours}, repeats=plan.repeats, ops=plan.batch)
    return above("path.governed", took["ours"], took["floor"], unit=US)


# --- the stages -----------------------------------------------------------------------------


class _Composed:
    """A path of the real stages in their real order, from which one can be left out."""

    def __init__(self) -> None:
        clock = LoopClock()
        slots = Slots(clock)
        deadlines = Deadlines(clock)
        deadlines.loop = asyncio.get_running_loop()  # as a gate tells it
        self.record = Record(clock)
        self.source = PythonSource([add, *_variants()], slots=slots)
        self.surface = Surface(
            tools={one.name: one for one in self.source.list()}, revision="bench"
        )
        rates, spend = MemoryRates(clock), MemorySpend(clock)
        self.shelf = Shelf()
        sources = dict.fromkeys(self.surface.tools, "bench")
        rules = replace(CONTROLS, breaker=None, breakers={"watched": BreakerRules()})
        unrated = replace(rules, principal=None, tenant=None)
        self.metered = GuardFactory(rules, rates, spend)
        self.factories: dict[str, StageFactory] = {
            "validate": ValidateFactory(),
            "guard": GuardFactory(unrated, rates, spend),
            "order": OrderFactory(),
            "cache": CacheFactory(self.shelf, MemoryGenerations(), clock, sources),
            "retry": RetryFactory(clock=clock, chance=lambda: 0.5),
            "breaker": BreakerFactory(MemoryCircuits(clock), rules),
            "admit": AdmitFactory(AdmitState(slots=slots, rates=rates, clock=clock), rules),
            "deadline": DeadlineFactory(deadlines),
            "bound": BoundFactory(MemoryBlobs()),
        }
        self.switches: MemorySwitches | None = None
        self.chains: dict[str, Chain] = {}

    def handler(
        self, without: str = "", tool: str = "add", guard: StageFactory | None = None
    ) -> Handler:
        """Return the path for one tool; `without` names the stage that is left out.

        Args:
            without: Its name; nothing by default.
            tool: The tool.
            guard: A factory in the place of the usual one.
        """
        used = self.factories | ({} if guard is None else {"guard": guard})
        factories = [one for name, one in used.items() if name != without]
        executors = dict.fromkeys(self.surface.tools, self.source.call)
        made = stacks(self.surface, executors, factories)
        if without == "resolve":
            return compose([self.record], made[tool])
        resolve = Resolve(self.surface, made, self.switches)
        outer: list[Stage] = [resolve] if without == "record" else [self.record, resolve]
        if self.chains:
            outer.insert(-1, Fallback(self.chains, made[tool]))
        return compose(outer, resolve.refuse)

    def calls(self, count: int, name: str = "add", *, ready: bool = False) -> list[ToolCall]:
        """Return calls of one session; `ready` ones look as `validate` leaves them."""
        scope = Scope(session="s", principal=ANYONE, prefix="/anyone/s", emit=seen)
        made: list[ToolCall] = []
        for n in range(count):
            text = f'{{"a": {n}, "b": 2}}'
            made.append(
                ToolCall(
                    id=f"call_{n}",
                    key=f"/anyone/s/{n}/0",
                    name=name,
                    arguments=orjson.loads(text) if ready else text,
                    scope=scope,
                    tool=self.surface.tools[name] if ready else None,
                    body=text.encode() if ready else b"",
                )
            )
        return made


def _taking(handler: Handler, calls: Sequence[ToolCall]) -> Batch:
    memory = calls[0].scope.memory

    async def batch() -> None:
        memory.clear()  # or the guard would refuse what it has seen in earlier batches
        for call in calls:
            await handler(call)

    return batch


async def _stages(plan: Plan) -> list[Figure]:
    path = _Composed()
    count = plan.batch
    variants = {"": _taking(path.handler(), path.calls(count))}
    for name in ("record", "resolve", "validate", "guard", "order", "retry", "deadline", "bound"):
        calls = path.calls(count, ready=name == "validate")
        variants[name] = _taking(path.handler(without=name), calls)
    # A stage is a small difference of large numbers: it takes many repeats to find both minima.
    took = await side_by_side(variants, repeats=max(30, plan.repeats), ops=count)
    whole = took.pop("")
    return [above(f"stage.{name}", whole, spread, unit=US) for name, spread in took.items()]


async def _used(plan: Plan) -> list[Figure]:
    """Measure the stages that only tools use which ask for them, each with such a tool."""
    path = _Composed()
    count = plan.batch
    with_, without = path.handler, path.handler
    pairs = {
        "admit": (with_(tool="bounded"), without("admit", "bounded"), "bounded"),
        "admit.backend": (with_(tool="paced"), without("admit", "paced"), "paced"),
        "breaker": (with_(tool="watched"), without("breaker", "watched"), "watched"),
        "guard.rates": (with_(tool="rated", guard=path.metered), without(tool="rated"), "rated"),
        "guard.spend": (with_(tool="paid"), without(tool="add"), "paid"),
        "cache": (with_(tool="cached"), without("cache", "cached"), "cached"),
    }
    path.switches = MemorySwitches()
    pairs["switch"] = (path.handler(), without(), "add")
    path.switches = None
    plain = path.handler()
    path.chains = chains(path.surface, Controls(fallbacks={"add": (Alternative(tool="once"),)}))
    pairs["fallback"] = (path.handler(), plain, "add")
    pairs["switch"] = (pairs["switch"][0], plain, "add")
    found: list[Figure] = []
    for name, (used, unused, tool_name) in pairs.items():
        other = "add" if name == "guard.spend" else tool_name

        def fresh(handler: Handler, whose: str) -> Batch:
            taking = _taking(handler, path.calls(count, whose))

            async def batch() -> None:
                path.shelf.clear()  # or the cache would answer what it has kept
                await taking()

            return batch

        took = await side_by_side(
            {"with": fresh(used, tool_name), "without": fresh(unused, other)},
            repeats=max(30, plan.repeats),
            ops=count,
        )
        found.append(above(f"stage.{name}", took["with"], took["without"], unit=US))
    return found


async def _unused(plan: Plan) -> list[Figure]:
    path = _Composed()
    count = plan.batch
    found: list[Figure] = []
    for name in ("cache", "retry", "breaker", "admit"):
        assert path.factories[name].for_tool(_once.tool, path.surface) is None
        took = await side_by_side(
            {
                "with": _taking(path.handler(tool="once"), path.calls(count, "once")),
                "without": _taking(path.handler(name, "once"), path.calls(count, "once")),
            },
            repeats=plan.repeats,
            ops=count,
        )
        found.append(above(f"unused.{name}", took["with"], took["without"], unit=US))
    return found


# --- parts ----------------------------------------------------------------------------------


async def limit(plan: Plan) -> Spread:
    """Measure the least that a checked call can take: parse, check, call, write."""
    valid = jsonschema_rs.validator_for(add.tool.parameters).is_valid
    bare, loads, dumps = add.function, orjson.loads, orjson.dumps

    async def batch() -> None:
        for _ in range(plan.batch):
            arguments = loads('{"a": 1, "b": 2}')
            if valid(arguments):
                dumps(await bare(**arguments))

    return (await side_by_side({"": batch}, repeats=plan.repeats, ops=plan.batch))[""]


async def _arguments(plan: Plan) -> Figure:
    read = plain_reader(Checker(add.tool.parameters))
    valid = jsonschema_rs.validator_for(add.tool.parameters).is_valid
    loads, dumps = orjson.loads, orjson.dumps
    text = '{"a": 1, "b": 2}'

    async def floor() -> None:
        for _ in range(plan.batch):
            value = loads(text)
            valid(value)
            dumps(value, option=orjson.OPT_SORT_KEYS)

    async def ours() -> None:
        for _ in range(plan.batch):
            read(text)

    took = await side_by_side({"floor": floor, "ours": ours}, repeats=plan.repeats, ops=plan.batch)
    return alone("arguments.prepare", took["ours"], took["floor"], unit=US)


async def _infer(plan: Plan) -> Figure:
    functions = documented(plan.fewer(20).batch)

    async def floor() -> None:
        for function in functions:
            read_plainly(function)

    async def ours() -> None:
        for function in functions:
            tool(function, effect="read")

    took = await side_by_side(
        {"floor": floor, "ours": ours}, repeats=plan.repeats, ops=len(functions)
    )
    return alone("tool.infer", took["ours"], took["floor"], unit=US)


def _recorded() -> list[bytes]:
    """Return recorded chat completions, if they are on this machine."""
    beside = Path(__file__).resolve().parents[3] / "shared/data"
    path = Path(os.environ.get("CALLGATE_DATA") or beside) / "exchanges/openai_chat.jsonl.gz"
    if not path.is_file():
        return []
    with gzip.open(path) as lines:
        exchanges = [json.loads(line) for line in lines]
    return [
        orjson.dumps(item["response"])
        for item in exchanges
        if item["status"] == 200 and not item["stream"]
    ]


async def _decode(plan: Plan) -> list[Figure]:
    bodies = _recorded()
    if not bodies:
        return []
    decode = by_name("openai").decode_response
    ours = [_least(lambda body=body: decode(orjson.loads(body)), plan.repeats) for body in bodies]
    floor = [_least(lambda body=body: orjson.loads(body), plan.repeats) for body in bodies]
    middle, bare = statistics.median(ours), statistics.median(floor)
    return [
        Figure(
            name="codec.decode",
            value=middle / US,
            median=middle / US,
            ours={"responses": len(bodies), "largest": round(max(ours) / US, 2)},
            floor={"median": round(bare / US, 2)},
            ratio=middle / bare,
        )
    ]


def _least(work: Callable[[], object], repeats: int) -> float:
    """Return the least seconds that `work` takes."""
    taken: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)

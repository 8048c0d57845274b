"""What MCP servers cost beside the bare client of the official SDK, in the same run."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import mcp
from mcp.client.stdio import StdioServerParameters

from callgate import Gate
from callgate.controls import Controls
from callgate.sources.mcp import McpServer, McpSource, connect_all
from callgate.types import Effect, Limits
from tests.bench.measure import Figure, Plan, Spread, alone, side_by_side

__all__ = ["figures"]

MS = 1e-3
MANY = 1_000
"""Tools of the long listing."""
TOGETHER = 20
"""Servers that start at once; each needs half a second before it answers."""
SLOW = "0.5"

_SCRIPT = str(Path(__file__).parent / "mcp_server.py")


async def figures(plan: Plan) -> list[Figure]:
    """Measure all of this module."""
    return [await _call(plan), await _list(plan), await _start(plan)]


def _command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-I", _SCRIPT, *arguments)


def _source(*arguments: str) -> McpSource:
    server = McpServer(
        name="bench",
        command=_command(*arguments),
        era="2025",
        effects={"*": Effect.READ},
        limits=Limits(timeout=30.0),
    )
    return McpSource(server)


def _bare(*arguments: str) -> mcp.Client:
    command, *rest = _command(*arguments)
    parameters = StdioServerParameters(command=command, args=rest)
    return mcp.Client(parameters, mode="legacy", cache=None)


def _over(name: str, ours: Spread, bare: Spread) -> Figure:
    """Return how many times as long ours takes."""
    apart = [mine / other for mine, other in zip(ours.wall, bare.wall, strict=True)]
    return Figure(
        name=name,
        value=ours.least("wall") / bare.least("wall"),
        median=statistics.median(apart),
        ours=ours.as_json(MS),
        floor=bare.as_json(MS),
        ratio=statistics.median(apart),
    )


async def _call(plan: Plan) -> Figure:
    source, ops = _source("1"), max(20, plan.batch // 2)
    await source.connect()
    gate = Gate([source], controls=Controls(repeats=1_000_000))
    session = gate.session()
    async with _bare("1") as client:
        await client.list_tools()

        async def through_us() -> None:
            for number in range(ops):
                (await session.call("add_0", {"a": number, "b": 1})).unwrap()

        async def bare() -> None:
            for number in range(ops):
                await client.call_tool("add_0", {"a": number, "b": 1})

        spreads = await side_by_side(
            {"ours": through_us, "bare": bare}, repeats=min(plan.repeats, 30), ops=ops
        )
    await gate.close()
    return _over("mcp.call", spreads["ours"], spreads["bare"])


async def _list(plan: Plan) -> Figure:
    source = _source(str(MANY))
    async with _bare(str(MANY)) as client:

        async def through_us() -> None:
            await source.accept()

        async def bare() -> None:
            await client.list_tools()

        spreads = await side_by_side(
            {"ours": through_us, "bare": bare}, repeats=min(plan.repeats, 10), ops=1
        )
    await source.aclose()
    return alone("mcp.list", spreads["ours"], spreads["bare"], unit=MS)


async def _start(plan: Plan) -> Figure:
    async def start(count: int) -> None:
        sources = [_source("1", SLOW) for _ in range(count)]
        await connect_all(sources)
        for source in sources:
            await source.aclose()

    async def many() -> None:
        await start(TOGETHER)

    async def one() -> None:
        await start(1)

    spreads = await side_by_side({"ours": many, "bare": one}, repeats=min(plan.repeats, 3), ops=1)
    return _over("mcp.start", spreads["ours"], spreads["bare"])

"""Measures the local model over BFCL items, each through a session with ten tools; prints JSON.

    python -m tests.evals.local [NUMBER] [MODEL]

Ten requests share ten tools: the one each of them needs.
"""

import asyncio
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from callgate import Gate
from callgate.agents.local import LocalModel, open_local
from callgate.messages import Message, ModelRequest, Role
from callgate.registry.embedding import Embedder, Relevance
from callgate.settings import load
from callgate.testing import FakeSource
from callgate.types import Text, Tool
from tests.evals.bfcl import Item, draw, is_right, items

SEED = 7
OFFERED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one item; seconds are those of the model alone.

    An answer is well-formed if it is text, or if every call in it fits a tool as it stands.
    """

    id: str
    well_formed: bool
    abstained: bool
    right_tool: bool
    right_arguments: bool
    seconds: float
    cpu: float
    output: int
    wrote: str


async def main(folder: Path, environment: dict[str, str], number: int, name: str) -> dict[str, Any]:
    """Run the items and return the figures."""
    chosen = draw(folder, number=number, seed=SEED)
    model = open_local(name, load(environment).folder / "models")
    try:
        outcomes = [outcome async for outcome in _run(model, chosen)]
    finally:
        await model.close()
    return {
        "model": model.name,
        "items": len(outcomes),
        "offered": OFFERED,
        "seed": SEED,
        **{
            field: _share([getattr(outcome, field) for outcome in outcomes])
            for field in ("well_formed", "abstained", "right_tool", "right_arguments")
        },
        "seconds": _spread([outcome.seconds for outcome in outcomes]),
        "cpu_seconds": _spread([outcome.cpu for outcome in outcomes]),
        "output_tokens": statistics.mean(outcome.output for outcome in outcomes),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "relevance": _relevance(folder, chosen),
        "wrong": [asdict(outcome) for outcome in outcomes if not outcome.right_arguments],
    }


async def _run(model: LocalModel, chosen: Sequence[Item]) -> AsyncIterator[Outcome]:
    for group in _groups(chosen):
        source = FakeSource([item.tool for item in group])
        gate = Gate([source])
        for item in group:
            yield await _one(model, gate, source, item)
        await gate.close()


async def _one(model: LocalModel, gate: Gate, source: FakeSource, item: Item) -> Outcome:
    session = gate.session(strict=True)  # a repair would hide what the model wrote
    tools: tuple[Tool, ...] = session.tools()
    message = Message(role=Role.USER, parts=(Text(text=item.request),))
    wall, cpu = time.perf_counter(), time.process_time()
    response = await model.complete(ModelRequest(messages=[message], tools=tools))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    source.calls.clear()
    await session.turn(response.message.calls)
    reached = source.calls[:1]
    right_tool = [call for call in reached if call.name == item.tool.name]
    right = [call for call in right_tool if is_right(call.arguments, item.accepted)]
    outcome = Outcome(
        id=item.id,
        well_formed=bool(reached) or not response.message.calls,
        abstained=not response.message.calls,
        right_tool=bool(right_tool),
        right_arguments=bool(right),
        seconds=wall,
        cpu=cpu,
        output=response.usage.output,
        wrote=str([(c.name, c.arguments) for c in response.message.calls] or response.message.text),
    )
    sys.stderr.write(f"{item.id} {outcome.right_arguments} {wall:.1f} s\n")
    return outcome


def _groups(chosen: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(chosen), OFFERED):
        yield chosen[start : start + OFFERED]


def _relevance(folder: Path, chosen: Sequence[Item]) -> dict[str, Any]:
    """Return which requests the guard lets through: with a fitting tool, and without one."""
    guard = Relevance(Embedder())
    groups = [[item.tool for item in group] for group in _groups(chosen)]
    fitting = [guard.fits(item.request, groups[i // OFFERED]) for i, item in enumerate(chosen)]
    others = [guard.fits(item.request, [item.tool]) for item in items(folder, "irrelevance")]
    return {
        "fitting_let_through": _share(fitting),
        "others_stopped": _share([not o for o in others]),
    }


def _share(outcomes: Sequence[bool]) -> dict[str, float]:
    """Return a share in per cent with its Wilson 95 % interval."""
    n, p, z = len(outcomes), sum(outcomes) / len(outcomes), 1.959964
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return {
        "percent": round(100 * p, 1),
        "low": round(100 * (centre - half), 1),
        "high": round(100 * (centre + half), 1),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "mean": round(statistics.mean(values), 2),
        "median": round(statistics.median(values), 2),
    }


if __name__ == "__main__":
    import os

    data = Path(os.environ.get("CALLGATE_DATA") or Path(__file__).parents[3] / "shared/data")
    figures = asyncio.run(
        main(
            data,
            dict(os.environ),
            int(sys.argv[1]) if len(sys.argv) > 1 else 100,
            sys.argv[2] if len(sys.argv) > 2 else "qwen2.5-coder-1.5b",
        )
    )
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")

"""What must be measured in a process of its own: memory, and everything that happens once."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.measure import Figure, Plan, Spread, alone, counted

__all__ = ["figures"]

MS = 1e-3
KB = 1024
STEPS = ("prepare", "gate", "call")

_IMPORT = """
import json, sys, time
before = set(sys.modules)
cpu, wall = time.process_time(), time.perf_counter()
import {what}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({{"wall": wall, "cpu": cpu, "modules": len(set(sys.modules) - before)}}))
"""


async def figures(plan: Plan) -> list[Figure]:
    """Measure all of this module."""
    return [*_prepared(plan), *_concurrent(plan), *_imported(plan)]


def _child(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
        cwd=Path(__file__).resolve().parents[2],
    )
    return json.loads(done.stdout)


def _case(name: str, count: int) -> dict[str, Any]:
    return _child("-m", "tests.bench.child", name, str(count))


def _spread(runs: list[dict[str, Any]], part: str = "", scale: float = 1.0) -> Spread:
    """Collect the times of several processes; `part` is one step of each."""
    taken = [run[part] if part else run for run in runs]
    return Spread(
        wall=[one["wall"] * scale for one in taken], cpu=[one["cpu"] * scale for one in taken]
    )


def _prepared(plan: Plan) -> list[Figure]:
    # Twice as many, so that the process's own noise in memory is shared by more; times are
    # given for a thousand.
    count = plan.scale * 2
    runs = [_case("tools", count) for _ in range(plan.processes)]
    scale = 1000 / count
    return [
        alone(
            "prepare.time", _spread(runs, "prepare", scale), _spread(runs, "floor", scale), unit=MS
        ),
        counted("prepare.memory", [run["prepare"]["bytes"] / count / KB for run in runs]),
        alone("prepare.gate", _spread(runs, "gate", scale), unit=MS),
        alone("first_call.time", _spread(runs, "call", scale), unit=MS),
        counted(
            "first_call.memory",
            [sum(run[part]["bytes"] for part in STEPS) / count / KB for run in runs],
        ),
    ]


def _concurrent(plan: Plan) -> list[Figure]:
    floor, ours = [], []
    for _ in range(plan.processes):
        floor.append(_case("waits", plan.scale))
        ours.append(_case("runs", plan.scale))
    return [
        alone("concurrent.time", _spread(ours), _spread(floor), unit=MS, basis="wall"),
        counted("concurrent.memory", [run["bytes"] / plan.scale / KB for run in ours]),
    ]


def _imported(plan: Plan) -> list[Figure]:
    floor, ours = [], []
    for _ in range(plan.processes * 2):
        floor.append(_child("-c", _IMPORT.format(what="asyncio, json")))
        ours.append(_child("-c", _IMPORT.format(what="callgate")))
    return [
        alone("import.time", _spread(ours), _spread(floor), unit=MS),
        counted("import.modules", [statistics.median(run["modules"] for run in ours)]),
    ]

"""`python -m tests.bench.child CASE COUNT`: one case in its own process, as one JSON object."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from callgate import Gate, tool
from callgate.agents import run
from callgate.testing import ScriptedModel, calls, says
from tests.bench.functions import ARGUMENTS, documented, read_plainly
from tests.bench.path import seen

KB = 1024
WAIT = 0.1


def _memory(kind: str) -> int:
    """Return bytes of this process in memory: `VmRSS` now, `VmHWM` at most so far."""
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"^{kind}:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * KB


class _Step:
    """Measures what is done inside a `with`."""

    def __enter__(self) -> _Step:
        gc.collect()
        self._bytes = _memory("VmRSS")
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        gc.collect()
        self.took = {"wall": wall, "cpu": cpu, "bytes": _memory("VmRSS") - self._bytes}


async def _make_tools(count: int) -> dict[str, Any]:
    functions = documented(count)
    tool(documented(1)[0], effect="read")  # what the first tool of a process loads
    with _Step() as floor:
        for function in functions:
            read_plainly(function)
    with _Step() as prepare:
        tools = [tool(function, effect="read") for function in functions]
    with _Step() as gate:
        session = Gate(tools).session()
    with _Step() as call:
        for one in tools:
            (await session.call(one.tool.name, ARGUMENTS)).unwrap()
    steps = {"floor": floor, "prepare": prepare, "gate": gate, "call": call}
    return {name: step.took for name, step in steps.items()}


async def _make_runs(count: int) -> dict[str, Any]:
    @tool(effect="read")
    async def wait(n: int) -> int:
        """Wait a hundred milliseconds."""
        await asyncio.sleep(WAIT)
        return n

    gate = Gate([wait], listeners=[seen])

    async def one(n: int) -> str:
        model = ScriptedModel([calls(("wait", {"n": n})), says("done")])
        return (await run(gate.session(), "go", model=model)).answer

    return await _together(count, one)


async def _make_waits(count: int) -> dict[str, Any]:
    async def one(n: int) -> str:
        await asyncio.sleep(WAIT)
        return "done"

    return await _together(count, one)


async def _together(count: int, one: Callable[[int], Any]) -> dict[str, Any]:
    await one(0)
    gc.collect()
    # The peak before was in loading; what is free of it now is no room for the runs to hide in.
    before = _memory("VmHWM")
    cpu, wall = time.process_time(), time.perf_counter()
    answers = await asyncio.gather(*(one(n) for n in range(count)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert answers == ["done"] * count
    return {"wall": wall, "cpu": cpu, "bytes": _memory("VmHWM") - before}


_CASES: Mapping[str, Callable[[int], Any]] = MappingProxyType(
    {"tools": _make_tools, "runs": _make_runs, "waits": _make_waits}
)

if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_CASES[sys.argv[1]](int(sys.argv[2])))))

"""`python -m tests.store.seated URL LEASE CALLS`: makes calls of a backend that bears two at once.

`hang` for CALLS says `held` once two attempts hold their slots, and then waits to be killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

from callgate.controls import BackendRules, Controls
from callgate.gate import Gate
from callgate.store.seats import SharedSeats
from callgate.store.stores import Store
from callgate.testing import Captured
from callgate.types import ToolCall
from tests.path.tools import one

__all__ = ["seated"]


def seated(store: Store, reply: Any, *, lease: float, queue: float = 30.0) -> tuple[Gate, Captured]:
    """Return a gate over a tool whose backend bears two attempts of all processes together."""
    captured = Captured()
    backends = replace(store.backends(), seats=SharedSeats(store.cells, lease=lease))
    rules = BackendRules(concurrency=2, shared=True, queue=queue)
    source = one(reply, backend="shop", attempts=1, queue=queue)
    controls = Controls(backends={"shop": rules})
    return Gate([source], backends=backends, controls=controls, listeners=[captured]), captured


async def _calls(store: Store, lease: float, count: int) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []

    async def work(call: ToolCall) -> None:
        began = time.monotonic()
        await asyncio.sleep(0.02)
        spans.append((began, time.monotonic()))

    session = seated(store, work, lease=lease)[0].session()
    results = await asyncio.gather(*(session.call("t", {"n": n}) for n in range(count)))
    assert all(result.ok for result in results)
    return spans


async def _hang(store: Store, lease: float) -> None:
    begun = 0

    async def work(call: ToolCall) -> None:
        nonlocal begun
        begun += 1
        if begun == 2:
            sys.stdout.write("held\n")
            sys.stdout.flush()
        await asyncio.Event().wait()

    session = seated(store, work, lease=lease)[0].session()
    await asyncio.gather(*(session.call("t", {"n": n}) for n in range(2)))


def main() -> None:
    """Do what the command line says, and print when attempts ran."""
    url, lease, count = sys.argv[1:]
    with closing(Store(url)) as store:
        if count == "hang":
            asyncio.run(_hang(store, float(lease)))
        else:
            sys.stdout.write(json.dumps(asyncio.run(_calls(store, float(lease), int(count)))))


if __name__ == "__main__":
    main()

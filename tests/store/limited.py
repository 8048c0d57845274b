"""`python -m tests.store.limited URL`: makes a call for each line it reads, and says how it ended.

A line is `NAME PRINCIPAL`; the tools are `look`, `paid` and `down`, which always fails.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from itertools import count

from callgate.controls import Allowance, BreakerRules, Controls, Rate
from callgate.errors import TransientError
from callgate.gate import Gate
from callgate.store.circuits import SharedCircuits
from callgate.store.stores import Store
from callgate.testing import FakeSource
from callgate.types import Principal
from tests.path.tools import spec

CONTROLS = Controls(
    principal=Rate(calls=5, seconds=1e6),
    principal_spend=Allowance(amount=Decimal("0.10"), seconds=1e9),
    breakers={"down": BreakerRules(failures=2, pause=1e6)},
)


def _gate(store: Store) -> Gate:
    tools = [
        spec("look"),
        spec("paid", cost=Decimal("0.04")),
        spec("down", attempts=1),
    ]
    source = FakeSource(tools, look=1, paid=1, down=TransientError("refused"))
    circuits = SharedCircuits(store.cells, staleness=0.0)
    return Gate([source], backends=replace(store.backends(), circuits=circuits), controls=CONTROLS)


async def _serve(store: Store) -> None:
    gate, loop, numbers = _gate(store), asyncio.get_running_loop(), count()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, who = line.split()
        result = await gate.session(Principal(id=who)).call(name, {"n": next(numbers)})
        sys.stdout.write(f"{result.error.code if result.error else 'ok'}\n")
        sys.stdout.flush()


def main() -> None:
    """Serve until standard input ends."""
    with closing(Store(sys.argv[1])) as store:
        asyncio.run(_serve(store))


if __name__ == "__main__":
    main()

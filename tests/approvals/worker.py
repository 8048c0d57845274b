"""`python -m tests.approvals.worker URL LOG start|resume`: one leg of a run in its own process."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from callgate import Gate, tool
from callgate.agents import Run, resume, run
from callgate.agents.runlog import RunLog
from callgate.approvals.desk import Approvals
from callgate.store.stores import Store
from callgate.testing import ScriptedModel, calls, says
from callgate.types import Principal

ANA = Principal(id="ana", tenant="acme")


async def leg(store: Store, lines: list[str]) -> tuple[Run, list[int]]:
    """Start a run, or go on with the one whose log these lines are."""
    paid: list[int] = []

    @tool(effect="irreversible", approval="cents >= 100")
    async def pay(cents: int) -> str:
        """Pay."""
        paid.append(cents)
        return f"paid {cents}"

    backends = replace(store.backends(), approvals=Approvals(store.approvals))
    gate = Gate([pay], backends=backends)
    if not lines:
        script = [calls(("pay", {"cents": 500}), ("pay", {"cents": 50}))]
        done = await run(gate.session(ANA, id="s"), "pay", model=ScriptedModel(script))
    else:
        known = RunLog.load(lines)
        state = known.state().session
        assert state is not None
        done = await resume(gate.restore(state), known, model=ScriptedModel([says("all is paid")]))
    await gate.close()
    return done, paid


def main() -> None:
    """Do what the command line says, and print what became of it."""
    url, log, what = sys.argv[1:]
    lines = [] if what == "start" else Path(log).read_text().splitlines()
    with closing(Store(url)) as store:
        done, paid = asyncio.run(leg(store, lines))
    Path(log).write_text("".join(f"{line}\n" for line in done.log.lines()))
    told = {"status": done.status.value, "answer": done.answer, "paid": paid}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()

"""`python -m tests.chaos.worker`: forks workers that make calls; each may be killed at any moment.

A worker goes through the same plan from the first turn that is not done. What it tells of every
call is appended to a file, as the model would have been told it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callgate import CallContext, Gate, Principal, tool
from callgate.approvals.desk import Approvals
from callgate.backends import Backends
from callgate.messages import CallPart
from callgate.store.approvals import SqlApprovals
from callgate.store.database import Database
from callgate.store.journal import SqlJournal
from callgate.types import ToolResult

__all__ = ["FINAL", "KINDS", "LEASE", "WHO", "Job", "plan"]

LEASE = 0.3
KINDS = ("pay", "put", "send")
WHO = Principal(id="ana", tenant="acme", roles=frozenset({"payer"}))
FINAL = {"ok", "in_doubt", "not_executed", "not_approved"}


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is to do.

    Attributes:
        url: The store; None makes the calls without a journal.
        port: Where the world is.
        folder: Where progress and results are told.
        seed: Of the plan.
        calls: How many calls the plan has.
        version: Of the tools: every deploy has another one.
    """

    url: str | None
    port: int
    folder: str
    seed: int
    calls: int
    version: str


def plan(seed: int, calls: int) -> list[list[tuple[int, str]]]:
    """Return the turns: the calls of each, with their numbers and kinds."""
    chance = random.Random(seed)
    turns: list[list[tuple[int, str]]] = []
    made = 0
    while made < calls:
        size = min(chance.randint(3, 8), calls - made)
        turns.append([(made + place, chance.choice(KINDS)) for place in range(size)])
        made += size
    return turns


async def _ask_world(port: int, **asked: Any) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(json.dumps(asked).encode() + b"\n")
        await writer.drain()
        return json.loads(await reader.readline())
    finally:
        writer.close()


def _tools(job: Job) -> list[Any]:
    options: dict[str, Any] = {
        "version": job.version,
        "parallel": True,
        "concurrency": 2,
        "queue": 60,
        "timeout": 60,
    }

    if job.url is not None:
        # Every call needs a right that a person gives, and may take back at any moment.
        options["approval"] = "always"

    async def act(kind: str, n: int, key: str) -> int:
        return await _ask_world(job.port, op="do", kind=kind, n=n, key=key)

    async def asked(key: str, arguments: dict[str, Any]) -> int | None:
        happened = await _ask_world(job.port, op="ask", key=key)
        return arguments["n"] if happened else None

    @tool(effect="irreversible", **options)
    async def pay(n: int, call: CallContext) -> int:
        """Pay: repeating it pays twice."""
        return await act("pay", n, call.key)

    @tool(effect="idempotent", **options)
    async def put(n: int, call: CallContext) -> int:
        """Put: the world knows its keys."""
        return await act("put", n, call.key)

    @tool(effect="reconcilable", reconcile=asked, **options)
    async def send(n: int, call: CallContext) -> int:
        """Send: the world can be asked."""
        return await act("send", n, call.key)

    return [pay, put, send]


class _Worker:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._before = Path(f"{job.folder}/done").read_text().split()
        self._told = os.open(f"{job.folder}/told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._done = os.open(f"{job.folder}/done", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def work(self) -> None:
        job = self._job
        journal, backends = None, Backends()
        if job.url is not None:
            database = Database(job.url)
            journal = SqlJournal(database, lease=LEASE)
            desk = Approvals(SqlApprovals(database, journal))
            backends = Backends(journal=journal, approvals=desk)
        gate = Gate(_tools(job), backends=backends)
        session = gate.session(WHO, id=f"run-{job.seed}")
        for number, calls in enumerate(plan(job.seed, job.calls), start=1):
            if str(number) in self._before:
                continue
            if number % 2:
                parts = [CallPart(id=f"c{n}", name=kind, arguments={"n": n}) for n, kind in calls]
                answer = await session.turn(parts, turn=number)
                results = [item.result for item in answer.answered]
            else:
                results = await asyncio.gather(
                    *(session.call(kind, {"n": n}, key=f"c-{n}") for n, kind in calls)
                )
            told = [self._tell(n, result) for (n, _), result in zip(calls, results, strict=True)]
            if FINAL.issuperset(told):
                os.write(self._done, f"{number}\n".encode())
            if "pending" in told:
                break  # a run that waits for a person holds nothing
        if journal is not None:
            journal.close()

    def _tell(self, n: int, result: ToolResult) -> str:
        told = "ok" if result.ok else result.error.code if result.error else result.status.value
        os.write(self._told, f"{n} {told}\n".encode())
        return told


def main() -> None:
    """Fork a worker for each line of standard input, say its process, and how it ended."""
    for line in sys.stdin:
        job = Job(**json.loads(line))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                asyncio.run(_Worker(job).work())
                code = 0
            finally:
                # The parent's way out is not the child's, whatever was raised.
                if code:
                    traceback.print_exc()
                os._exit(code)
        _say(child)
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Kills a process that makes effectful calls, again and again, and counts what happened."""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select as query

from callgate.approvals.desk import Approvals
from callgate.store.database import Database
from callgate.store.stores import Store
from callgate.store.tables import journal
from callgate.types import Principal
from tests.chaos.worker import FINAL, KINDS, WHO, Job, plan

__all__ = ["HITS", "chaos"]

ROOT = Path(__file__).resolve().parents[2]
HITS = ("claimed", "started", "effect_done_not_recorded")
_PATIENCE = 120.0

BOSS = Principal(id="boss", tenant=WHO.tenant, roles=frozenset({"approver", "granter"}))


@contextmanager
def _process(*arguments: str) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()


class _Rights:
    """What the calls of a plan may do: grants, which a person gives and takes back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.revocations = 0

    def give(self) -> None:
        """Grant every kind of call, and approve what was asked meanwhile."""
        asyncio.run(self._give())

    def revoke(self) -> None:
        """Take every grant back, whoever is at work under it."""
        asyncio.run(self._revoke())

    async def _give(self) -> None:
        with closing(Store(self._url)) as store:
            desk = Approvals(store.approvals)
            for kind in KINDS:
                await desk.give(kind, BOSS, principal=WHO.id)
            while asked := await desk.list(tenant=WHO.tenant):
                for one in asked:
                    await desk.approve(one.id, BOSS)

    async def _revoke(self) -> None:
        with closing(Store(self._url)) as store:
            desk = Approvals(store.approvals)
            for grant in await desk.grants(tenant=WHO.tenant):
                await desk.revoke(grant.id, BOSS)
                self.revocations += 1


class _Run:
    """One plan, carried out by workers that are killed."""

    def __init__(self, job: Job, nursery: subprocess.Popen[str], kills: int) -> None:
        self._job = job
        self._nursery = nursery
        self._folder = Path(job.folder)
        self._chance = random.Random(job.seed)
        self._database = None if job.url is None else Database(job.url)
        self._wanted = kills
        self.rights = None if job.url is None else _Rights(job.url)
        self.kills = 0
        self.hits: Counter[str] = Counter()

    def finish(self) -> None:
        """Start workers until one ends by itself with everything told; then no more kills."""
        for name in ("told", "done"):
            (self._folder / name).touch()
        if self.rights is not None:
            self.rights.give()
        incarnation = 0
        while not self._complete():
            incarnation += 1
            # Every third process is of a new version; in some all rights are taken away.
            job = replace(self._job, version=str(incarnation // 3))
            self._incarnate(job, self.rights if incarnation % 6 == 1 else None)
            assert incarnation < 40 * (self._wanted + 10), "the run does not come to its end"
        if self._database is not None:
            self._database.close()

    def _incarnate(self, job: Job, rights: _Rights | None) -> None:
        before, began = (self._folder / "world.log").stat().st_size, time.time()
        self._send(job)
        child = int(self._line())
        if rights is not None:
            self._acted(before)
            rights.revoke()
        if self.kills < self._wanted and self._doom(before):
            os.kill(child, signal.SIGKILL)
        ended = int(self._line())
        if ended == -signal.SIGKILL:
            self.kills += 1
            self._look(began)
        else:
            assert ended == 0, f"a worker ended with {ended}"
        if rights is not None:
            rights.give()

    def _doom(self, before: int) -> bool:
        """Wait for the moment of the kill; return whether the worker still lives."""
        if self._chance.random() < 0.85:
            return self._acted(before) and not self._ended(self._chance.uniform(0, 0.06))
        return not self._ended(self._chance.uniform(0, 1.0))

    def _acted(self, before: int) -> bool:
        """Wait for the first effect of the worker; return whether it still lives."""
        until = time.monotonic() + _PATIENCE
        while (self._folder / "world.log").stat().st_size == before:
            if self._ended(0.002) or time.monotonic() > until:
                return False
        return True

    def _ended(self, seconds: float) -> bool:
        assert self._nursery.stdout is not None
        return bool(select.select([self._nursery.stdout], [], [], seconds)[0])

    def _send(self, job: Job) -> None:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps(asdict(job)) + "\n")
        self._nursery.stdin.flush()

    def _line(self) -> str:
        assert self._nursery.stdout is not None
        return self._nursery.stdout.readline()

    def _look(self, began: float) -> None:
        """Note in which states the kill hit intents that this worker had claimed."""
        if self._database is None:
            return
        happened = set(_counted(self._folder / "world.log", "key"))
        with self._database.begin(reading=True) as connection:
            rows = connection.execute(
                query(journal.c.key, journal.c.state).where(
                    journal.c.state.in_(("claimed", "started")), journal.c.changed >= began
                )
            ).all()
        hit = {
            "effect_done_not_recorded" if state == "started" and key in happened else state
            for key, state in rows
        }
        self.hits.update(hit)

    def _complete(self) -> bool:
        return len((self._folder / "done").read_text().split()) >= len(
            plan(self._job.seed, self._job.calls)
        )


def _counted(log: Path, what: str) -> Counter[Any]:
    return Counter(json.loads(line)[what] for line in log.read_text().splitlines())


def chaos(url: str | None, folder: Path, *, seed: int, calls: int, kills: int) -> Mapping[str, Any]:
    """Carry out a plan under kills and return what happened.

    Args:
        url: The store, with its tables; None for calls without a journal.
        folder: An empty folder.
        seed: Of the plan and of the kills.
        calls: How many calls the plan has.
        kills: How many times a worker is killed, if it takes that long.
    """
    log = folder / "world.log"
    log.touch()
    with (
        _process("tests.chaos.world", str(log)) as world,
        _process("tests.chaos.worker") as nursery,
    ):
        assert world.stdout is not None
        port = int(world.stdout.readline())
        job = Job(
            url=url,
            port=port,
            folder=str(folder),
            seed=seed,
            calls=calls,
            version="0",
        )
        run = _Run(job, nursery, kills)
        run.finish()
    effects = _counted(log, "n")
    told = dict(line.split() for line in (folder / "told").read_text().splitlines())
    report: dict[str, Any] = {
        "calls": calls,
        "kills": run.kills,
        "repeated": sum(count - 1 for count in effects.values()),
        "lost": sum(_lost(told.get(str(n)), effects[n]) for n in range(calls)),
        "in_doubt": list(told.values()).count("in_doubt"),
        "revocations": 0 if run.rights is None else run.rights.revocations,
        "effects": sum(effects.values()),
        "kills_hit": {state: run.hits[state] for state in HITS},
    }
    if url is not None:
        report["unsurfaced"] = _unsurfaced(url, told)
    return report


def _lost(told: str | None, happened: int) -> bool:
    """Tell whether what was told of a call is not what happened, beyond a doubt."""
    if told not in FINAL:
        return True
    return (told == "ok" and not happened) or (told.startswith("not_") and bool(happened))


def _unsurfaced(url: str, told: Mapping[str, str]) -> int:
    """Count doubts of the journal that nobody was told, and intents that were left open.

    A claim is no doubt: nothing was tried under it.
    """
    database = Database(url)
    with database.begin(reading=True) as connection:
        rows = connection.execute(query(journal.c.arguments, journal.c.state)).all()
    database.close()
    return sum(
        state == "started"
        or (state == "in_doubt" and told.get(str(json.loads(arguments)["n"])) != "in_doubt")
        for arguments, state in rows
    )

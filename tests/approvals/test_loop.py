"""Runs that wait for people: suspended in one process, decided in another, resumed in a third."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callgate.agents import resume, run
from callgate.agents.runlog import RunLog, RunStatus
from callgate.agents.runstate import RunResumed, TurnAnswered
from callgate.approvals.desk import Approvals, Verdict
from callgate.errors import ApprovalError, MisuseError
from callgate.store.stores import Store
from callgate.testing import ScriptedModel, calls, says
from tests.approvals.scenes import ANA, BOSS, OTHER, Scene
from tests.databases import postgres_url, store_url

__all__ = ["postgres_url", "store_url"]

ROOT = Path(__file__).resolve().parents[2]


def started(url: str, log: Path, what: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tests.approvals.worker", url, str(log), what],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )


def worker(url: str, log: Path, what: str) -> dict[str, Any]:
    done = started(url, log, what)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_a_run_is_suspended_decided_and_resumed_in_three_processes(
    store_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "run.jsonl"
    store = Store(store_url)
    store.database.upgrade()

    async def decide() -> None:
        desk = Approvals(store.approvals)
        (asked,) = await desk.list(tenant="acme")
        assert asked.arguments == b'{"cents":500}'
        await desk.approve(asked.id, BOSS)

    # The small call runs while the large one waits.
    assert worker(store_url, log, "start") == {"status": "waiting", "answer": "", "paid": [50]}
    assert worker(store_url, log, "resume") == {"status": "waiting", "answer": "", "paid": []}
    before = log.read_text()
    asyncio.run(decide())
    store.close()
    assert worker(store_url, log, "resume") == {
        "status": "done",
        "answer": "all is paid",
        "paid": [500],
    }
    assert log.read_text().startswith(before)
    # Whoever resumes the old log again is told that others have gone on, and does nothing.
    whole = log.read_text()
    log.write_text(before)
    late = started(store_url, log, "resume")
    assert late.returncode == 1
    assert b"another process has gone on with the run. Read its log again." in late.stderr
    # The store has kept the log by itself; whoever resumes that finds what was done.
    store = Store(store_url)
    kept = asyncio.run(store.runs.lines(json.loads(whole.splitlines()[0])["run"]))
    store.close()
    assert "".join(f"{line}\n" for line in kept) == whole
    log.write_text(whole)
    again = worker(store_url, log, "resume")
    assert (again["status"], again["paid"]) == ("done", [])


def script(*cents: int) -> ScriptedModel:
    asked = calls(*(("pay", {"cents": one}) for one in cents), ids=[f"c{n}" for n in cents])
    return ScriptedModel([asked, says("done")])


def copied(log: RunLog) -> RunLog:
    """The log as another process reads it."""
    return RunLog.load(list(log.lines()))


async def test_a_run_waits_without_growing_until_people_have_decided(scene: Scene) -> None:
    gate = scene.gate()
    session, model = gate.session(ANA, id="s"), script(1, 2)
    first = await run(session, "pay", model=model)
    assert (first.status, [item.call.id for item in first.waiting]) == (
        RunStatus.WAITING,
        ["c1", "c2"],
    )
    events = len(first.log)
    still = await resume(session, first.log, model=model)
    assert (still.status, len(still.log)) == (RunStatus.WAITING, events)
    one, two = await scene.desk().list()
    await scene.desk().approve(two.id, BOSS)
    half = await resume(session, copied(first.log), model=model)
    assert [item.call.id for item in half.waiting] == ["c1"]
    assert scene.done == [("pay", {"cents": 2, "to": "shop"})]
    await scene.desk().deny(one.id, BOSS, reason="no")
    done = await resume(gate.restore(session.state), copied(half.log), model=model)
    assert (done.status, done.answer, len(scene.done)) == (RunStatus.DONE, "done", 1)
    replies = [event.replies for event in done.log.events if isinstance(event, RunResumed)]
    assert replies == [{"c2": {"approval": two.id}}, {"c1": {"approval": one.id}}]
    assert 'boss did not approve pay: "no".' in str(done.messages[-2].parts)


async def test_a_verdict_can_be_brought_to_the_run_itself(scene: Scene) -> None:
    gate = scene.gate()
    session, model = gate.session(ANA, id="s"), script(1)
    first = await run(session, "pay", model=model)
    with pytest.raises(ApprovalError, match="otto may not decide"):
        await resume(
            session, first.log, model=model, replies={"c1": Verdict(by=OTHER, approve=True)}
        )
    with pytest.raises(MisuseError, match="answer with a Verdict"):
        await resume(session, first.log, model=model, replies={"c1": True})
    change = Verdict(by=BOSS, approve=True, arguments={"cents": 7})
    done = await resume(session, first.log, model=model, replies={"c1": change})
    assert (done.answer, scene.done) == ("done", [("pay", {"cents": 7, "to": "shop"})])
    answers = [event.answer for event in done.log.events if isinstance(event, TurnAnswered)]
    assert "boss changed the arguments" in answers[-1].answered[0].result.text()


async def test_a_leg_that_was_lost_after_the_decision_is_made_again_without_harm(
    scene: Scene,
) -> None:
    gate = scene.gate()
    session, model = gate.session(ANA, id="s"), script(1)
    first = await run(session, "pay", model=model)
    (asked,) = await scene.desk().list()
    await scene.desk().approve(asked.id, BOSS)
    done = await resume(session, copied(first.log), model=model)
    # Every beginning of the log can be continued, and none of them pays again.
    for length in range(len(first.log), len(done.log)):
        known = RunLog.load(list(done.log.lines())[:length])
        state = known.state().session
        assert state is not None
        again = await resume(
            scene.gate().restore(state), known, model=ScriptedModel([says("done")])
        )
        assert again.answer == "done"
    assert scene.done == [("pay", {"cents": 1, "to": "shop"})]

"""A suite runs in fresh environments, goes on where it was killed, and asks for nothing twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from callgate import tool
from callgate.agents import Budget
from callgate.errors import EvaluationDataError, ModelUnavailableError
from callgate.evals.cases import Case
from callgate.evals.suite.answers import Answers
from callgate.evals.suite.environment import Environment
from callgate.evals.suite.results import ItemResult, ResultsFile, read_results
from callgate.evals.suite.runner import Conduct, Spent, run_suite
from callgate.messages import ModelRequest, ModelResponse, Usage
from callgate.testing import FakeClock, ScriptedModel, calls, says
from tests.conftest import ROOT
from tests.suites.made import case

HEAD = {"file": "suite", "model": "scripted"}
RIGHT = calls(("add", {"a": 2, "b": 3}))


def cases(number: int) -> list[Case]:
    return [case(f"case {n}", ask=f"{n}: what is 2 + 3?") for n in range(number)]


def dollars(usage: Usage, model: str) -> Decimal:
    return Decimal(usage.requests)


async def ran(
    folder: Path, suite: list[Case], model: ScriptedModel, **options: Any
) -> tuple[Spent, list[ItemResult]]:
    with ResultsFile(folder / "out.jsonl", HEAD) as results:
        spent = await run_suite(suite, model, results, Answers(folder / "answers"), **options)
    return spent, list(read_results(folder / "out.jsonl"))


async def test_one_answer_is_judged_and_no_call_is_made(tmp_path: Path):
    model = ScriptedModel([RIGHT])
    spent, (result,) = await ran(tmp_path, [case()], model, conduct=Conduct(price=dollars))
    assert (spent.items, spent.passed, spent.known, spent.cost) == (1, 1, 0, Decimal(1))
    assert (result.passed, result.outcome, result.cost) == (True, "called", "1")
    assert result.calls == [{"name": "add", "arguments": {"a": 2, "b": 3}, "status": ""}]
    assert result.expected == [{"name": "add", "arguments": {"a": 2, "b": 3}}]
    assert (result.input, result.output, result.requests) == (10, 5, 1)


async def test_what_cannot_be_read_is_neither_a_call_nor_an_abstention(tmp_path: Path):
    answers = [calls(("add", '{"a": 2, "b"')), says("5")]
    _, (broken, silent) = await ran(
        tmp_path, cases(2), ScriptedModel(answers), conduct=Conduct(concurrency=1)
    )
    assert (broken.outcome, broken.failure) == ("unparsable", "unparsable")
    assert (silent.outcome, silent.failure) == ("abstained", "abstained")


async def test_a_model_that_fails_leaves_its_item_unfinished_and_the_others_run(tmp_path: Path):
    model = ScriptedModel([RIGHT, ModelUnavailableError("It is down."), RIGHT])
    spent, results = await ran(tmp_path, cases(3), model, conduct=Conduct(concurrency=1))
    assert [result.outcome for result in results] == ["called", "unfinished", "called"]
    assert results[1].difference == "model_unavailable: It is down."
    assert (spent.items, spent.passed) == (3, 2)


async def test_a_case_with_replies_is_run_to_its_answer_and_the_user_goes_on(tmp_path: Path):
    script = [RIGHT, says("It is 5."), calls(("add", {"a": 4, "b": 5})), says("It is 9.")]
    wanted = [
        {"name": "add", "arguments": {"a": 2, "b": 3}},
        {"name": "add", "arguments": {"a": 4, "b": 5}},
    ]
    one = case(
        replies={"add": 5},
        user=["And 4 + 5?"],
        expect={"calls": wanted, "ordered": True, "answer": {"$contains": "9"}},
    )
    _, (result,) = await ran(tmp_path, [one], ScriptedModel(script))
    assert (result.failure, result.answer, result.requests) == ("", "It is 9.", 4)
    assert [call["status"] for call in result.calls] == ["ok", "ok"]


async def test_a_run_that_uses_up_its_budget_is_unfinished(tmp_path: Path):
    script = [calls(("add", {"a": n, "b": 3})) for n in range(9)]
    conduct = Conduct(item=Budget(turns=2, tokens=20))
    _, (result,) = await ran(
        tmp_path, [case(replies={"add": 5})], ScriptedModel(script), conduct=conduct
    )
    assert (result.outcome, result.error) == ("unfinished", "stopped: tokens")


def shop() -> Environment:
    stock = {"tea": 2}

    @tool(effect="irreversible")
    def sell(item: str) -> int:
        """Sell one."""
        stock[item] -= 1
        return stock[item]

    return Environment(tools=[sell], state=lambda: stock)


async def test_every_item_has_an_environment_of_its_own(tmp_path: Path):
    sold = [calls(("sell", {"item": "tea"})), says("Sold.")]
    one = case(tools=[], environment="shop.py:shop", expect={"state": {"tea": 1}})
    conduct = Conduct(repetitions=3, concurrency=1)
    spent, results = await ran(
        tmp_path, [one], ScriptedModel(sold * 3), conduct=conduct, environments=lambda _: shop()
    )
    assert [(result.repetition, result.passed) for result in results] == [
        (0, True),
        (1, True),
        (2, True),
    ]
    assert spent.passed == 3


# ------------------------------------------------------------------ going on


async def test_a_finished_run_asks_nothing_when_it_is_started_again(tmp_path: Path):
    suite = cases(4)
    await ran(tmp_path, suite, ScriptedModel([RIGHT] * 4))
    silent = ScriptedModel([])
    spent, results = await ran(tmp_path, suite, silent)
    assert (spent.known, spent.items, silent.requests, len(results)) == (4, 4, 0, 4)


async def test_a_torn_line_is_made_again_from_the_kept_answer(tmp_path: Path):
    suite = cases(2)
    await ran(tmp_path, suite, ScriptedModel([RIGHT] * 2))
    path = tmp_path / "out.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    silent = ScriptedModel([])
    spent, results = await ran(tmp_path, suite, silent)
    assert (spent.known, silent.requests) == (1, 0)
    assert [result.passed for result in results] == [True, True]


async def test_repetitions_are_answers_of_their_own(tmp_path: Path):
    model = ScriptedModel([RIGHT, says("5")])
    conduct = Conduct(repetitions=2, concurrency=1)
    _, results = await ran(tmp_path, [case()], model, conduct=conduct)
    assert [result.passed for result in results] == [True, False]


async def test_results_of_another_run_are_not_mixed_in(tmp_path: Path):
    await ran(tmp_path, cases(1), ScriptedModel([RIGHT]))
    with pytest.raises(EvaluationDataError, match="results of another run"):
        ResultsFile(tmp_path / "out.jsonl", HEAD | {"model": "other"})


DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from callgate.evals.suite.answers import Answers
from callgate.evals.suite.results import ResultsFile
from callgate.evals.suite.runner import Conduct, run_suite
from callgate.testing import ScriptedModel
from tests.suites.test_runner import HEAD, RIGHT, cases

folder, most = Path(sys.argv[1]), int(sys.argv[2])
asked = 0

def answer(request):
    global asked
    asked += 1
    if asked > most:
        os.kill(os.getpid(), signal.SIGKILL)
    with (folder / "asked.txt").open("a") as file:
        file.write(request.messages[-1].text + "\\n")
    return RIGHT

async def main():
    with ResultsFile(folder / "out.jsonl", HEAD) as results:
        conduct = Conduct(concurrency=3)
        model = ScriptedModel([answer] * 100)
        await run_suite(cases(20), model, results, Answers(folder / "answers"), conduct=conduct)

asyncio.run(main())
"""


def test_a_killed_run_goes_on_and_pays_for_no_answer_twice(tmp_path: Path):
    codes = [
        subprocess.run(
            [sys.executable, "-c", DYING, str(tmp_path), str(most)],
            cwd=ROOT,
            check=False,
            timeout=60,
        ).returncode
        for most in (5, 6, 100)
    ]
    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0]
    results = list(read_results(tmp_path / "out.jsonl"))
    assert sorted(result.case for result in results) == sorted(one.id for one in cases(20))
    asked = (tmp_path / "asked.txt").read_text().splitlines()
    # What was answered in the moment of the kill, and not kept yet, may be asked for once more.
    assert 20 <= len(asked) <= 20 + 2 * 3


# ------------------------------------------------------------------ bounds


async def test_no_item_begins_above_the_cost(tmp_path: Path):
    conduct = Conduct(concurrency=1, cost=Decimal(2), price=dollars)
    spent, results = await ran(tmp_path, cases(5), ScriptedModel([RIGHT] * 5), conduct=conduct)
    assert (spent.stopped, spent.cost, len(results)) == ("cost", Decimal(2), 2)


async def test_a_cost_that_is_not_known_is_no_bound_to_rely_on(tmp_path: Path):
    conduct = Conduct(concurrency=1, cost=Decimal(2))
    spent, results = await ran(tmp_path, cases(5), ScriptedModel([RIGHT] * 5), conduct=conduct)
    assert (spent.stopped, spent.cost, len(results)) == ("cost", None, 1)


async def test_no_item_begins_after_its_time(tmp_path: Path):
    clock = FakeClock()

    def slow(request: ModelRequest) -> ModelResponse:
        clock.advance(10)
        return RIGHT

    conduct = Conduct(concurrency=1, seconds=25)
    spent, results = await ran(
        tmp_path, cases(9), ScriptedModel([slow] * 9), conduct=conduct, clock=clock
    )
    assert (spent.stopped, len(results)) == ("seconds", 3)


async def test_requests_keep_their_distance(tmp_path: Path):
    waits: list[float] = []

    class Clock(FakeClock):
        async def sleep(self, seconds: float) -> None:
            waits.append(seconds)
            self.advance(seconds)

    conduct = Conduct(concurrency=1, per_minute=30)
    await ran(tmp_path, cases(3), ScriptedModel([RIGHT] * 3), conduct=conduct, clock=Clock())
    assert waits == [2.0, 2.0]


async def test_progress_is_told_after_every_item(tmp_path: Path):
    seen: list[tuple[str, int]] = []

    def tell(result: ItemResult, spent: Spent) -> None:
        seen.append((result.case, spent.items))

    conduct = Conduct(concurrency=1)
    await ran(tmp_path, cases(2), ScriptedModel([RIGHT] * 2), conduct=conduct, on_progress=tell)
    assert seen == [("case 0", 1), ("case 1", 2)]


# ------------------------------------------------------------------ what goes wrong with files


def full(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let syncing fail, as on a full disk, after some times."""
    left = [after]
    real: Callable[[int], None] = os.fsync

    def fsync(file: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("after", [1, 2])
async def test_a_full_disk_stops_the_run_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
):
    with monkeypatch.context() as patch:
        full(patch, after)
        with pytest.raises(EvaluationDataError, match="No space left on device"):
            await ran(
                tmp_path, cases(3), ScriptedModel([RIGHT] * 3), conduct=Conduct(concurrency=1)
            )
    model = ScriptedModel([RIGHT] * 3)
    spent, results = await ran(tmp_path, cases(3), model, conduct=Conduct(concurrency=1))
    assert [result.case for result in results] == ["case 0", "case 1", "case 2"]
    assert spent.passed == 3


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationDataError, match=r"out\.jsonl cannot be written"):
        ResultsFile(tmp_path / "file/out.jsonl", HEAD)


async def test_a_damaged_answer_is_told_by_its_name(tmp_path: Path):
    await ran(tmp_path, cases(1), ScriptedModel([RIGHT]))
    (kept,) = (tmp_path / "answers").glob("*/*.json")
    kept.write_bytes(b'{"message": 3}')
    (tmp_path / "out.jsonl").unlink()
    with pytest.raises(EvaluationDataError, match=f"{kept.name} in answers is no answer"):
        await ran(tmp_path, cases(1), ScriptedModel([RIGHT]))


def test_a_line_that_is_no_result_is_told(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    path.write_bytes(orjson.dumps({"case": "a"}) + b"\n")
    with pytest.raises(EvaluationDataError, match="not the result of an item"):
        list(read_results(path))

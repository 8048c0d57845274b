"""`callgate eval run`, `estimate`, `compare` and `report` over a server on the loopback."""

from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Command, Provider, called, said
from tests.suites.made import result

SUITE = """
defaults:
  tools: [{name: add, description: Add two integers., parameters: {type: object}}]
cases:
  - {id: sum, ask: "2 + 3?", expect: {calls: [{name: add, arguments: {a: 2, b: 3}}]}}
  - {id: joke, ask: "A joke?", expect: {abstain: true}}
  - {id: shop, ask: Sell tea., environment: "shop.py:shop", expect: {state: {tea: 1}}}
"""
SHOP = '''
from callgate import tool
from callgate.evals.suite.environment import Environment

def shop():
    stock = {"tea": 2}

    @tool(effect="irreversible")
    def sell(item: str) -> int:
        """Sell one."""
        stock[item] -= 1
        return stock[item]

    return Environment(tools=[sell], state=lambda: stock)

def nothing():
    return 3
'''
ANSWERS = [
    called("add", {"a": 2, "b": 3}),
    said("No."),
    called("sell", {"item": "tea"}),
    said("Sold."),
]


@pytest.fixture
def suite(project: Path) -> Path:
    (project / "suite.yaml").write_text(SUITE)
    (project / "shop.py").write_text(SHOP)
    return project


RUN = ("eval", "run", "suite.yaml", "--out", "run.jsonl", "--limit", "concurrency=1")


def test_a_suite_is_run_judged_and_not_asked_again(
    provider: Provider, suite: Path, callgate: Command
):
    provider.messages += ANSWERS
    done = callgate(*RUN, "--json", "--fail-if", "accuracy < 1")
    assert done.code == 0
    told = done.json
    assert (told["items"], told["passed"], told["not_run"]) == (3, 3, 0)
    assert told["gate"] == {"condition": "accuracy < 1", "failed": False}
    assert told["selection"]["f1"] == 1  # `sell` is judged by its effect only
    again = callgate(*RUN)
    assert again.code == 0
    assert "3  100.0 %" in again.out
    assert len(provider.asked) == 4


def test_a_gate_that_fails_is_the_exit_code(provider: Provider, suite: Path, callgate: Command):
    provider.messages += [said("5"), said("No."), said("Sold."), said("Sold.")]
    done = callgate(*RUN, "--fail-if", "accuracy < 0.9")
    assert done.code == 1
    assert "failed: accuracy < 0.9" in done.err
    assert "wrong_state: 1" in done.out


def test_a_wrong_condition_or_bound_is_told_before_anything_is_asked(
    provider: Provider, suite: Path, callgate: Command
):
    assert callgate(*RUN, "--fail-if", "accuracy <").code == 1
    for bound in ("cost=none", "cost=-1", "speed=3", "seconds"):
        done = callgate(*RUN, "--limit", bound)
        assert (done.code, f"--limit {bound}: expected one of" in done.err) == (2, True)
    assert provider.asked == []


def test_a_bound_stops_the_run_and_says_what_was_not_run(
    provider: Provider, suite: Path, callgate: Command
):
    provider.messages += ANSWERS
    done = callgate(*RUN, "--limit", "cost=0.000001")
    assert "stopped: the bound of cost is reached" in done.err


def test_what_makes_no_environment_is_told(provider: Provider, suite: Path, callgate: Command):
    (suite / "suite.yaml").write_text(SUITE.replace("shop.py:shop", "shop.py:nothing"))
    provider.messages += ANSWERS
    done = callgate(*RUN)
    assert done.code == 2
    assert "shop.py:nothing: expected a function that returns an Environment" in done.err


def test_an_estimate_asks_nothing(provider: Provider, suite: Path, callgate: Command):
    done = callgate("eval", "estimate", "suite.yaml", "-k", "2", "--json")
    assert (done.json["items"], done.json["requests"]) == (6, 10)
    assert "6 items, about 10 requests" in callgate("eval", "estimate", "suite.yaml", "-k", "2").out
    assert provider.asked == []


def results(path: Path, *passed: bool) -> None:
    lines = [orjson.dumps({"suite": {}})]
    lines += [orjson.dumps(result(f"c{n}", passed=one).to_json()) for n, one in enumerate(passed)]
    path.write_bytes(b"\n".join(lines) + b"\n")


def test_two_runs_are_compared(project: Path, callgate: Command):
    results(project / "old.jsonl", True, True, False)
    results(project / "new.jsonl", True, False, True)
    done = callgate("eval", "compare", "old.jsonl", "new.jsonl", "--fail-if", "regressions > 0")
    assert done.code == 1
    assert "1 gained, 1 lost over 3 items" in done.out
    assert "c1: wrong_tool: multiply was called, expected add" in done.out
    told = callgate("eval", "compare", "old.jsonl", "new.jsonl", "--json").json
    assert (told["regressions"], told["gains"], told["p"]) == (1, 1, 1.0)


def test_reports_are_written_in_every_form(project: Path, callgate: Command):
    results(project / "old.jsonl", True, False)
    results(project / "new.jsonl", True, True)
    files = ("--html", "r.html", "--junit", "r.xml", "--markdown", "r.md")
    done = callgate(
        "eval", "report", "old.jsonl", "new.jsonl", *files, "--baseline", "old.jsonl", "--json"
    )
    assert done.code == 0
    assert done.json["comparison"]["gains"] == 1
    assert done.json["runs"].keys() == {"old", "new"}
    assert (project / "r.html").read_text().startswith("<!doctype html>")
    assert 'tests="2"' in (project / "r.xml").read_text()
    assert "| new | 2 | 100.0 % |" in (project / "r.md").read_text()
    shown = callgate("eval", "report", "old.jsonl")
    assert shown.code == 0
    assert "50.0 %" in shown.out


def test_results_that_cannot_be_reported_are_told(project: Path, callgate: Command):
    results(project / "run.jsonl")
    assert "run.jsonl holds no result" in callgate("eval", "report", "run.jsonl").err
    (project / "other").mkdir()
    results(project / "a.jsonl", True)
    results(project / "other/a.jsonl", True)
    twice = callgate("eval", "report", "a.jsonl", "other/a.jsonl")
    assert (twice.code, "Two files are named a" in twice.err) == (2, True)
    lost = callgate("eval", "report", "a.jsonl", "--html", "gone/r.html")
    assert (lost.code, "r.html cannot be written" in lost.err) == (1, True)

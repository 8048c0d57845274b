"""`callgate run --resume`: a run that was killed, waited or was stopped goes on from the store."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Provider, called, said, with_store

MORE = '''
import pathlib
import time


@tool(effect="irreversible")
def pay(cents: int) -> int:
    """Pay."""
    with open("paid", "a") as file:
        file.write(f"{cents}\\\\n")
    return cents


@tool(effect="read")
def slow() -> str:
    """Read something slow."""
    pathlib.Path("begun").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return "read"


TOOLS += [pay, slow]
'''.replace("\\\\n", "\\n")


@pytest.fixture
def shop(project: Path, provider: Provider) -> Path:
    """The project with a tool that pays, one that takes its time, and a store."""
    return with_store(project, MORE)


def _killed_in_the_middle(shop: Path) -> str:
    """Start a run in a process of its own, kill it at its slow call; return the run's id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "callgate", "run", "Pay 5, then read."],
        cwd=shop,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while not (shop / "begun").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    _, told = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    line = told.splitlines()[0]
    assert line.startswith("run ")
    return line.rpartition(" ")[2]


def test_a_run_killed_with_9_goes_on_where_it_was(
    shop: Path, callgate: Command, provider: Provider
) -> None:
    provider.messages += [called("pay", {"cents": 5}), called("slow", {}), said("All is done.")]
    run = _killed_in_the_middle(shop)
    assert len(provider.asked) == 2
    (shop / "go").touch()
    (listed,) = callgate("runs", "list", "--json").json
    assert (listed["run"], listed["status"], listed["events"]) == (run, "unfinished", 4)
    done = callgate("run", "--resume", run, "--json")
    assert (done.code, done.json["run"]) == (0, run)
    assert (done.json["status"], done.json["answer"]) == ("done", "All is done.")
    assert [call["tool"] for call in done.json["calls"]] == ["slow"]
    assert (shop / "paid").read_text() == "5\n"
    # No known answer was asked for again: one question more, with all that is known.
    assert len(provider.asked) == 3
    assert [message["role"] for message in provider.asked[2]["messages"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
    ]
    assert callgate("runs", "list").out.startswith(f"{run}  done  7  20")
    again = callgate("run", "--resume", run)
    assert (again.code, again.out, len(provider.asked)) == (0, "All is done.\n", 3)


def test_a_run_that_was_stopped_goes_on_under_a_larger_budget(
    shop: Path, callgate: Command, provider: Provider
) -> None:
    provider.messages += [called("pay", {"cents": n}) for n in range(6)] + [said("Paid.")]
    stopped = callgate("run", "Pay.", "--json")
    assert (stopped.code, stopped.json["status"]) == (1, "stopped")
    settings = shop / "callgate.toml"
    settings.write_text(settings.read_text().replace("turns = 5", "turns = 9"))
    done = callgate("run", "--resume", stopped.json["run"])
    assert (done.code, done.out) == (0, "Paid.\n")


def test_the_run_at_work_last_is_listed_first(
    shop: Path, callgate: Command, provider: Provider
) -> None:
    assert callgate("runs", "list").out == "no runs are kept\n"
    provider.messages += [said("One."), called("wait", {})]
    first = callgate("run", "Count.", "--json").json["run"]
    second = callgate("run", "Wait.", "--json").json["run"]
    listed = callgate("runs", "list", "--json").json
    assert [(one["run"], one["status"]) for one in listed] == [
        (second, "waiting"),
        (first, "done"),
    ]
    assert len(callgate("runs", "list", "--limit", "1", "--json").json) == 1


def test_what_cannot_be_resumed_is_told(shop: Path, callgate: Command) -> None:
    none = callgate("run", "--resume", "nothing")
    assert none.code == 1
    assert none.err == f"run: sqlite:///{shop / 'calls.db'} has no run nothing.\n"
    for words in (("run",), ("run", "Pay.", "--resume", "r")):
        wrong = callgate(*words)
        assert wrong.code == 2
        assert "say either what the model is asked, or --resume RUN" in wrong.err
    settings = shop / "callgate.toml"
    settings.write_text(settings.read_text().partition("[store]")[0])
    without = callgate("run", "--resume", "r")
    assert (without.code, "set url in [store] of callgate.toml" in without.err) == (2, True)

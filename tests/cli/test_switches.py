"""The kill switch and the breakers, from the command line."""

from __future__ import annotations

import asyncio
import io
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from callgate.cli.screen import CallList, CallScreen
from callgate.controls import BreakerRules
from callgate.controls.circuit import Outcome
from callgate.store.stores import Store
from callgate.types import ANYONE, CallOpened, CircuitChanged, Scope, ToolCall
from tests.cli.conftest import Command
from tests.controls.states import known

SETTINGS = 'tools = ["tools.py:TOOLS"]\n[store]\nurl = "sqlite:///calls.db"\n'


@pytest.fixture
def stored(project: Path) -> Path:
    """The project with a store."""
    (project / "callgate.toml").write_text(SETTINGS, encoding="utf-8")
    return project


def test_a_tool_is_switched_off_for_all_or_for_one_tenant_and_on_again(
    stored: Path, callgate: Command
) -> None:
    done = callgate("tools", "disable", "add", "--reason", "it counts wrongly")
    assert (done.code, done.out) == (0, "add is off: it counts wrongly\n")
    done = callgate("tools", "disable", "wait", "--tenant", "acme", "--json")
    assert done.json == {"tool": "wait", "tenant": "acme", "reason": "", "off": True}
    done = callgate("tools", "off")
    assert done.out == "add is off: it counts wrongly\nwait is off for tenant acme\n"
    assert callgate("tools", "off", "--json").json == [
        {"tool": "add", "tenant": None, "reason": "it counts wrongly"},
        {"tool": "wait", "tenant": "acme", "reason": ""},
    ]
    assert callgate("tools", "enable", "add").out == "add is on\n"
    done = callgate("tools", "enable", "wait", "--tenant", "acme", "--json")
    assert done.json["off"] is False
    assert callgate("tools", "off", "--json").json == []


def test_what_is_no_tool_or_not_off_is_named(stored: Path, callgate: Command) -> None:
    done = callgate("tools", "disable", "ad")
    assert (done.code, done.err) == (1, "unknown_tool: no tool is called ad; did you mean add?\n")
    done = callgate("tools", "enable", "add")
    assert (done.code, done.err) == (
        1,
        "unknown_tool: add is not switched off for all tenants: callgate tools off\n",
    )


def test_both_need_a_store(callgate: Command) -> None:
    for command in (["tools", "off"], ["breakers", "list"], ["tools", "disable", "add"]):
        done = callgate(*command)
        assert done.code == 2
        assert "There is no store" in done.err


def test_breakers_are_listed_once_a_call_has_met_them(stored: Path, callgate: Command) -> None:
    async def fail(store: Store) -> None:
        for name, times in (("payments", 1), ("search", 0)):
            door = store.circuits.door(name, BreakerRules(failures=1, pause=600))
            epoch = await known(door.enter())
            for _ in range(times):
                await known(door.leave(epoch, Outcome.BAD, "down"))

    with closing(Store(f"sqlite:///{stored}/calls.db")) as store:
        store.database.check()
        asyncio.run(fail(store))
    found = callgate("breakers", "list", "--json").json
    assert [(one["circuit"], one["state"]) for one in found] == [
        ("payments", "open"),
        ("search", "closed"),
    ]
    assert 590 < found[0]["seconds"] <= 600
    assert found[1] == {
        "circuit": "search",
        "state": "closed",
        "failures": 0,
        "seconds": None,
        "reason": "",
    }
    lines = callgate("breakers", "list").out.splitlines()
    assert lines[1].startswith("payments  open ")
    assert "1 attempts in a row failed, the last with: down" in lines[1]


def test_a_change_of_a_circuit_is_shown_among_the_calls() -> None:
    scope = Scope(session="s", principal=ANYONE, prefix="", emit=lambda event: None)
    call = ToolCall(id="c", key="k", name="t", arguments={}, scope=scope)
    changed = CircuitChanged(call=call, circuit="t", state="open", reason="it is down")
    console = Console(record=True, width=100, file=io.StringIO())
    screen, calls = CallScreen(console), CallList()
    for event in (CallOpened(call=call), changed):
        screen(event)
        calls(event)
    assert "the circuit of t is open: it is down" in console.export_text()
    assert calls.calls == []

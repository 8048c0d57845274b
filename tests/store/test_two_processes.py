"""Limits, breakers and the kill switch hold across real processes, on both databases."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from callgate.stages.resolve import Switch
from callgate.store.database import Database
from callgate.store.stores import Store


class Process:
    """A process of its own that makes calls when it is told to."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.store.limited", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, name: str, who: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name} {who}\n")
        self._process.stdin.flush()

    def end(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def call(self, name: str, who: str) -> str:
        self.begin(name, who)
        return self.end()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(30) == 0
        self._process.stdout.close()


@pytest.fixture
def processes(store_url: str) -> Iterator[list[Process]]:
    """Two processes over one store."""
    with closing(Database(store_url)) as made:
        made.upgrade()
    started = [Process(store_url) for _ in range(2)]
    yield started
    for one in started:
        one.close()


def test_limits_breakers_and_the_kill_switch_hold_across_processes(
    processes: list[Process], store_url: str
) -> None:
    here, there = processes
    # A rate: both call at once, and together as often as one may.
    told: list[str] = []
    for _ in range(4):
        for one in processes:
            one.begin("look", "ana")
        told += [one.end() for one in processes]
    assert sorted(told) == ["ok"] * 5 + ["throttled"] * 3
    # Money: each call costs 4 cents, and the principal has 10 of them.
    for one in processes:
        one.begin("paid", "bob")
    assert [one.end() for one in processes] == ["ok", "ok"]
    assert [one.call("paid", "bob") for one in processes] == ["budget", "budget"]
    # A breaker: one process sees the backend fail, the other leaves it alone.
    assert [here.call("down", "eve") for _ in range(2)] == ["transient", "transient"]
    assert there.call("down", "fay") == "circuit_open"

    async def switch(off: bool) -> None:
        with closing(Store(store_url)) as store:
            if off:
                await store.switches().disable(Switch(tool="look", reason="it is wrong"))
            else:
                assert await store.switches().enable("look")

    # The kill switch: a third process turns it, both obey at their next call.
    asyncio.run(switch(True))
    assert [one.call("look", "gil") for one in processes] == ["disabled", "disabled"]
    asyncio.run(switch(False))
    assert [one.call("look", "gil") for one in processes] == ["ok", "ok"]

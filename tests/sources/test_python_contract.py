"""The contract of sources, kept by Python functions."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from callgate import CallContext, tool
from callgate.errors import ResultError, ToolFailedError, TransientError
from callgate.pipeline import LoopClock
from callgate.sources.python import PythonSource
from callgate.stages.admit import Slots
from callgate.tool import FunctionTool
from callgate.types import Effect
from tests.sources.contract import (
    FLOOD,
    ROLES,
    WAIT,
    Answers,
    Arrival,
    Deadlines,
    Keys,
    Outcomes,
    Subject,
    Waits,
)


class Shop:
    """The backend: it lives in this process, so it has no connection to lose and no secret."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.first = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.working = 0
        self.tries = Counter[str]()

    @contextmanager
    def at_work(self, role: str, text: str, key: str | None) -> Iterator[None]:
        self.arrivals.append(Arrival(role=role, text=text, key=key))
        self.working += 1
        self.idle.clear()
        self.first.set()
        try:
            yield
        finally:
            self.working -= 1
            if not self.working:
                self.idle.set()

    async def answer(self, role: str, text: str, key: str | None) -> dict[str, str]:
        """Do what a role does."""
        with self.at_work(role, text, key):
            self.tries[role] += 1
            once = self.tries[role] == 1
            match role:
                case "refuse":
                    raise ToolFailedError("There is no order 77.")
                case "garbage":
                    raise ResultError("garbage returned what is not JSON.")
                case "flood":
                    return {"text": "x" * 2 * FLOOD}
                case "busy" if once:
                    raise TransientError("Busy.", retry_after=WAIT)
                case "hang" | "hang_send":
                    await asyncio.Event().wait()
                case "break_read" | "break_put" | "break_send" if once:
                    raise TransientError("It broke.", acted=True)
                case _:
                    pass
            return {"text": text}


@pytest.fixture
def subject() -> Subject:
    shop = Shop()

    def offered(role: str, effect: Effect) -> FunctionTool[..., Any]:
        async def run(text: str, call: CallContext) -> dict[str, str]:
            return await shop.answer(role, text, call.key)

        return tool(run, name=role, effect=effect, description=f"The role {role}.")

    functions = [offered(role, effect) for role, effect in ROLES.items()]
    return Subject(
        source=PythonSource(functions, slots=Slots(LoopClock())),
        arrivals=shop.arrivals,
        begun=lambda role: shop.first.wait(),
        quiet=shop.idle.wait,
    )


class TestPythonSource(Answers, Deadlines, Keys, Outcomes, Waits):
    pass

"""The contract of sources, kept by an MCP server that is a child process, in both eras."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from callgate.sources.mcp import McpServer, McpSource
from callgate.sources.secrets import EnvironmentVault, Secrets
from canaries import canary
from tests.sources.contract import (
    ROLES,
    Absence,
    Answers,
    Arrival,
    Deadlines,
    Outcomes,
    Secrecy,
    Subject,
    WireKeys,
)

CANARY = canary("55/42")
# Nobody can say over a pipe when to come back; over HTTP a server can.
PLAYED = {role: effect for role, effect in ROLES.items() if role != "busy"}


class Observer:
    """Hears from the backend, whatever process it is in."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.shown: set[str] = set()
        self.active = 0
        self.changed = asyncio.Condition()

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take what one process of the backend says, until it ends."""
        hung = 0
        while line := await reader.readline():
            said = json.loads(line)
            async with self.changed:
                if said["event"] == "arrival":
                    role = said["role"]
                    hung += role.startswith("hang")
                    self.active += role.startswith("hang")
                    self.arrivals.append(Arrival(role=role, text=said["text"], key=said["key"]))
                    self.shown.add(said["secret"])
                else:
                    self.active -= hung - said["hung"]
                    hung = said["hung"]
                self.changed.notify_all()
        async with self.changed:
            self.active -= hung
            self.changed.notify_all()
        writer.close()

    async def begun(self, role: str) -> None:
        """Wait until the backend has taken a call of a role."""
        async with self.changed:
            await self.changed.wait_for(lambda: any(one.role == role for one in self.arrivals))

    async def quiet(self) -> None:
        """Wait until the backend is at work for nobody."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.active == 0)


@pytest.fixture(params=["2025", "2026"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    era: Literal["2025", "2026"] = request.param
    observer = Observer()
    listening = await asyncio.start_server(observer.hear, "127.0.0.1")
    host, port = listening.sockets[0].getsockname()
    backend = (sys.executable, "-I", str(Path(__file__).parent / "backend.py"))
    server = McpServer(
        name="shop",
        command=(*backend, host, str(port), json.dumps(PLAYED)),
        era=era,
        folder=tmp_path,
        effects=PLAYED,
        secret_environment={"BACKEND_SECRET": "env:SHOP"},
    )
    secrets = Secrets({"env": EnvironmentVault({"SHOP": CANARY})})
    source = McpSource(server, secrets=secrets)
    await source.connect()
    absent = McpServer(
        name="absent", command=("callgate-there-is-no-such-program",), effects=PLAYED
    )
    yield Subject(
        source=source,
        absent=McpSource(absent, definitions=source.definitions),
        arrivals=observer.arrivals,
        begun=observer.begun,
        quiet=observer.quiet,
        canaries=(CANARY,),
        shown=observer.shown,
        roles=tuple(PLAYED),
    )
    await source.aclose()
    listening.close()
    await listening.wait_closed()


class TestMcpSource(Absence, Answers, Deadlines, Outcomes, Secrecy, WireKeys):
    pass

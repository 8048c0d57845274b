"""The recorded gold calls of tau2's airline and retail, through our source and by raw JSON-RPC.

`python -m tests.sources.mcp.gold` replays all 692; the test a part of them. Both ways start every
task from a fresh state and must leave the same state file; only the order of keys in the arguments
that it logs may differ, for ours are canonical.
"""

import asyncio
import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callgate import Gate
from callgate.sources.mcp import McpServer, connect
from tests.sources.mcp.real import from_pypi

DOMAINS = ("airline", "retail")
KEY = "gold"


@dataclass(kw_only=True)
class Outcome:
    """What a replay came to: calls, those that the tools refused, tasks whose states differ."""

    calls: int = 0
    errors: int = 0
    tasks: int = 0
    differing: list[str] = field(default_factory=list[str])


def tasks(data: Path, domain: str) -> list[list[dict[str, Any]]]:
    """Return the gold calls of every task of a domain."""
    with gzip.open(data / "evals/tau2_tasks_gold.jsonl.gz", "rt") as lines:
        read = [json.loads(line) for line in lines]
    return [
        [{"name": one["name"], "arguments": one["arguments"]} for one in actions]
        for task in read
        if task["domain"] == domain
        and (actions := (task["evaluation_criteria"] or {}).get("actions"))
    ]


class Raw:
    """The same server, spoken to without any library."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._last = 0

    @classmethod
    async def start(cls, server: McpServer) -> "Raw":
        """Start it and shake hands."""
        raw = cls(
            await asyncio.create_subprocess_exec(
                *server.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **server.environment},
                limit=1 << 26,
            )
        )
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}}
        await raw.ask("initialize", hello | {"clientInfo": {"name": "raw", "version": "0"}})
        return raw

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its result."""
        self._last += 1
        said = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(said).encode() + b"\n")
        return json.loads(await self._process.stdout.readline())["result"]

    async def end(self) -> None:
        """End the server."""
        self._process.terminate()
        await self._process.wait()


def server(domain: str, folder: Path) -> McpServer:
    """Return the server of a domain that keeps its states in a folder."""
    variable = f"TAU2_{domain.upper()}_MCP_STATE_DIR"
    return from_pypi(f"tau2-{domain}-mcp-eval", environment={variable: str(folder)})


def state(folder: Path) -> Any:
    """Return the state that a server has left: the database, and every call in it."""
    (file,) = folder.glob("*.json")
    return opened(json.loads(file.read_bytes()))


def opened(value: Any) -> Any:
    """Return a JSON value in which texts that are JSON, as the log has them, are values."""
    if isinstance(value, dict):
        return {key: opened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [opened(inner) for inner in value]
    return json.loads(value) if isinstance(value, str) and value[:2] in ('{"', "[{") else value


async def replay(domain: str, gold: Sequence[list[dict[str, Any]]], folder: Path) -> Outcome:
    """Replay tasks both ways."""
    ours, theirs = folder / f"{domain}-ours", folder / f"{domain}-raw"
    raw = await Raw.start(server(domain, theirs))
    (source,) = await connect(server(domain, ours))
    gate = Gate([source])
    outcome = Outcome()

    async def by_us(calls: list[dict[str, Any]]) -> int:
        session, errors = gate.session(), 0
        for call in [{"name": "reset_state", "arguments": {}}, *calls]:
            result = await session.call(call["name"], call["arguments"] | {"state_key": KEY})
            refused = result.error is not None and result.error.code == "tool_failed"
            assert result.ok or refused, result.text()
            errors += refused
        return errors

    async def by_raw(calls: list[dict[str, Any]]) -> int:
        errors = 0
        for call in [{"name": "reset_state", "arguments": {}}, *calls]:
            arguments = call["arguments"] | {"state_key": KEY}
            said = await raw.ask("tools/call", {"name": call["name"], "arguments": arguments})
            errors += json.loads(said["content"][0]["text"])["ok"] is not True
        return errors

    for number, calls in enumerate(gold):
        errors = await asyncio.gather(by_us(calls), by_raw(calls))
        outcome.tasks += 1
        outcome.calls += len(calls)
        outcome.errors += errors[0]
        if errors[0] != errors[1] or state(ours) != state(theirs):
            outcome.differing.append(f"{domain} {number}")
    await gate.close()
    await raw.end()
    return outcome


async def main(data: Path) -> None:
    """Replay everything and print the outcome as JSON."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = await asyncio.gather(
            *(replay(domain, tasks(data, domain), Path(folder)) for domain in DOMAINS)
        )
    report: dict[str, Any] = {
        domain: vars(outcome) for domain, outcome in zip(DOMAINS, outcomes, strict=True)
    }
    report["seconds"] = round(time.monotonic() - begun, 1)
    sys.stdout.write(json.dumps(report) + "\n")
    sys.exit(any(outcome.differing for outcome in outcomes))


if __name__ == "__main__":
    usual = Path(__file__).resolve().parents[4] / "shared/data"
    asyncio.run(main(Path(os.environ.get("CALLGATE_DATA") or usual)))

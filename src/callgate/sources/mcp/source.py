"""`McpSource`: the tools of one MCP server, and every call of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callgate.errors import MissingDependencyError, MisuseError
from callgate.pipeline import Clock, LoopClock
from callgate.sources.mcp.catalogue import Catalogue, Change
from callgate.sources.mcp.server import McpServer, Sampler
from callgate.sources.secrets import Secrets
from callgate.types import ANYONE, Principal, Tool, ToolCall, ToolResult

if TYPE_CHECKING:
    from callgate.sources.mcp.engine import Engine
    from callgate.sources.web.client import Resolve

__all__ = ["Health", "McpSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a server is.

    Attributes:
        state: `idle` (not started), `starting`, `ready`, or `failing`.
        connections: How many stand; more than one where principals have their own.
        failures: Starts in a row that came to nothing.
        reason: Why it ended the last time, if it did.
    """

    state: str
    connections: int = 0
    failures: int = 0
    reason: str = ""


class McpSource:
    """The tools of one MCP server.

    The server is started by the first call that needs it, restarted when it has died, and ended by
    `aclose`. What its tools are is fixed by the first listing: a tool that has changed since is
    held back until `accept`.
    """

    def __init__(
        self,
        server: McpServer,
        *,
        definitions: Iterable[Any] | None = None,
        secrets: Secrets | None = None,
        sampler: Sampler | None = None,
        clock: Clock | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            server: How to reach it, and what a person has said about it.
            definitions: What it offers, as `definitions` gave it before; without it `connect` asks
                the server.
            secrets: Finds the secrets that the server needs; defaults to those of the environment
                and of files below the working folder.
            sampler: Answers a server that asks for a model; without it none may ask.
            clock: The time of restarts and listings; defaults to the event loop's.
            resolve: Looks names of hosts up; defaults to the system.
        """
        self.server = server
        self._catalogue = Catalogue(server)
        if definitions is not None:
            self._catalogue.accept(definitions)
        self._secrets = secrets or Secrets.usual(Path())
        self._sampler = sampler
        self._clock = clock or LoopClock()
        self._resolve = resolve
        self._engine: Engine | None = None

    def __repr__(self) -> str:
        """Name the server."""
        return f"McpSource({self.server.name!r})"

    def list(self) -> Sequence[Tool]:
        """Return the accepted tools.

        Raises:
            MisuseError: Nobody has asked the server yet.
        """
        if not self._catalogue.known:
            raise MisuseError(
                f"Nobody has asked the MCP server {self.server.name!r} for its tools yet. "
                "Await `connect()` first, or use `mcp(...)`, which does."
            )
        return self._catalogue.tools()

    @property
    def definitions(self) -> Sequence[Any]:
        """The accepted definitions as the server sent them: JSON, to be kept for a later start."""
        return self._catalogue.definitions

    @property
    def skipped(self) -> dict[str, str]:
        """Why some tools of the server are not offered, by its own names of them."""
        return dict(self._catalogue.skipped)

    @property
    def changes(self) -> dict[str, Change]:
        """What was seen to differ from what was accepted, by the server's names."""
        return {} if self._engine is None else self._engine.changes

    @property
    def health(self) -> Health:
        """How the server is, without asking it."""
        connections = [] if self._engine is None else self._engine.connections
        standing = sum(one.standing is not None for one in connections)
        failures = max((one.failures for one in connections), default=0)
        reason = next((one.reason for one in connections if one.reason), "")
        if standing:
            state = "ready"
        elif any(one.starting for one in connections):
            state = "starting"
        else:
            state = "failing" if failures else "idle"
        return Health(state=state, connections=standing, failures=failures, reason=reason)

    async def connect(self, principal: Principal = ANYONE) -> None:
        """Start the server and ask for its tools; the first listing is accepted.

        Args:
            principal: On whose behalf, where principals have credentials of their own.

        Raises:
            CallError: The server cannot be reached or does not let us in.
            MissingDependencyError: The extra `mcp` is not installed.
        """
        await self._running().listing(principal)

    async def accept(self, principal: Principal = ANYONE) -> dict[str, Change]:
        """Accept the tools as the server offers them now; a gate made afterwards shows them.

        Returns:
            What has changed by it.
        """
        engine = self._running()
        now = await engine.listing(principal)
        changes = self._catalogue.changes(now)
        self._catalogue.accept(now)
        engine.accepted()
        return changes

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute one attempt.

        Raises:
            CallError: It did not succeed.
        """
        return await self._running().call(call)

    async def aclose(self) -> None:
        """End the server and everything that waits for it; a later call starts it again."""
        if self._engine is not None:
            await self._engine.aclose()

    def _running(self) -> Engine:
        if self._engine is None:
            try:
                from callgate.sources.mcp.engine import Engine
            except ModuleNotFoundError as exc:
                raise MissingDependencyError(
                    "MCP servers need more packages: pip install 'callgate[mcp]'."
                ) from exc
            self._engine = Engine(
                self.server,
                self._catalogue,
                secrets=self._secrets,
                sampler=self._sampler,
                clock=self._clock,
                resolve=self._resolve,
            )
        return self._engine

"""MCP servers as sources: `mcp` and `connect` make them from command lines and addresses.

    from callgate.sources.mcp import connect, mcp

    gate = Gate(mcp("npx -y @modelcontextprotocol/server-memory"))

Both ask all servers for their tools at once. `mcp` is for code that cannot await: it ends the
servers again, and the first call starts the one it needs. Nothing of the SDK is loaded before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from callgate.errors import MisuseError
from callgate.sources.mcp.catalogue import Change
from callgate.sources.mcp.server import McpServer, OAuth
from callgate.sources.mcp.source import Health, McpSource
from callgate.sources.mcp.tokens import FileTokens

__all__ = [
    "Change",
    "FileTokens",
    "Health",
    "McpServer",
    "McpSource",
    "OAuth",
    "connect",
    "connect_all",
    "discover",
    "mcp",
]


def mcp(*targets: str | McpServer, **options: Any) -> list[McpSource]:
    """Return a source for each server, with its tools known.

    Args:
        *targets: Command lines, addresses, or servers.
        **options: Attributes of `McpServer` for all that are given as text.

    Raises:
        MisuseError: Called inside a running event loop; await `connect` there.
        CallError: A server cannot be reached or does not let us in.
        MissingDependencyError: The extra `mcp` is not installed.
    """
    sources = _sources(targets, options)
    discover(sources)
    return sources


def discover(sources: Sequence[McpSource]) -> None:
    """Ask all servers for their tools at once, and end them again.

    Raises:
        MisuseError: Called inside a running event loop; await `connect_all` there.
        CallError: A server cannot be reached or does not let us in.
        MissingDependencyError: The extra `mcp` is not installed.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(_known(sources))
        return
    raise MisuseError(
        "MCP servers were asked for their tools inside a running event loop (as in Jupyter or an "
        "async function), which that would stop. Use `await connect(...)` in place of `mcp(...)`."
    )


async def connect(*targets: str | McpServer, **options: Any) -> list[McpSource]:
    """Return a source for each server, connected; the twin of `mcp` for code that can await."""
    sources = _sources(targets, options)
    await connect_all(sources)
    return sources


async def connect_all(sources: Iterable[McpSource]) -> None:
    """Start all servers at once; if one cannot be reached, all are ended again.

    Raises:
        CallError: A server cannot be reached or does not let us in.
    """
    waiting = list(sources)
    ended = await asyncio.gather(*(source.connect() for source in waiting), return_exceptions=True)
    failed = [one for one in ended if isinstance(one, BaseException)]
    if failed:
        await asyncio.gather(*(source.aclose() for source in waiting))
        raise failed[0]


async def _known(sources: Sequence[McpSource]) -> None:
    await connect_all(sources)
    await asyncio.gather(*(source.aclose() for source in sources))


def _sources(targets: Iterable[str | McpServer], options: dict[str, Any]) -> list[McpSource]:
    return [
        McpSource(target if isinstance(target, McpServer) else McpServer.of(target, **options))
        for target in targets
    ]

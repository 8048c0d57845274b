"""An MCP server on the loopback, made with the official SDK, for all network transports."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import uvicorn
from mcp.server.elicitation import ElicitationResult
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request


class Name(BaseModel):
    """What the server wants to know."""

    name: str
    polite: bool = True


def ask_name() -> Elicit[Name]:
    """Ask who is there."""
    return Elicit("What is your \u200bname?", Name)


class Shop:
    """A server whose tools ask, wait and tell; it keeps the headers of its requests."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self.began = threading.Event()
        self.stopped = threading.Event()
        self.server = MCPServer("shop")
        for tool in (self.add, self.greet, self.wait, self.steps):
            self.server.add_tool(tool)

    async def add(self, a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    async def greet(self, name: Annotated[ElicitationResult[Name], Resolve(ask_name)]) -> str:
        """Ask for a name and greet."""
        if name.action != "accept":
            return f"no name: {name.action}"
        return f"Dear {name.data.name}" if name.data.polite else name.data.name

    async def wait(self) -> str:
        """Wait for ever."""
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
        return "never"

    async def steps(self, ctx: Context[Any, Any]) -> str:
        """Tell how far it is."""
        await ctx.report_progress(1, 2, "half\u200b way")
        await ctx.report_progress(2, 2)
        return "there"

    def application(self, *, sse: bool) -> Any:
        """Return the application of one of its transports."""
        app: Starlette = self.server.sse_app() if sse else self.server.streamable_http_app()

        async def watch(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.seen.append(dict(Request(scope).headers))
            await app(scope, receive, send)

        return watch


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application on a free port of the loopback, in a thread; give its address."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        door.close()

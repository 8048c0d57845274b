"""Servers on the loopback whose connections are gone when they end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATIENCE = 5.0


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """Serve on a free port; give `host:port`. At the end no task and no connection is left."""
    tasks: set[asyncio.Task[None]] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            await _closed(writer)

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.close()
        await server.wait_closed()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=PATIENCE)
            for task in left:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, also one whose client reads no more."""
    writer.close()
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await writer.wait_closed()
    writer.transport.abort()

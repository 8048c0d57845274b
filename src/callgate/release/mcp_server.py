"""The tools of a live MCP server: asked once, in bounded time and memory, and left as it was."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

from callgate.errors import DefinitionError
from callgate.portal import Portal

__all__ = ["MAX_BYTES", "list_tools"]

MAX_BYTES = 16 * 2**20
"""Bytes that a server may send, all in all."""

MAX_TOOLS = 20_000
_PIECE = 2**18
"""Bytes that are read at once."""

_GRACE = 2.0
"""Seconds a server has to end after its standard input was closed."""

_TOLD = 400
"""Characters of a server's standard error that are shown."""


class _TooMuchError(Exception):
    """A server sends more than is read."""


def list_tools(server: str, *, timeout: float) -> list[dict[str, Any]]:
    """Return the tools of a server, as its `tools/list` has them.

    Args:
        server: A URL of Streamable HTTP, or a command line that speaks MCP on its standard input
            and output. The command gets PATH, HOME and the like of the environment, no more.
        timeout: Seconds for everything.

    Raises:
        DefinitionError: It cannot be started or reached, does not answer in time, sends more than
            16 MiB, or does not speak MCP. A process that was started has ended then, too.
    """
    portal = Portal()
    try:
        return portal.run(lambda: _listed(server, timeout))
    finally:
        portal.close()


async def _listed(server: str, timeout: float) -> list[dict[str, Any]]:
    errors = _Errors()
    opened = _http(server) if _is_url(server) else _stdio(_command(server), errors)
    try:
        async with asyncio.timeout(timeout), Client(opened, cache=None) as client:
            return await _pages(client)
    except TimeoutError as exc:
        raise _error(server, f"did not list its tools within {timeout:g} s", errors) from exc
    except (MCPError, OSError, ValueError, RuntimeError, ExceptionGroup, *_FOREIGN) as exc:
        raise _error(server, _reason(exc), errors) from exc


_FOREIGN = (
    _TooMuchError,
    httpx2.HTTPError,
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
)


def _is_url(server: str) -> bool:
    return server.startswith(("http://", "https://"))


def _command(server: str) -> list[str]:
    try:
        return shlex.split(server)
    except ValueError as exc:
        raise DefinitionError(f"{server!r} is no command line: {exc}.") from exc


async def _pages(client: Client) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    seen: set[str | None] = {None}
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        found = page.model_dump(mode="json", by_alias=True, exclude_unset=True)
        tools += cast("list[dict[str, Any]]", found.get("tools", []))
        cursor = page.next_cursor
        if cursor is None:
            return tools
        if cursor in seen or len(tools) > MAX_TOOLS:
            raise _TooMuchError(f"its list does not end ({len(tools)} tools so far)")
        seen.add(cursor)


def _reason(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", exc).exceptions
        # What a server did comes before what it broke.
        exc = next((each for each in inner if isinstance(each, _TooMuchError)), inner[0])
    if isinstance(exc, FileNotFoundError | PermissionError):
        return f"cannot be started: {exc.strerror}"
    if isinstance(exc, _TooMuchError):
        return str(exc)
    told = " ".join(str(exc).split())[:_TOLD] or type(exc).__name__
    return f"does not answer as an MCP server does: {told}"


def _error(server: str, problem: str, errors: _Errors) -> DefinitionError:
    return DefinitionError(f"The MCP server {server!r} {problem}{errors.told()}.")


# --- standard input and output ----------------------------------------------------------------


class _Errors:
    """The end of what a server wrote to its standard error."""

    def __init__(self) -> None:
        self._kept = b""

    async def read(self, stream: asyncio.StreamReader) -> None:
        while piece := await stream.read(65_536):
            self._kept = (self._kept + piece)[-2 * _TOLD :]

    def told(self) -> str:
        words = " ".join(self._kept.decode("utf-8", "replace").split())
        return f"; its standard error ends with: {words[-_TOLD:]}" if words else ""


@asynccontextmanager
async def _stdio(command: Sequence[str], errors: _Errors) -> AsyncGenerator[Any]:
    """Start a server and speak with it, one message a line.

    The official transport keeps a line of any length and does not count what it reads.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=get_default_environment(),
        limit=_PIECE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    to_us, ours = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    theirs, from_us = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(errors.read, process.stderr)
            group.start_soon(_read, process.stdout, to_us)
            group.start_soon(_write, process.stdin, from_us)
            try:
                yield ours, theirs
            finally:
                group.cancel_scope.cancel()
    finally:
        for stream in (to_us, ours, theirs, from_us):
            stream.close()
        await _end(process)


async def _read(stdout: asyncio.StreamReader, to_us: Any) -> None:
    size, rest = 0, b""
    async with to_us:
        while piece := await stdout.read(_PIECE):
            size += len(piece)
            if size > MAX_BYTES:
                raise _TooMuchError(f"sends more than {MAX_BYTES >> 20} MiB")
            *lines, rest = (rest + piece).split(b"\n") if b"\n" in piece else (rest + piece,)
            for line in lines:
                if message := _message(line):
                    try:
                        await to_us.send(message)
                    except anyio.BrokenResourceError:
                        return  # nobody listens any more
            # What is there already is read without waiting, and the time-out needs its turn.
            await asyncio.sleep(0)


def _message(line: bytes) -> SessionMessage | None:
    """Return a message; what is none, such as a line that a server logs, is passed over."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        parsed: JSONRPCMessage = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        return None
    return SessionMessage(parsed)


async def _write(stdin: asyncio.StreamWriter, from_us: Any) -> None:
    async with from_us:
        async for message in from_us:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            stdin.write(text.encode() + b"\n")
            with suppress(ConnectionError):
                await stdin.drain()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a server and all that it started: asked first, made to a little later."""
    assert process.stdin is not None
    process.stdin.close()
    # Not asyncio.timeout, which before CPython 3.11.4 is cancelled where its task was.
    with anyio.move_on_after(_GRACE, shield=True):
        await process.wait()
    # Its children are in its group, also where it has ended already.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.move_on_after(_GRACE, shield=True):
        await _drained(process)


async def _drained(process: asyncio.subprocess.Process) -> None:
    """Read what is left in the pipes: a transport is closed when both have ended."""
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        while await stream.read(_PIECE):
            pass
    await process.wait()


# --- HTTP -------------------------------------------------------------------------------------


class _Counted(httpx2.AsyncByteStream):
    """A body of which no more than the rest of a budget is read."""

    def __init__(self, stream: httpx2.AsyncByteStream, transport: _CountingTransport) -> None:
        self._stream = stream
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._transport.left -= len(piece)
            if self._transport.left < 0:
                raise _TooMuchError(f"sends more than {MAX_BYTES >> 20} MiB")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class _CountingTransport(httpx2.AsyncHTTPTransport):
    """Refuses to read more than 16 MiB, all answers together."""

    left: int = MAX_BYTES

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        stream = cast("httpx2.AsyncByteStream", response.stream)
        response.stream = _Counted(stream, self)
        return response


@asynccontextmanager
async def _http(url: str) -> AsyncGenerator[Any]:
    async with (
        httpx2.AsyncClient(transport=_CountingTransport(), timeout=30) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams

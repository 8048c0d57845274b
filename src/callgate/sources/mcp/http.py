"""A server on the network: both transports, over an HTTP client whose answers are bounded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from callgate.sources.mcp.guard import Guard
from callgate.sources.mcp.refusals import Refusals
from callgate.sources.mcp.server import McpServer

__all__ = ["network"]

End: TypeAlias = Callable[[str], None]
"""Gives a connection up, because of what it is told."""

_CONNECT = 10.0  # seconds
_QUIET = 300.0  # seconds between two pieces of a stream


class _Bounded(httpx2.AsyncByteStream):
    """A body of at most so many bytes; of a stream of events, one event."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int, *, events: bool) -> None:
        self._stream = stream
        self._most = most
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._stream:
            end = max(chunk.rfind(b"\n\n"), chunk.rfind(b"\n\r\n")) if self._events else -1
            seen = len(chunk) - end - 1 if end >= 0 else seen + len(chunk)
            if seen > self._most:
                raise httpx2.ReadError(f"the server sent more than {self._most} bytes at once")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _BoundedTransport(httpx2.AsyncBaseTransport):
    """A transport with bounded answers, over connections that are judged when they are made."""

    def __init__(self, guard: Guard, most: int) -> None:
        self._guard = guard
        self._inner = guard.transport()
        self._most = most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await self._guard.look(request.url)
        response = await self._inner.handle_async_request(request)
        kind = response.headers.get("content-type", "")
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            events = kind.startswith("text/event-stream")
            response.stream = _Bounded(stream, self._most, events=events)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def network(
    server: McpServer,
    headers: Mapping[str, str],
    auth: httpx2.Auth | None,
    refusals: Refusals,
    guard: Guard,
    end: End,
) -> AsyncGenerator[Any, None]:
    """Connect to the server and give the streams of its messages.

    Args:
        server: Its address and bounds.
        headers: Of every request, secrets included.
        auth: What proves who we are, if anything does.
        refusals: Is shown every answer.
        guard: Judges every connection.
        end: Gives the connection up, with the reason.
    """

    async def see(response: httpx2.Response) -> None:
        refused = refusals.see(response)
        # The SDK would send nothing more, and tell nobody: answers come over another stream.
        if refused and server.sse and response.request.method == "POST":
            end(f"answered a message with HTTP status {response.status_code}")

    def client(*_: Any, **__: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            headers=dict(headers),
            auth=auth,
            timeout=httpx2.Timeout(_CONNECT, read=_QUIET),
            transport=_BoundedTransport(guard, server.message_bytes),
            event_hooks={"response": [see]},
        )

    if server.sse:
        async with sse_client(server.url, httpx_client_factory=client) as streams:
            yield streams
    else:
        async with (
            client() as http,
            streamable_http_client(
                server.url, http_client=http, max_sse_event_size=server.message_bytes
            ) as streams,
        ):
            yield streams

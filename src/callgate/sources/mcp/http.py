"""A server on the network: both transports, over an HTTP client whose answers are bounded."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from callgate.errors import ToolFailedError
from callgate.sources.mcp.refusals import Refusals
from callgate.sources.mcp.server import McpServer
from callgate.sources.web.address import Reach

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


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    """The usual transport with bounded answers, which a public server does not lead inside.

    Only authorization leads to other hosts than the server's own, by addresses that the server
    names. A server that is itself on this machine or in a private network may name others there.
    """

    def __init__(self, url: str, most: int) -> None:
        super().__init__(trust_env=False)
        self._own = httpx2.URL(url)
        self._most = most
        self._reach = Reach(())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host != self._own.host:
            await self._judge(request.url)
        response = await super().handle_async_request(request)
        kind = response.headers.get("content-type", "")
        stream = response.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            events = kind.startswith("text/event-stream")
            response.stream = _Bounded(stream, self._most, events=events)
        return response

    async def _judge(self, url: httpx2.URL) -> None:
        """Refuse an address inside, unless the server itself stands there.

        Raises:
            ToolFailedError: Nothing was sent.
        """
        try:
            self._reach.judge(url.host, _port(url), await _addresses(url))
        except ToolFailedError:
            try:
                self._reach.judge(self._own.host, _port(self._own), await _addresses(self._own))
            except ToolFailedError:
                return
            raise


def _port(url: httpx2.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


async def _addresses(url: httpx2.URL) -> list[str]:
    with suppress(ValueError):
        return [str(ipaddress.ip_address(url.host))]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(url.host, _port(url), type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@asynccontextmanager
async def network(
    server: McpServer,
    headers: Mapping[str, str],
    auth: httpx2.Auth | None,
    refusals: Refusals,
    end: End,
) -> AsyncGenerator[Any, None]:
    """Connect to the server and give the streams of its messages.

    Args:
        server: Its address and bounds.
        headers: Of every request, secrets included.
        auth: What proves who we are, if anything does.
        refusals: Is shown every answer.
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
            transport=_BoundedTransport(server.url, server.message_bytes),
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

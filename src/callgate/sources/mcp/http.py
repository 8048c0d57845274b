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
_MESSAGES = 4  # of the longest there may be, in a stream of events without an answer


class _Meter:
    """Counts the bytes of events that come without an answer to any request."""

    def __init__(self, most: int, refusals: Refusals | None = None) -> None:
        self.most = most
        self._refusals = refusals
        self._answers = 0
        self._seen = 0

    def over(self, size: int) -> bool:
        """Count a piece and return whether it is too much."""
        answers = 0 if self._refusals is None else self._refusals.answered
        if answers != self._answers:
            self._answers, self._seen = answers, 0
        self._seen += size
        return self._seen > self.most


class _Body(httpx2.AsyncByteStream):
    """A body of at most so many bytes."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._stream:
            seen += len(chunk)
            if seen > self._most:
                # The SDK takes this as an answer that cannot be read, and keeps the connection.
                raise httpx2.StreamError(_long(self._most))
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Events(httpx2.AsyncByteStream):
    """A stream of events: each is bounded, and so are all together that answer nothing."""

    def __init__(
        self, stream: httpx2.AsyncByteStream, most: int, meter: _Meter, end: End | None
    ) -> None:
        self._stream = stream
        self._most = most
        self._meter = meter
        self._end = end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._stream:
            last = max(chunk.rfind(b"\n\n"), chunk.rfind(b"\n\r\n"))
            seen = len(chunk) - last - 1 if last >= 0 else seen + len(chunk)
            if seen > self._most:
                raise self._broken(_long(self._most))
            if self._meter.over(len(chunk)):
                raise self._broken(
                    f"floods: more than {self._meter.most} bytes of events that answer nothing"
                )
            yield chunk

    def _broken(self, told: str) -> httpx2.SSEError:
        """Return what the SDK tells the call whose stream this is; one of no call ends them all."""
        if self._end is not None:
            self._end(told)
        return httpx2.SSEError(f"the server {told}")

    async def aclose(self) -> None:
        await self._stream.aclose()


def _long(most: int) -> str:
    return f"sent more than {most} bytes at once"


class _BoundedTransport(httpx2.AsyncBaseTransport):
    """A transport with bounded answers, over connections that are judged when they are made."""

    def __init__(self, guard: Guard, most: int, refusals: Refusals, end: End) -> None:
        self._guard = guard
        self._inner = guard.transport()
        self._most = most
        self._end = end
        # Of the streams that are no request's own, one after another: a server that lets us
        # connect again and again floods, too.
        self._common = _Meter(_MESSAGES * most, refusals)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await self._guard.look(request.url)
        response = await self._inner.handle_async_request(request)
        stream = response.stream
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            await response.aclose()
            raise httpx2.RemoteProtocolError("the server packed an answer without being asked to")
        if isinstance(stream, httpx2.AsyncByteStream):
            response.stream = self._bounded(stream, request, response)
        return response

    def _bounded(
        self, stream: httpx2.AsyncByteStream, request: httpx2.Request, response: httpx2.Response
    ) -> httpx2.AsyncByteStream:
        kind = response.headers.get("content-type", "").lower()
        if not kind.startswith("text/event-stream"):
            return _Body(stream, self._most)
        if request.method == "POST":
            return _Events(stream, self._most, _Meter(_MESSAGES * self._most), None)
        return _Events(stream, self._most, self._common, self._end)

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
            # Bytes are counted as they come, so they must not grow afterwards.
            headers={"accept-encoding": "identity", **headers},
            auth=auth,
            timeout=httpx2.Timeout(_CONNECT, read=_QUIET),
            transport=_BoundedTransport(guard, server.message_bytes, refusals, end),
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

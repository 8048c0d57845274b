"""A client on its guard: it reaches whom it may, follows nobody, reads no more than it should.

Needs httpx2 (the extra `openapi`). What goes wrong becomes an error of our tree here, with an
honest judgement of whether the other side may have acted.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeAlias, cast

import httpcore2
import httpx2

from callgate.errors import CallError, ResultError, ToolFailedError, TransientError
from callgate.sources.secrets import hide
from callgate.sources.web.address import Reach

__all__ = [
    "ADDRESS",
    "Address",
    "Answer",
    "GuardedTransport",
    "Judge",
    "Outgoing",
    "Proof",
    "Resolve",
    "WebClient",
    "look_up",
]

Judge: TypeAlias = Callable[[str, int, Sequence[str]], object]
"""Raises a `CallError` when a host and port may not be reached at all of these addresses."""

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks a name up and gives its addresses."""

ADDRESS = "callgate.address"
"""The extension of a request that holds an `Address`."""

Address: TypeAlias = Callable[[httpx2.URL], httpx2.URL]
"""Writes a secret into the address of a request."""

_CODINGS = ("", "identity", "gzip", "deflate")
_CONNECTIONS = 100
_HEADERS: tuple[tuple[str, str], ...] = (
    ("user-agent", "callgate"),
    ("accept-encoding", "gzip, deflate"),
)
_PHASES = ("connect", "read", "write", "pool")
_REFUSAL_BYTES = 65_536
"""Bytes of an answer without success that are read; the rest explains no more."""


class Proof(httpx2.Auth):
    """What proves who asks: written into a request on its way, and hidden in its answer.

    No variable of ours ever holds what it writes, so that no traceback can show it.
    """

    def forms(self) -> Iterable[bytes]:
        """Return how its secrets may be spelled in an answer."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request without its proof.

    Attributes:
        method: The HTTP method.
        url: The absolute URL.
        headers: Names and values that are safe to write.
        body: The body; None for none.
        timeout: Seconds until the other side must have gone on; None for no bound.
        name: Whose request it is: the tool's name, for errors.
    """

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    timeout: float | None = None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whole and bounded.

    Attributes:
        status: The HTTP status.
        headers: The headers.
        body: The body, decompressed; secrets in it are hidden.
        media_type: Its type without parameters, in lower case.
        cut: Whether there was more than may be read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    media_type: str
    cut: bool = False


class WebClient:
    """Sends requests to whom a source may reach.

    Redirects are not followed, proxies of the environment are not used and no cookies are kept.
    Connections belong to the event loop that needs them; in another loop new ones are opened.
    """

    def __init__(
        self, reach: Reach, *, response_bytes: int, resolve: Resolve | None = None
    ) -> None:
        """Keep the bounds; nothing is opened yet.

        Args:
            reach: Whom it may reach.
            response_bytes: Bytes of an answer that are read at most.
            resolve: Looks names up; defaults to the system.
        """
        self.reach = reach
        self._limit = response_bytes
        self._resolve = resolve
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def send(self, request: Outgoing, proof: Proof | None = None) -> Answer:
        """Send a request and read its answer.

        Args:
            request: To an address that `reach` allows.
            proof: What proves who asks.

        Raises:
            TransientError: It could not be sent, or its answer did not come whole; `acted` tells
                whether the other side may have acted.
            ToolFailedError: It may not be sent, or the answer to a request that only reads is too
                long.
            ResultError: The answer cannot be decoded.
        """
        client = self._opened()
        # Built here and not by the client, which would merge what it does not have.
        sending = httpx2.Request(
            request.method,
            request.url,
            content=request.body,
            headers=[*_HEADERS, *request.headers],
            extensions={"timeout": dict.fromkeys(_PHASES, request.timeout)},
        )
        try:
            answer = await client.send(sending, stream=True, auth=proof)
        except httpx2.HTTPError as exc:
            raise _failed(exc, request) from _bare(exc)
        try:
            return await self._read(answer, request, proof)
        except httpx2.HTTPError as exc:
            raise _failed(exc, request) from _bare(exc)
        finally:
            await answer.aclose()

    async def aclose(self) -> None:
        """Let connections go."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _read(
        self, answer: httpx2.Response, request: Outgoing, proof: Proof | None
    ) -> Answer:
        coding = answer.headers.get("content-encoding", "").strip().lower()
        if coding not in _CODINGS:
            raise ResultError(f"{request.name} got an answer in a coding it did not ask for.")
        limit = self._limit if answer.is_success else min(self._limit, _REFUSAL_BYTES)
        body = bytearray()
        # Compressed answers are unpacked a bounded piece at a time, and counted unpacked.
        async for piece in answer.aiter_bytes() if coding else answer.aiter_raw():
            body += piece
            if len(body) > limit:
                break
        whole = bytes(body[:limit])
        return Answer(
            status=answer.status_code,
            headers=answer.headers,
            body=whole if proof is None else hide(whole, proof.forms()),
            media_type=answer.headers.get("content-type", "").partition(";")[0].strip().lower(),
            cut=len(body) > limit,
        )

    def _opened(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            secure = any(origin.scheme == "https" for origin in self.reach.origins)
            self._loop = loop
            self._client = httpx2.AsyncClient(
                transport=GuardedTransport(self.reach.judge, resolve=self._resolve, secure=secure),
                follow_redirects=False,
                trust_env=False,
            )
            # What is kept of one call must not be sent with another.
            self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return self._client


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """The usual transport over connections that are judged when they are made."""

    def __init__(
        self, judge: Judge, *, resolve: Resolve | None = None, secure: bool = True
    ) -> None:
        """Open nothing yet.

        Args:
            judge: Is asked before a connection is made, and once more when it is.
            resolve: Looks names up; defaults to the system.
            secure: Whether anybody is spoken to over TLS.
        """
        # Loading the certificates costs 18 ms; a plain context trusts nobody.
        context = httpx2.create_ssl_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS,
            keepalive_expiry=15.0,
            network_backend=_Network(judge, resolve or look_up),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; what its proof writes into the address is written here.

        The client above writes every address into its log.
        """
        address: Address | None = request.extensions.get(ADDRESS)
        if address is not None:
            request = httpx2.Request(
                request.method,
                address(request.url),
                headers=request.headers,
                stream=request.stream,
                extensions={key: one for key, one in request.extensions.items() if key != ADDRESS},
            )
        return await super().handle_async_request(request)


class _Network(httpcore2.AsyncNetworkBackend):
    """Makes connections: a name is looked up once, judged, and connected to by its addresses."""

    def __init__(self, judge: Judge, resolve: Resolve) -> None:
        self._judge = judge
        self._resolve = resolve
        # Its type depends on what is installed; anyio always is.
        self._inner: httpcore2.AsyncNetworkBackend = cast("Any", httpcore2).AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = list(await self._resolve(host, port))
        except OSError as exc:  # a time-out is one, too
            raise httpcore2.ConnectError(f"the name {host} cannot be looked up") from exc
        self._judge(host, port, addresses)
        options = (local_address, socket_options)
        stream = await self._connected(addresses, port, timeout, *options)
        # Once more, by what the system says: nothing was sent yet.
        peer = stream.get_extra_info("server_addr")
        try:
            self._judge(host, port, [peer[0]])
        except CallError:
            await stream.aclose()
            raise
        return stream

    async def _connected(
        self, addresses: Sequence[str], port: int, timeout: float | None, *options: Any
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that answers: `localhost` may be two, one of them shut."""
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        failed: Exception = httpcore2.ConnectError("there is no address")
        for left in range(len(addresses), 0, -1):
            share = None if until is None else max(0.0, until - loop.time()) / left
            try:
                return await self._inner.connect_tcp(addresses[-left], port, share, *options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failed = exc
        raise failed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses that the system knows for a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _failed(exc: httpx2.HTTPError, request: Outgoing) -> CallError:
    told = f"{type(exc).__name__} {exc}".strip()[:300]
    match exc:
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return TransientError(f"{request.name}: the service cannot be reached: {told}.")
        case httpx2.DecodingError():
            return ResultError(f"{request.name} got an answer that cannot be unpacked: {told}.")
        case httpx2.UnsupportedProtocol() | httpx2.LocalProtocolError():
            return ToolFailedError(f"{request.name}: the request cannot be sent: {told}.")
        case _:
            return TransientError(f"{request.name}: the connection broke: {told}.", acted=True)


def _bare(exc: httpx2.HTTPError) -> httpx2.HTTPError:
    """Return an error without the frames it passed: their variables hold the headers."""
    exc.__cause__ = exc.__context__ = None
    return exc.with_traceback(None)

"""One connection to a server: started when it is needed, shared by all calls, started again.

A connection belongs to one task, because the scopes of its transport do. Whoever needs it waits for
the same start; a start that failed is not tried again before its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import anyio
import httpx2
from mcp.client.auth import OAuthFlowError
from mcp.shared.exceptions import MCPError

from callgate.codecs.foreign import bounded
from callgate.errors import CallError, ToolFailedError, TransientError
from callgate.pipeline import Clock
from callgate.sources.mcp.asking import OpenCalls
from callgate.sources.mcp.guard import Guard
from callgate.sources.mcp.http import network
from callgate.sources.mcp.link import Link, linked
from callgate.sources.mcp.refusals import Refusal, Refusals
from callgate.sources.mcp.server import McpServer, Sampler
from callgate.sources.mcp.stdio import child
from callgate.sources.secrets import hide
from callgate.sources.web.client import Resolve

__all__ = ["Access", "Connection", "redacted"]

_FIRST, _MOST = 0.5, 60.0  # seconds between two starts
_LONGEST = 3_600.0  # seconds a server may ask us to leave it alone
_CLEAR = 1.0  # seconds a connection that broke gets to say why
_CLOSE = 10.0  # seconds a connection gets to end in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What opens a server to one principal.

    Attributes:
        environment: Variables for its program.
        headers: Headers of every request.
        auth: What proves who we are.
        forms: The secrets among these, in the forms that a server may repeat them in.
    """

    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    auth: httpx2.Auth | None = None
    forms: tuple[bytes, ...] = field(default=(), repr=False)


def redacted(text: str, forms: tuple[bytes, ...]) -> str:
    """Return a text without secrets, given in the forms that they may have in it."""
    return hide(text.encode(errors="replace"), forms).decode(errors="replace") if forms else text


class Connection:
    """A connection that opens itself.

    Attributes:
        calls: The open calls, for a server of the old era.
        refusals: The HTTP errors of a server on the network.
        forms: What is taken out of all that the server says.
        failures: Starts in a row that came to nothing, or to no answer.
        reason: Why it ended the last time.
        due: When the listing is to be looked at again, in seconds of the clock.
    """

    def __init__(
        self,
        server: McpServer,
        access: Access,
        *,
        sampler: Sampler | None,
        clock: Clock,
        resolve: Resolve | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            server: What is connected to.
            access: What opens it.
            sampler: Answers the server's questions to a model.
            clock: The time of restarts.
            resolve: Looks names of hosts up; defaults to the system.
        """
        self.calls = OpenCalls(server.hold)
        self.refusals = Refusals()
        self.forms = access.forms
        self.failures = 0
        self.reason = ""
        self.due: float | None = None
        self._server = server
        self._access = access
        self._guard = Guard(server.url, resolve=resolve)
        self._sampler = sampler
        self._clock = clock
        self._not_before = 0.0
        self._link: Link | None = None
        self._starting: asyncio.Future[Link] | None = None
        self._owner: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    @property
    def standing(self) -> Link | None:
        """The connection, if it stands."""
        return self._link

    @property
    def starting(self) -> bool:
        """Whether it is being opened."""
        return self._starting is not None and not self._starting.done()

    async def link(self) -> Link:
        """Return the standing connection; open it first if it does not stand.

        Raises:
            TransientError: It cannot be opened now; nothing was done.
            ToolFailedError: The server does not let us in.
        """
        if self._link is not None:
            return self._link
        if self._starting is None:
            left = self._not_before - self._clock.time()
            if left > 0:
                raise TransientError(self._told("is not started again yet"), retry_after=left)
            loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            self._starting = loop.create_future()
            # Whoever waits may be gone when it fails.
            self._starting.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._owner = loop.create_task(self._own(self._starting), name="callgate-mcp")
        return await asyncio.shield(self._starting)

    def served(self) -> None:
        """Note that the server has answered: it works."""
        self.failures = 0

    def end(self, reason: str) -> None:
        """Give the connection up, because of `reason`; the next call opens a new one."""
        self.reason = redacted(bounded(reason, 500), self.forms)
        self._link = None
        self._stop.set()

    async def broken(self, link: Link) -> None:
        """Wait until a connection that broke is cleared away: then its reason is known.

        Until then it looks as if it stood, and the next attempt would end as this one did.

        Args:
            link: What broke; another one may stand by now.
        """
        owner = self._owner
        if self._link is not link or owner is None:
            return
        await asyncio.wait({owner}, timeout=_CLEAR)
        # A transport of the SDK that can send nothing more may still listen.
        if self._link is link:
            self.end("closed the connection")

    async def aclose(self) -> None:
        """End the connection and wait for its end."""
        await self.calls.close()
        owner = self._owner
        self._stop.set()
        if owner is None or owner.done():
            return
        _, late = await asyncio.wait({owner}, timeout=_CLOSE)
        if late:
            owner.cancel()
            await asyncio.wait({owner}, timeout=_CLOSE)

    async def _own(self, starting: asyncio.Future[Link]) -> None:
        stop = self._stop
        error: Exception | None = None
        try:
            with anyio.CancelScope() as scope:
                scope.deadline = anyio.current_time() + self._server.patience
                async with self._dialled() as link:
                    scope.deadline = float("inf")
                    self._link = link
                    self._starting = None
                    starting.set_result(link)
                    await stop.wait()
            if scope.cancelled_caught and not starting.done():
                error = TimeoutError(f"did not start within {self._server.patience:g} s")
        except Exception as exc:  # noqa: BLE001 - the boundary to transports: whatever they raise, the connection is over
            error = _first(exc)
        finally:
            if self._stop is stop:
                self._link = self._starting = None
            if error is not None and not self.reason:
                said = _words(error, self.refusals.last)
                self.reason = redacted(bounded(said, 500), self.forms)
            if not starting.done():
                refusal = self._refusal(error)
                self._failed(refusal.retry_after or 0.0)
                starting.set_exception(refusal)

    def _failed(self, asked: float) -> None:
        self.failures += 1
        wait = min(_MOST, _FIRST * 2.0 ** (self.failures - 2)) if self.failures > 1 else 0.0
        self._not_before = self._clock.time() + max(wait, min(asked, _LONGEST))

    def _refusal(self, error: Exception | None) -> CallError:
        told = self._told("could not be started")
        last = None if isinstance(error, TimeoutError) else self.refusals.last
        if last is not None and (passing := last.error(told)) is not None:
            # Whatever it did, no call was among it.
            return TransientError(told, retry_after=passing.retry_after, details=passing.details)
        shut = last is not None and last.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        if shut or isinstance(error, OAuthFlowError | ToolFailedError):
            return ToolFailedError(f"{told} It does not let us in.")
        return TransientError(told)

    def _told(self, what: str) -> str:
        why = f": {self.reason}" if self.reason else ""
        return f"The MCP server {self._server.name!r} {what}{why}."

    @asynccontextmanager
    async def _dialled(self) -> AsyncGenerator[Link, None]:
        self.reason = ""
        self.refusals.last = None
        server, access = self._server, self._access
        transport: Any = (
            child(server, access.environment, self.end)
            if server.command
            else network(server, access.headers, access.auth, self.refusals, self._guard, self.end)
        )
        async with (
            transport as streams,
            linked(server, streams, self.calls.ask, self._sampler, self.refusals) as link,
        ):
            yield link


def _first(error: Exception) -> Exception:
    """Return what went wrong within a group of errors."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error


def _words(error: Exception, last: Refusal | None) -> str:
    if last is not None and isinstance(error, MCPError | httpx2.HTTPStatusError):
        return f"answered with HTTP status {last.status}"
    if isinstance(error, FileNotFoundError):
        return f"there is no {error.filename!r}"
    if isinstance(error, MCPError | TimeoutError | CallError):
        return str(error)
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return f"cannot be reached ({said})"
    return f"broke off ({said})" if isinstance(error, httpx2.TransportError) else said

"""Executes calls: finds the connection, keeps an eye on the listing, reads what comes back."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import mcp_types as mt
import orjson
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError

from callgate.codecs.foreign import bounded
from callgate.codecs.mcp import Asks, call_params, read_result
from callgate.codecs.mcp_tools import Offer
from callgate.errors import (
    BusyError,
    DeniedError,
    MisuseError,
    ResultError,
    ToolFailedError,
    UnknownToolError,
)
from callgate.pipeline import Clock
from callgate.sources.mcp.asking import OpenCall, answers, pending_of, replied
from callgate.sources.mcp.catalogue import Catalogue, Change
from callgate.sources.mcp.connection import Access, Connection, redacted
from callgate.sources.mcp.failures import failure_of
from callgate.sources.mcp.link import Link, UnreadableError
from callgate.sources.mcp.oauth import provider
from callgate.sources.mcp.server import McpServer, Sampler
from callgate.sources.mcp.tokens import MemoryTokens
from callgate.sources.secrets import Secrets, forms_of, hide
from callgate.sources.web.client import Resolve
from callgate.sources.web.requests import key_text
from callgate.types import (
    Decision,
    Pending,
    Principal,
    Progressed,
    Status,
    ToolCall,
    ToolResult,
)

__all__ = ["Engine"]

_CONNECTIONS = 64  # of one server, where principals have their own
_ROUNDS = 10  # answers in a row that a server may ask of us within one call
_PROGRESS = 1_000  # events of one call


class Engine:
    """The running side of one source."""

    def __init__(
        self,
        server: McpServer,
        catalogue: Catalogue,
        *,
        secrets: Secrets,
        sampler: Sampler | None,
        clock: Clock,
        resolve: Resolve | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            server: What is connected to.
            catalogue: What it was accepted to offer.
            secrets: Finds secrets.
            sampler: Answers the server's questions to a model.
            clock: The time of restarts and listings.
            resolve: Looks names of hosts up; defaults to the system.
        """
        self._server = server
        self._catalogue = catalogue
        self._secrets = secrets
        self._sampler = sampler
        self._clock = clock
        self._resolve = resolve
        self._tokens = MemoryTokens()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: OrderedDict[str, _Held] = OrderedDict()
        self._shared_until: float | None = None
        secret = server.secret_environment or server.secret_headers
        self._private = bool(secret) or (server.oauth is not None and server.oauth.personal)

    @property
    def connections(self) -> list[Connection]:
        """What is open, was open, or could not be opened."""
        return [held.connection for held in self._connections.values()]

    @property
    def changes(self) -> dict[str, Change]:
        """What every connection saw differ from what was accepted."""
        return {
            name: change
            for held in self._connections.values()
            for name, change in held.changes.items()
        }

    async def listing(self, principal: Principal) -> list[Any]:
        """Connect for `principal` and return the definitions as they are now.

        Raises:
            CallError: The server cannot be reached, or its listing not be read.
        """
        held = await self._held(principal)
        link = await held.connection.link()
        await self._look(held, link)
        return held.definitions

    def accepted(self) -> None:
        """Compare anew: a listing was accepted."""
        for held in self._connections.values():
            held.changes = self._catalogue.changes(held.definitions)

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute one attempt.

        Raises:
            CallError: It did not succeed.
        """
        offer = self._catalogue.offers.get(call.name)
        if offer is None:
            raise UnknownToolError(f"The MCP server {self._server.name!r} has no {call.name}.")
        held = await self._held(call.scope.principal)
        held.busy += 1
        try:
            link = await self._fresh(held)
            if (change := held.changes.get(offer.name)) is not None:
                raise _changed(call, change, self._server.name)
            exchange = _Exchange(held.connection, link, offer, call, self._server, self._sampler)
            try:
                return await exchange.run(lambda: self._look(held, link))
            except MCPError as exc:
                raise await failure_of(exc, call.name, held.connection, link) from None
        finally:
            held.busy -= 1

    async def aclose(self) -> None:
        """End every connection."""
        held = list(self._connections.values())
        self._connections.clear()
        self._loop = None
        self._shared_until = None
        await asyncio.gather(*(one.connection.aclose() for one in held))

    # --- connections ------------------------------------------------------------------------

    async def _held(self, principal: Principal) -> _Held:
        self._attach()
        key = ""
        if self._private:
            access = await self._access(principal)
            key = _identity(access, principal if access.auth is not None else None)
        if (held := self._connections.get(key)) is None:
            access = await self._access(principal)
            held = self._connections.get(key)
            if held is None:
                await self._make_room()
                connection = Connection(
                    self._server,
                    access,
                    sampler=self._sampler,
                    clock=self._clock,
                    resolve=self._resolve,
                )
                held = self._connections[key] = _Held(connection)
        if self._private:
            self._connections.move_to_end(key)
        return held

    def _attach(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise MisuseError(
                f"The MCP source {self._server.name!r} is in use on another event loop. "
                "Close it there first, or make one source per loop."
            )
        # What belonged to a loop that is gone cannot be used again.
        self._connections.clear()
        self._loop = loop

    async def _make_room(self) -> None:
        if len(self._connections) < _CONNECTIONS:
            return
        idle = next((key for key, held in self._connections.items() if not held.busy), None)
        if idle is None:
            raise BusyError(
                f"All {_CONNECTIONS} connections to the MCP server {self._server.name!r} are busy."
            )
        await self._connections.pop(idle).connection.aclose()

    async def _access(self, principal: Principal) -> Access:
        server = self._server
        environment = await self._found(server.secret_environment, principal)
        headers = await self._found(server.secret_headers, principal)
        auth = None
        if server.oauth is not None:
            tokens = server.oauth.tokens or self._tokens
            auth = await provider(server, server.oauth, principal, tokens, self._secrets)
        return Access(
            environment={**server.environment, **environment},
            headers={**server.headers, **headers},
            auth=auth,
            forms=forms_of(*environment.values(), *headers.values()),
        )

    async def _found(self, places: Mapping[str, str], principal: Principal) -> dict[str, str]:
        return {
            name: (await self._secrets.get(place, principal)).reveal()
            for name, place in places.items()
        }

    # --- the listing ------------------------------------------------------------------------

    async def _fresh(self, held: _Held) -> Link:
        """Return a standing connection whose listing may be trusted."""
        link = await held.connection.link()
        if link is held.seen and not link.stale and not self._aged(held.due):
            return link
        if link is not held.seen and self._shared_until and not self._aged(self._shared_until):
            # Somebody else's listing is everybody's.
            self._learn(held, link)
            return link
        await self._look(held, link)
        return link

    def _aged(self, due: float | None) -> bool:
        return due is not None and self._clock.time() >= due

    async def _look(self, held: _Held, link: Link) -> None:
        """List the tools and see what has changed."""
        async with held.looking:
            try:
                listing = await link.tools()
            except MCPError as exc:
                raise await failure_of(
                    exc, "tools/list", held.connection, link, acts=False
                ) from None
            except UnreadableError as exc:
                raise ResultError(f"The MCP server {self._server.name!r}: {exc}.") from exc
            held.connection.served()
            held.definitions = listing.definitions
            if not self._catalogue.known:
                self._catalogue.accept(listing.definitions)
            held.changes = self._catalogue.changes(listing.definitions)
            seconds = listing.seconds
            now = self._clock.time()
            held.due = None if seconds is None else now + max(seconds, self._server.refresh)
            self._shared_until = held.due if listing.shared else None
            self._learn(held, link)

    def _learn(self, held: _Held, link: Link) -> None:
        held.seen = link
        for offer in self._catalogue.offers.values():
            link.learn(offer.name, offer.definition)


class _Held:
    """A connection with what was seen over it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.definitions: list[Any] = []
        self.changes: dict[str, Change] = {}
        self.due: float | None = None
        self.seen: Link | None = None
        self.busy = 0
        self.looking = asyncio.Lock()


class _Exchange:
    """One call on its way to the server and back, with what the server asks in between."""

    def __init__(
        self,
        connection: Connection,
        link: Link,
        offer: Offer,
        call: ToolCall,
        server: McpServer,
        sampler: Sampler | None,
    ) -> None:
        self._connection = connection
        self._link = link
        self._offer = offer
        self._call = call
        self._server = server
        self._sampler = sampler

    async def run(self, look: Any) -> ToolResult:
        """Make the call; `look` lists the tools again."""
        call, responses, state = self._call, None, None
        if call.waited is not None:
            asks = replied(call.waited)
            given = answers(call.waited, asks, call.reply)
            if isinstance(given, str):
                again = pending_of(call.name, asks, note=given)
                return _pending(replace(again, state=call.waited.state))
            kept = cast("dict[str, Any]", call.waited.state)
            if kept.get("held"):
                return await self._go_on(given[""])
            if kept.get("again") and any(one["action"] != "accept" for one in given.values()):
                raise ToolFailedError(f"{call.name}: the person did not agree.")
            if not kept.get("again"):
                responses, state = {**kept.get("given", {}), **given}, asks.state
        return await self._rounds(responses, state, look)

    async def _rounds(self, responses: Any, state: str | None, look: Any) -> ToolResult:
        for _ in range(_ROUNDS):
            asks = await self._once(responses, state, look)
            if isinstance(asks, ToolResult):
                return asks
            ours, theirs = await self._ours(asks)
            if theirs:
                pending = pending_of(self._call.name, replace(asks, requests=theirs))
                return _pending(replace(pending, state={**pending.state, "given": ours}))
            responses, state = ours, asks.state
        raise ToolFailedError(f"{self._call.name}: the server asks on and on.")

    async def _once(self, responses: Any, state: str | None, look: Any) -> ToolResult | Asks:
        call, offer = self._call, self._offer
        key = key_text(call.key)

        def params() -> dict[str, Any]:
            return call_params(
                offer.name, call.arguments, key=key, responses=responses, state=state
            )

        try:
            return await self._send(params())
        except MCPError as exc:
            if exc.code == mt.URL_ELICITATION_REQUIRED:
                return self._address(exc)
            if exc.code != mt.HEADER_MISMATCH or not self._link.modern:
                raise
        # The schema we went by is not the server's; it may be by now.
        await look()
        return await self._send(params())

    async def _send(self, params: dict[str, Any]) -> ToolResult | Asks:
        if self._link.modern:
            return self._read(await self._link.call(params, self._progress()))
        calls = self._connection.calls
        running = asyncio.ensure_future(self._link.call(params, self._progress()))
        opened = OpenCall(running)
        calls.add(opened)
        return await self._until(opened)

    async def _until(self, opened: OpenCall) -> ToolResult:
        """Wait for the end of a call of the old era, or for its question."""
        calls, call = self._connection.calls, self._call
        kept = False
        try:
            question = await opened.outcome()
            if question is None:
                read = self._read(await opened.running)
                assert isinstance(read, ToolResult)
                return read
            asks = Asks(requests={"": {"method": "elicitation/create", "params": question}})
            pending = pending_of(call.name, asks)
            calls.hold(call.key, opened)
            kept = True
            return _pending(replace(pending, state={**pending.state, "held": True}))
        finally:
            if not kept:
                calls.remove(opened)
                if not opened.running.done():
                    await opened.stop()

    async def _go_on(self, answer: Mapping[str, Any]) -> ToolResult:
        opened = self._connection.calls.take(self._call.key)
        if opened is None:
            raise ToolFailedError(
                f"{self._call.name}: the server no longer waits for this answer. "
                "Make the call again."
            )
        opened.answer(answer)
        return await self._until(opened)

    def _read(self, raw: dict[str, Any]) -> ToolResult | Asks:
        connection, offer = self._connection, self._offer
        connection.served()
        if connection.forms:
            raw = orjson.loads(hide(orjson.dumps(raw), connection.forms))
        return read_result(self._call.name, raw, promised=offer.tool.returns is not None)

    def _address(self, exc: MCPError) -> ToolResult:
        """Return what an old server wants: that a person visits an address first."""
        data: object = exc.data
        listed = (
            cast("dict[str, Any]", data).get("elicitations") if isinstance(data, dict) else None
        )
        wanted = cast("list[Any]", listed) if isinstance(listed, list) else []
        asks = Asks(
            requests={
                str(place): {"method": "elicitation/create", "params": one}
                for place, one in enumerate(wanted)
            }
        )
        if not wanted:
            raise exc
        pending = pending_of(self._call.name, asks)
        return _pending(replace(pending, state={**pending.state, "again": True}))

    async def _ours(self, asks: Asks) -> tuple[dict[str, Any], dict[str, Any]]:
        """Answer what needs no person; return our answers, and the requests that are left."""
        ours: dict[str, Any] = {}
        theirs: dict[str, Any] = {}
        for key, request in asks.requests.items():
            method = request.get("method")
            if method == "roots/list" and self._server.roots:
                ours[key] = {"roots": [{"uri": root} for root in self._server.roots]}
            elif method == "sampling/createMessage" and self._sampler is not None:
                ours[key] = await self._sampler(dict(request.get("params") or {}))
            else:
                theirs[key] = request
        return ours, theirs

    def _progress(self) -> ProgressFnT:
        call, left = self._call, _PROGRESS
        forms = self._connection.forms

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                told = bounded(redacted(message or "", forms), 500)
                call.scope.emit(Progressed(call=call, done=progress, total=total, message=told))

        return tell


def _pending(pending: Pending) -> ToolResult:
    return ToolResult(status=Status.PENDING, pending=pending)


def _changed(call: ToolCall, change: Change, server: str) -> DeniedError:
    error = DeniedError(
        f"{call.name} is held back: the MCP server {server!r} has changed it since it was accepted "
        f"({change.told()}). A person has to look at it and accept it."
    )
    call.scope.emit(Decision(call=call, stage="source", verdict="refused", reason=error.message))
    return error


def _identity(access: Access, principal: Principal | None) -> str:
    """Return a name for what opens a server: who has the same may share a connection."""
    parts: list[Any] = [sorted(access.environment.items()), sorted(access.headers.items())]
    if principal is not None:
        parts.append([principal.tenant, principal.id])
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()

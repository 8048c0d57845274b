"""A connection that stands: the era is settled, and the hot messages go straight to the wire.

The SDK carries transports, negotiation, authorization and everything a server asks of us.
`tools/list` and `tools/call` are written and read by our codec and handed to its dispatcher as they
are: its client would walk every result three times.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import anyio
import mcp_types as mt
from mcp.client import ClientSession
from mcp.client.session import ClientRequestContext, IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost, listen
from mcp.shared.dispatcher import CallOptions, ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    encode_header_value,
    find_invalid_x_mcp_header,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from callgate.codecs.mcp import stamp
from callgate.sources.mcp.refusals import Refusals
from callgate.sources.mcp.server import McpServer, Sampler

__all__ = ["Elicit", "Link", "Listing", "UnreadableError", "linked"]

_log = logging.getLogger("callgate.mcp")

_CLIENT = mt.Implementation(name="callgate", version="0.1.0")
_PAGES = 1_000  # of one listing
_TOOLS = 20_000  # of one server
_FIRST_ID = 1_000_000  # of our requests; the SDK's own begin at 1


Elicit: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Answers a question that came while a call was running."""


class UnreadableError(Exception):
    """What a server sent is no listing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a server offers.

    Attributes:
        definitions: The tools, as the server sent them.
        seconds: How long the listing is good; None where the server does not say.
        shared: Whether it is the same for every principal.
    """

    definitions: list[Any]
    seconds: float | None
    shared: bool


class Link:
    """A standing connection.

    Attributes:
        stale: Whether the server has said that its tools have changed.
        modern: Whether it is of the stateless era.
        version: The version of the protocol.
    """

    def __init__(
        self,
        dispatcher: JSONRPCDispatcher[Any],
        session: ClientSession,
        able: dict[str, Any],
        refusals: Refusals,
    ) -> None:
        """Keep the connection; use `linked`.

        Args:
            dispatcher: Carries our messages.
            session: Has settled the era.
            able: Our capabilities.
            refusals: Knows which of our requests were answered by an HTTP error.
        """
        self.stale = False
        self.version = session.protocol_version or ""
        self.modern = self.version in MODERN_PROTOCOL_VERSIONS
        self._dispatcher = dispatcher
        self._able = able
        self._refusals = refusals
        self._ids = itertools.count(_FIRST_ID)
        self._client = _CLIENT.model_dump(by_alias=True, mode="json", exclude_none=True)
        self._headers: dict[str, dict[tuple[str, ...], str]] = {}

    async def tools(self) -> Listing:
        """List the tools, page by page.

        Raises:
            MCPError: The server refuses, or the connection broke.
            UnreadableError: The listing is not readable or does not end.
        """
        found: list[Any] = []
        seconds: float | None = None
        shared, cursor = True, None
        for _ in range(_PAGES):
            page = await self._send("tools/list", {} if cursor is None else {"cursor": cursor})
            tools = page.get("tools")
            if not isinstance(tools, list):
                raise UnreadableError("its listing has no array of tools")
            found += cast("list[Any]", tools)
            seconds = _least(seconds, page.get("ttlMs")) if self.modern else None
            shared = shared and page.get("cacheScope") == "public"
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or len(found) > _TOOLS:
                break
        if len(found) > _TOOLS or isinstance(cursor, str):
            raise UnreadableError(f"its listing does not end: {len(found)} tools and more")
        self.stale = False
        return Listing(definitions=self._sound(found), seconds=seconds, shared=shared)

    def learn(self, name: str, definition: Mapping[str, Any]) -> None:
        """Take from a definition which arguments are repeated in headers."""
        if self.modern:
            self._headers[name] = x_mcp_header_map(definition.get("inputSchema"))

    def _sound(self, found: list[Any]) -> list[Any]:
        if not self.modern:
            return found
        kept: list[Any] = []
        for one in found:
            schema = (
                cast("dict[str, Any]", one).get("inputSchema") if isinstance(one, dict) else None
            )
            if (reason := find_invalid_x_mcp_header(schema)) is None:
                kept.append(one)
            else:
                _log.warning("A tool is not offered: its x-mcp-header is wrong: %s", reason)
        return kept

    async def call(
        self, params: dict[str, Any], progress: ProgressFnT | None = None
    ) -> dict[str, Any]:
        """Make one `tools/call`.

        Args:
            params: As the codec wrote them.
            progress: Is told how far the server is.

        Raises:
            MCPError: The server refuses, or the connection broke.
        """
        return await self._send("tools/call", params, progress)

    async def _send(
        self, method: str, params: dict[str, Any], progress: ProgressFnT | None = None
    ) -> dict[str, Any]:
        headers = {MCP_PROTOCOL_VERSION_HEADER: self.version}
        if self.modern:
            stamp(params, version=self.version, client=self._client, capabilities=self._able)
            headers[MCP_METHOD_HEADER] = method
            if isinstance(name := params.get("name"), str):
                headers[MCP_NAME_HEADER] = encode_header_value(name)
                repeated = self._headers.get(name)
                if repeated:
                    headers.update(mcp_param_headers(repeated, params["arguments"]))
        number = next(self._ids)
        options: CallOptions = {"headers": headers, "request_id": number}
        if progress is not None:
            options["on_progress"] = progress
        with self._refusals.watching(number):
            return await self._dispatcher.send_raw_request(method, params, options)


def _least(known: float | None, said: object) -> float | None:
    if not isinstance(said, int | float) or isinstance(said, bool):
        return known
    seconds = max(0.0, said / 1000)
    return seconds if known is None else min(known, seconds)


@asynccontextmanager
async def linked(
    server: McpServer,
    streams: Any,
    elicit: Elicit,
    sampler: Sampler | None,
    refusals: Refusals,
) -> AsyncGenerator[Link, None]:
    """Settle the era over the streams of a transport and give the standing connection.

    Raises:
        MCPError: No version of the protocol is common, or the server refuses.
        RuntimeError: The same, said otherwise by the SDK.
    """
    held: list[Link] = []

    async def notice(message: IncomingMessage) -> None:
        if isinstance(message, mt.ToolListChangedNotification):
            for link in held:
                link.stale = True

    callbacks = _Callbacks(server, elicit, sampler)
    # The streams carry contexts of their own kind; the SDK's client passes them on the same way.
    dispatcher: JSONRPCDispatcher[Any] = JSONRPCDispatcher(*streams)
    session = ClientSession(
        dispatcher=dispatcher,
        client_info=_CLIENT,
        elicitation_callback=callbacks.elicit,
        list_roots_callback=callbacks.roots if server.roots else None,
        sampling_callback=callbacks.sample if sampler is not None else None,
        message_handler=notice,
    )
    async with session:
        await _settle(session, server.era, refusals)
        link = Link(dispatcher, session, callbacks.able(), refusals)
        held.append(link)
        async with _watched(session, link):
            yield link


async def _settle(session: ClientSession, era: str, refusals: Refusals) -> None:
    """Find the newest version that both sides speak."""
    if era == "2025":
        await session.initialize()
        return
    try:
        await session.discover()
    except (MCPError, RuntimeError, ValidationError) as exc:
        if era == "2026" or _modern_only(exc):
            raise
        if refusals.last is not None and refusals.last.turned_away:
            raise  # it says nothing about its era, and wants to be left alone for now
        # Whatever is no proof of the new era is an old server.
        await _shake_hands(session)


async def _shake_hands(session: ClientSession) -> None:
    try:
        await session.initialize()
    except MCPError as exc:
        if exc.code != mt.UNSUPPORTED_PROTOCOL_VERSION:
            raise
        # A server that started slowly has answered our first question after all.
        await session.discover()


def _modern_only(exc: Exception) -> bool:
    if not isinstance(exc, MCPError) or exc.code != mt.UNSUPPORTED_PROTOCOL_VERSION:
        return False
    try:
        said = mt.UnsupportedProtocolVersionErrorData.model_validate(exc.data).supported
    except ValidationError:
        return False
    return not any(version in HANDSHAKE_PROTOCOL_VERSIONS for version in said)


@asynccontextmanager
async def _watched(session: ClientSession, link: Link) -> AsyncGenerator[None, None]:
    """Hear of changes: the stateless era has a subscription for that."""
    able = session.server_capabilities
    if not link.modern or able is None or able.tools is None or not able.tools.list_changed:
        yield
        return

    async def watch() -> None:
        try:
            async with listen(session, tools_list_changed=True) as changes:
                async for _ in changes:
                    link.stale = True
        except (MCPError, ListenNotSupportedError, SubscriptionLost, TimeoutError):
            # Nothing more will be heard, so the listing is looked at again as it ages.
            link.stale = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


class _Callbacks:
    """What a server may ask of us, in the SDK's form."""

    def __init__(self, server: McpServer, elicit: Elicit, sampler: Sampler | None) -> None:
        self._server = server
        self._elicit = elicit
        self._sampler = sampler

    def able(self) -> dict[str, Any]:
        """Return the capabilities that every request of the stateless era declares."""
        able: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}}
        if self._server.roots:
            able["roots"] = {"listChanged": True}
        if self._sampler is not None:
            able["sampling"] = {}
        return able

    async def elicit(
        self, context: ClientRequestContext, params: mt.ElicitRequestParams
    ) -> mt.ElicitResult | mt.ErrorData:
        said = params.model_dump(by_alias=True, mode="json", exclude_none=True)
        return mt.ElicitResult.model_validate(await self._elicit(said))

    async def roots(self, context: ClientRequestContext) -> mt.ListRootsResult | mt.ErrorData:
        return mt.ListRootsResult.model_validate(
            {"roots": [{"uri": root} for root in self._server.roots]}
        )

    async def sample(
        self, context: ClientRequestContext, params: mt.CreateMessageRequestParams
    ) -> mt.CreateMessageResult | mt.ErrorData:
        assert self._sampler is not None
        said = params.model_dump(by_alias=True, mode="json", exclude_none=True)
        return mt.CreateMessageResult.model_validate(await self._sampler(said))

"""What is known of an MCP server before anything is started."""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from callgate.errors import SettingsError
from callgate.types import Effect, Limits

__all__ = ["Authorize", "McpServer", "OAuth", "Sampler", "Tokens"]

Authorize: TypeAlias = Callable[[str], Awaitable[str]]
"""Shows a person the address of an authorization server and returns the address that it led back
to, with `code`, `state` and `iss` in it."""

Sampler: TypeAlias = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Answers `sampling/createMessage` of a server: parameters in, the result out, as MCP has them."""


class Tokens(Protocol):
    """Keeps what an authorization server gave out, by a key of ours."""

    async def load(self, key: str) -> dict[str, Any] | None:
        """Return what was kept under `key`, if anything."""
        ...

    async def save(self, key: str, value: dict[str, Any]) -> None:
        """Keep a JSON object under `key`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """How we prove who we are to a server behind OAuth 2.1.

    Attributes:
        grant: `authorization_code` asks a person; `client_credentials` proves itself with a secret,
            or with `key` by a signed assertion.
        client_id: The id of a client registered beforehand.
        client_secret: The place of its secret, such as `env:SHOP_SECRET`.
        key: The place of a private key in PEM, for signed assertions.
        algorithm: How assertions are signed.
        document: The HTTPS address of our client id metadata document.
        redirect: Where the authorization server leads back to.
        scope: What is asked for where the server names nothing.
        issuer: The one authorization server that the client's secret may go to.
        personal: Whether every principal has tokens of their own.
        authorize: Shows the address to a person; needed for `authorization_code`.
        tokens: Where tokens are kept; in memory by default.
    """

    grant: Literal["authorization_code", "client_credentials"] = "authorization_code"
    client_id: str | None = None
    client_secret: str | None = None
    key: str | None = None
    algorithm: str = "ES256"
    document: str | None = None
    redirect: str = "http://localhost:3000/callback"
    scope: str | None = None
    issuer: str | None = None
    personal: bool = False
    authorize: Authorize | None = None
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """How to reach a server, and what a person has said about it.

    Attributes:
        name: Our name of it, shown with what it says.
        command: The program and its arguments, for a server on standard input and output.
        url: Where a server on the network is.
        transport: How to speak to `url`: `http` (streamable) or `sse` (the old form); the latter by
            default for an address that ends in `/sse`.
        era: `auto` finds out; `2025` begins with the old handshake; `2026` is stateless at once.
        environment: Variables for the program, beside the few that every program gets.
        headers: Headers of every request.
        secret_environment: The same by the place of the value, such as `env:SHOP_KEY`; who has
            other values, by `{principal}` or `{tenant}` in it, has a connection of their own.
        secret_headers: The same for headers.
        folder: The working folder of the program.
        prefix: What our names of its tools begin with.
        effects: The effect of a tool by the server's name of it; `*` is for all others.
        accept_hints: Whether the server's hints may lower the effect: of all tools, or of those
            named.
        only: The names of the tools to offer; empty for all.
        limits: Bounds of a call.
        patience: Seconds it may take to start.
        message_bytes: Bytes of one message from it.
        hold: Seconds a call of the old era may wait for a person; the connection keeps it.
        refresh: Seconds that a listing is trusted at least, whatever the server says.
        roots: Folders or addresses the server is told of, such as `file:///srv/data`.
        oauth: How we prove who we are; None where nobody asks or headers say it.
    """

    name: str = "mcp"
    command: tuple[str, ...] = ()
    url: str = ""
    transport: Literal["http", "sse"] | None = None
    era: Literal["auto", "2025", "2026"] = "auto"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secret_environment: Mapping[str, str] = field(default_factory=dict[str, str])
    secret_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path | None = None
    prefix: str = ""
    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    accept_hints: bool | Collection[str] = False
    only: Collection[str] = ()
    limits: Limits = field(default_factory=Limits)
    patience: float = 30.0
    message_bytes: int = 16_777_216
    hold: float = 600.0
    refresh: float = 30.0
    roots: tuple[str, ...] = ()
    oauth: OAuth | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be reached.

        Raises:
            SettingsError: There is no command and no address, or both; or the name is no name.
        """
        if bool(self.command) == bool(self.url):
            raise SettingsError(f"MCP server {self.name}: give either a command or a url.")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", self.name):
            raise SettingsError(
                f"MCP server {self.name!r}: a name has up to 40 letters, digits, _ and -."
            )

    @classmethod
    def of(cls, target: str, **options: Any) -> McpServer:
        """Make one from a command line or an address.

        Args:
            target: Such as `npx -y @modelcontextprotocol/server-memory`, or an address that begins
                with `http://` or `https://`.
            **options: Any other attributes.

        Raises:
            SettingsError: The target is empty.
        """
        if target.startswith(("http://", "https://")):
            return cls(url=target, **options)
        return cls(command=tuple(shlex.split(target)), **options)

    @property
    def sse(self) -> bool:
        """Whether the server is spoken to in the old form of events."""
        if self.transport is not None:
            return self.transport == "sse"
        return self.url.partition("?")[0].rstrip("/").endswith("/sse")

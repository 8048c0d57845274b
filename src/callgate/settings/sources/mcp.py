"""A table of an MCP server: `kind = "mcp"`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from callgate.settings.sources.web import effect, pairs
from callgate.settings.table import (
    RefusedError,
    Table,
    flag,
    seconds,
    secret,
    table_of,
    text,
    texts,
    url,
    whole,
)

__all__ = ["McpSettings", "OAuthSettings", "mcp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSettings:
    """How we prove who we are to a server behind OAuth 2.1.

    Attributes:
        grant: `authorization_code`, which asks a person in the browser, or `client_credentials`.
        client_id: The id of a client registered beforehand.
        client_secret: Where its secret is.
        key: Where a private key in PEM is, for signed assertions.
        document: The HTTPS address of the client id metadata document.
        redirect: Where the authorization server leads back to.
        scope: What is asked for where the server names nothing.
        issuer: The one authorization server that the client's secret may go to.
        personal: Whether every principal has tokens of their own.
        tokens: The file tokens are kept in; in memory without one.
    """

    grant: str = "authorization_code"
    client_id: str | None = None
    client_secret: str | None = None
    key: str | None = None
    document: str | None = None
    redirect: str = "http://localhost:3000/callback"
    scope: str | None = None
    issuer: str | None = None
    personal: bool = False
    tokens: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSettings:
    """How to reach an MCP server, and what a person has said about it.

    Attributes:
        command: The program and its arguments, for a server on standard input and output.
        url: Where a server on the network is.
        transport: `http`, or `sse` for the old form of `url`.
        era: `auto` finds out; `2025` or `2026` where that is known.
        environment: Where the values of the program's environment variables are, by name.
        variables: Its variables that are no secrets.
        headers: Where the values of headers are, by name.
        folder: The working folder of the program.
        prefix: What stands before the names of its tools.
        only: The server's names of the tools to offer; all by default.
        effects: The effect of a tool, by the server's name of it; `*` is for all others.
        accept_hints: Whether the server's own hints may lower effects: of all, or of those named.
        timeout: Seconds a call may take.
        patience: Seconds the server may take to start.
        message_bytes: Bytes of one message from it.
        roots: Folders or addresses the server is told of.
        oauth: How we prove who we are.
    """

    command: tuple[str, ...] = ()
    url: str | None = None
    transport: str | None = None
    era: str = "auto"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: str | None = None
    prefix: str = ""
    only: tuple[str, ...] = ()
    effects: Mapping[str, str] = field(default_factory=dict[str, str])
    accept_hints: bool | tuple[str, ...] = False
    timeout: float = 30.0
    patience: float = 30.0
    message_bytes: int = 16_777_216
    roots: tuple[str, ...] = ()
    oauth: OAuthSettings | None = None


def mcp(table: Table) -> McpSettings:
    """Read the table."""
    made = table.without("oauth").fill(
        McpSettings,
        {
            "command": texts,
            "url": url,
            "transport": _one_of("http", "sse"),
            "era": _one_of("auto", "2025", "2026"),
            "environment": _secrets,
            "variables": pairs,
            "headers": _secrets,
            "folder": text,
            "prefix": text,
            "only": texts,
            "effects": _effects,
            "accept_hints": _hints,
            "timeout": seconds,
            "patience": seconds,
            "message_bytes": whole,
            "roots": texts,
        },
        oauth=_oauth(table.table("oauth")) if "oauth" in table.values else None,
    )
    if bool(made.command) == bool(made.url):
        raise table.error("command", "both or neither", "either a command or a url")
    return made


def _oauth(table: Table) -> OAuthSettings:
    return table.fill(
        OAuthSettings,
        {
            "grant": _one_of("authorization_code", "client_credentials"),
            "client_id": text,
            "client_secret": secret,
            "key": secret,
            "document": url,
            "redirect": url,
            "scope": text,
            "issuer": url,
            "personal": flag,
            "tokens": text,
        },
    )


def _secrets(value: object) -> Mapping[str, str]:
    return {name: secret(inner) for name, inner in table_of(value).items()}


def _effects(value: object) -> Mapping[str, str]:
    return {name: effect(inner) for name, inner in table_of(value).items()}


def _hints(value: object) -> bool | tuple[str, ...]:
    return texts(value) if isinstance(value, list) else flag(value)


def _one_of(*allowed: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        raise RefusedError(f"one of {', '.join(allowed)}")

    return read
